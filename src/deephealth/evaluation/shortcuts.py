"""The light shortcut audit: can the labels be told from parts of the films that hold no lungs?

A linear probe (ridge regression on one-hot labels) is trained and tested, cross-validated by patient, on each of a few inputs: the whole
thumbnail, its border, its two top corners, its grey levels, the size of the picture, the size of the file. Its score is the mean
one-against-the-rest AUC. The null is the same probe on labels shuffled among patients (`permutation`); ridge is linear in the labels, so
a hundred shuffles cost little more than one. Grey levels and file size depend on the lungs too (a dense lung is brighter and compresses
worse), so they are shown but decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.evaluation import metrics
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.permutation import exchanges, p_value, shuffle_patients

Singles = NDArray[np.float32]

if TYPE_CHECKING:
    from deephealth.datasets.facts import FilmFacts

SUFFICIENT, PARTIAL, NONE, UNKNOWN = "sufficient", "partial", "none", "unknown"
SENTENCES = {
    SUFFICIENT: "label predictable without the lungs: sufficient",
    PARTIAL: "label predictable without the lungs: partial",
    NONE: "no shortcut found by these probes",
    UNKNOWN: "the shortcut audit could not be made",
}
WHOLE = "whole film"
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


@dataclass(frozen=True)
class AuditReport:
    """Verdict ("sufficient", "partial", "none", "unknown"), its sentence, and the probes it comes from; `reason` when unknown."""

    verdict: str
    sentence: str
    results: tuple[ProbeResult, ...]
    n_films: int
    n_patients: int
    reason: str = ""

    @property
    def probes(self) -> Mapping[str, Interval]:
        """Mean AUC of every probe, by its name."""
        return {result.name: result.auc for result in self.results}

    def table(self) -> str:
        """The probes as lines for a terminal; those that decide the verdict are marked."""
        lines = [f"{'probe':<14}{'AUC':>7}{'95 % interval':>18}{'shuffled':>18}   {self.n_films} films, {self.n_patients} patients"]
        for result in self.results:
            auc = result.auc
            span = f"{auc.low:.3f} to {auc.high:.3f}" if auc.low is not None and auc.high is not None else "unknown"
            score = "unknown" if auc.value is None else f"{auc.value:.3f}"
            mark = "holds no lung" if result.lung_free else ""
            if result.lung_free and result.beats_null:
                mark += ", tells the labels apart"
            lines.append(f"{result.name:<14}{score:>7}{span:>18}{result.null_mean:>10.3f} ± {result.null_sd:.3f}   {mark}".rstrip())
        return "\n".join([*lines, *([self.reason] if self.reason else [])])

    def to_json(self) -> dict[str, Any]:
        """The audit as JSON values (`audit` in the report's schema)."""
        from deephealth.evaluation.results import plain

        return dict(plain(self))


def audit_shortcuts(
    facts: FilmFacts, labels: ArrayLike, patients: Sequence[str], classes: Sequence[str], *, seed: int = 0, draws: int = DRAWS
) -> AuditReport:
    """Audit the films of `facts` (n of them) with labels int [n] and patients [n]; 5,000 films take seconds, not minutes.

    The verdict is "sufficient" when a lung-free probe beats its null and either its interval overlaps the whole film's or it recovers 70 %
    of the whole film's gain over chance; "partial" when one only beats its null; "none" otherwise. With fewer than two classes that have
    two patients each, or so few patients that no score could beat the null, it is "unknown".
    """
    y = np.asarray(labels, dtype=np.int64)
    group = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)[1].reshape(-1).astype(np.int64)
    if not len(y) == len(group) == len(facts.names):
        raise ValueError(f"{len(facts.names)} films, {len(y)} labels and {len(group)} patients: there must be as many of each")
    present, y = np.unique(y, return_inverse=True)
    smallest = min((len(np.unique(group[y == c])) for c in range(len(present))), default=0)
    n_patients = len(np.unique(group))
    if len(present) < 2 or smallest < 2:
        reason = f"it needs two classes with two patients each, and {len(present)} of {len(classes)} classes have films"
        return AuditReport(UNKNOWN, SENTENCES[UNKNOWN], (), len(y), n_patients, reason)
    rng = np.random.default_rng([seed, 7])
    fold = _folds(y, group, min(FOLDS, smallest), rng)
    if (ways := exchanges(y, group, fold)) < 1 / NULL_LEVEL:
        reason = f"the labels of its {n_patients} patients can be exchanged in {ways} ways, too few to tell a shortcut from chance"
        return AuditReport(UNKNOWN, SENTENCES[UNKNOWN], (), len(y), n_patients, reason)
    stacked = np.stack([y, *(shuffle_patients(y, group, fold, rng) for _ in range(SHUFFLES))])
    bootstrap = PatientBootstrap(patients, draws=draws, seed=seed)
    results: list[ProbeResult] = []
    for name, (features, lung_free) in _inputs(facts).items():
        whole = results[0].auc.value if results else None
        results.append(_probe(name, features, stacked, fold, bootstrap, lung_free, whole))
    verdict = _verdict(results)
    return AuditReport(verdict, SENTENCES[verdict], tuple(results), len(y), n_patients)


def _inputs(facts: FilmFacts) -> dict[str, tuple[Floats, bool]]:
    """What each probe sees, [n, features], and whether it is free of lungs. Border: outer eighth; corners: 10/64 of the side."""
    films = facts.thumbnails.astype(np.float64) / 255.0
    side = films.shape[1]
    half = films.reshape(len(films), side // 2, 2, side // 2, 2).mean(axis=(2, 4)) if side > 32 and side % 2 == 0 else films
    frame = np.ones(half.shape[1:], dtype=bool)
    edge = max(1, half.shape[1] // 8)
    frame[edge:-edge, edge:-edge] = False
    corner = max(1, round(side * 10 / 64))
    corners = np.concatenate([films[:, :corner, :corner], films[:, :corner, -corner:]], axis=2)
    width, height = facts.width.astype(np.float64), facts.height.astype(np.float64)
    return {
        WHOLE: (half.reshape(len(films), -1), False),
        "border": (half[:, frame], True),
        "top corners": (corners.reshape(len(films), -1), True),
        "picture size": (_binned(np.log([width, height, width / height, width * height]).T), True),
        "grey levels": (_grey_levels(facts.thumbnails), False),
        "file size": (_binned(np.log(facts.file_bytes.astype(np.float64))[:, None]), False),
    }


def _grey_levels(thumbnails: NDArray[np.uint8]) -> Floats:
    """Square root of each film's share of pixels in 32 bands of grey."""
    counts = np.stack([np.bincount(film.ravel() // 8, minlength=32) for film in thumbnails])
    return np.asarray(np.sqrt(counts / thumbnails[0].size), dtype=np.float64)


def _binned(values: Floats) -> Floats:
    """Each column as itself and as marks of the eighth of the films (or of the value, where there are few) that it falls in.

    A line through sizes cannot tell a middle class apart, and sizes often come as a few exact values.
    """
    columns: list[NDArray[Any]] = []
    for column in values.T:
        distinct = np.unique(column)
        edges = distinct if len(distinct) <= 16 else np.unique(np.quantile(column, np.arange(1, 8) / 8))
        columns += [column[:, None], np.eye(len(edges) + 1)[np.searchsorted(edges, column)]]
    return np.concatenate(columns, axis=1)


def _folds(y: Ints, group: Ints, n: int, rng: np.random.Generator) -> Ints:
    """A fold for every film: patients of each class are dealt in random order, so folds are alike and no patient is in two."""
    dealt = np.zeros(group.max() + 1, dtype=np.int64)
    first_label = np.zeros(group.max() + 1, dtype=np.int64)
    first_label[group[::-1]] = y[::-1]
    for c in np.unique(first_label):
        members = rng.permutation(np.nonzero(first_label == c)[0])
        dealt[members] = (np.arange(len(members)) + int(c)) % n
    return np.asarray(dealt[group])


def _probe(
    name: str, features: Floats, stacked: Ints, fold: Ints, bootstrap: PatientBootstrap, lung_free: bool, whole: float | None
) -> ProbeResult:
    y = stacked[0]
    n_classes = int(y.max()) + 1
    scores = _held_out_scores(features, stacked, n_classes, fold)
    found = [metrics.macro_auc(score, labels) for score, labels in zip(scores, stacked, strict=True)]
    drawn = np.mean([bootstrap.aucs(scores[0][:, c], y == c) for c in range(n_classes)], axis=0)
    auc = bootstrap.percentile(found[0], drawn)
    mean, sd = float(np.mean(found[1:])), float(np.std(found[1:]))
    chance = p_value(found[0], found[1:])
    beats = chance <= NULL_LEVEL and found[0] > 0.5
    reference = found[0] if whole is None else whole
    recovered = max(0.0, found[0] - 0.5) / (reference - 0.5) if reference > 0.5 else None
    return ProbeResult(name, auc, mean, sd, bool(beats), lung_free, recovered, chance)


def _held_out_scores(features: Floats, stacked: Ints, n_classes: int, fold: Ints) -> list[Floats]:
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


def _verdict(results: Sequence[ProbeResult]) -> str:
    whole = results[0].auc
    beating = [result for result in results if result.lung_free and result.beats_null]
    if any(result.auc.overlaps(whole) or result.recovered is None or result.recovered >= RECOVERED for result in beating):
        return SUFFICIENT
    return PARTIAL if beating else NONE
