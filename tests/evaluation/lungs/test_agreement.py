"""Dice and coverage: the arithmetic, on masks small enough to count by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deephealth.evaluation.lungs.agreement import Answer, agreement, covered, dice, phantom_films
from deephealth.evaluation.lungs.finder import LungMask
from deephealth.model.lung_record import Plausibility

RULE = Plausibility(smallest=0.1, largest=0.9, main=0.9, balance=0.3, breadth=0.6, certainty=0.6)


def test_dice_and_coverage_by_hand() -> None:
    found, drawn = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    found[:2], drawn[1:3] = True, True
    assert dice(found, drawn) == pytest.approx(2 * 4 / 16)
    assert covered(found, drawn) == pytest.approx(0.5)
    assert dice(~found & found, ~drawn & drawn) == 1.0
    assert dice(found, ~drawn & drawn) == 0.0
    assert math.isnan(covered(found, ~drawn & drawn))


@given(st.integers(0, 2**32 - 1))
def test_dice_is_symmetric_and_one_only_for_equal_masks(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.random((2, 6, 6)) < 0.5
    assert dice(a, b) == dice(b, a)
    assert (dice(a, b) == 1.0) == np.array_equal(a, b)
    assert dice(a, a) == 1.0


def _answers() -> Iterator[Answer]:
    for number in range(4):
        probabilities = np.full((8, 8), 0.1, np.float32)
        probabilities[:, :3], probabilities[:, 5:] = 0.9, 0.4
        drawn = np.zeros((16, 12), bool)
        drawn[:, :4] = True
        yield Answer(LungMask(probabilities, 0.5, RULE), drawn, f"p{number // 2}")


def test_scores_are_taken_at_the_films_size_with_the_patients_counted() -> None:
    result = agreement(list(_answers()))
    interval = result.mean_covered()
    assert interval.value == 1.0
    assert (interval.n_films, interval.n_patients) == (4, 2)
    assert result.dice[0] == pytest.approx(2 * 64 / (64 + 5 * 16), abs=0.12)
    assert not result.plausible.any()  # one half only
    assert result.fifth_percentile() == pytest.approx(result.dice.min())


def test_a_lower_threshold_finds_more_and_a_margin_covers_more() -> None:
    answers = list(_answers())
    low, high = (agreement(answers, threshold=threshold) for threshold in (0.3, 0.95))
    assert low.plausible.all()
    assert (high.covered == 0).all()
    assert answers[0].found_at(margin=0.2).sum() > answers[0].found_at().sum()


def test_phantom_films_are_of_different_patients_and_known_lungs() -> None:
    films = list(phantom_films(6, seed=9, sizes=(64, 96)))
    assert len({film.patient for film in films}) == 6
    assert all(film.lungs.shape == film.pixels.shape and film.lungs.any() for film in films)
