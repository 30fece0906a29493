"""The two kinds of head: what turns a film's features into one number a class.

Both are closed formulas in numpy, used where the head is fitted; `model.graph` draws the same formulas inside the model file, and a test
holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """logits = weight @ x + bias.

    weight: float32 [C, d]; bias: float32 [C]; for C classes and d features. ValueError when the shapes disagree.
    """

    weight: Array
    bias: Array

    kind: ClassVar[Literal["linear"]] = "linear"

    def __post_init__(self) -> None:
        _check(self.weight, self.bias, "weight", "bias")

    @property
    def classes(self) -> int:
        """Number of classes, C."""
        return int(self.weight.shape[0])

    @property
    def features(self) -> int:
        """Number of features taken, d."""
        return int(self.weight.shape[1])

    def logits(self, x: Array) -> Array:
        """Float32 [n, C] for features `x` float32 [n, d]."""
        return np.asarray(x @ self.weight.T + self.bias, dtype=np.float32)

    def effective(self, x: Array) -> tuple[Array, Array]:
        """The linear map this head is at one film's features `x` [d]: weights [C, d] and bias [C]; for this head, its own."""
        return self.weight, self.bias


@dataclass(frozen=True, eq=False)
class DenseHead:
    """One hidden layer: logits = weight @ relu(hidden_weight @ x + hidden_bias) + bias.

    hidden_weight: float32 [k, d]; hidden_bias: float32 [k]; weight: float32 [C, k]; bias: float32 [C] (zeros where the recipe has none).
    This is the head of Teachable Machine's image projects: Dense(100, ReLU), then softmax. ValueError when the shapes disagree.
    """

    hidden_weight: Array
    hidden_bias: Array
    weight: Array
    bias: Array

    kind: ClassVar[Literal["dense"]] = "dense"

    def __post_init__(self) -> None:
        _check(self.hidden_weight, self.hidden_bias, "hidden_weight", "hidden_bias")
        _check(self.weight, self.bias, "weight", "bias")
        if self.weight.shape[1] != self.hidden_weight.shape[0]:
            raise ValueError(f"weight is {self.weight.shape}, expected {self.hidden_weight.shape[0]} columns, one a hidden unit")

    @property
    def classes(self) -> int:
        """Number of classes, C."""
        return int(self.weight.shape[0])

    @property
    def features(self) -> int:
        """Number of features taken, d."""
        return int(self.hidden_weight.shape[1])

    def logits(self, x: Array) -> Array:
        """Float32 [n, C] for features `x` float32 [n, d]."""
        hidden = np.maximum(x @ self.hidden_weight.T + self.hidden_bias, 0)
        return np.asarray(hidden @ self.weight.T + self.bias, dtype=np.float32)

    def effective(self, x: Array) -> tuple[Array, Array]:
        """The linear map this head is around one film's features `x` [d]: weights [C, d] = d logits / d x, and bias [C].

        A ReLU network is linear between its kinks: with the hidden units that are on at `x` kept and the others dropped,
        logits = weights @ x + bias exactly, and the weights are the gradient in closed form.
        """
        on = (self.hidden_weight @ x + self.hidden_bias > 0).astype(np.float32)
        gated = self.weight * on
        bias = gated @ self.hidden_bias + self.bias
        return np.asarray(gated @ self.hidden_weight, np.float32), np.asarray(bias, np.float32)


Head = LinearHead | DenseHead


def class_map(head: Head, features: Array, feature_map: Array) -> Array:
    """The class activation map float32 [C, g, g]: how much each place of the film adds to each class's logit.

    features: float32 [d], the spatial mean of `feature_map`, float32 [d, g, g]. The map's spatial mean is the logit (Zhou et al. 2016,
    "Learning deep features for discriminative localization"; for the dense head the weights are those of `DenseHead.effective`,
    which is Grad-CAM without its ReLU, Selvaraju et al. 2017).
    """
    weight, bias = head.effective(features)
    return np.asarray(np.tensordot(weight, feature_map, axes=1) + bias[:, None, None], dtype=np.float32)


def _check(weight: Array, bias: Array, weight_name: str, bias_name: str) -> None:
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(f"{weight_name} is {weight.shape} and {bias_name} {bias.shape}, expected [rows, columns] and [rows]")
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError(f"{weight_name} or {bias_name} holds NaN or infinity, expected finite numbers")
