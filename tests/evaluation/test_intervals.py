"""The intervals: do they cover the truth on clustered films whose truth is known, and do the fast ways agree with the plain ones?"""

from __future__ import annotations

import time
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import beta, norm

from deephealth.evaluation import metrics
from deephealth.evaluation.intervals import (
    Interval,
    PatientBootstrap,
    clopper_pearson_edge,
    mean_of_perfect_edge,
    newcombe_auc,
    patient_bootstrap,
    wilson,
)


def clustered(n_patients: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The patient of every film, and a number with half its variance shared by a patient's films."""
    patient = np.repeat(np.arange(n_patients), rng.integers(1, 7, n_patients))
    return patient, rng.normal(size=n_patients)[patient] + rng.normal(size=len(patient))


def coverage_of_share(n_patients: int, truth: float, runs: int) -> float:
    covered = 0
    for run in range(runs):
        patient, score = clustered(n_patients, np.random.default_rng([1, run]))
        hit = score < norm.ppf(truth) * np.sqrt(2)
        found = PatientBootstrap([str(p) for p in patient], draws=400, seed=run).proportion(hit, np.ones(len(hit), dtype=bool))
        covered += found.low <= truth <= found.high
    return covered / runs


def coverage_of_auc(n_patients: int, distance: float, runs: int) -> float:
    covered, truth = 0, NormalDist().cdf(distance / 2)
    for run in range(runs):
        rng = np.random.default_rng([2, run])
        patient, score = clustered(n_patients, rng)
        positive = (rng.random(n_patients) < 0.4)[patient]
        found = PatientBootstrap([str(p) for p in patient], draws=400, seed=run).auc(score + distance * positive, positive)
        covered += found.low is not None and found.low <= truth <= found.high
    return covered / runs


@pytest.mark.parametrize(("n_patients", "truth"), [(50, 0.8), (150, 0.95)])
def test_shares_of_clustered_films_are_covered(n_patients: int, truth: float) -> None:
    assert 0.90 <= coverage_of_share(n_patients, truth, 200) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("n_patients", "truth"), [(20, 0.8), (20, 0.95), (50, 0.5), (50, 0.99), (150, 0.8), (300, 0.9)])
def test_shares_are_covered_in_90_to_98_of_100_sets(n_patients: int, truth: float) -> None:
    assert 0.90 <= coverage_of_share(n_patients, truth, 1000) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("n_patients", "distance"), [(30, 1.5), (50, 3.5), (150, 1.5), (300, 3.5)])
def test_aucs_are_covered_in_90_to_98_of_100_sets(n_patients: int, distance: float) -> None:
    assert 0.90 <= coverage_of_auc(n_patients, distance, 600) <= 0.98


@pytest.mark.slow
def test_an_auc_near_1_errs_on_the_safe_side() -> None:
    assert 0.95 <= coverage_of_auc(150, 5.0, 600) <= 0.995


def test_21_of_21_is_not_certain() -> None:
    bootstrap = PatientBootstrap([f"p{i}" for i in range(21)])
    found = bootstrap.proportion(np.ones(21, dtype=bool), np.ones(21, dtype=bool))
    assert (found.value, found.high, found.n_films, found.n_patients) == (1.0, 1.0, 21, 21)
    assert found.low == pytest.approx(0.839, abs=0.001)


def test_nothing_of_21_is_not_certain_either() -> None:
    found = PatientBootstrap([f"p{i}" for i in range(21)]).proportion(np.zeros(21, dtype=bool), np.ones(21, dtype=bool))
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(0.161, abs=0.001)


def test_perfection_counts_patients_not_films() -> None:
    found = PatientBootstrap(["a"] * 20 + ["b"] * 20).proportion(np.ones(40, dtype=bool), np.ones(40, dtype=bool))
    assert found.low == pytest.approx(0.025**0.5)


def test_a_perfect_auc_is_not_certain() -> None:
    truth = np.arange(20) < 10
    found = PatientBootstrap([f"p{i}" for i in range(20)]).auc(truth.astype(float), truth)
    assert found.value == found.high == 1.0
    assert found.low is not None and 0.7 < found.low < 0.95


def test_newcombe_narrows_with_patients_and_mirrors() -> None:
    lows = [newcombe_auc(1.0, n, n)[0] for n in (5, 20, 100)]
    assert lows == sorted(lows)
    low, high = newcombe_auc(0.8, 12, 20)
    assert newcombe_auc(0.2, 12, 20) == pytest.approx((1 - high, 1 - low))


def test_clopper_pearson_edge_is_scipys() -> None:
    assert clopper_pearson_edge(1.0, 21)[0] == pytest.approx(beta.ppf(0.025, 21, 1))
    assert clopper_pearson_edge(0.0, 8)[1] == pytest.approx(beta.ppf(0.975, 1, 8))


def test_wilson_as_tabulated() -> None:
    # Newcombe 1998, table I: 81 of 263 and 15 of 148.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_mean_of_perfect_shares() -> None:
    assert mean_of_perfect_edge([21]) == pytest.approx(0.025 ** (1 / 21))
    assert mean_of_perfect_edge([7, 7, 7]) == pytest.approx(0.025 ** (1 / 21))
    # With a class of one patient nearly all doubt is about that class.
    assert mean_of_perfect_edge([1, 1000]) == pytest.approx((0.025 + 1) / 2, abs=0.01)


def test_the_fast_ways_give_what_counting_film_by_film_gives() -> None:
    rng = np.random.default_rng(3)
    patients = [str(p) for p in rng.integers(0, 12, 40)]
    score, truth = rng.integers(0, 6, 40) / 5, rng.random(40) < 0.4
    bootstrap = PatientBootstrap(patients, draws=100, seed=5)
    rows = [np.repeat(np.arange(40), row[bootstrap.patient_of]) for block in bootstrap.blocks() for row in block]
    np.testing.assert_allclose(bootstrap.aucs(score, truth), [metrics.auc(score[r], truth[r]) for r in rows])
    np.testing.assert_allclose(bootstrap.average_precisions(score, truth), [metrics.average_precision(score[r], truth[r]) for r in rows])
    np.testing.assert_allclose(bootstrap.sums(np.stack([score, truth], axis=1)), [[score[r].sum(), truth[r].sum()] for r in rows])


def test_any_statistic_can_be_given() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=60)
    patients = [str(i // 2) for i in range(60)]
    plain = patient_bootstrap(lambda films: float(values[films].mean()), patients, draws=200, seed=4)
    bootstrap = PatientBootstrap(patients, draws=200, seed=4)
    totals = bootstrap.sums(np.stack([values, np.ones(60)], axis=1))
    fast = bootstrap.percentile(float(values.mean()), totals[:, 0] / totals[:, 1])
    assert plain.value == pytest.approx(fast.value)
    assert (plain.low, plain.high) == pytest.approx((fast.low, fast.high))
    assert (plain.n_films, plain.n_patients) == (60, 30)


def test_films_of_few_patients_give_wider_intervals_than_films_of_many() -> None:
    hit = np.repeat(np.random.default_rng(0).random(40) < 0.7, 10)
    everyone = np.ones(400, dtype=bool)
    few = PatientBootstrap([str(i // 10) for i in range(400)]).proportion(hit, everyone)
    many = PatientBootstrap([str(i) for i in range(400)]).proportion(hit, everyone)
    assert few.high - few.low > 2.5 * (many.high - many.low)


def test_seed_decides_the_draws() -> None:
    hit = np.random.default_rng(0).random(300) < 0.7
    patients, everyone = [str(i) for i in range(300)], np.ones(300, dtype=bool)
    first, again, other = (PatientBootstrap(patients, seed=s).proportion(hit, everyone) for s in (1, 1, 2))
    assert first == again != other


def test_undefined_scores_are_none() -> None:
    bootstrap = PatientBootstrap(["a", "b"])
    nothing = np.zeros(2, dtype=bool)
    assert bootstrap.proportion(nothing, nothing) == Interval(None, None, None, 0, 0)
    assert bootstrap.auc([0.1, 0.2], nothing).value is None
    assert PatientBootstrap([]).mean([]) == Interval(None, None, None, 0, 0)


def test_overlap() -> None:
    def between(low: float, high: float) -> Interval:
        return Interval((low + high) / 2, low, high, 9, 9)

    assert between(0.1, 0.5).overlaps(between(0.5, 0.9))
    assert not between(0.1, 0.4).overlaps(between(0.5, 0.9))
    assert not between(0.1, 0.4).overlaps(Interval(None, None, None, 0, 0))


@pytest.mark.slow
def test_5000_films_take_seconds_and_little_memory() -> None:
    rng = np.random.default_rng(0)
    patients = [str(p) for p in rng.integers(0, 2500, 5000)]
    truth = rng.random(5000) < 0.3
    started = time.process_time()
    PatientBootstrap(patients).auc(rng.normal(size=5000) + truth, truth)
    assert time.process_time() - started < 3
    tracemalloc.start()
    PatientBootstrap(patients).auc(rng.normal(size=5000) + truth, truth)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
