"""What the films of an evaluation are: how many of whom, how large, of which sexes, ages, views and sources."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.split import SPLITS, Split
from deephealth.evaluation.evidence import DataFacts, ValueCounts
from deephealth.evaluation.subgroups import ATTRIBUTES, values_in_order

Spread = tuple[int, float, int]


def describe(index: DatasetIndex, facts: FilmFacts, split: Split | None = None) -> DataFacts:
    """The facts of all films of `index`, in every split; `split` adds how many of each class stand in each.

    Attributes that no film states are left out. Sizes are those of the files, before any resizing.
    """
    rows = {name: row for row, name in enumerate(facts.names)}
    sizes = {label: [rows[film.name] for film in index.films if film.label == label and film.name in rows] for label in index.classes}
    patients = Counter(film.patient for film in index.films)
    return DataFacts(
        films=index.by_label(),
        patients=index.patients_by_label(),
        films_per_patient=(float(statistics.median(patients.values() or [0])), max(patients.values(), default=0)),
        widths={label: _spread(facts.width[found].tolist()) for label, found in sizes.items() if found},
        heights={label: _spread(facts.height[found].tolist()) for label, found in sizes.items() if found},
        attributes=_attributes(index, split),
        layout=index.layout,
        notes=index.notes,
    )


def _spread(values: Sequence[int]) -> Spread:
    return min(values), float(statistics.median(values)), max(values)


def _attributes(index: DatasetIndex, split: Split | None) -> tuple[ValueCounts, ...]:
    found = []
    if split is not None:
        found.append(ValueCounts("split", _counts(index, {film.name: split.assignments[film.name] for film in index.films}, list(SPLITS))))
    for attribute, read in ATTRIBUTES.items():
        values = {film.name: read(film) for film in index.films}
        if known := values_in_order(attribute, list(values.values())):
            found.append(ValueCounts(attribute, _counts(index, values, [*known, ""])))
    return tuple(found)


def _counts(index: DatasetIndex, values: Mapping[str, str], order: Sequence[str]) -> dict[str, dict[str, int]]:
    """value -> class -> films, of the values in `order` that occur; rare values beyond those count as unknown."""
    counts: Counter[tuple[str, str]] = Counter()
    for film in index.films:
        counts[_listed(film, values, order), film.label] += 1
    table = {value: {label: counts[value, label] for label in index.classes} for value in order}
    return {value: row for value, row in table.items() if any(row.values())}


def _listed(film: Film, values: Mapping[str, str], order: Sequence[str]) -> str:
    return values[film.name] if values[film.name] in order else ""
