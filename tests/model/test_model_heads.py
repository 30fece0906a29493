from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from deephealth.model.heads import DenseHead, Head, LinearHead, class_map


def head_of(tiny: ModuleType, kind: str) -> Head:
    return tiny.linear_head() if kind == "linear" else tiny.dense_head()


def test_linear_logits_are_the_formula(tiny: ModuleType) -> None:
    head, x = tiny.linear_head(), np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    by_hand = [[float(head.weight[c] @ row + head.bias[c]) for c in range(3)] for row in x]
    np.testing.assert_allclose(head.logits(x), by_hand, rtol=1e-5, atol=1e-5)


def test_dense_logits_are_the_formula(tiny: ModuleType) -> None:
    head, x = tiny.dense_head(), np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    for row, found in zip(x, head.logits(x), strict=True):
        hidden = [max(0.0, float(head.hidden_weight[k] @ row + head.hidden_bias[k])) for k in range(20)]
        np.testing.assert_allclose(found, head.weight @ np.array(hidden) + head.bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "dense"])
def test_effective_weights_are_the_gradient(tiny: ModuleType, kind: str) -> None:
    head, rng = head_of(tiny, kind), np.random.default_rng(5)
    for _ in range(5):
        x = rng.normal(size=8).astype(np.float32)
        weight, bias = head.effective(x)
        step = 1e-3
        for feature in range(8):
            shift = np.zeros(8, np.float32)
            shift[feature] = step
            slope = (head.logits((x + shift)[None])[0] - head.logits((x - shift)[None])[0]) / (2 * step)
            np.testing.assert_allclose(weight[:, feature], slope, atol=2e-2)
        np.testing.assert_allclose(weight @ x + bias, head.logits(x[None])[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "dense"])
def test_the_maps_mean_is_the_logit(tiny: ModuleType, kind: str) -> None:
    head = head_of(tiny, kind)
    feature_map = np.random.default_rng(6).normal(size=(8, 5, 5)).astype(np.float32)
    features = feature_map.mean(axis=(1, 2))
    heat = class_map(head, features, feature_map)
    assert heat.shape == (3, 5, 5)
    np.testing.assert_allclose(heat.mean(axis=(1, 2)), head.logits(features[None])[0], atol=1e-5)


def test_shapes_that_disagree_are_refused() -> None:
    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    with pytest.raises(ValueError, match="expected"):
        LinearHead(zeros(3, 8), zeros(2))
    with pytest.raises(ValueError, match="hidden unit"):
        DenseHead(zeros(5, 8), zeros(5), zeros(3, 4), zeros(3))
    with pytest.raises(ValueError, match="NaN"):
        LinearHead(np.full((2, 2), np.nan, np.float32), zeros(2))
