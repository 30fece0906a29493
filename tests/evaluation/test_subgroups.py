"""Scores by sex, age, view and source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.index import Film
from deephealth.evaluation.headline import headline
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.subgroups import age_band, find_subgroups, values_in_order


def film(number: int, **facts: object) -> Film:
    return Film(f"{number}.png", Path(f"/{number}.png"), "a", f"patient {number // 2}", **facts)  # type: ignore[arg-type]


def answers(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    first = rng.random(n)
    return np.column_stack([first, 1 - first]), (rng.random(n) > first).astype(int)


AGES: list[tuple[float | None, str]] = [
    (0, "0-1"),
    (1.9, "0-1"),
    (2, "2-5"),
    (5.99, "2-5"),
    (6, "6-17"),
    (17.5, "6-17"),
    (18, "18-39"),
    (40, "40-64"),
    (64.9, "40-64"),
    (65, "65+"),
    (101, "65+"),
    (None, ""),
    (-1, ""),
    (float("nan"), ""),
    (999, ""),
]


@pytest.mark.parametrize(("age", "band"), AGES)
def test_every_age_is_in_one_band(age: float | None, band: str) -> None:
    assert age_band(age) == band


def test_each_part_is_scored_as_if_it_were_alone() -> None:
    films = [film(i, sex="F" if i % 3 else "M", age=3 if i < 50 else 70) for i in range(90)]
    p, y = answers(90)
    found = find_subgroups(films, p, y, draws=100)
    assert [(group.attribute, group.value) for group in found] == [("sex", "F"), ("sex", "M"), ("age", "2-5"), ("age", "65+")]
    rows = [i for i in range(90) if i % 3 == 0]
    alone = headline(p[rows], y[rows], PatientBootstrap([films[i].patient for i in rows], draws=100))
    men = found[1]
    assert (men.n_films, men.n_patients) == (30, len({films[i].patient for i in rows}))
    assert (men.accuracy, men.balanced_accuracy, men.macro_auc) == (alone.accuracy, alone.balanced_accuracy, alone.macro_auc)


def test_fewer_than_twenty_films_are_listed_without_scores() -> None:
    films = [film(i, view="PA" if i < 19 else "AP") for i in range(39)]
    few, enough = sorted(find_subgroups(films, *answers(39), draws=50), key=lambda group: group.n_films)
    assert few.hidden and few.n_films == 19 and few.accuracy.value is None and few.macro_auc.value is None
    assert not enough.hidden and enough.accuracy.value is not None


def test_an_attribute_in_which_no_two_films_are_known_to_differ_is_left_out() -> None:
    films = [film(i, sex="F" if i < 30 else "", view="PA") for i in range(60)]
    assert find_subgroups(films, *answers(60), draws=50) == ()


def test_of_many_sources_the_twenty_commonest_are_listed() -> None:
    values = [f"hospital {k:02}" for k in range(30) for _ in range(30 - k)]
    assert values_in_order("source", values) == [f"hospital {k:02}" for k in range(20)]
    assert values_in_order("age", ["65+", "", "0-1", "18-39"]) == ["0-1", "18-39", "65+"]
