"""The training films nearest to a film that was answered wrongly: often they show at once what the model took it for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from deephealth.evaluation.evidence import Neighbour

NEAREST = 3


def nearest_films(
    features: ArrayLike, others: ArrayLike, names: Sequence[str], labels: Sequence[str], *, n: int = NEAREST
) -> list[tuple[Neighbour, ...]]:
    """For each film of features [k, d], the `n` most similar of the films with features `others` [m, d], names and labels [m].

    Similar: the cosine of the features after each is brought to mean 0 and standard deviation 1 over `others`. Ties go to the first.
    """
    x, y = np.asarray(features, dtype=np.float32), np.asarray(others, dtype=np.float32)
    if not len(x) or not len(y):
        return [() for _ in x]
    mean, spread = y.mean(axis=0), y.std(axis=0)
    scale = np.where(spread > 1e-6, spread, np.inf)  # a feature that never changes says nothing
    similar = _unit((x - mean) / scale) @ _unit((y - mean) / scale).T
    found = []
    for row in similar:
        order = np.argsort(-row, kind="stable")[:n]
        found.append(tuple(Neighbour(names[place], labels[place], round(float(np.clip(row[place], -1, 1)), 6)) for place in order))
    return found


def _unit(x: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values = np.asarray(x, dtype=np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))
