"""What is known of a data set before any model: its films, leakage across the split, and what its labels can be guessed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.leakage import LeakageReport
from deephealth.datasets.split import SPLITS, Split
from deephealth.errors import LeakageError
from deephealth.evaluation.shortcuts.light import AuditReport, audit_shortcuts
from deephealth.training.examples import class_numbers


@dataclass(frozen=True, eq=False)
class Audit:
    """A data set, its split, the leakage across it and the shortcuts in it."""

    index: DatasetIndex
    split: Split
    leakage: LeakageReport
    shortcuts: AuditReport

    @property
    def verdict(self) -> str:
        """The two sentences a reader must see first."""
        return f"{_sentence(self.shortcuts.sentence)} {self.leakage.sentence}"

    def text(self) -> str:
        """The audit for a terminal."""
        lines = [
            f"{len(self.index.films)} films, {_patients(self.index)} patients, {len(self.index.problems)} left out ({self.index.layout})"
        ]
        lines += [f"  {label}: {count}" for label, count in self.index.by_label().items()]
        lines += [f"  {name}: {count} films" for name, count in split_counts(self.index, self.split).items()]
        lines += [f"note: {note}" for note in self.index.notes]
        lines += ["", self.leakage.sentence, *([table] if (table := self.leakage.table()) else [])]
        lines += ["", _sentence(self.shortcuts.sentence), "", self.shortcuts.table()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The audit as JSON values; no patient is named."""
        return {
            "data": {
                "layout": self.index.layout,
                "sha256": self.index.sha256,
                "films": self.index.by_label(),
                "patients": self.index.patients_by_label(),
                "left_out": [{"name": problem.name, "reason": problem.reason} for problem in self.index.problems],
                "notes": list(self.index.notes),
            },
            "split": {"sha256": self.split.sha256, "by": self.split.by, "films": split_counts(self.index, self.split)},
            "leakage": self.leakage.to_json(),
            "shortcuts": self.shortcuts.to_json(),
        }


def look_for_shortcuts(
    films: Sequence[Film], facts: FilmFacts, classes: Sequence[str], *, split: Mapping[str, str] | None = None, seed: int = 0
) -> AuditReport:
    """The light shortcut audit of `films`, whose facts are among `facts`. split: each film's name to "train", "validation" or "test"."""
    by_name = {film.name: film for film in films}
    chosen = facts if len(by_name) == len(facts.names) else facts.only(by_name)
    ordered = [by_name[name] for name in chosen.names]
    numbers, patients = class_numbers(ordered, classes), [film.patient for film in ordered]
    return audit_shortcuts(chosen, numbers, patients, classes, films=ordered, split=split, seed=seed)


def refuse_leakage(leakage: LeakageReport, allowed: bool) -> tuple[str, ...]:
    """Refuse to train on a leaking split unless told to; the note that then stands on top of the report."""
    if not leakage.leaks:
        return ()
    if not allowed:
        advice = "Mend the data, or choose another split or backbone; --allow-leakage goes on, and the report says so."
        raise LeakageError(f"{leakage.sentence} {advice}", leakage.counts)
    return ("LEAKAGE ALLOWED BY USER",)


def split_counts(index: DatasetIndex, split: Split) -> dict[str, int]:
    """Films of `index` in each split."""
    counts = Counter(split.assignments[film.name] for film in index.films)
    return {name: counts[name] for name in SPLITS}


def split_patients(index: DatasetIndex, split: Split) -> dict[str, int]:
    """Patients with a film in each split."""
    return {name: len({film.patient for film in split.films(index, name)}) for name in SPLITS}


def _sentence(verdict: str) -> str:
    """A verdict's fixed words as a sentence."""
    return f"{verdict[:1].upper()}{verdict[1:]}."


def _patients(index: DatasetIndex) -> int:
    return len({film.patient for film in index.films})
