"""DeLong's covariance against its definition, cases worked by hand, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deephealth.evaluation.comparison.delong import auc_covariance, delong
from deephealth.evaluation.metrics import auc


def by_definition(scores: np.ndarray, positive: np.ndarray, patients: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and covariance by every pair of films and every pair of models (Obuchowski 1997, equations 1 to 4), slowly."""
    models, high, low = len(scores), np.flatnonzero(positive), np.flatnonzero(~positive)
    kernel = np.zeros((models, len(high), len(low)))
    for r in range(models):
        for i, p in enumerate(high):
            for j, q in enumerate(low):
                kernel[r, i, j] = 1.0 if scores[r, p] > scores[r, q] else 0.5 if scores[r, p] == scores[r, q] else 0.0
    area = kernel.mean((1, 2))
    names = sorted(set(patients))
    x, y = np.zeros((models, len(names))), np.zeros((models, len(names)))
    for k, name in enumerate(names):
        for r in range(models):
            x[r, k] = sum(kernel[r, i].mean() - area[r] for i, p in enumerate(high) if patients[p] == name)
            y[r, k] = sum(kernel[r, :, j].mean() - area[r] for j, q in enumerate(low) if patients[q] == name)
    m, n = len(high), len(low)
    i10, i01 = (len({patients[p] for p in side}) for side in (high, low))
    found = np.zeros((models, models))
    for r in range(models):
        for s in range(models):
            s10 = i10 / ((i10 - 1) * m) * sum(x[r, k] * x[s, k] for k in range(len(names)))
            s01 = i01 / ((i01 - 1) * n) * sum(y[r, k] * y[s, k] for k in range(len(names)))
            s11 = len(names) / (len(names) - 1) * sum(x[r, k] * y[s, k] + y[r, k] * x[s, k] for k in range(len(names)))
            found[r, s] = s10 / m + s01 / n + s11 / (m * n)
    return area, found


@pytest.mark.parametrize("films_a_patient", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_fast_form_equals_the_definition_with_ties_and_several_films_a_patient(seed: int, films_a_patient: int) -> None:
    rng = np.random.default_rng(seed)
    patients = [str(i // films_a_patient) for i in range(33)]
    truth = rng.random(33) < 0.4
    scores = np.round(rng.normal(size=(3, 33)) + truth, 1)
    area, covariance = auc_covariance(scores, truth, patients)
    slow_area, slow_covariance = by_definition(scores, truth, patients)
    np.testing.assert_allclose(area, slow_area, atol=1e-12)
    np.testing.assert_allclose(covariance, slow_covariance, atol=1e-12)
    assert area[0] == pytest.approx(auc(scores[0], truth))


def test_four_films_worked_by_hand() -> None:
    """A ranks 3 (pos) > 2 (neg) > 1 (pos) > 0 (neg): components 1, 1/2 and 1/2, 1; variance 1/8 of each side's mean: 1/16 + 1/16.
    B ranks rightly throughout: AUC 1, no variance, no covariance."""
    truth = np.array([True, False, True, False])
    area, covariance = auc_covariance([[3, 2, 1, 0], [3, 1, 2, 0]], truth, list("abcd"))
    assert area.tolist() == [0.75, 1.0]
    assert covariance == pytest.approx(np.array([[0.125, 0], [0, 0]]))


def test_one_positive_patient_gives_no_covariance() -> None:
    _, covariance = auc_covariance([[3, 2, 1]], [True, False, False], list("abc"))
    assert np.isnan(covariance).all()


def test_equal_rankings_have_no_p_and_few_patients_neither() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2 == 0
    score = rng.normal(size=60) + truth
    same = delong("x", score, np.exp(score), truth, [str(i) for i in range(60)])
    assert same is not None and same.difference == 0 and same.p is None and not same.clustered
    few = delong("x", score, rng.normal(size=60), truth, [str(i // 4) for i in range(60)])
    assert few is not None and few.p is not None and few.clustered
    fewer = delong("x", score[:18], rng.normal(size=18), truth[:18], [str(i) for i in range(18)])
    assert fewer is not None and fewer.p is None and fewer.low is None
    assert delong("x", score, score, np.ones(60, dtype=bool), [str(i) for i in range(60)]) is None


@pytest.mark.parametrize("films_a_patient", [1, 3])
def test_two_equally_good_models_are_told_apart_in_one_set_of_twenty(films_a_patient: int) -> None:
    rng, wrong, repeats = np.random.default_rng(5), 0, 400
    for _ in range(repeats):
        patient = np.repeat(np.arange(80), films_a_patient)
        truth = (rng.random(80) < 0.4)[patient]
        shared = rng.normal(size=80)[patient] + 1.2 * truth
        a, b = (shared + rng.normal(size=80)[patient] + 0.7 * rng.normal(size=len(patient)) for _ in range(2))
        found = delong("x", a, b, truth, [str(i) for i in patient])
        assert found is not None and found.p is not None
        wrong += found.p < 0.05
    assert abs(wrong / repeats - 0.05) < 3 * math.sqrt(0.05 * 0.95 / repeats)
