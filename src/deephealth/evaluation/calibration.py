"""Choices made on the validation films and frozen into the model: its temperature and its operating points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deephealth.evaluation.intervals import DRAWS, Interval, PatientBootstrap
from deephealth.evaluation.metrics import Floats, roc_points

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
NORMAL = "normal"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold that turns probabilities into yes or no: yes when the summed probability of `positive` is at least `threshold`.

    sensitivity and specificity are those on the films it was chosen on, so they flatter a little;
    a report applies the point to other films.
    """

    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    threshold: float
    sensitivity: Interval
    specificity: Interval
    chosen_on: str = "validation"

    def to_json(self) -> dict[str, Any]:
        """The point as the JSON object that a model's record holds."""
        return {
            "name": self.name,
            "positive": list(self.positive),
            "negative": list(self.negative),
            "threshold": self.threshold,
            "sensitivity": self.sensitivity.to_json(),
            "specificity": self.specificity.to_json(),
            "chosen_on": self.chosen_on,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OperatingPoint:
        """The point from the JSON object that a model's record holds (KeyError when a field is missing)."""
        return cls(
            name=data["name"],
            positive=tuple(data["positive"]),
            negative=tuple(data["negative"]),
            threshold=float(data["threshold"]),
            sensitivity=Interval(**data["sensitivity"]),
            specificity=Interval(**data["specificity"]),
            chosen_on=data["chosen_on"],
        )


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Probabilities [n, C] of logits [n, C] divided by `temperature`."""
    z = np.asarray(logits, dtype=np.float64) / temperature
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, least: float = LOWEST_TEMPERATURE) -> float:
    """The temperature in `least`..20 that makes the log loss of softmax(logits / temperature) least (Guo 2017).

    logits: [n, C]; labels: int [n]. The loss is convex in 1 / temperature, so golden-section search over its
    logarithm finds the one minimum. Without films it is 1. When every film is answered rightly the loss would be least at ever surer
    answers; n right answers in a row warrant (n + 1) / (n + 2) (Laplace's rule, as in Platt 1999), so that becomes each film's target.
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if not len(y):
        return 1.0
    z = z - z.max(axis=1, keepdims=True)
    truth = z[np.arange(len(y)), y]
    others = np.where(np.eye(z.shape[1], dtype=bool)[y], -np.inf, z)
    if (truth > others.max(axis=1)).all():
        doubt = 1 / (len(y) + 2)
        truth = (1 - doubt) * truth + doubt * (z.sum(axis=1) - truth) / (z.shape[1] - 1)

    def loss(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        return float((np.log(np.exp(z * inverse).sum(axis=1)) - truth * inverse).mean())

    golden = (math.sqrt(5) - 1) / 2
    low, high = math.log(least), math.log(HIGHEST_TEMPERATURE)
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-6:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def positive_score(probabilities: ArrayLike, classes: Sequence[str], positive: Sequence[str]) -> Floats:
    """Summed probability of the `positive` labels, [n]."""
    columns = [index for index, label in enumerate(classes) if label in set(positive)]
    return np.asarray(np.asarray(probabilities, dtype=np.float64)[:, columns].sum(axis=1))


def choose_operating_points(
    probabilities: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    patients: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    chosen_on: str = "validation",
) -> list[OperatingPoint]:
    """Operating points on validation films: specificity 0.90 and 0.95, sensitivity 0.95, and Youden's index.

    probabilities: [n, C], calibrated; labels: int [n]; patients: [n], every film its own patient when None.
    The question is "normal against the rest" where a class `normal` exists, otherwise each class against the rest. A question that the
    films cannot answer (one side has no film) gives no points.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    bootstrap = PatientBootstrap(patients if patients is not None else [str(i) for i in range(len(y))], draws=draws, seed=seed)
    points = []
    for positive in _questions(classes):
        negative = tuple(label for label in classes if label not in positive)
        score = positive_score(p, classes, positive)
        truth = np.isin(y, [index for index, label in enumerate(classes) if label in positive])
        for name, threshold in _thresholds(score, truth).items():
            yes = score >= threshold
            found, spared = bootstrap.proportion(yes, truth), bootstrap.proportion(~yes, ~truth)
            points.append(OperatingPoint(name, positive, negative, threshold, found, spared, chosen_on))
    return points


def _questions(classes: Sequence[str]) -> list[tuple[str, ...]]:
    if NORMAL in classes:
        rest = tuple(label for label in classes if label != NORMAL)
        return [rest] if rest else []
    return [(label,) for label in classes] if len(classes) > 1 else []


def _thresholds(score: Floats, truth: Any) -> dict[str, float]:
    alarms, hits, at = roc_points(score, truth)
    if not hits.size:
        return {}
    spared = 1 - alarms
    # Along the curve the threshold falls, sensitivity rises and specificity falls: the last point that still keeps the specificity has the
    # highest sensitivity, the first that reaches the sensitivity has the highest specificity.
    chosen = {
        "specificity 0.90": int(np.nonzero(spared >= 0.90 - 1e-12)[0][-1]),
        "specificity 0.95": int(np.nonzero(spared >= 0.95 - 1e-12)[0][-1]),
        "sensitivity 0.95": int(np.nonzero(hits >= 0.95 - 1e-12)[0][0]),
        "Youden": int(np.argmax(hits + spared)),
    }
    return {name: _between(at, index) for name, index in chosen.items()}


def _between(at: Floats, index: int) -> float:
    """Midway between the lowest score that is still yes and the next lower one, so that rounding elsewhere changes no answer."""
    upper = float(at[index]) if math.isfinite(at[index]) else math.nextafter(float(at[1]), math.inf) + 1e-6
    lower = float(at[index + 1]) if index + 1 < len(at) else 0.0
    middle = (upper + lower) / 2
    return middle if lower < middle else upper
