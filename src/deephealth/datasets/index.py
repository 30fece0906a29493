"""What a data set is, once it has been looked at: films with a label and a patient each, and the films that were left out and why.

An index holds names and facts about names only: no film is decoded to make one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deephealth.errors import DatasetError

CLASSES = ("normal", "bacterial", "viral")

# The one table of other names for a class. Keys are folded by `_fold`: lower case, words joined by "_", a leading class number dropped.
ALIASES = {
    "normal": "normal",
    "normals": "normal",
    "healthy": "normal",
    "no_pneumonia": "normal",
    "no_finding": "normal",
    "no_findings": "normal",
    "bacterial": "bacterial",
    "bacteria": "bacterial",
    "bacterial_pneumonia": "bacterial",
    "bacteria_pneumonia": "bacterial",
    "pneumonia_bacteria": "bacterial",
    "pneumonia_bacterial": "bacterial",
    "viral": "viral",
    "virus": "viral",
    "viral_pneumonia": "viral",
    "virus_pneumonia": "viral",
    "pneumonia_virus": "viral",
    "pneumonia_viral": "viral",
    "pneumonia": "pneumonia",
    "covid": "covid-19",
    "covid19": "covid-19",
    "covid_19": "covid-19",
}


@dataclass(frozen=True)
class Film:
    """One row of an index.

    name: unique in the index: the path relative to its root with "/" separators, or as a table gives it for a film outside.
    path: absolute.
    label: the class, after `canonical_label`.
    patient: a key equal for two films only when they are of the same patient; the film's own name when nothing is known.
    source: where the film comes from, when the data set says so (a hospital, a collection).
    split: the official split in the source: "", "train", "validation" or "test".
    view: PA, AP, LATERAL, ... or "". age: years. sex: "M", "F" or "".
    origin: name of the film that this is an augmented copy of, or "".
    weight: how much the film counts in training, 1 unless a table says otherwise; positive.
    """

    name: str
    path: Path
    label: str
    patient: str
    source: str = ""
    split: str = ""
    view: str = ""
    age: float | None = None
    sex: str = ""
    origin: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Problem:
    """A film that was left out of an index, and why. Equal reasons have equal words, so that they can be counted."""

    name: str
    reason: str


@dataclass(frozen=True)
class DatasetIndex:
    """A data set: `films` sorted by name, `classes` in the order of a model's outputs, what was left out, and what to know about it all."""

    root: Path
    layout: str
    films: tuple[Film, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash (hex) of every film's name, label, patient and official split, independent of where the data set lies."""
        rows = sorted([film.name, film.label, film.patient, film.split] for film in self.films)
        return hashlib.sha256(json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()

    def by_label(self) -> dict[str, int]:
        """Films of each class, in the order of `classes`."""
        counts = Counter(film.label for film in self.films)
        return {label: counts[label] for label in self.classes}

    def patients_by_label(self) -> dict[str, int]:
        """Patients with at least one film of each class, in the order of `classes`."""
        return {label: len({film.patient for film in self.films if film.label == label}) for label in self.classes}


def canonical_label(name: str) -> str:
    """The class that `name` stands for: "NORMAL", "0 No pneumonia" and "no_findings" are "normal"; an unknown name stays as it is."""
    return ALIASES.get(_fold(name), name.strip())


def order_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct `labels`: normal, bacterial, viral first where they occur, then the others alphabetically."""
    present = set(labels)
    return tuple(label for label in CLASSES if label in present) + tuple(sorted(present - set(CLASSES)))


def build_index(
    root: Path,
    layout: str,
    films: Iterable[Film],
    problems: Iterable[Problem],
    *,
    notes: Sequence[str] = (),
    fewest_classes: int = 2,
) -> DatasetIndex:
    """An index in its one order. Raises DatasetError when there is no film or fewer than `fewest_classes` classes."""
    ordered = tuple(sorted(films, key=lambda film: film.name))
    left_out = tuple(sorted(problems, key=lambda problem: (problem.name, problem.reason)))
    classes = order_classes(film.label for film in ordered)
    if not ordered:
        raise DatasetError(
            f"{root} holds no film that can be used{_first_reason(left_out)}; expected films in one folder per class, or a CSV."
        )
    if len(classes) < fewest_classes:
        raise DatasetError(
            f"All {len(ordered)} films of {root} are of one class, {classes[0]!r}{_first_reason(left_out)}; "
            f"expected at least {fewest_classes} classes: point at the folder that holds the class folders."
        )
    return DatasetIndex(root, layout, ordered, classes, left_out, tuple(notes))


def refuse_inside(index: DatasetIndex, out: Path) -> None:
    """Raise DatasetError when the folder `out` would become part of the data set: it lies below the class folders' own folder."""
    if index.layout not in ("csv", "covid-chestxray") and out.resolve().is_relative_to(index.root.resolve()):
        raise DatasetError(f"{out} lies inside the data set {index.root}, which it would become part of; choose a folder outside.")


def _first_reason(problems: Sequence[Problem]) -> str:
    if not problems:
        return ""
    reason, count = Counter(problem.reason for problem in problems).most_common(1)[0]
    return f" ({count} left out: {reason})"


def _fold(name: str) -> str:
    words = re.sub(r"[\s_\-]+", "_", name.strip().lower()).strip("_")
    return re.sub(r"^\d+_", "", words)
