"""Which films train, which choose, which judge: drawn by patient, by a rule that needs no memory, and frozen in a file.

Rule: a patient's place is a hash of the seed and the patient's key alone, so films and patients that come later move nobody.
Patients linked by near-duplicate films, and augmented copies with their origin, form one group and stay together.
See docs/decisions/003-split-rule.md for the reasons.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from deephealth.datasets.duplicates import find_duplicates
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.names import origins
from deephealth.errors import DatasetError, UsageError
from deephealth.settings.atomic import write_bytes

SPLITS = ("train", "validation", "test")
By = Literal["patient", "film"]
_COLUMNS = ("film", "split", "seed", "by")


@dataclass(frozen=True)
class Split:
    """A place for every film: `assignments` maps a film's name to "train", "validation" or "test"."""

    assignments: Mapping[str, str]
    seed: int
    by: By

    @property
    def sha256(self) -> str:
        """Hash (hex) of the sorted pairs of film and split; seed and rule do not enter, the outcome does."""
        rows = sorted(self.assignments.items())
        return hashlib.sha256(json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()

    def films(self, index: DatasetIndex, split: str) -> tuple[Film, ...]:
        """The films of `index` that stand in `split`, in index order. Raises UsageError for a name that is not a split."""
        if split not in SPLITS:
            raise UsageError(f"{split!r} is not a split; expected one of {', '.join(SPLITS)}.")
        return tuple(film for film in index.films if self.assignments.get(film.name) == split)

    def save(self, path: str | Path) -> None:
        """Write the split as CSV with columns film, split, seed, by; one row a film, sorted by name."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows((film, split, self.seed, self.by) for film, split in sorted(self.assignments.items()))
        write_bytes(Path(path), text.getvalue().encode("utf-8", "surrogateescape"))

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Read what `save` wrote. Raises DatasetError when the file is absent or is not a split."""
        try:
            text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise DatasetError(
                f"The split file {path} cannot be read ({error.strerror}); give the path of a split written before."
            ) from error
        try:
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        except csv.Error:
            rows = []
        if not rows or not set(_COLUMNS) <= set(rows[0]):
            raise DatasetError(f"{path} is not a split file; expected a CSV with the columns {', '.join(_COLUMNS)} and at least one film.")
        return cls(_assignments(rows, path), *_seed_and_rule(rows[0], path))


def make_split(
    index: DatasetIndex,
    *,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    facts: FilmFacts | None = None,
    previous: Split | None = None,
    by: By = "patient",
) -> Split:
    """Give every film of `index` a place.

    Each group of patients draws u = SHA-256("seed/patient") in [0, 1): below `validation` it is validation, in the next `test` it is test,
    else train. A group is patients linked by near-duplicate films (`facts`) and by augmented copies, named by the first of them in
    alphabetical order. A group with a film in the official test (`Film.split`) is test, and then no other group is: only train and
    validation are drawn.
    Small sets: where chance puts less than half or more than twice the wished share of a class's groups in a split, the first in hash order
    change place; every class with at least as many groups as there are splits gets one in each, and any class gets one in train. This is
    the one step that looks at the whole set, so only in a small one can a group move when films are added; `previous` prevents that too.

    `previous`: every film in it keeps its place, and new films of a known group join it. Where links found since join groups that stand in
    different splits, nobody moves, new films join the earliest of train, validation, test, and `leakage.check_leakage` reports the pair.
    `by` "film" makes each film its own group and ignores every link and the official test: only to show how much such a split flatters.

    Raises UsageError for shares outside [0, 1) or a `previous` drawn by another rule, DatasetError for an index without films.
    """
    _check(index, validation, test, previous, by)
    groups = _film_groups(index) if by == "film" else group_films(index, facts)
    places = {name: _fixed(films, previous, by) for name, films in groups.items()}
    official = by == "patient" and any(film.split == "test" for film in index.films)
    shares = {"validation": validation, "test": 0.0 if official else test}
    free = [name for name, place in places.items() if not place]
    for name in free:
        places[name] = _draw(_position(seed, name), shares)
    pool = {name: films for name, films in groups.items() if not (official and _is_official(films))}
    _repair(pool, places, set(free), shares, seed)
    known = previous.assignments if previous else {}
    return Split({film.name: known.get(film.name, places[name]) for name, films in groups.items() for film in films}, seed, by)


def folds(index: DatasetIndex, *, n: int = 5, seed: int = 0, facts: FilmFacts | None = None) -> list[Split]:
    """`n` splits without validation; every film of `index` is "test" in exactly one, and no group of patients is ever cut.

    scikit-learn's StratifiedGroupKFold over the groups of `group_films`. The official test of a data set is folded like the rest: leave
    those films out of `index` where they must stay untouched. Raises UsageError for n < 2, DatasetError for fewer than `n` groups.
    """
    if n < 2:
        raise UsageError(f"{n} folds were asked for; expected 2 or more.")
    groups = group_films(index, facts)
    if len(groups) < n:
        raise DatasetError(f"{len(groups)} separate patients cannot make {n} folds; expected at least {n} patients: ask for fewer folds.")
    from sklearn.model_selection import StratifiedGroupKFold

    group_of = {film.name: name for name, films in groups.items() for film in films}
    labels, keys = [film.label for film in index.films], [group_of[film.name] for film in index.films]
    with warnings.catch_warnings():
        # It warns when a class has fewer films than folds; such a class is then absent from some, as it must be.
        warnings.simplefilter("ignore", UserWarning)
        parts = [set(test) for _, test in StratifiedGroupKFold(n, shuffle=True, random_state=seed).split(labels, labels, keys)]
    names = [film.name for film in index.films]
    return [Split({name: "test" if row in part else "train" for row, name in enumerate(names)}, seed, "patient") for part in parts]


def group_films(index: DatasetIndex, facts: FilmFacts | None = None) -> dict[str, tuple[Film, ...]]:
    """Films that must stay together, by the group's name: the first, in alphabetical order, of the patients in it.

    Joined are films of one patient, an augmented copy and its origin (and all copies of one origin, as `names.origins` has it), and, with
    `facts`, copies of one picture. A film without a patient is a patient of its own.
    """
    links = _Links()
    by_name = {film.name: film for film in index.films}
    for name, origin_name in origins(index.films).items():
        origin = by_name.get(origin_name)
        # Copies of an origin that is not in the index are held together by its name.
        links.join(("patient", _patient(by_name[name])), ("patient", _patient(origin)) if origin else ("origin", origin_name))
    for pair in find_duplicates(facts) if facts is not None else ():
        if pair.a in by_name and pair.b in by_name:
            links.join(("patient", _patient(by_name[pair.a])), ("patient", _patient(by_name[pair.b])))
    members: dict[tuple[str, str], list[Film]] = defaultdict(list)
    for film in index.films:
        members[links.root(("patient", _patient(film)))].append(film)
    named = {min(_patient(film) for film in films): tuple(films) for films in members.values()}
    return dict(sorted(named.items()))


class _Links:
    """Disjoint sets, by path halving."""

    def __init__(self) -> None:
        self._parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(self, node: tuple[str, str]) -> tuple[str, str]:
        parent = self._parent
        while parent.get(node, node) != node:
            parent[node] = parent.get(parent[node], parent[node])
            node = parent[node]
        return node

    def join(self, a: tuple[str, str], b: tuple[str, str]) -> None:
        self._parent[self.root(a)] = self.root(b)


def _patient(film: Film) -> str:
    return film.patient or film.name


def _film_groups(index: DatasetIndex) -> dict[str, tuple[Film, ...]]:
    return {film.name: (film,) for film in index.films}


def _is_official(films: Iterable[Film]) -> bool:
    return any(film.split == "test" for film in films)


def _fixed(films: Sequence[Film], previous: Split | None, by: By) -> str:
    """The place a group must have: where it stood before, else the official test, else "" (free)."""
    stood = {previous.assignments[film.name] for film in films if film.name in previous.assignments} if previous else set()
    if stood:
        return min(stood, key=SPLITS.index)
    return "test" if by == "patient" and _is_official(films) else ""


def _position(seed: int, name: str) -> float:
    digest = hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _draw(position: float, shares: Mapping[str, float]) -> str:
    if position < shares["validation"]:
        return "validation"
    return "test" if position < shares["validation"] + shares["test"] else "train"


def _bounds(groups: int, share: float, splits: int) -> tuple[int, int]:
    """The fewest and most of a class's `groups` that a split of `share` may have before the repair steps in: half and twice the wish.

    In a set of some 60 groups a class and more a draw outside is rarer than 1 in 100, so large sets are left to the hash alone.
    """
    if groups < splits:
        return 0, groups - 1
    return max(1, int(groups * share / 2)), min(max(1, round(2 * groups * share)), groups - splits + 1)


def _repair(groups: Mapping[str, Sequence[Film]], places: dict[str, str], free: set[str], shares: Mapping[str, float], seed: int) -> None:
    """Move free groups until each class, rarest first, is within `_bounds` in validation and test and present in train."""
    classes: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups, key=lambda name: (_position(seed, name), name)):
        for label in {film.label for film in groups[name]}:
            classes[label].append(name)
    by_size = [classes[label] for label in sorted(classes, key=lambda label: (len(classes[label]), label))]
    for _ in range(3):
        # A group of two classes that moves for one may be missed by the other, so look again.
        before = dict(places)
        for ordered in by_size:
            _repair_class(ordered, places, free, shares)
        if places == before:
            return


def _repair_class(ordered: Sequence[str], places: dict[str, str], free: set[str], shares: Mapping[str, float]) -> None:
    """`_repair` for one class, given its groups in hash order."""
    wanted = [split for split in ("validation", "test") if shares[split] > 0]
    for split in wanted:
        fewest, most = _bounds(len(ordered), shares[split], len(wanted) + 1)
        inside = [name for name in ordered if places[name] == split]
        movable = [name for name in reversed(inside) if name in free]
        for name in movable[: max(0, len(inside) - most)]:
            places[name] = "train"
        _fill(ordered, places, free, split, fewest - len(inside))
    if all(places[name] != "train" for name in ordered):
        _fill(ordered, places, free, "train", 1)


def _fill(ordered: Sequence[str], places: dict[str, str], free: set[str], split: str, missing: int) -> None:
    """Bring `missing` free groups of one class into `split`, each from the split that has most of that class."""
    for _ in range(missing):
        counts = Counter(places[name] for name in ordered)
        donors = [name for name in ordered if name in free and places[name] != split]
        if not donors:
            return
        richest = max((places[name] for name in donors), key=lambda place: (counts[place], place))
        places[next(name for name in donors if places[name] == richest)] = split


def _check(index: DatasetIndex, validation: float, test: float, previous: Split | None, by: By) -> None:
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise UsageError(
            f"The shares of validation and test are {validation} and {test}; expected 0 or more each and less than 1 together."
        )
    if by not in ("patient", "film"):
        raise UsageError(f"A split by {by!r} was asked for; expected by 'patient' or by 'film'.")
    if previous is not None and previous.by != by:
        raise UsageError(
            f"The previous split was drawn by {previous.by} and this one is by {by}; expected the same: start without the previous."
        )
    if not index.films:
        raise DatasetError(f"{index.root} holds no film to split; expected at least one: check the data set's problems.")


def _assignments(rows: Sequence[Mapping[str, str | None]], path: str | Path) -> dict[str, str]:
    result: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        film, split = row["film"] or "", row["split"] or ""
        if not film or split not in SPLITS or result.get(film, split) != split:
            raise DatasetError(f"Line {number} of the split file {path} is wrong; expected a film once with one of {', '.join(SPLITS)}.")
        result[film] = split
    return result


def _seed_and_rule(row: Mapping[str, str | None], path: str | Path) -> tuple[int, By]:
    seed, by = row["seed"] or "", row["by"] or ""
    if not re.fullmatch(r"-?[0-9]+", seed) or by not in ("patient", "film"):
        raise DatasetError(f"The split file {path} says seed {seed!r} and by {by!r}; expected a whole number, and patient or film.")
    return int(seed), cast(By, by)
