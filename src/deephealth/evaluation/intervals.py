"""95 % intervals by bootstrap over patients: films of one patient resemble each other, so patients are drawn, not films.

A plain percentile interval says [1, 1] when nothing went wrong, and is too short when only a few patients did. Shares, AUC and average
precision therefore take Wilson's score interval at the effective number of cases (the
bootstrap's own variance says how many independent ones the set is worth); at 0 or 1 exactly, Clopper and Pearson's or Newcombe's over
patients. Mean losses take a bootstrap-t interval. How often each holds the truth is measured in docs/numbers.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.evaluation.metrics import Floats, Ints, auc, average_precision

DRAWS = 2000
LEVEL = 0.95
FEW = 10
FEW_FOR_AUC = 50
Limits = tuple[float, float, float]
_Z = 1.959963984540054
_CHUNK = 64
_MOST_FACTOR = 64.0
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
        return _interval(value, *effective_wilson(value, drawn, n_films, self.effective_patients(base)), n_films, n_patients)

    def mean(self, values: ArrayLike, *, least: float = -math.inf, most: float = math.inf) -> Interval:
        """Mean of one number a film, [n], each from `least` to `most`, with its bootstrap-t interval (Efron 1981; Hall 1988).

        Losses are skewed, a few films carrying much of the sum: every draw is measured by its own standard error, which is large where
        those films were drawn and small where they were not. Below `FEW` patients it is Student's interval; of one patient there is none.
        """
        numbers = np.asarray(values, dtype=np.float64)
        if not self.n_films:
            return _interval(math.nan, math.nan, math.nan, 0, 0)
        value = float(numbers.mean())
        if self.n_patients < 2:
            return _interval(value, math.nan, math.nan, self.n_films, self.n_patients)
        low, high = self._bootstrap_t(numbers)
        return _interval(value, max(least, low), min(most, high), self.n_films, self.n_patients)

    def _bootstrap_t(self, numbers: Floats) -> tuple[float, float]:
        total, films = (np.bincount(self.patient_of, weights, self.n_patients) for weights in (numbers, np.ones(self.n_films)))
        table = np.stack([total, films, total**2, total * films, films**2], axis=1)
        value, error = _mean_and_error(table.sum(axis=0), self.n_patients)
        if self.n_patients < FEW:
            from scipy.stats import t

            reach = float(t.ppf((1 + LEVEL) / 2, self.n_patients - 1) * error)
            return float(value) - reach, float(value) + reach
        drawn, errors = _mean_and_error(np.concatenate([block.astype(np.float64) @ table for block in self.blocks()]), self.n_patients)
        # A draw whose patients are all alike has no error of its own to be measured by.
        distance = np.divide(drawn - value, errors, out=np.full(len(drawn), np.nan), where=errors > 1e-12)
        if np.isnan(distance).all():
            return float(value), float(value)
        nearest, farthest = percentiles(distance)
        return float(value - farthest * error), float(value - nearest * error)

    def auc(self, scores: ArrayLike, positive: ArrayLike) -> Interval:
        """Area under the ROC curve of scores [n] for the films marked positive, bool [n].

        Wilson's interval at the effective number of films. A perfect one, or fewer than `FEW` patients on a side, gets Newcombe's score
        interval over patients, scaled to the variance of the draws.
        """
        truth = np.asarray(positive, dtype=bool)
        value = auc(scores, truth)
        if math.isnan(value):
            return _interval(value, math.nan, math.nan, self.n_films, self.n_patients)
        drawn = self.aucs(scores, truth)
        sides = (self.patients_with(truth), self.patients_with(~truth))
        if value in (0.0, 1.0) or min(sides) < FEW:
            low, high = newcombe_auc(value, *sides, self._inflation(value, drawn, truth))
        else:
            units = min(self.effective_patients(truth), self.effective_patients(~truth))
            low, high = effective_wilson(value, drawn, self.n_films, units)
        return _interval(value, low, high, self.n_films, self.n_patients)

    def _inflation(self, area: float, drawn: Floats, truth: NDArray[np.bool_]) -> float:
        """The draws' variance of an AUC against that of independent patients: at least what it would be if all films were independent."""
        sides = (self.patients_with(truth), self.patients_with(~truth))
        expected = hanley_mcneil(area, *sides)
        # A perfect score has no spread of its own to go by, and one patient none at all: then patients are the units.
        if expected <= 0 or self.n_patients < 2:
            return 1.0
        least = min(1.0, hanley_mcneil(0.9, int(truth.sum()), int((~truth).sum())) / hanley_mcneil(0.9, *sides))
        return max(float(np.nanvar(drawn)) / expected, least)

    def auc_is_small(self, value: float, positive: ArrayLike) -> bool:
        """Whether the patients are too few for percentiles of an AUC of `value`."""
        truth = np.asarray(positive, dtype=bool)
        fewest = min(self.patients_with(truth), self.patients_with(~truth))
        return fewest < FEW_FOR_AUC or fewest * min(value, 1 - value) < FEW / 2

    def average_precision(self, scores: ArrayLike, positive: ArrayLike) -> Interval:
        """Average precision of scores [n] for the films marked positive, bool [n].

        A mean over the positive films, so it is worth no more cases than these (Boyd 2013): Wilson's interval at their effective number.
        """
        truth = np.asarray(positive, dtype=bool)
        value = average_precision(scores, truth)
        low = high = math.nan
        if value == 1.0:
            low, high = clopper_pearson_edge(value, self.patients_with(truth))
        elif not math.isnan(value):
            drawn = self.average_precisions(scores, truth)
            low, high = effective_wilson(value, drawn, int(truth.sum()), self.effective_patients(truth))
        return _interval(value, low, high, self.n_films, self.n_patients)

    def effective_patients(self, films: ArrayLike) -> float:
        """How many patients with equally many films would weigh as evenly as those of the films marked, bool [n] (Kish 1965); infinite
        where every patient has one film, since the films are then independent and their variance needs no estimate."""
        if self.n_patients == self.n_films:
            return math.inf
        sizes = np.bincount(self.patient_of[np.asarray(films, dtype=bool)], minlength=1).astype(np.float64)
        return float(sizes.sum() ** 2 / (sizes**2).sum()) if sizes.any() else 0.0


def _mean_and_error(sums: Floats, n_patients: int) -> tuple[Floats, Floats]:
    """Mean of films and its standard error over patients (that of a ratio: films are as random as their numbers), from sums over patients
    [..., 5] of: total, films, total squared, total times films, films squared."""
    total, films, squares, products, film_squares = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    mean = total / films
    spread = np.maximum(squares - 2 * mean * products + mean**2 * film_squares, 0.0)
    return mean, np.sqrt(spread * n_patients / (n_patients - 1)) / films


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


def effective_wilson(share: float, drawn: Floats, n_films: int, patients: float = math.inf) -> tuple[float, float]:
    """Wilson's interval at the number of independent cases that would give the variance of the draws, at most `n_films`.

    patients: how many (effective) patients that variance is estimated from; few of them make it uncertain, and the cases count for less:
    by Student's quantile with patients - 1 degrees of freedom instead of the normal one (Korn and Graubard 1998), and the bootstrap's
    variance, which divides by all patients, is too small by (patients - 1) / patients.
    """
    worth = min(share * (1 - share) / max(float(np.nanvar(drawn)), 1e-12), float(n_films))
    if math.isfinite(patients):
        from scipy.stats import t

        freedom = max(1.0, patients - 1)
        worth *= freedom / (freedom + 1) * (_Z / float(t.ppf((1 + LEVEL) / 2, freedom))) ** 2
    return wilson(share, worth)


def ratio_limits(top: Limits, bottom: Limits) -> tuple[float, float]:
    """95 % interval of the ratio of two independent shares from each one's (value, low, high): MOVER-R (Donner and Zou 2012).

    The upper end is infinite when `bottom` may be 0.
    """
    (a, a_low, a_high), (b, b_low, b_high) = top, bottom
    both = a * b
    least, most = a_low * (2 * a - a_low), a_high * (2 * a - a_high)
    far, near = b_high * (2 * b - b_high), b_low * (2 * b - b_low)
    below = both + math.sqrt(max(0.0, both**2 - least * far))
    above = both + math.sqrt(max(0.0, both**2 - most * near))
    return (least / below if below > 0 else 0.0), (above / near if near > 0 else math.inf)


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


def scaled_noise_limits(gaps: Floats, noise: Floats) -> tuple[float, float]:
    """95 % interval of sum |true gap| over bins, whose estimate sum |gap| is too high because noise in a bin never cancels its gap.

    gaps: as seen, [bins]; noise: of the gaps in bootstrap draws, [draws, bins]. True gaps are taken to be those of a shape times a common
    factor, and the interval is of the factors under which the estimate would not be surprising (inversion of a bootstrap test, Carpenter
    1999): 0 belongs to it when the noise alone explains the gaps. The shape is not known: the gaps seen are more ragged than the true
    ones, the gaps drawn to their mean as far as the noise explains their spread (James and Stein 1961) are smoother; both are asked.
    """
    mean, unevenness = gaps.mean(), ((gaps - gaps.mean()) ** 2).mean()
    kept = max(0.0, 1 - float(noise.var(axis=0).mean() / unevenness)) if unevenness > 0 else 0.0
    sure = max(0.0, 1 - float(noise.mean(axis=1).var() / mean**2)) if mean else 0.0
    lows, highs = zip(*(_limits_along(shape, gaps, noise) for shape in (gaps, sure * mean + kept * (gaps - mean))), strict=True)
    return min(lows), max(highs)


def _limits_along(shape: Floats, gaps: Floats, noise: Floats) -> tuple[float, float]:
    """The interval of `scaled_noise_limits` for true gaps that are a multiple of `shape`; of the gaps seen where the shape is flat."""
    seen = float(np.abs(gaps).sum())
    shape = shape if np.abs(shape).sum() > 1e-12 else gaps

    def reach(factor: float, share: float) -> float:
        return float(np.quantile(np.abs(factor * shape + noise).sum(axis=1), share))

    def factor_at(share: float) -> float:
        if reach(0.0, share) >= seen:
            return 0.0
        low, high = 0.0, 1.0
        while reach(high, share) < seen and high < _MOST_FACTOR:
            low, high = high, 2 * high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if reach(middle, share) < seen else (low, middle)
        return high

    size = float(np.abs(shape).sum())
    return factor_at((1 + LEVEL) / 2) * size, factor_at((1 - LEVEL) / 2) * size


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


def known(number: float) -> float | None:
    """The number, None for NaN."""
    return None if math.isnan(number) else float(number)


def _interval(value: float, low: float, high: float, n_films: int, n_patients: int) -> Interval:
    return Interval(known(value), known(low), known(high), n_films, n_patients)
