from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephealth.model.novelty import MOST_COMPONENTS, choose_threshold, fit_novelty


def correlated(n: int, d: int, rank: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(rank, d))
    return (rng.normal(size=(n, rank)) * np.linspace(5, 1, rank) @ basis + 0.1 * rng.normal(size=(n, d)) + 3).astype(np.float32)


def test_distance_is_mahalanobis_under_the_ppca_covariance() -> None:
    x = correlated(400, 12, 3)
    model = fit_novelty(x)
    k, centred = len(model.components), x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 399)
    top, rest = vectors[:, -k:], values[:-k].mean()
    covariance = top @ np.diag(values[-k:] - rest) @ top.T + rest * np.eye(12)
    direct = np.sqrt(np.einsum("nd,de,ne->n", centred, np.linalg.inv(covariance), centred))
    np.testing.assert_allclose(model.distance(x), direct / np.median(direct), rtol=1e-3)


@pytest.mark.parametrize(("n", "d"), [(400, 12), (12, 400), (40, 40), (5, 64), (2, 7), (3, 1280)])
def test_training_median_is_one(n: int, d: int) -> None:
    x = correlated(n, d, min(4, d))
    model = fit_novelty(x)
    assert np.median(model.distance(x)) == pytest.approx(1, rel=1e-3)
    assert 1 <= len(model.components) <= min(MOST_COMPONENTS, max(1, (n - 1) // 2))


def test_other_films_are_farther_and_like_films_are_not() -> None:
    model = fit_novelty(correlated(300, 64, 5, seed=1))
    like, unlike = (
        model.distance(correlated(200, 64, 5, seed=2)),
        model.distance(np.random.default_rng(3).normal(size=(200, 64)).astype("f4")),
    )
    assert np.median(like) < 1.3
    assert np.median(unlike) > 5


def test_fewer_films_than_features_still_tells_them_apart() -> None:
    model = fit_novelty(correlated(30, 256, 5, seed=1))
    like, unlike = (
        model.distance(correlated(50, 256, 5, seed=2)),
        model.distance(np.random.default_rng(3).normal(size=(50, 256)).astype("f4")),
    )
    assert like.max() < unlike.min()


def test_constant_and_dead_features_do_no_harm() -> None:
    x = correlated(50, 16, 3)
    x[:, 3] = 7
    x[:, 4] = 0
    model = fit_novelty(x)
    slightly = x[:5].copy()
    slightly[:, 3] += 1e-4
    assert np.isfinite(model.distance(x)).all()
    assert model.distance(slightly).max() < 10
    same = fit_novelty(np.full((6, 4), 2.5, np.float32))
    assert np.isfinite(same.distance(np.zeros((1, 4), np.float32))).all()


def test_fit_is_deterministic() -> None:
    x = correlated(60, 20, 4)
    a, b = fit_novelty(x), fit_novelty(x.copy())
    assert a.components.tobytes() == b.components.tobytes()
    assert a.residual_scale == b.residual_scale


@pytest.mark.parametrize("features", [np.zeros((1, 4)), np.zeros(4), np.full((4, 4), np.nan)])
def test_unusable_features_are_refused(features: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least two films"):
        fit_novelty(features)


def test_threshold_is_the_conformal_quantile() -> None:
    distances = np.arange(1, 200, dtype=np.float32)  # n = 199: rank ceil(200 * 0.99) = 198
    assert choose_threshold(distances) == 198
    assert choose_threshold(distances[::-1].copy(), refuse=0.5) == 100


def test_threshold_refuses_about_the_share_asked_for() -> None:
    rng = np.random.default_rng(0)
    refused = [np.mean(rng.gamma(9, size=2000) > choose_threshold(rng.gamma(9, size=150).astype("f4"), 0.05)) for _ in range(300)]
    assert 0.04 < np.mean(refused) < 0.052


def test_threshold_of_few_films_lies_above_all_of_them() -> None:
    rng = np.random.default_rng(1)
    refused = []
    for _ in range(200):
        few = rng.lognormal(0, 0.2, size=20)
        threshold = choose_threshold(few)
        assert threshold >= few.max()
        refused.append(np.mean(rng.lognormal(0, 0.2, size=500) > threshold))
    assert np.mean(refused) < 0.015
    assert choose_threshold(np.array([1.0])) > 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.floats(0.001, 0.5))
def test_threshold_is_never_below_the_share_to_keep(distances: list[float], refuse: float) -> None:
    threshold = choose_threshold(np.array(distances), refuse)
    assert np.isfinite(threshold)
    assert np.mean(np.array(distances) > threshold) <= refuse + 1e-9


@pytest.mark.parametrize(("distances", "refuse"), [([], 0.01), ([np.nan], 0.01), ([1.0], 0.0), ([1.0], 1.0)])
def test_unusable_distances_are_refused(distances: list[float], refuse: float) -> None:
    with pytest.raises(ValueError, match="expected finite distances"):
        choose_threshold(np.array(distances), refuse)
