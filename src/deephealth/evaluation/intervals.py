"""95 % intervals by bootstrap over patients: films of one patient resemble each other, so patients are drawn, not films.

A plain percentile interval says [1, 1] when nothing went wrong, and is too short when only a few patients did. Proportions with fewer
than `FEW` patients on either side therefore take Wilson's score interval at the effective number of patients (the bootstrap's own variance
says how many independent ones the set is worth); at 0 or 1 exactly, Clopper and Pearson's over patients. An AUC with fewer
than `FEW_FOR_AUC` patients on a side, or too near 0 or 1 for its patients, takes Newcombe's score interval, scaled to the bootstrap's
variance in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.evaluation.metrics import Floats, Ints

DRAWS = 2000
LEVEL = 0.95
FEW = 10
FEW_FOR_AUC = 50
_Z = 1.959963984540054
_CHUNK = 64
_KEEP_BYTES = 64 << 20


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval and what it rests on; value, low and high are None where the score is undefined.

    n_films and n_patients count the films the score is computed from (for a class's sensitivity: that class's films).
    """

    value: float | None
    low: float | None
    high: float | None
    n_films: int
    n_patients: int

    def to_json(self) -> dict[str, Any]:
        """The interval as JSON values."""
        return {"value": self.value, "low": self.low, "high": self.high, "n_films": self.n_films, "n_patients": self.n_patients}

    def overlaps(self, other: Interval) -> bool:
        """Whether both are defined and share a point."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return False
        return self.low <= other.high and other.low <= self.high


class PatientBootstrap:
    """`draws` samples of patients with replacement, the same ones for every score that is asked of it.

    patients: the patient of every film, [n]. Work is done in blocks of draws, so memory stays near block x films, however many the draws.
    """

    def __init__(self, patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> None:
        self.patient_of = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)[1].astype(np.int64).reshape(-1)
        self.n_films = len(self.patient_of)
        self.n_patients = int(self.patient_of.max()) + 1 if self.n_films else 0
        self.draws, self.seed = draws, seed
        self._kept: list[NDArray[np.uint16]] | None = [] if 2 * draws * self.n_patients <= _KEEP_BYTES else None

    def blocks(self) -> Iterator[NDArray[np.uint16]]:
        """How often each patient is drawn, block by block, uint16 [<= 64, patients]."""
        if self._kept:
            yield from self._kept
            return
        for start in range(0, self.draws, _CHUNK):
            block = self._draw(start)
            if self._kept is not None:
                self._kept.append(block)
            yield block

    def _draw(self, start: int) -> NDArray[np.uint16]:
        rows, n = min(_CHUNK, self.draws - start), self.n_patients
        chosen = np.random.default_rng([self.seed, start]).integers(0, n, size=(rows, n), dtype=np.int64)
        flat = (chosen + np.arange(rows)[:, None] * n).ravel()
        return np.bincount(flat, minlength=rows * n).reshape(rows, n).astype(np.uint16)

    def sums(self, values: ArrayLike) -> Floats:
        """Sums over films of values [n, k] in every draw, [draws, k]."""
        table = np.asarray(values, dtype=np.float64)
        per_patient = np.stack([np.bincount(self.patient_of, column, self.n_patients) for column in table.T], axis=1)
        return np.concatenate([block.astype(np.float64) @ per_patient for block in self.blocks()])

    def aucs(self, scores: ArrayLike, positive: ArrayLike) -> Floats:
        """AUC in every draw, [draws]: one sort of the negatives, then each draw is cumulative sums of integer weights."""
        value, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
        order = np.argsort(value[~truth], kind="stable")
        low_patients, high_patients = self.patient_of[~truth][order], self.patient_of[truth]
        sorted_low = value[~truth][order]
        before, upto = np.searchsorted(sorted_low, value[truth], "left"), np.searchsorted(sorted_low, value[truth], "right")
        found = []
        for block in self.blocks():
            # A leading zero, so that position k holds the weight of the k lowest negatives.
            below = np.zeros((len(block), len(sorted_low) + 1))
            np.cumsum(block[:, low_patients], axis=1, dtype=np.float64, out=below[:, 1:])
            weight = block[:, high_patients].astype(np.float64)
            pairs = weight.sum(1) * below[:, -1]
            wins = np.einsum("ij,ij->i", weight, below[:, before] + below[:, upto]) / 2
            found.append(np.divide(wins, pairs, out=np.full(len(block), np.nan), where=pairs > 0))
        return np.concatenate(found)

    def average_precisions(self, scores: ArrayLike, positive: ArrayLike) -> Floats:
        """Average precision in every draw, [draws]."""
        value, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
        order = np.argsort(-value, kind="stable")
        falling, hit = -value[order], truth[order]
        at_or_above = np.searchsorted(falling, falling[hit], "right") - 1
        patient = self.patient_of[order]
        found = []
        for block in self.blocks():
            weight = block[:, patient].astype(np.float64)
            answered = np.cumsum(weight, axis=1)[:, at_or_above]
            right = np.cumsum(weight * hit, axis=1)[:, at_or_above]
            precision = np.divide(right, answered, out=np.zeros_like(right), where=answered > 0)
            total = weight[:, hit].sum(1)
            area = np.einsum("ij,ij->i", weight[:, hit], precision)
            found.append(np.divide(area, total, out=np.full(len(block), np.nan), where=total > 0))
        return np.concatenate(found)

    def patients_with(self, films: ArrayLike) -> int:
        """Number of different patients among the films marked, bool [n]."""
        return len(np.unique(self.patient_of[np.asarray(films, dtype=bool)]))

    def percentile(self, value: float, drawn: Floats, films: ArrayLike | None = None) -> Interval:
        """The percentile interval of a score from its values in the draws; draws where it is undefined are left out."""
        chosen = np.ones(self.n_films, dtype=bool) if films is None else np.asarray(films, dtype=bool)
        low, high = percentiles(drawn)
        return _interval(value, low, high, int(chosen.sum()), self.patients_with(chosen))

    def proportion(self, hits: ArrayLike, among: ArrayLike) -> Interval:
        """Share of the films `among` (bool [n]) that are `hits` (bool [n])."""
        base = np.asarray(among, dtype=bool)
        success = np.asarray(hits, dtype=bool) & base
        failure = base & ~success
        n_films, n_patients = int(base.sum()), self.patients_with(base)
        if not n_films:
            return _interval(math.nan, math.nan, math.nan, 0, 0)
        value = float(success.sum()) / n_films
        if min(self.patients_with(success), self.patients_with(failure)) == 0:
            return _interval(value, *clopper_pearson_edge(value, n_patients), n_films, n_patients)
        totals = self.sums(np.stack([success, base], axis=1))
        drawn = np.divide(totals[:, 0], totals[:, 1], out=np.full(self.draws, np.nan), where=totals[:, 1] > 0)
        if min(self.patients_with(success), self.patients_with(failure)) >= FEW:
            return _interval(value, *percentiles(drawn), n_films, n_patients)
        return _interval(value, *effective_wilson(value, drawn, n_films), n_films, n_patients)

    def mean(self, values: ArrayLike) -> Interval:
        """Mean of one number a film, [n], with its percentile interval."""
        numbers = np.asarray(values, dtype=np.float64)
        if not self.n_films:
            return _interval(math.nan, math.nan, math.nan, 0, 0)
        totals = self.sums(np.stack([numbers, np.ones_like(numbers)], axis=1))
        return self.percentile(float(numbers.mean()), totals[:, 0] / totals[:, 1])

    def auc(self, scores: ArrayLike, positive: ArrayLike) -> Interval:
        """Area under the ROC curve of scores [n] for the films marked positive, bool [n]."""
        from deephealth.evaluation.metrics import auc

        truth = np.asarray(positive, dtype=bool)
        value = auc(scores, truth)
        if math.isnan(value):
            return _interval(value, math.nan, math.nan, self.n_films, self.n_patients)
        sides = (self.patients_with(truth), self.patients_with(~truth))
        drawn = self.aucs(scores, truth)
        if not self.auc_is_small(value, truth):
            return self.percentile(value, drawn)
        worst = min(1.0, hanley_mcneil(0.9, int(truth.sum()), int((~truth).sum())) / hanley_mcneil(0.9, *sides))
        expected = hanley_mcneil(value, *sides)
        # A perfect score has no spread of its own to go by: then patients are the units.
        inflation = max(float(np.nanvar(drawn)) / expected, worst) if expected > 0 else 1.0
        return _interval(value, *newcombe_auc(value, *sides, inflation), self.n_films, self.n_patients)

    def auc_is_small(self, value: float, positive: ArrayLike) -> bool:
        """Whether the patients are too few for the percentile interval of an AUC of `value`."""
        truth = np.asarray(positive, dtype=bool)
        fewest = min(self.patients_with(truth), self.patients_with(~truth))
        return fewest < FEW_FOR_AUC or fewest * min(value, 1 - value) < FEW / 2


def patient_bootstrap(statistic: Callable[[Ints], float], patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Percentile interval of any score, by calling `statistic` with the film numbers of each draw (slow; the class above is fast).

    statistic: film numbers int [m] -> score, NaN where undefined.
    """
    bootstrap = PatientBootstrap(patients, draws=draws, seed=seed)
    value = statistic(np.arange(bootstrap.n_films, dtype=np.int64))
    films = np.arange(bootstrap.n_films, dtype=np.int64)
    drawn = [statistic(np.repeat(films, row[bootstrap.patient_of])) for block in bootstrap.blocks() for row in block]
    return bootstrap.percentile(value, np.array(drawn, dtype=np.float64))


def percentiles(drawn: Floats) -> tuple[float, float]:
    """2.5th and 97.5th percentile of the draws that are defined; NaN when fewer than half are, since the rest would be a selection."""
    known = drawn[~np.isnan(drawn)]
    if 2 * len(known) < len(drawn) or not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `n` independent cases; n need not be whole."""
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def effective_wilson(share: float, drawn: Floats, n_films: int) -> tuple[float, float]:
    """Wilson's interval at the number of independent cases that would give the variance of the draws, at most `n_films`."""
    worth = share * (1 - share) / max(float(np.nanvar(drawn)), 1e-12)
    return wilson(share, min(worth, float(n_films)))


def clopper_pearson_edge(share: float, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval for a share of exactly 0 or 1 in n cases: 21 of 21 gives [0.839, 1]."""
    reach = ((1 - LEVEL) / 2) ** (1 / n)
    return (reach, 1.0) if share == 1.0 else (0.0, 1.0 - reach)


def mean_of_perfect_edge(counts: Sequence[int]) -> float:
    """Lower 95 % bound of the mean of several shares that are all exactly 1, seen in `counts` independent cases.

    The smallest mean of true shares p_c under which so perfect a result still has probability 0.025: minimise sum p_c with
    product p_c^n_c = 0.025, whose solution is p_c = min(1, t n_c). With one class it is Clopper and Pearson's bound.
    """
    n = np.asarray(counts, dtype=np.float64)
    goal = math.log((1 - LEVEL) / 2)
    low, high = 0.0, 1.0 / float(n.min())
    for _ in range(200):
        middle = (low + high) / 2
        shares = np.minimum(1.0, middle * n)
        low, high = (middle, high) if float((n * np.log(np.maximum(shares, 1e-300))).sum()) < goal else (low, middle)
    return float(np.minimum(1.0, high * n).mean())


def hanley_mcneil(area: float, positives: int, negatives: int) -> float:
    """Variance of an AUC of `area` from independent cases (Hanley and McNeil 1982, in Newcombe's symmetric form)."""
    extra = (positives + negatives) / 2 - 1
    return area * (1 - area) * (1 + extra * ((1 - area) / (2 - area) + area / (1 + area))) / (positives * negatives)


def newcombe_auc(area: float, positives: int, negatives: int, inflation: float = 1.0) -> tuple[float, float]:
    """Score interval of an AUC (Newcombe 2006, method 5): the areas whose own spread, times `inflation`, reaches as far as the one seen."""

    def reaches(other: float) -> bool:
        return abs(area - other) <= _Z * math.sqrt(inflation * hanley_mcneil(other, positives, negatives))

    return _edge(reaches, area, 0.0), _edge(reaches, area, 1.0)


def _edge(reaches: Callable[[float], bool], inside: float, outside: float) -> float:
    """The last point from `inside` towards `outside` that is still reached."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if reaches(middle) else (inside, middle)
    return inside


def _interval(value: float, low: float, high: float, n_films: int, n_patients: int) -> Interval:
    def known(number: float) -> float | None:
        return None if math.isnan(number) else float(number)

    return Interval(known(value), known(low), known(high), n_films, n_patients)
