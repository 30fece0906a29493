"""95 % intervals for the difference of two models' scores on the same films: every draw of patients serves both models.

A percentile interval is too short where the models differ on few patients: with four patients for B and none for A most draws hold one of
the four, and the interval leaves zero out, though a sign test has p = 0.125. Differences of shares with fewer than `FEW_DISCORDANT` such
patients therefore take the interval of Bonett and Price (J Educ Behav Stat 2012), which adds one imaginary patient for either model, here
on the bootstrap's variance. Differences of AUCs from few patients take Zou's and Donner's (Stat Med 2008; "MOVER"), from the small-sample
intervals of both AUCs and their correlation in the draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from deephealth.evaluation import metrics
from deephealth.evaluation.intervals import FEW, LEVEL, Interval, PatientBootstrap, percentiles
from deephealth.evaluation.metrics import Floats

FEW_DISCORDANT = 20
# With five patients that differ a two-sided sign test gives p = 0.0625 at best: fewer can never show a difference at 5 %.
FEWEST_DISCORDANT = 6
_Z = 1.959963984540054
_ROUNDING = 1e-12


def share_difference(
    bootstrap: PatientBootstrap, net: ArrayLike, groups: Sequence[ArrayLike], scale: float = 1.0
) -> tuple[Interval, float]:
    """The difference B - A of a share, or `scale` times the sum of those of several groups of films, and its standard deviation.

    net: int [n], 1 where B alone is right, -1 where A alone is, else 0. groups: bool [n] each, none empty: the films of each share.
    Accuracy is one group of all films; balanced accuracy is a group for each class, with scale 1 / classes. A draw without films of a
    group takes the mean of the groups it has. One patient gives no interval.
    """
    gain, masks = np.asarray(net, dtype=np.float64), np.stack([np.asarray(group, dtype=np.float64) for group in groups], axis=1)
    counts = masks.sum(axis=0)
    value = scale * float((gain @ masks / counts).sum())
    chosen = masks.any(axis=1)
    n_patients, k = bootstrap.patients_with(chosen), masks.shape[1]
    if n_patients < 2:
        return Interval(value, None, None, int(chosen.sum()), n_patients), math.nan
    totals = bootstrap.sums(np.column_stack([gain[:, None] * masks, masks]))
    drawn = scale * k * _mean_of_known(totals[:, :k], totals[:, k:])
    shares = np.bincount(bootstrap.patient_of, (gain[:, None] * masks / counts).sum(axis=1) * scale, bootstrap.n_patients)
    sizes = np.bincount(bootstrap.patient_of, (masks / counts).sum(axis=1) * scale, bootstrap.n_patients)
    discordant = np.abs(shares[np.abs(shares) > _ROUNDING])
    if len(discordant) >= FEW_DISCORDANT:
        low, high, sd = *percentiles(drawn), float(np.nanstd(drawn))
    else:
        unit = math.sqrt(float(np.mean(np.square(discordant if len(discordant) else sizes[sizes > 0]))))
        low, high, sd = bonett_price(value, float(np.nanvar(drawn)), unit, n_patients)
    if len(discordant) < FEWEST_DISCORDANT:
        low, high = min(low, 0.0), max(high, 0.0)
    reach = scale * k
    return _interval(value, max(low, -reach), min(high, reach), int(chosen.sum()), n_patients), sd


def balanced_difference(a: ArrayLike, b: ArrayLike, labels: ArrayLike, bootstrap: PatientBootstrap) -> tuple[Interval, float]:
    """The difference B - A of balanced accuracy and its standard deviation; a, b, labels: int [n], answers of both models and the truth."""
    truth = np.asarray(labels)
    net = (np.asarray(b) == truth).astype(np.int64) - (np.asarray(a) == truth)
    present = [truth == c for c in np.unique(truth)]
    return share_difference(bootstrap, net, present, 1 / len(present))


def bonett_price(value: float, variance: float, unit: float, n: int) -> tuple[float, float, float]:
    """Interval and standard deviation of a mean difference of `n` patients after one more is added for either model.

    variance: of the mean, without the two; unit: what such a patient moves the mean by. With one film a patient and one share it is the
    interval of Bonett and Price for two paired proportions.
    """
    centre = value * n / (n + 2)
    sd = math.sqrt(n**2 * variance + 2 * n * value**2 / (n + 2) + 2 * (n * unit) ** 2) / (n + 2)
    return centre - _Z * sd, centre + _Z * sd, sd


def auc_difference(bootstrap: PatientBootstrap, a: Floats, b: Floats, truths: Sequence[ArrayLike]) -> Interval:
    """The difference B - A of the mean AUC of several columns of scores [n, k] against `truths`, bool [n] each with films on both sides."""
    masks = [np.asarray(truth, dtype=bool) for truth in truths]
    drawn, alone, small = [], [], False
    for scores in (a, b):
        drawn.append(np.mean([bootstrap.aucs(scores[:, c], mask) for c, mask in enumerate(masks)], axis=0))
        found = [bootstrap.auc(scores[:, c], mask) for c, mask in enumerate(masks)]
        small |= any(bootstrap.auc_is_small(interval.value or 0.0, mask) for interval, mask in zip(found, masks, strict=True))
        alone.append([float(np.mean([getattr(interval, end) for interval in found])) for end in ("value", "low", "high")])
    value = alone[1][0] - alone[0][0]
    if bootstrap.n_patients < 2:
        return Interval(value, None, None, bootstrap.n_films, bootstrap.n_patients)
    low, high = mover(alone[0], alone[1], _correlation(*drawn)) if small else percentiles(drawn[1] - drawn[0])
    return _interval(value, low, high, bootstrap.n_films, bootstrap.n_patients)


def mover(a: Sequence[float], b: Sequence[float], correlation: float) -> tuple[float, float]:
    """Interval of b - a from (value, low, high) of both and the correlation of the two estimates (Zou and Donner 2008)."""
    value = b[0] - a[0]

    def reach(down: float, up: float) -> float:
        return math.sqrt(max(down**2 + up**2 - 2 * correlation * down * up, 0.0))

    return value - reach(b[0] - b[1], a[2] - a[0]), value + reach(b[2] - b[0], a[0] - a[1])


def mean_difference(bootstrap: PatientBootstrap, a: ArrayLike, b: ArrayLike) -> Interval:
    """The difference B - A of the mean of one number a film, [n]; with fewer than ten patients Student's t on the bootstrap's spread."""
    gain = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    value, n = float(gain.mean()), bootstrap.n_patients
    if n < 2:
        return Interval(value, None, None, bootstrap.n_films, n)
    totals = bootstrap.sums(np.stack([gain, np.ones_like(gain)], axis=1))
    drawn = totals[:, 0] / totals[:, 1]
    low, high = percentiles(drawn) if n >= FEW else _student(value, drawn, n)
    return _interval(value, low, high, bootstrap.n_films, n)


def ece_difference(bootstrap: PatientBootstrap, a: tuple[Floats, ArrayLike], b: tuple[Floats, ArrayLike]) -> Interval:
    """The difference B - A of the ECE; a, b: (confidence [n], right or not [n]).

    With the bins of an evaluation and the basic bootstrap interval, in which the excess that the ECE of a resample has over that of the set
    cancels. No interval with fewer than ten patients.
    """
    values, drawn, bins = [], [], metrics.bins_for(bootstrap.n_films)
    for confidence, right in (a, b):
        values.append(metrics.ece_equal_mass(confidence, right, bins))
        number = np.unique(metrics.equal_mass_bins(confidence, bins), return_inverse=True)[1]
        gaps = np.eye(int(number.max()) + 1)[number] * (confidence - np.asarray(right, dtype=np.float64))[:, None]
        totals = bootstrap.sums(np.column_stack([gaps, np.ones(len(confidence))]))
        drawn.append(np.abs(totals[:, :-1]).sum(axis=1) / totals[:, -1])
    value = values[1] - values[0]
    if bootstrap.n_patients < FEW:
        return Interval(value, None, None, bootstrap.n_films, bootstrap.n_patients)
    low, high = percentiles(drawn[1] - drawn[0])
    return _interval(value, 2 * value - high, 2 * value - low, bootstrap.n_films, bootstrap.n_patients)


def _student(value: float, drawn: Floats, n: int) -> tuple[float, float]:
    from scipy.stats import t

    reach = float(t.ppf((1 + LEVEL) / 2, n - 1)) * float(np.std(drawn)) * math.sqrt(n / (n - 1))
    return value - reach, value + reach


def _mean_of_known(top: Floats, bottom: Floats) -> Floats:
    """Mean over the columns of top / bottom, [draws], leaving out those where bottom is zero; NaN where all are."""
    known = bottom > 0
    ratio = np.divide(top, bottom, out=np.zeros_like(top), where=known)
    count = known.sum(axis=1)
    return np.asarray(np.divide(ratio.sum(axis=1), count, out=np.full(len(top), np.nan), where=count > 0))


def _correlation(a: Floats, b: Floats) -> float:
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < 2 or np.std(a[known]) < _ROUNDING or np.std(b[known]) < _ROUNDING:
        return 0.0  # a perfect score has no spread of its own: taken as unrelated, which makes the interval longer
    return float(np.corrcoef(a[known], b[known])[0, 1])


def _interval(value: float, low: float, high: float, n_films: int, n_patients: int) -> Interval:
    if math.isnan(low) or math.isnan(high):
        return Interval(value, None, None, n_films, n_patients)
    return Interval(value, min(low, value), max(high, value), n_films, n_patients)
