"""Intervals of paired differences: against published formulas, and against the truth in simulated sets of patients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deephealth.evaluation.comparison.paired import (
    auc_difference,
    balanced_difference,
    bonett_price,
    ece_difference,
    mean_difference,
    mover,
    share_difference,
)
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.metrics import ece_equal_mass


def answers(rng: np.random.Generator, patients: int, films: int, right_a: float, right_b: float, shared: float) -> tuple[np.ndarray, ...]:
    """Labels, answers of A and B and patients: both models' errors have a part in common, and a patient's films resemble each other."""
    from scipy.stats import norm

    patient = np.repeat(np.arange(patients), rng.integers(1, films + 1, patients))
    labels = rng.integers(0, 3, patients)[patient]
    common = math.sqrt(shared) * rng.normal(size=patients)[patient]

    def right(share: float) -> np.ndarray:
        own = math.sqrt(0.5) * rng.normal(size=patients)[patient] + math.sqrt(0.5) * rng.normal(size=len(patient))
        return common + math.sqrt(1 - shared) * own < norm.ppf(share)

    a, b = (np.where(right(share), labels, (labels + 1) % 3) for share in (right_a, right_b))
    return labels, a, b, patient.astype(str)


def decided(seed: int, repeats: int, *setting: float, patients: int, films: int) -> tuple[float, float, float]:
    """Shares of sets where A is called better, B is, and the interval holds the true difference."""
    rng, a_better, b_better, held = np.random.default_rng([seed, patients]), 0, 0, 0
    for number in range(repeats):
        labels, a, b, who = answers(rng, patients, films, *setting)
        found, _ = balanced_difference(a, b, labels, PatientBootstrap(who, draws=400, seed=number))
        assert found.low is not None and found.high is not None
        a_better, b_better = a_better + (found.high < 0), b_better + (found.low > 0)
        held += found.low <= setting[1] - setting[0] <= found.high
    return a_better / repeats, b_better / repeats, held / repeats


def test_equally_good_models_get_a_winner_in_at_most_one_set_of_twenty() -> None:
    for patients, films in ((30, 1), (150, 3)):
        a_better, b_better, held = decided(1, 300, 0.85, 0.85, 0.8, patients=patients, films=films)
        assert a_better + b_better < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)
        assert held > 0.91


def test_a_clearly_better_model_is_named_and_never_the_worse_one() -> None:
    a_better, b_better, _ = decided(2, 100, 0.75, 0.90, 0.5, patients=150, films=3)
    assert b_better > 0.9
    assert a_better == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patients", "films", "right", "shared"), [(20, 1, 0.8, 0.7), (60, 3, 0.85, 0.8), (200, 2, 0.95, 0.7), (400, 2, 0.85, 0.8)]
)
def test_the_error_of_the_verdict_stays_near_five_per_cent(patients: int, films: int, right: float, shared: float) -> None:
    """The figures of docs/compare.md are the ones printed here (pytest -rP -m slow -k five_per_cent)."""
    a_better, b_better, held = decided(3, 500, right, right, shared, patients=patients, films=films)
    print(f"{patients} patients, accuracy {right}: a winner in {a_better + b_better:.1%}, the truth inside in {held:.1%} of 500 sets")
    assert a_better + b_better < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 500)
    assert held > 0.95 - 3 * math.sqrt(0.05 * 0.95 / 500)


def test_few_differing_patients_take_the_published_interval() -> None:
    """Bonett and Price 2012: (n12 - n21) / (n + 2) +- z sqrt((p12 + p21 - (p12 - p21)^2) / (n + 2)), one added to either count."""
    net = np.array([1] * 9 + [-1] * 2 + [0] * 89)
    found, sd = share_difference(PatientBootstrap([str(i) for i in range(100)], draws=20_000), net, [np.ones(100, dtype=bool)])
    p12, p21 = 10 / 102, 3 / 102
    se = math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 102)
    assert sd == pytest.approx(se, rel=0.01)
    assert (found.low, found.high) == pytest.approx((p12 - p21 - 1.96 * se, p12 - p21 + 1.96 * se), abs=0.001)
    assert bonett_price(1.0, 0.0, 1 / 3, 3)[2] == pytest.approx(math.sqrt((1 - 0.6**2) / 5))


@pytest.mark.parametrize("films", [1, 4])
def test_five_patients_for_one_model_are_not_enough(films: int) -> None:
    """With six a sign test gives p = 0.031, with five 0.063."""
    for count, enough in ((5, False), (6, True)):
        net = np.repeat([1] * count + [0] * (100 - count), films)
        who = np.repeat(np.arange(100), films).astype(str)
        found, _ = share_difference(PatientBootstrap(who, draws=500), net, [np.ones(100 * films, dtype=bool)])
        assert found.low is not None and (found.low > 0) == enough


def test_models_that_answer_alike_differ_by_zero_with_room_on_both_sides() -> None:
    labels = np.arange(90) % 3
    found, _ = balanced_difference(labels, labels, labels, PatientBootstrap([str(i) for i in range(90)], draws=100))
    assert found.value == 0
    assert found.low is not None and found.high is not None
    assert -0.1 < found.low < 0 < found.high < 0.1


def test_one_patient_gives_values_without_intervals() -> None:
    bootstrap = PatientBootstrap(["a"] * 6, draws=50)
    truth = np.array([0, 0, 0, 1, 1, 1])
    scores = np.linspace(0, 1, 6)[:, None]
    found = [
        balanced_difference(truth, 1 - truth, truth, bootstrap)[0],
        mean_difference(bootstrap, np.zeros(6), np.ones(6)),
        auc_difference(bootstrap, scores, 1 - scores, [truth == 1]),
        ece_difference(bootstrap, (scores[:, 0], truth == 1), (scores[:, 0], truth == 0)),
    ]
    assert [interval.value for interval in found[:3]] == [-1, 1, -1]
    assert all(interval.low is None and interval.high is None for interval in found)


def test_swapping_the_models_mirrors_every_interval() -> None:
    rng = np.random.default_rng(4)
    labels, a, b, who = answers(rng, 40, 3, 0.7, 0.8, 0.5)
    bootstrap = PatientBootstrap(who, draws=300)
    p, q = rng.random((2, len(who), 2))
    pairs = [
        (balanced_difference(a, b, labels, bootstrap)[0], balanced_difference(b, a, labels, bootstrap)[0]),
        (mean_difference(bootstrap, p[:, 0], q[:, 0]), mean_difference(bootstrap, q[:, 0], p[:, 0])),
        (auc_difference(bootstrap, p, q, [labels == 0, labels == 1]), auc_difference(bootstrap, q, p, [labels == 0, labels == 1])),
        (
            ece_difference(bootstrap, (p[:, 0], a == labels), (q[:, 0], b == labels)),
            ece_difference(bootstrap, (q[:, 0], b == labels), (p[:, 0], a == labels)),
        ),
    ]
    for there, back in pairs:
        assert mirrored(there) == pytest.approx((back.value, back.low, back.high), abs=1e-12)


def mirrored(interval: Interval) -> tuple[float, float, float]:
    assert interval.value is not None and interval.low is not None and interval.high is not None
    return -interval.value, -interval.high, -interval.low


def test_mover_adds_reaches_as_squares_and_lets_related_ones_cancel() -> None:
    """Unrelated: reaches add as squares; fully related with equal reaches: they cancel."""
    low, high = mover((0.8, 0.7, 0.85), (0.9, 0.86, 0.95), 0.0)
    assert (low, high) == pytest.approx((0.1 - math.hypot(0.04, 0.05), 0.1 + math.hypot(0.05, 0.1)))
    assert mover((0.8, 0.7, 0.9), (0.9, 0.8, 1.0), 1.0) == pytest.approx((0.1, 0.1))


def test_the_interval_of_an_auc_difference_holds_the_truth() -> None:
    rng, held, repeats = np.random.default_rng(6), 0, 150
    for _ in range(repeats):
        patient = np.repeat(np.arange(50), 2)
        truth = (rng.random(50) < 0.4)[patient]
        a, b = (truth + rng.normal(size=50)[patient] + rng.normal(size=100) for _ in range(2))
        found = auc_difference(PatientBootstrap(patient.astype(str), draws=200), a[:, None], b[:, None], [truth])
        assert found.low is not None and found.high is not None
        held += found.low <= 0 <= found.high
    assert held / repeats > 0.95 - 3 * math.sqrt(0.05 * 0.95 / repeats)


def test_perfect_models_of_few_patients_do_not_differ_with_certainty() -> None:
    truth = np.arange(20) % 2 == 0
    score = truth[:, None].astype(float)
    found = auc_difference(PatientBootstrap([str(i) for i in range(20)], draws=100), score, 2 * score, [truth])
    assert found.value == 0
    assert found.low is not None and found.low < -0.05


def test_the_ece_difference_is_that_of_two_evaluations() -> None:
    rng = np.random.default_rng(8)
    confidence, right = rng.random((2, 200)), rng.random((2, 200)) < 0.6
    found = ece_difference(PatientBootstrap([str(i) for i in range(200)], draws=200), (confidence[0], right[0]), (confidence[1], right[1]))
    assert found.value == pytest.approx(ece_equal_mass(confidence[1], right[1], 10) - ece_equal_mass(confidence[0], right[0], 10))
