"""Scores of a classifier, in numpy alone.

Count scores take confusion matrices [..., C, C] (row: truth, column: answer), so that one formula serves the set itself and thousands of
bootstrap draws at once. What is undefined (a class without films, a ratio 0/0) is NaN here and null in JSON, never 0 and never 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def confusion_matrix(labels: ArrayLike, answers: ArrayLike, classes: int) -> Ints:
    """Counts [C, C] of films by truth (row) and answer (column); both given as class numbers 0..C-1 (ValueError otherwise)."""
    truth, answer = np.asarray(labels, dtype=np.int64), np.asarray(answers, dtype=np.int64)
    if truth.shape != answer.shape or truth.ndim != 1:
        raise ValueError(f"labels {truth.shape} and answers {answer.shape} must be two lists of one length")
    for given in (truth, answer):
        if given.size and (given.min() < 0 or given.max() >= classes):
            raise ValueError(f"a class number lies outside 0..{classes - 1}")
    return np.bincount(truth * classes + answer, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def accuracy(matrix: ArrayLike) -> Floats:
    """Share of films on the diagonal, [...]."""
    m = _matrix(matrix)
    return _ratio(_diagonal(m).sum(-1), m.sum((-2, -1)))


def sensitivity(matrix: ArrayLike) -> Floats:
    """Per class, the share of its films that are answered with it (recall), [..., C]."""
    m = _matrix(matrix)
    return _ratio(_diagonal(m), m.sum(-1))


def specificity(matrix: ArrayLike) -> Floats:
    """Per class, the share of the other classes' films that are not answered with it, [..., C]."""
    m = _matrix(matrix)
    others = m.sum((-2, -1))[..., None] - m.sum(-1)
    false_alarms = m.sum(-2) - _diagonal(m)
    return _ratio(others - false_alarms, others)


def balanced_accuracy(matrix: ArrayLike) -> Floats:
    """Mean sensitivity of the classes that have films, [...]."""
    return _mean_of_defined(sensitivity(matrix))


def ppv(matrix: ArrayLike, prevalence: ArrayLike | None = None) -> Floats:
    """Per class, the probability that a film answered with it belongs to it, [..., C].

    prevalence: share of each class, [C], in the population asked about; None for the shares in the data.
    """
    if prevalence is None:
        m = _matrix(matrix)
        return _ratio(_diagonal(m), m.sum(-2))
    return ppv_at(sensitivity(matrix), specificity(matrix), prevalence)


def npv(matrix: ArrayLike, prevalence: ArrayLike | None = None) -> Floats:
    """Per class, the probability that a film not answered with it does not belong to it, [..., C]; `prevalence` as in `ppv`."""
    if prevalence is None:
        m = _matrix(matrix)
        denied = m.sum((-2, -1))[..., None] - m.sum(-2)
        missed = m.sum(-1) - _diagonal(m)
        return _ratio(denied - missed, denied)
    return npv_at(sensitivity(matrix), specificity(matrix), prevalence)


def ppv_at(sens: ArrayLike, spec: ArrayLike, prevalence: ArrayLike) -> Floats:
    """Positive predictive value by Bayes' rule from sensitivity, specificity and prevalence (arrays that broadcast)."""
    se, sp, pi = (np.asarray(a, dtype=np.float64) for a in (sens, spec, prevalence))
    return _ratio(se * pi, se * pi + (1 - sp) * (1 - pi))


def npv_at(sens: ArrayLike, spec: ArrayLike, prevalence: ArrayLike) -> Floats:
    """Negative predictive value by Bayes' rule from sensitivity, specificity and prevalence (arrays that broadcast)."""
    se, sp, pi = (np.asarray(a, dtype=np.float64) for a in (sens, spec, prevalence))
    return _ratio(sp * (1 - pi), sp * (1 - pi) + (1 - se) * pi)


def auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive film scores above a negative one, ties counting a half (Mann-Whitney).

    scores: [n], higher means more positive. positive: bool [n]. NaN when either side has no film.
    """
    value, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    high, low = value[truth], np.sort(value[~truth])
    if not high.size or not low.size:
        return float("nan")
    below = int(np.searchsorted(low, high, "left").sum()) + int(np.searchsorted(low, high, "right").sum())
    return float(below / (2.0 * high.size * low.size))


def class_aucs(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """One-against-the-rest AUC of every class, [C]."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    return np.array([auc(p[:, c], y == c) for c in range(p.shape[1])])


def macro_auc(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean one-against-the-rest AUC of the classes for which it is defined; NaN when there is none."""
    return float(_mean_of_defined(class_aucs(probabilities, labels)))


def brier_terms(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Each film's squared distance between probabilities and the truth's one-hot vector, [n], each 0..2 (Brier 1950)."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    return np.asarray(((p - np.eye(p.shape[1])[y]) ** 2).sum(1))


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean multi-class Brier score, 0 (perfect) to 2; for two classes twice the one-sided score that scikit-learn gives."""
    return _mean(brier_terms(probabilities, labels))


def log_loss_terms(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Each film's minus log probability of its truth, [n], in nats; a probability of zero counts as the smallest positive float32."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    # A float32 softmax underflows to 0 for sure answers; infinity would hide all other films.
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], np.finfo(np.float32).tiny)))


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean minus log probability of the truth, in nats."""
    return _mean(log_loss_terms(probabilities, labels))


def bins_for(n: int) -> int:
    """How many bins n films are sorted into for their calibration: at most 15, and about 20 films in each."""
    return max(2, min(15, n // 20))


def equal_mass_bins(confidence: ArrayLike, bins: int = 15) -> Ints:
    """Bin number of every film, [n]: bins of (nearly) equal numbers of films by rising confidence; equal values share a bin."""
    value = np.asarray(confidence, dtype=np.float64)
    _, place, counts = np.unique(value, return_inverse=True, return_counts=True)
    first_rank = np.cumsum(counts) - counts
    return np.asarray(first_rank[place] * min(bins, len(value)) // max(len(value), 1), dtype=np.int64)


def reliability_bins(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> tuple[Floats, Floats, Ints]:
    """Mean confidence, share correct and number of films of every non-empty equal-mass bin (three lists of one length)."""
    value, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not len(value):
        return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)
    _, number = np.unique(equal_mass_bins(value, bins), return_inverse=True)
    counts = np.bincount(number)
    return np.bincount(number, value) / counts, np.bincount(number, right) / counts, counts.astype(np.int64)


def ece_equal_mass(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error with equal-mass bins, 0..1: film-weighted mean gap between confidence and share correct (Nguyen 2015)."""
    mean_confidence, share, counts = reliability_bins(confidence, correct, bins)
    if not counts.size:
        return float("nan")
    return float((np.abs(mean_confidence - share) * counts).sum() / counts.sum())


def roc_points(scores: ArrayLike, positive: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """False positive rate, sensitivity and threshold (score >= threshold is positive) from (0, 0) to (1, 1); empty when undefined."""
    threshold, hits, alarms = _cumulative(scores, positive)
    if not hits[-1] or not alarms[-1]:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    return alarms / alarms[-1], hits / hits[-1], threshold


def precision_recall_points(scores: ArrayLike, positive: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Recall (sensitivity), precision (PPV) and threshold by falling threshold; empty when there is no positive film."""
    threshold, hits, alarms = _cumulative(scores, positive)
    if not hits[-1]:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    return hits[1:] / hits[-1], hits[1:] / (hits[1:] + alarms[1:]), threshold[1:]


def average_precision(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the precision-recall curve as a sum of steps; NaN when there is no positive film."""
    recall, precision, _ = precision_recall_points(scores, positive)
    return float((np.diff(recall, prepend=0.0) * precision).sum()) if recall.size else float("nan")


def _cumulative(scores: ArrayLike, positive: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Thresholds from +inf down through each distinct score, with the films at or above them: positives, negatives."""
    value, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    order = np.argsort(-value, kind="stable")
    value, truth = value[order], truth[order]
    last = np.append(np.nonzero(np.diff(value))[0], len(value) - 1) if len(value) else np.zeros(0, dtype=np.int64)
    hits = np.concatenate([[0.0], np.cumsum(truth)[last]])
    alarms = np.concatenate([[0.0], np.cumsum(~truth)[last]])
    return np.concatenate([[np.inf], value[last]]), hits, alarms


def _matrix(matrix: ArrayLike) -> Floats:
    return np.asarray(matrix, dtype=np.float64)


def _diagonal(matrix: Floats) -> Floats:
    return np.asarray(np.diagonal(matrix, axis1=-2, axis2=-1))


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    top, bottom = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def _mean_of_defined(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(-1), known.sum(-1))


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")
