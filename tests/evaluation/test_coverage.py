"""Intervals hold the truth in 93 to 97 of 100 sets, on films whose truth is known; intervals made wrong on purpose fail the same check.

The simulated films are those of `benchmarks.coverage`, which measures every score of the report at length (docs/numbers.md). Here each
family of intervals is asked for once, with as many sets as tell 95 % from 90 % and from 99 %.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from deephealth.evaluation import metrics
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import Interval, PatientBootstrap, ratio_limits, scaled_noise_limits

pytestmark = pytest.mark.slow
SETS = 700
Ends = tuple[float, float, float]  # truth, low, high


def stretched(ends: Ends, factor: float) -> Ends:
    """The interval about its own middle made wider or narrower."""
    truth, low, high = ends
    middle, half = (low + high) / 2, factor * (high - low) / 2
    return truth, middle - half, middle + half


def covered(rows: list[Ends]) -> int:
    return sum(low - 1e-12 <= truth <= high + 1e-12 for truth, low, high in rows)


def right(count: int, sets: int) -> bool:
    """Whether `count` of `sets` could come of a coverage of 93 to 97 %: one right interval in a hundred is refused, at the edges."""
    from scipy.stats import binom

    return bool(binom.cdf(count, sets, 0.93) > 0.01 and binom.sf(count - 1, sets, 0.97) > 0.01)


def test_the_check_tells_95_from_90_and_99() -> None:
    assert right(round(0.95 * SETS), SETS)
    assert not right(round(0.90 * SETS), SETS)
    assert not right(round(0.99 * SETS), SETS)


def clustered(n_patients: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The patient of every film, and a unit normal number with half its variance shared by a patient's films."""
    patient = np.repeat(np.arange(n_patients), rng.integers(1, 6, n_patients))
    return patient, (rng.normal(size=n_patients)[patient] + rng.normal(size=len(patient))) / math.sqrt(2)


def bootstrap_of(patient: np.ndarray, seed: int) -> PatientBootstrap:
    return PatientBootstrap([str(p) for p in patient], draws=300, seed=seed)


def ends(truth: float, found: Interval) -> Ends:
    assert found.low is not None and found.high is not None
    return truth, found.low, found.high


def a_share(seed: int) -> Ends:
    patient, number = clustered(100, np.random.default_rng([31, seed]))
    return ends(0.85, bootstrap_of(patient, seed).proportion(number < norm.ppf(0.85), np.ones(len(number), dtype=bool)))


def an_auc(seed: int) -> Ends:
    rng = np.random.default_rng([32, seed])
    patient, number = clustered(140, rng)
    positive = (rng.random(140) < 0.45)[patient]
    return ends(float(norm.cdf(1.6 / math.sqrt(2))), bootstrap_of(patient, seed).auc(number + 1.6 * positive, positive))


def a_precision(seed: int) -> Ends:
    rng = np.random.default_rng([33, seed])
    patient, number = clustered(140, rng)
    positive = (rng.random(140) < 0.45)[patient]
    return ends(_TRUE_PRECISION, bootstrap_of(patient, seed).average_precision(number + 1.6 * positive, positive))


def true_precision() -> float:
    """Average precision of all films: precision at the threshold of each positive film, by quadrature over these."""
    quantile = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    hit, alarm = norm.sf(quantile), norm.sf(quantile + 1.6)
    return float((0.45 * hit / (0.45 * hit + 0.55 * alarm)).mean())


_TRUE_PRECISION = true_precision()


def a_loss(seed: int) -> Ends:
    """Exponential losses, as skewed as log losses are; the mean is 1."""
    patient, number = clustered(120, np.random.default_rng([34, seed]))
    return ends(1.0, bootstrap_of(patient, seed).mean(-norm.logsf(number), least=0.0))


def a_predictive_value(seed: int) -> Ends:
    """PPV at a prevalence of 0.1 of a test of sensitivity 0.9 and specificity 0.8, by `score_predictions`."""
    rng = np.random.default_rng([35, seed])
    patient, number = clustered(120, rng)
    sick = (rng.random(120) < 0.5)[patient].astype(int)
    answer = np.where(sick == 1, number < norm.ppf(0.9), number < norm.ppf(0.2)).astype(int)
    found = score_predictions(
        np.eye(2)[answer], sick, [str(p) for p in patient], ("normal", "ill"), prevalence=0.1, draws=200, seed=seed
    ).scores.classes[1]
    assert found.ppv_at_prevalence is not None
    return ends(float(metrics.ppv_at(0.9, 0.8, 0.1)), found.ppv_at_prevalence)


def an_ece(seed: int) -> Ends:
    """Two classes, answers too sure by 0.08 throughout: the ECE over any bins is 0.08."""
    rng = np.random.default_rng([36, seed])
    patient, number = clustered(250, rng)
    confidence = 0.6 + 0.4 * rng.random(len(patient))
    correct = norm.cdf(number) < confidence - 0.08
    labels = np.where(correct, 1, 0)
    p = np.stack([1 - confidence, confidence], axis=1)
    return ends(0.08, score_predictions(p, labels, [str(x) for x in patient], ("a", "b"), draws=200, seed=seed).scores.ece)


FAMILIES: list[Callable[[int], Ends]] = [a_share, an_auc, a_precision, a_loss, a_predictive_value, an_ece]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_an_interval_holds_the_truth_in_93_to_97_of_100_sets(family: Callable[[int], Ends]) -> None:
    sets = SETS if family not in (a_predictive_value, an_ece) else 400
    rows = [family(seed) for seed in range(sets)]
    assert right(covered(rows), sets), f"{covered(rows) / sets:.3f}"
    # Intervals of 84 % and of 99.9 % of such a score: both must be refused, or the line above means nothing.
    assert not right(covered([stretched(row, 0.72) for row in rows]), sets)
    assert not right(covered([stretched(row, 1.65) for row in rows]), sets)


def test_the_simulation_of_the_benchmark_knows_its_truths(monkeypatch: pytest.MonkeyPatch) -> None:
    """For independent films the truths have closed forms; the population must give them, and calibrated answers have no gap."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    coverage: Any = importlib.import_module("benchmarks.coverage")
    setting = dataclasses.replace(coverage.SETTINGS[1], sure=1.0)
    truth = coverage.population(setting, 200_000)
    assert abs(truth.gap(0.0, 1.1)[0]) < 0.004
    assert abs(truth.gap(0.5, 0.7)[0]) < 0.01
    assert truth.scores["accuracy"] == pytest.approx(truth.gap(0.0, 1.1)[1], abs=0.004)
    found = coverage.measure(setting, 3, draws=20, films=200_000)
    assert {"accuracy", "ECE", "reliability bin", "AUC", "PPV at a prevalence", "log loss"} <= set(found)
    assert found["sensitivity"].sets == 12


def test_a_ratio_of_shares_by_hand() -> None:
    low, high = ratio_limits((0.5, 0.4, 0.6), (0.25, 0.25, 0.25))
    assert (low, high) == pytest.approx((1.6, 2.4))
    assert ratio_limits((0.9, 0.8, 0.95), (0.0, 0.0, 0.1))[1] == math.inf
    assert ratio_limits((0.0, 0.0, 0.1), (0.5, 0.4, 0.6))[0] == 0
    assert ratio_limits((0.0, 0.0, 0.1), (0.0, 0.0, 0.1)) == (0, math.inf)


def test_gaps_that_noise_explains_may_be_none() -> None:
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.normal(size=(500, 5))
    assert scaled_noise_limits(noise[0], noise)[0] == 0
    low, high = scaled_noise_limits(np.full(5, 0.2), noise)
    assert 0.9 < low < 1.0 < high < 1.1


def test_an_interval_of_calibration_contains_none_when_answers_are_calibrated() -> None:
    """By construction the true ECE is 0: the interval begins at 0 in 95 of 100 sets or a little more."""
    missed = 0
    for seed in range(200):
        rng = np.random.default_rng([37, seed])
        patient, number = clustered(150, rng)
        confidence = 0.6 + 0.4 * rng.random(len(patient))
        labels = (norm.cdf(number) < confidence).astype(int)
        p = np.stack([1 - confidence, confidence], axis=1)
        ece = score_predictions(p, labels, [str(x) for x in patient], ("a", "b"), draws=100, seed=seed).scores.ece
        missed += bool(ece.low)
    assert missed <= 20
