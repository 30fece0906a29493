"""The engine of the shortcut audits: can one thing be told from another, by a linear probe that is tested on patients it has not seen?

A probe is ridge regression on one-hot targets, cross-validated by patient; its score is the mean one-against-the-rest AUC over the
held-out films. The null is the same probe on targets shuffled among patients (`permutation`); ridge is linear in the targets, so a
hundred shuffles cost little more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.evaluation import metrics
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.shortcuts.permutation import exchanges, p_value, shuffle_patients

Singles = NDArray[np.float32]

SUFFICIENT, PARTIAL, NONE, UNKNOWN = "sufficient", "partial", "none", "unknown"
SENTENCES = {
    SUFFICIENT: "label predictable without the lungs: sufficient",
    PARTIAL: "label predictable without the lungs: partial",
    NONE: "no shortcut found by these probes",
    UNKNOWN: "the shortcut audit could not be made",
}
FOLDS = 5
SHUFFLES = 100
DRAWS = 1000
# False alarm rate of one probe; that of the verdict is at most this times the number of probes that decide.
NULL_LEVEL = 0.001
RECOVERED = 0.70
_RIDGE = 0.3


@dataclass(frozen=True)
class ProbeResult:
    """One probe. auc: mean one-against-the-rest AUC over held-out patients; null_mean, null_sd: of the same probe on shuffled labels.

    p_value: how often shuffled labels score as high; beats_null: whether that is at most `NULL_LEVEL`, and the AUC above 0.5.
    lung_free: whether its input holds no lung, so that it counts for the verdict.
    recovered: its gain over 0.5 as a share of the whole film's; None when the whole film gains nothing.
    """

    name: str
    auc: Interval
    null_mean: float
    null_sd: float
    beats_null: bool
    lung_free: bool
    recovered: float | None
    p_value: float


class Trial:
    """What is to be guessed of n films, int [n], dealt into folds by patient, beside its shuffles: one trial asks any number of inputs.

    strata: int [n]; the AUC is then that within each stratum, averaged over them by their films, so that what only tells the strata apart
    scores 0.5 (Janes and Pepe 2009, "Adjusting for covariate effects on classification accuracy using the covariate-adjusted ROC curve").
    ValueError when `why_not` says that nothing can be guessed.
    """

    def __init__(
        self,
        target: ArrayLike,
        patients: Sequence[str],
        *,
        strata: ArrayLike | None = None,
        seed: int = 0,
        draws: int = DRAWS,
        folds: int = FOLDS,
    ) -> None:
        if reason := why_not(target, patients):
            raise ValueError(reason)
        self.y = np.unique(np.asarray(target, dtype=np.int64), return_inverse=True)[1].reshape(-1).astype(np.int64)
        self.classes = int(self.y.max()) + 1
        group = _numbered(patients)
        rng = np.random.default_rng([seed, 7])
        self.fold = deal_folds(self.y, group, min(folds, _fewest(self.y, group)), rng)
        self._stacked = np.stack([self.y, *(shuffle_patients(self.y, group, self.fold, rng) for _ in range(SHUFFLES))])
        self.bootstrap = PatientBootstrap(patients, draws=draws, seed=seed)
        numbers = np.zeros(len(self.y), dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
        members = [np.nonzero(numbers == number)[0] for number in np.unique(numbers)]
        self._strata = [rows for rows in members if len(np.unique(self.y[rows])) > 1]
        if len(members) > 1:
            self._bootstraps = [PatientBootstrap([patients[int(i)] for i in rows], draws=draws, seed=seed) for rows in self._strata]
        else:
            self._bootstraps = [self.bootstrap]

    def ask(
        self, name: str, features: Floats, *, lung_free: bool = False, whole: float | None = None, scores: Floats | None = None
    ) -> ProbeResult:
        """Guess the target from `features` [n, d].

        whole: AUC of the whole film, of whose gain `recovered` is a share (default: of this probe itself). scores: held-out scores [n, C]
        of another classifier on the same features and folds, which then stand in for the ridge's; the null stays the ridge's.
        """
        found = held_out_scores(features, self._stacked, self.classes, self.fold)
        own = found[0] if scores is None else scores
        null = [self._auc(score, labels) for score, labels in zip(found[1:], self._stacked[1:], strict=True)]
        value = self._auc(own, self.y)
        drawn = self._drawn(own)
        chance = p_value(value, null)
        reference = value if whole is None else whole
        return ProbeResult(
            name=name,
            auc=self.bootstrap.percentile(value, drawn),
            null_mean=float(np.mean(null)),
            null_sd=float(np.std(null)),
            beats_null=bool(chance <= NULL_LEVEL and value > 0.5),
            lung_free=lung_free,
            recovered=max(0.0, value - 0.5) / (reference - 0.5) if reference > 0.5 else None,
            p_value=chance,
        )

    def _auc(self, scores: Floats, labels: Ints) -> float:
        areas = np.array([metrics.macro_auc(scores[rows], labels[rows]) for rows in self._strata])
        sizes = np.array([len(rows) for rows in self._strata])
        known = ~np.isnan(areas)  # shuffled labels may leave one value in a small stratum
        return float(np.average(areas[known], weights=sizes[known])) if known.any() else 0.5

    def _drawn(self, scores: Floats) -> Floats:
        """The AUC of the true target in every draw of patients, [draws]; strata are drawn apart."""
        parts = []
        for rows, bootstrap in zip(self._strata, self._bootstraps, strict=True):
            present = np.unique(self.y[rows])
            parts.append(len(rows) * np.mean([bootstrap.aucs(scores[rows, c], self.y[rows] == c) for c in present], axis=0))
        return np.asarray(np.sum(parts, axis=0) / sum(len(rows) for rows in self._strata))


def why_not(target: ArrayLike, patients: Sequence[str]) -> str:
    """Why `target` [n] cannot be guessed by patient, "" when it can.

    It needs two values of two patients each, and as many ways to exchange the patients' values as let a p-value fall to `NULL_LEVEL`.
    """
    y, group = np.asarray(target, dtype=np.int64), _numbered(patients)
    present, fewest = len(np.unique(y)), _fewest(y, group)
    if present < 2 or fewest < 2:
        classes = "1 class has" if present == 1 else f"{present} classes have"
        return f"it needs two classes with two patients each; {classes} films, the smallest of {fewest} patients"
    fold = deal_folds(y, group, min(FOLDS, fewest), np.random.default_rng(0))
    if (ways := exchanges(y, group, fold)) < 1 / NULL_LEVEL:
        return f"the labels of its {group.max() + 1} patients can be exchanged in {ways} ways, too few to tell a shortcut from chance"
    return ""


def decide(results: Sequence[ProbeResult]) -> str:
    """The verdict from the whole film's probe (the first) and the lung-free ones.

    "sufficient" when a lung-free probe beats its null and either its interval overlaps the whole film's or it recovers 70 % of the whole
    film's gain over chance; "partial" when one only beats its null; "none" otherwise.
    """
    whole = results[0].auc
    beating = [result for result in results if result.lung_free and result.beats_null]
    if any(result.auc.overlaps(whole) or result.recovered is None or result.recovered >= RECOVERED for result in beating):
        return SUFFICIENT
    return PARTIAL if beating else NONE


def table_lines(results: Sequence[ProbeResult]) -> list[str]:
    """The probes as lines for a terminal; those that decide the verdict are marked."""
    width = max((len(result.name) for result in results), default=0) + 2
    return [_line(result, max(width, 16)) for result in results]


def _line(result: ProbeResult, width: int) -> str:
    auc = result.auc
    span = f"{auc.low:.3f} to {auc.high:.3f}" if auc.low is not None and auc.high is not None else "unknown"
    score = "unknown" if auc.value is None else f"{auc.value:.3f}"
    mark = "holds no lung" if result.lung_free else ""
    if result.lung_free and result.beats_null:
        mark += ", tells the labels apart"
    return f"{result.name:<{width}}{score:>7}{span:>18}{result.null_mean:>10.3f} ± {result.null_sd:.3f}   {mark}".rstrip()


def deal_folds(y: Ints, group: Ints, n: int, rng: np.random.Generator) -> Ints:
    """A fold for every film: patients of each class are dealt in random order, so folds are alike and no patient is in two."""
    dealt = np.zeros(group.max() + 1, dtype=np.int64)
    first_label = np.zeros(group.max() + 1, dtype=np.int64)
    first_label[group[::-1]] = y[::-1]
    for c in np.unique(first_label):
        members = rng.permutation(np.nonzero(first_label == c)[0])
        dealt[members] = (np.arange(len(members)) + int(c)) % n
    return np.asarray(dealt[group])


def _numbered(patients: Sequence[str]) -> Ints:
    return np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)[1].reshape(-1).astype(np.int64)


def _fewest(y: Ints, group: Ints) -> int:
    """Patients of the class that has the fewest."""
    return min((len(np.unique(group[y == c])) for c in np.unique(y)), default=0)


def held_out_scores(features: Floats, stacked: Ints, n_classes: int, fold: Ints) -> list[Floats]:
    """Ridge scores [n, C] of every film, from the other folds, for each row of labels in `stacked`."""
    x = _standardised(features).astype(np.float32)
    targets = np.concatenate([np.eye(n_classes, dtype=np.float32)[labels] for labels in stacked], axis=1)
    targets -= targets.mean(axis=0)
    solve = _by_films if len(x) <= x.shape[1] else _by_features
    scores = solve(x, targets, fold)
    return [scores[:, start : start + n_classes] for start in range(0, scores.shape[1], n_classes)]


def _by_features(x: Singles, targets: Singles, fold: Ints) -> Floats:
    """Ridge in its usual form: each fold is summed once, and every fit takes its own fold off the total."""
    parts = {number: (x[fold == number], targets[fold == number]) for number in np.unique(fold)}
    products = {number: held.T @ held for number, (held, _) in parts.items()}
    moments = {number: held.T @ wanted for number, (held, wanted) in parts.items()}
    all_products, all_moments = sum(products.values()), sum(moments.values())
    strength = _RIDGE * len(x) * np.eye(x.shape[1], dtype=np.float32)
    scores = np.empty(targets.shape)
    for number, (held, _) in parts.items():
        scores[fold == number] = held @ np.linalg.solve(all_products - products[number] + strength, all_moments - moments[number])
    return scores


def _by_films(x: Singles, targets: Singles, fold: Ints) -> Floats:
    """The same ridge through the films' products with one another, which is less work when there are fewer films than features."""
    products = x @ x.T
    scores = np.empty(targets.shape)
    for number in np.unique(fold):
        out, kept = fold == number, fold != number
        strength = _RIDGE * len(x) * np.eye(int(kept.sum()), dtype=np.float32)
        scores[out] = products[np.ix_(out, kept)] @ np.linalg.solve(products[np.ix_(kept, kept)] + strength, targets[kept])
    return scores


def _standardised(features: Floats) -> Floats:
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    # A pixel that hardly ever changes must not be blown up into noise of full strength.
    floor = 1e-9 + 0.05 * float(spread.max(initial=0.0))
    return np.asarray(centred / np.maximum(spread, floor))
