"""Scores of parts of the films: by sex, age, view and source, each with its number and interval.

A part of fewer than 20 films is listed with its size and without scores: its intervals would be wide enough for any story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from deephealth.datasets.index import Film
from deephealth.evaluation.evidence import Subgroup
from deephealth.evaluation.headline import Headline, headline
from deephealth.evaluation.intervals import DRAWS, PatientBootstrap

FEWEST = 20
MOST_VALUES = 20
AGE_BANDS = ((0, "0-1"), (2, "2-5"), (6, "6-17"), (18, "18-39"), (40, "40-64"), (65, "65+"))
"""First year of each band and its name: infants, preschool (the children's pneumonia films), school age, and three of adults."""


def age_band(age: float | None) -> str:
    """The band of an age in years, by whole years completed; "" when it is unknown or no age."""
    if age is None or not 0 <= age < 130:
        return ""
    return [name for start, name in AGE_BANDS if start <= age][-1]


ATTRIBUTES: Mapping[str, Callable[[Film], str]] = MappingProxyType(
    {
        "sex": lambda film: film.sex,
        "age": lambda film: age_band(film.age),
        "view": lambda film: film.view,
        "source": lambda film: film.source,
    }
)


def values_in_order(attribute: str, values: Sequence[str]) -> list[str]:
    """The distinct known `values`: ages by age, others by their names; of more than 20 the 20 commonest, so that a table stays one."""
    counts = Counter(value for value in values if value)
    if attribute == "age":
        return [name for _, name in AGE_BANDS if name in counts]
    return sorted(sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES])


def find_subgroups(
    films: Sequence[Film], probabilities: ArrayLike, labels: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> tuple[Subgroup, ...]:
    """Scores of every value of every attribute that the films differ in; films that do not say are in no row.

    films: n of them, with probabilities [n, C] and labels int [n] in 0..C-1.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    found = []
    for attribute, read in ATTRIBUTES.items():
        values = [read(film) for film in films]
        ordered = values_in_order(attribute, values)
        if len(ordered) < 2:
            continue
        for value in ordered:
            rows = np.array([row for row, other in enumerate(values) if other == value])
            found.append(_subgroup(attribute, value, [films[row].patient for row in rows], p[rows], y[rows], draws, seed))
    return tuple(found)


def _subgroup(attribute: str, value: str, patients: list[str], p: ArrayLike, y: ArrayLike, draws: int, seed: int) -> Subgroup:
    hidden = len(patients) < FEWEST
    scores = Headline() if hidden else headline(p, y, PatientBootstrap(patients, draws=draws, seed=seed))
    return Subgroup(
        attribute,
        value,
        len(patients),
        len(set(patients)),
        scores.accuracy,
        scores.balanced_accuracy,
        scores.macro_auc,
        hidden,
    )
