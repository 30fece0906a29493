"""The gate before training: does any film, patient or copy stand on both sides of a split, or did the backbone learn from a film?

Protocol point 2 of the evaluation design. `check_leakage` only looks; whoever trains decides what to do about it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import find_duplicates, match_seen
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.names import name_notes, origins
from deephealth.datasets.split import SPLITS, Split

Kind = Literal["exact", "near", "patient", "augmented", "backbone"]
KINDS: tuple[Kind, ...] = ("exact", "near", "patient", "augmented", "backbone")
_CERTAINTY: tuple[Kind, ...] = ("exact", "patient", "augmented", "backbone", "near")


@dataclass(frozen=True)
class Finding:
    """One leak: film `a` is like film `b` ("" for backbone), which stands in an earlier split of train, validation, test.

    exact, near: `a` is a copy of `b`, `similarity` as in `duplicates.Pair`. augmented: `a` and `b` come from one origin, as the data set
    says or as their names do. One finding for each film `a`.
    patient: `a` and `b` are films of one patient. One finding for each patient and pair of splits.
    backbone: the backbone learned from `a`. One finding for each film, in whichever split.
    """

    kind: Kind
    a: str
    b: str
    detail: str
    similarity: float = 1.0


@dataclass(frozen=True)
class LeakageReport:
    """What `check_leakage` found.

    counts: findings of each kind, and `backbone_train`, `backbone_validation`, `backbone_test`. films: how many were looked at.
    unread: how many of them have no facts. backbone_checked: whether the hashes of a backbone's films were given.
    notes: what in names of films and folders should make a person look; no leak by itself.
    """

    findings: tuple[Finding, ...]
    counts: dict[str, int]
    films: int = 0
    unread: int = 0
    backbone_checked: bool = False
    notes: tuple[str, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether there is any finding."""
        return bool(self.findings)

    @property
    def sentence(self) -> str:
        """One sentence for people, with counts and no name of a film or patient."""
        parts = [phrase for phrase in (_phrase(kind, self.counts) for kind in KINDS) if phrase]
        unread = (
            f" ({_count(self.unread, 'film')} could not be read and {'was' if self.unread == 1 else 'were'} not compared)"
            if self.unread
            else ""
        )
        if parts:
            return f"Leakage: {_listed(parts)}{unread}."
        backbone = " and the backbone learned from none of them" if self.backbone_checked else ""
        return f"No leakage found: {_count(self.films, 'film')}, no copy and no patient on two sides of the split{backbone}{unread}."

    def table(self, limit: int = 20) -> str:
        """The findings for a terminal, the most certain first, one a line with the names of the films, and the notes; "" for none of both.

        At most `limit` findings, and a line that says how many more there are. Exact copies come first, then what the data set says
        itself (patients, origins, a backbone's films), then near copies by their similarity.
        """
        ordered = sorted(self.findings, key=lambda finding: (_CERTAINTY.index(finding.kind), -finding.similarity, finding.a, finding.b))
        lines = [f"{finding.kind:9} {finding.a}{' = ' + finding.b if finding.b else ''}: {finding.detail}" for finding in ordered[:limit]]
        if len(ordered) > limit:
            lines.append(f"... and {_count(len(ordered) - limit, 'finding')} more")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_json(self) -> dict[str, Any]:
        """The report as values that JSON can hold."""
        return {
            "leaks": self.leaks,
            "sentence": self.sentence,
            "films": self.films,
            "unread": self.unread,
            "backbone_checked": self.backbone_checked,
            "counts": dict(self.counts),
            "findings": [asdict(finding) for finding in self.findings],
            "notes": list(self.notes),
        }


def check_leakage(index: DatasetIndex, split: Split, facts: FilmFacts, *, seen: NDArray[np.uint8] | None = None) -> LeakageReport:
    """Every exact copy, near copy, patient and augmented copy across two splits, and every film that the backbone learned from.

    Only films that have a place in `split` count; films without facts (they could not be read) are compared by name and patient only.
    seen: uint8 [m, 32], the hashes of the films a backbone learned from; None when it learned from none (nothing is then said about it).
    """
    placed = {film.name: film for film in index.films if film.name in split.assignments}
    place = {name: split.assignments[name] for name in placed}
    findings = [
        *_copies(facts, place),
        *_patients(placed.values(), place),
        *_augmented(placed.values(), place),
        *_backbone(facts, place, seen),
    ]
    counts = Counter(dict.fromkeys(KINDS, 0) | {f"backbone_{name}": 0 for name in SPLITS})
    counts.update(finding.kind for finding in findings)
    counts.update(f"backbone_{place[finding.a]}" for finding in findings if finding.kind == "backbone")
    unread = len(placed.keys() - set(facts.names))
    notes = name_notes(tuple(placed.values()), place, index.classes)
    return LeakageReport(tuple(findings), {str(kind): n for kind, n in counts.items()}, len(placed), unread, seen is not None, notes)


def _copies(facts: FilmFacts, place: dict[str, str]) -> list[Finding]:
    """For each film with copies in an earlier split, the most similar of them."""
    digest_of = dict(zip(facts.names, facts.sha256, strict=True))
    same_file: dict[str, list[str]] = defaultdict(list)
    for name, digest in digest_of.items():
        if name in place:
            same_file[digest].append(name)
    best: _Best = {}
    for names in same_file.values():
        _link_earlier(names, place, "exact", 1.0, best)
    for pair in find_duplicates(facts):
        if pair.kind == "near":
            # Of equal files only the first is in a near pair: what holds for it holds for all.
            for a in same_file[digest_of[pair.a]]:
                for b in same_file[digest_of[pair.b]]:
                    _link_earlier((a, b), place, "near", pair.similarity, best, pair.change)
    return [
        Finding("exact", a, b, f"{place[a]} film equal to a {place[b]} film")
        if kind == "exact"
        else Finding("near", a, b, f"{place[a]} film equal to a {place[b]} film but {_differing(change, similarity)}", similarity)
        for (kind, a), (similarity, b, change) in sorted(best.items())
    ]


_Best = dict[tuple[str, str], tuple[float, str, str]]  # (kind, film) -> similarity, the other film, change


def _link_earlier(names: Sequence[str], place: dict[str, str], kind: str, similarity: float, best: _Best, change: str = "") -> None:
    first = min(names, key=lambda name: (SPLITS.index(place[name]), name), default="")
    for name in names:
        if place[name] != place[first] and similarity > best.get((kind, name), (0.0, "", ""))[0]:
            best[kind, name] = (similarity, first, change)


def _differing(change: str, similarity: float) -> str:
    return f"{change or 'for encoding or brightness'} (correlation {similarity:.3f})"


def _patients(films: Iterable[Film], place: dict[str, str]) -> list[Finding]:
    by_patient: dict[str, list[str]] = defaultdict(list)
    for film in films:
        by_patient[film.patient or film.name].append(film.name)
    findings = []
    for _, names in sorted(by_patient.items()):
        counts = Counter(place[name] for name in names)
        stood = [name for name in SPLITS if counts[name]]
        for split in stood[1:]:
            b, a = (next(name for name in sorted(names) if place[name] == wanted) for wanted in (stood[0], split))
            findings.append(Finding("patient", a, b, f"one patient with {counts[stood[0]]} in {stood[0]} and {counts[split]} in {split}"))
    return findings


def _augmented(films: Iterable[Film], place: dict[str, str]) -> list[Finding]:
    """The origin that a data set names is believed, and so is one that only the copy's name gives; which it was is said."""
    films = list(films)
    families: dict[str, list[str]] = defaultdict(list)
    for name, origin in origins(films).items():
        families[origin].append(name)
    stated = {film.name for film in films if film.origin}
    best: _Best = {}
    for origin, copies in sorted(families.items()):
        _link_earlier([*copies, origin] if origin in place else copies, place, "augmented", 1.0, best)
    return [
        Finding("augmented", a, b, f"{place[a]} film of the same origin as a {place[b]} film{_by_name({a, b}, stated)}")
        for (_, a), (_, b, _) in sorted(best.items())
    ]


def _by_name(films: set[str], stated: set[str]) -> str:
    return "" if films & stated else ", by their names"


def _backbone(facts: FilmFacts, place: dict[str, str], seen: NDArray[np.uint8] | None) -> list[Finding]:
    names = match_seen(facts, seen) if seen is not None else ()
    return [Finding("backbone", name, "", f"the backbone learned from this {place[name]} film") for name in names if name in place]


def _phrase(kind: Kind, counts: dict[str, int]) -> str:
    n = counts[kind]
    if not n:
        return ""
    is_are, stands = ("is", "stands") if n == 1 else ("are", "stand")
    where = ", ".join(f"{counts[f'backbone_{name}']:,} in {name}" for name in SPLITS if counts[f"backbone_{name}"])
    return {
        "exact": f"{_count(n, 'film')} {is_are} an exact copy of a film in another split",
        "near": f"{_count(n, 'film')} {is_are} a near-identical copy of a film in another split",
        "patient": f"{_count(n, 'patient')} {stands} in two splits",
        "augmented": f"{_count(n, 'augmented copy', 'augmented copies')} {stands} in another split than the origin",
        "backbone": f"the backbone learned from {_count(n, 'film')} ({where}), so scores on {'it' if n == 1 else 'them'} are too good",
    }[kind]


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else "; ".join(parts[:-1]) + "; and " + parts[-1]
