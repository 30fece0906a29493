"""What is gained by leaving films unanswered: the risk-coverage curve, and sets of labels with a promised coverage.

Risk and coverage (El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017): films are answered in the order of the model's own certainty, its
highest probability; the risk at a coverage is the share of wrong answers among the films answered.

Conformal sets (split conformal prediction with the "least ambiguous" score of Sadinle, Lei, Wasserman 2019): a label is in a film's set
when its probability reaches a threshold chosen on calibration films so that the set holds the film's own label with the promised
probability. The promise is for films exchangeable with the calibration films, one draw of both taken together; it says nothing about
another hospital, and several films of one patient make the calibration films worth fewer than their number.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from deephealth.errors import UsageError
from deephealth.evaluation.evidence import Abstention, ConformalSets, RiskPoint
from deephealth.evaluation.intervals import Interval, PatientBootstrap, clopper_pearson_edge, effective_wilson
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.model.record import ConformalRecord

LEVEL = 0.90
POINTS = 20
_ROUNDING = 1e-6


def risk_coverage(probabilities: ArrayLike, labels: ArrayLike, bootstrap: PatientBootstrap, *, points: int = POINTS) -> Abstention | None:
    """The curve at `points` even coverages, and the area under it (AURC); None without films.

    probabilities: [n, C]; labels: int [n]. Films of equal certainty are answered together, so a point's coverage may lie above the even
    one, and points that become equal are one. The area is the mean, over the films, of the risk when a film and all surer ones are
    answered.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if not len(y):
        return None
    certainty, wrong = p.max(axis=1), p.argmax(axis=1) != y
    falling = np.sort(certainty)[::-1]
    thresholds = {float(falling[max(math.ceil(share * len(y) / points), 1) - 1]): None for share in range(1, points + 1)}
    curve = []
    for threshold in thresholds:
        answered = certainty >= threshold
        curve.append(RiskPoint(float(answered.mean()), threshold, bootstrap.proportion(wrong, answered)))
    return Abstention(tuple(curve), _area(certainty, wrong, bootstrap))


def calibrate_sets(probabilities: ArrayLike, labels: ArrayLike, *, level: float = LEVEL) -> ConformalRecord | None:
    """The threshold for sets that hold the label of `level` of films, from calibration films; None without films.

    The k-th highest probability of a film's own label, k = ceil((n + 1) level): the empirical quantile with the finite-sample correction.
    Fewer than level / (1 - level) films cannot warrant the promise; the threshold is then 0 and every set holds every label.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if not 0 < level < 1:
        raise UsageError(f"A coverage of {level} was asked for; expected a share between 0 and 1.")
    if not len(y):
        return None
    own = np.sort(p[np.arange(len(y)), y])[::-1]
    rank = math.ceil((len(y) + 1) * level - 1e-9)
    # A hair below the film's own probability, so that float32 on another machine leaves the film in.
    threshold = max(float(own[rank - 1]) - _ROUNDING, 0.0) if rank <= len(y) else 0.0
    return ConformalRecord(level=level, threshold=threshold, films=len(y))


def label_sets(probabilities: ArrayLike, labels: ArrayLike, bootstrap: PatientBootstrap, record: ConformalRecord) -> ConformalSets:
    """How the sets of the frozen `record` do on other films: probabilities [n, C], labels int [n]."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    inside = p >= record.threshold
    size, every = inside.sum(axis=1), np.ones(len(y), dtype=bool)
    return ConformalSets(
        level=record.level,
        threshold=record.threshold,
        covered=bootstrap.proportion(inside[np.arange(len(y)), y], every),
        single=bootstrap.proportion(size == 1, every),
        empty=bootstrap.proportion(size == 0, every),
        mean_size=bootstrap.mean(size, least=0.0, most=float(p.shape[1])),
    )


def area_under_risk(certainty: ArrayLike, wrong: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """AURC for weights [draws, n] of the films (1 for each when None), [draws]; NaN where a draw has no film."""
    sure, bad = np.asarray(certainty, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    order = np.argsort(-sure, kind="stable")
    weight = np.ones((1, len(sure))) if weights is None else np.asarray(weights, dtype=np.float64)
    weight = weight[:, order]
    # Films of equal certainty share the risk at the end of their group.
    last = np.searchsorted(-sure[order], -sure[order], "right") - 1
    answered = np.cumsum(weight, axis=1)[:, last]
    errors = np.cumsum(weight * bad[order], axis=1)[:, last]
    risk = np.divide(errors, answered, out=np.zeros_like(errors), where=answered > 0)
    total = weight.sum(axis=1)
    return np.asarray(np.divide((weight * risk).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0))


def _area(certainty: Floats, wrong: Ints, bootstrap: PatientBootstrap) -> Interval:
    value = float(area_under_risk(certainty, wrong)[0])
    blocks = (block[:, bootstrap.patient_of] for block in bootstrap.blocks())
    drawn = np.concatenate([area_under_risk(certainty, wrong, weights) for weights in blocks])
    if not wrong.any() or wrong.all():
        low, high = clopper_pearson_edge(float(value), bootstrap.n_patients)
    else:
        every = bootstrap.effective_patients(np.ones(len(wrong), dtype=bool))
        low, high = effective_wilson(value, drawn, bootstrap.n_films, every)
    return Interval(value, low, high, bootstrap.n_films, bootstrap.n_patients)
