"""DeLong's test for two AUCs on the same films, with and without several films a patient.

One film a patient: DeLong, DeLong and Clarke-Pearson (Biometrics 1988), by mid-ranks as Sun and Xu (IEEE Signal Processing Letters 2014)
have it, in O(n log n). Several films a patient: the structural components are summed over each patient before their covariance is taken
(Obuchowski, Biometrics 1997); with one film a patient that formula is DeLong's own, so one function serves both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deephealth.evaluation.metrics import Floats

_Z = 1.959963984540054
FEWEST = 10


@dataclass(frozen=True)
class AucTest:
    """The difference B - A of two AUCs by DeLong's method. p is two-sided, from the normal distribution.

    se, low, high, p are None with fewer than ten patients on a side, for whom the normal distribution does not hold, and where there is no
    spread at all (equal rankings).
    clustered: patients have several films, so the covariance is Obuchowski's.
    """

    label: str
    a: float
    b: float
    difference: float
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    clustered: bool
    n_films: int
    n_patients: int


def delong(label: str, a: ArrayLike, b: ArrayLike, positive: ArrayLike, patients: Sequence[str]) -> AucTest | None:
    """Test scores `a` and `b` [n] of the same films against each other; None when one side has no film.

    positive: bool [n]; patients: the patient of every film, [n].
    """
    truth = np.asarray(positive, dtype=bool)
    if truth.all() or not truth.any():
        return None
    aucs, covariance = auc_covariance(np.stack([np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)]), truth, patients)
    n_patients = len(set(patients))
    difference = float(aucs[1] - aucs[0])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    few = min(len({p for p, high in zip(patients, truth, strict=True) if high == side}) for side in (True, False)) < FEWEST
    clustered, shown = n_patients < len(truth), (label, float(aucs[0]), float(aucs[1]), difference)
    # Below this it is rounding: the two models rank all films alike.
    if few or math.isnan(variance) or variance < 1e-16:
        return AucTest(*shown, None, None, None, None, clustered, len(truth), n_patients)
    se = math.sqrt(variance)
    p = math.erfc(abs(difference) / se / math.sqrt(2))
    return AucTest(*shown, se, difference - _Z * se, difference + _Z * se, p, clustered, len(truth), n_patients)


def auc_covariance(scores: ArrayLike, positive: ArrayLike, patients: Sequence[str]) -> tuple[Floats, Floats]:
    """AUCs [k] of k sets of scores [k, n] for the same films, and their covariance [k, k]; NaN with fewer than two patients on a side."""
    table, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    patient = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)[1].reshape(-1)
    on_high, on_low = _components(table, truth)
    aucs = on_high.mean(axis=1)
    count = int(patient.max()) + 1
    high, with_high = _per_patient(on_high - aucs[:, None], patient[truth], count)
    low, with_low = _per_patient(on_low - aucs[:, None], patient[~truth], count)
    m, n = int(truth.sum()), int((~truth).sum())
    if min(with_high, with_low) < 2:
        return aucs, np.full((len(table), len(table)), np.nan)
    cross = high @ low.T * count / (count - 1)
    covariance = (
        high @ high.T * with_high / (with_high - 1) / m**2 + low @ low.T * with_low / (with_low - 1) / n**2 + (cross + cross.T) / (m * n)
    )
    return aucs, np.asarray(covariance)


def _components(table: Floats, truth: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[Floats, Floats]:
    """DeLong's structural components: for each positive the share of negatives below it, for each negative the share of positives above."""
    from scipy.stats import rankdata

    m, n = int(truth.sum()), int((~truth).sum())
    ranks = rankdata(table, axis=1)
    on_high = (ranks[:, truth] - rankdata(table[:, truth], axis=1)) / n
    on_low = 1 - (ranks[:, ~truth] - rankdata(table[:, ~truth], axis=1)) / m
    return on_high, on_low


def _per_patient(centred: Floats, patient: np.ndarray[tuple[int, ...], np.dtype[np.int64]], count: int) -> tuple[Floats, int]:
    """Sums over each patient's films, [k, count], and how many patients have any."""
    sums = np.stack([np.bincount(patient, row, count) for row in centred]).astype(np.float64)
    return sums, len(np.unique(patient))
