"""How far a film lies from the films a model was trained on: the number behind the not-a-chest-film gate.

Probabilistic principal component analysis (Tipping & Bishop 1999) of the training films' features: along each of the first k directions
the spread is what the films show, in all the others one common spread; the distance is Mahalanobis's under that covariance. Unlike a full
covariance it can be estimated from fewer films than features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

MOST_COMPONENTS = 64
_SMALLEST_DISTANCE = 1e-6  # a threshold is above 0: rounding alone refuses no film
_FURTHEST = math.log(10)  # a threshold from few films is at most ten times the largest distance seen
_EXPLAINED = 0.99
_SMALLEST_SPREAD = (
    1e-3  # a direction's spread is never taken as less than this share of the mean spread: one constant feature must not rule
)


@dataclass(frozen=True, eq=False)
class NoveltyModel:
    """Distance from the training films, in units of the training films' median distance.

    mean: float32 [d]; components: float32 [k, d], orthonormal rows; inverse_scale: float32 [k], one over the spread along each component;
    residual_scale: one over the spread in every other direction. Both scales are already divided by the median distance.
    """

    mean: Array
    components: Array
    inverse_scale: Array
    residual_scale: float

    def distance(self, x: Array) -> Array:
        """Float32 [n], 0 or more, for features `x` float32 [n, d]. The training films' median is 1."""
        centred = np.asarray(x, dtype=np.float32) - self.mean
        along = centred @ self.components.T
        across = centred - along @ self.components
        inside = np.square(along * self.inverse_scale).sum(axis=1)
        outside = np.square(across * np.float32(self.residual_scale)).sum(axis=1)
        return np.asarray(np.sqrt(inside + outside), dtype=np.float32)


def fit_novelty(features: Array) -> NoveltyModel:
    """Fit to the features float32 [n, d] of the training films; n may be smaller than d, and is at least 2.

    As many components as explain 99 % of the variance, at most 64, and at most half of n - 1, since more could not be estimated.
    ValueError for fewer than two films or values that are not finite.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"features are {x.shape}, expected finite numbers [n, d] of at least two films")
    n, d = x.shape
    mean = x.mean(axis=0)
    from threadpoolctl import threadpool_limits

    # One thread: the result is then the same for any number of them, and an eigenvalue problem of this size gains nothing from two.
    with threadpool_limits(1, user_api="blas"):
        variances, directions = _principal(x - mean)
    total = float(variances.sum())
    k = _components(variances, n)
    floor = max(total / d * _SMALLEST_SPREAD**2, 1e-12)
    rest = max((total - float(variances[:k].sum())) / max(d - k, 1), floor)
    unscaled = NoveltyModel(
        mean=mean.astype(np.float32),
        components=directions[:k].astype(np.float32),
        inverse_scale=(1 / np.sqrt(np.maximum(variances[:k], floor))).astype(np.float32),
        residual_scale=1 / math.sqrt(rest),
    )
    median = float(np.median(unscaled.distance(np.asarray(features, dtype=np.float32)))) or 1.0
    return NoveltyModel(
        unscaled.mean, unscaled.components, (unscaled.inverse_scale / median).astype(np.float32), unscaled.residual_scale / median
    )


def choose_threshold(distances: Array, refuse: float = 0.01) -> float:
    """The distance above which a film is refused, from `distances` [n] of films of the right kind that were not trained on.

    The k-th smallest, k = ceil((n + 1)(1 - refuse)): a new film of the same kind is refused with a chance of at most `refuse` (the
    conformal rule). Fewer than 1 / refuse - 1 films cannot show so rare a distance; then it is the larger of the largest distance and the
    upper prediction bound of a normal law fitted to their logarithms, at most ten times the largest.

    ValueError for no films, or values not finite.
    """
    values = np.sort(np.asarray(distances, dtype=np.float64).ravel())
    if not len(values) or not np.isfinite(values).all() or not 0 < refuse < 1:
        raise ValueError(
            f"{len(values)} distances and refuse={refuse}, expected finite distances of at least one film and a share in (0, 1)"
        )
    n = len(values)
    rank = math.ceil((n + 1) * (1 - refuse) - 1e-9)
    if rank <= n:
        return max(float(values[rank - 1]), _SMALLEST_DISTANCE)
    logs = np.log(np.maximum(values, _SMALLEST_DISTANCE))
    spread = float(logs.std(ddof=1)) if n > 1 else 1.0
    bound = float(logs.mean()) + _student(1 - refuse, max(n - 1, 1)) * spread * math.sqrt(1 + 1 / n)
    return max(math.exp(min(max(bound, float(logs[-1])), float(logs[-1]) + _FURTHEST)), float(values[-1]))


def _student(share: float, freedom: int) -> float:
    """The quantile of Student's t, by the first terms of its Cornish-Fisher expansion (Abramowitz & Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(share)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _principal(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances [r], largest first, and unit directions [r, d]; through the smaller of the two Gram matrices."""
    n, d = centred.shape
    if n > d:
        variances, vectors = np.linalg.eigh(centred.T @ centred / (n - 1))
        directions = vectors.T[::-1]
    else:
        variances, vectors = np.linalg.eigh(centred @ centred.T / (n - 1))
        directions = vectors.T[::-1] @ centred
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        directions = directions / np.where(lengths > 0, lengths, 1)
    variances = np.maximum(variances[::-1], 0)
    # An eigenvector's sign is arbitrary; fixing it keeps the file the same from one linear algebra library to the next.
    signs = np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1))
    return variances, directions * np.where(signs == 0, 1, signs)


def _components(variances: NDArray[np.float64], films: int) -> int:
    total = variances.sum()
    enough = int(np.searchsorted(np.cumsum(variances), _EXPLAINED * total)) + 1 if total > 0 else 1
    return max(1, min(enough, MOST_COMPONENTS, (films - 1) // 2, len(variances)))
