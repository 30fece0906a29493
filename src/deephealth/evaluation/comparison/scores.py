"""Two models' answers to the same films, compared: paired differences over patients, tests where they apply, a verdict that may be none.

One score is named beforehand and alone decides: balanced accuracy, the mean of the classes' sensitivities, which no class dominates by its
number. The others describe, and carry no claim: a single primary endpoint needs no correction for multiple tests, and secondary ones
cannot save it (ICH E9 1998, 2.2.2 and 2.2.5; Bender and Lange, J Clin Epidemiol 2001). A winner is named only when the 95 % interval of
the primary difference excludes zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.errors import UsageError
from deephealth.evaluation import metrics
from deephealth.evaluation.comparison.delong import AucTest, delong
from deephealth.evaluation.comparison.paired import auc_difference, balanced_difference, ece_difference, mean_difference, share_difference
from deephealth.evaluation.comparison.results import (
    ClassMoves,
    Comparison,
    Difference,
    Disagreement,
    McNemar,
    PointMoves,
    Refused,
    Verdict,
)
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.headline import UNKNOWN
from deephealth.evaluation.intervals import DRAWS, Interval, PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.results import Limit, Scores

MOST_DIFFERENT = 10
FEW = 20
# (z of 0.975 + z of 0.80)^2: a two-sided test at 5 % with a power of 80 %.
_POWER = (1.959963984540054 + 0.8416212335729143) ** 2
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Point:
    """An operating point that both models have: its name, and the labels common to both that count as positive."""

    name: str
    positive: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Answers:
    """One model's answers to n films.

    probabilities: [n, C], in the order of the classes compared; decisions: each operating point's yes or no by the model's own threshold,
    bool [n]; refused: bool [n], films that its gate refused, None for none.
    """

    probabilities: Floats
    decisions: Mapping[Point, Bools] = field(default_factory=lambda: MappingProxyType({}))
    refused: Bools | None = None

    @property
    def labels(self) -> Ints:
        """Number of the most probable class, int [n]."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)


def compare_answers(
    a: Answers,
    b: Answers,
    labels: ArrayLike,
    patients: Sequence[str],
    classes: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    margin: float | None = None,
    learned: bool = False,
    same: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare the answers of A and B to the same films.

    labels: int [n], the number of each film's class; patients: [n]; margin: the share, 0 to 1, by which B may be worse and still pass as
    not worse; learned: one of the models learned from some of the films, so that no winner may be named; same: A and B are one model. The
    same input and seed give the same numbers. UsageError when lengths differ or the margin is no share.
    """
    y = np.asarray(labels, dtype=np.int64)
    if not len(a.probabilities) == len(b.probabilities) == len(y) == len(patients) or not len(y):
        raise UsageError(
            f"{len(a.probabilities)} answers of A, {len(b.probabilities)} of B, {len(y)} labels and {len(patients)} patients were given; "
            "there must be as many of each, and at least one."
        )
    if margin is not None and not 0 < margin < 1:
        raise UsageError(f"the margin is {margin}, expected a share above 0 and below 1, such as 0.02 for two points.")
    bootstrap = PatientBootstrap(patients, draws=draws, seed=seed)
    alone = [score_predictions(each.probabilities, y, patients, classes, draws=draws, seed=seed).scores for each in (a, b)]
    pair = _Pair(a, b, y, tuple(patients), tuple(classes), bootstrap, *alone)
    found, sd = balanced_difference(a.labels, b.labels, y, bootstrap)
    primary = Difference("balanced_accuracy", alone[0].balanced_accuracy, alone[1].balanced_accuracy, found)
    limits = _limits(pair)
    return Comparison(
        classes=pair.classes,
        n_films=len(y),
        n_patients=bootstrap.n_patients,
        verdict=_verdict(pair, found, needed_patients(found, sd), margin, learned, same),
        primary=primary,
        differences=tuple(_secondary(pair)),
        auc_tests=tuple(test for c in range(len(classes)) if (test := pair.delong(c)) is not None),
        mcnemar=_mcnemar(pair),
        kappa=_kappa(pair),
        moves=tuple(_class_moves(pair, c) for c in range(len(classes))),
        points=tuple(_point_moves(pair, point) for point in pair.points),
        refused=_refused(pair),
        most_different=_most_different(pair, names),
        limits=limits,
    )


def needed_patients(difference: Interval, bootstrap_sd: float) -> int | None:
    """Patients like these with which a difference as large as the one seen would be found in 80 % of studies, at 5 % two-sided.

    The variance of the difference falls as one over the patients: n = n_here x (1.96 + 0.84)^2 x (sd / difference)^2, with sd that of the
    difference in the draws. Rounded up to two figures, since the difference it rests on is itself uncertain: an order of magnitude for a
    next study, no power of this one (Hoenig and Heisey, Am Stat 2001). None when the difference or its spread is zero, and with fewer than
    20 patients, whose spread is too uncertain to plan from.
    """
    if difference.n_patients < FEW or not difference.value or not bootstrap_sd or math.isnan(bootstrap_sd):
        return None
    exact = difference.n_patients * _POWER * (bootstrap_sd / difference.value) ** 2
    unit = 10.0 ** max(math.floor(math.log10(exact)) - 1, 0) if exact >= 1 else 1.0
    return int(math.ceil(exact / unit) * unit)


@dataclass(frozen=True, eq=False)
class _Pair:
    a: Answers
    b: Answers
    truth: Ints
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    bootstrap: PatientBootstrap
    scores_a: Scores
    scores_b: Scores

    @property
    def hits(self) -> tuple[Bools, Bools]:
        """Films that each model answers rightly."""
        return self.a.labels == self.truth, self.b.labels == self.truth

    @property
    def net(self) -> Ints:
        """1 where B alone is right, -1 where A alone is, else 0."""
        a, b = self.hits
        return b.astype(np.int64) - a

    @property
    def points(self) -> list[Point]:
        return [point for point in self.a.decisions if point in self.b.decisions]

    def delong(self, c: int) -> AucTest | None:
        return delong(self.classes[c], self.a.probabilities[:, c], self.b.probabilities[:, c], self.truth == c, self.patients)

    def positives(self, point: Point) -> Bools:
        return np.isin(self.truth, [c for c, label in enumerate(self.classes) if label in point.positive])


def _verdict(pair: _Pair, found: Interval, needed: int | None, margin: float | None, learned: bool, same: bool) -> Verdict:
    known = found.low is not None and found.high is not None and len(np.unique(pair.truth)) > 1
    if same or not known:
        return Verdict("same" if same else "unknown", margin=margin)
    assert found.low is not None and found.high is not None
    not_worse = None if margin is None or learned else found.low > -margin
    if learned:
        return Verdict("seen", margin=margin)
    if found.low > 0 or found.high < 0:
        return Verdict("better", "B" if found.low > 0 else "A", None, margin, not_worse)
    return Verdict("undecided", "", needed, margin, not_worse)


def _secondary(pair: _Pair) -> Iterator[Difference]:
    """Every score but the primary one, in the order of the report."""
    a, b, y, bootstrap = pair.scores_a, pair.scores_b, pair.truth, pair.bootstrap
    everything = np.ones(len(y), dtype=bool)
    yield Difference("accuracy", a.accuracy, b.accuracy, share_difference(bootstrap, pair.net, [everything])[0])
    sided = [c for c in range(len(pair.classes)) if 0 < (y == c).sum() < len(y)]
    for score, subject, columns in [("macro_auc", "", sided), *(("auc", pair.classes[c], [c]) for c in sided)]:
        if columns:
            found = auc_difference(bootstrap, pair.a.probabilities[:, columns], pair.b.probabilities[:, columns], [y == c for c in columns])
            ends = (a.macro_auc, b.macro_auc) if score == "macro_auc" else (a.classes[columns[0]].auc, b.classes[columns[0]].auc)
            yield Difference(score, *ends, found, subject=subject)
    for point in pair.points:
        yield from _at_point(pair, point)
    yield from _calibration(pair)


def _at_point(pair: _Pair, point: Point) -> Iterator[Difference]:
    """Sensitivity and specificity of both models, each at its own threshold, and their differences."""
    a, b, truth = pair.a.decisions[point], pair.b.decisions[point], pair.positives(point)
    for score, among, right_a, right_b in (("sensitivity", truth, a, b), ("specificity", ~truth, ~a, ~b)):
        if among.any():
            found = share_difference(pair.bootstrap, right_b.astype(np.int64) - right_a, [among])[0]
            alone_a, alone_b = pair.bootstrap.proportion(right_a, among), pair.bootstrap.proportion(right_b, among)
            yield Difference(score, alone_a, alone_b, found, subject=point.name, positive=point.positive)


def _calibration(pair: _Pair) -> Iterator[Difference]:
    a, b, y, bootstrap = pair.a.probabilities, pair.b.probabilities, pair.truth, pair.bootstrap
    for score, terms in (("brier", metrics.brier_terms), ("log_loss", metrics.log_loss_terms)):
        found = mean_difference(bootstrap, terms(a, y), terms(b, y))
        yield Difference(score, getattr(pair.scores_a, score), getattr(pair.scores_b, score), found, higher_is_better=False)
    right_a, right_b = pair.hits
    found = ece_difference(bootstrap, (a.max(axis=1), right_a), (b.max(axis=1), right_b))
    yield Difference("ece", pair.scores_a.ece, pair.scores_b.ece, found, higher_is_better=False)


def _mcnemar(pair: _Pair) -> McNemar | None:
    if pair.bootstrap.n_patients < pair.bootstrap.n_films:
        return None
    from scipy.stats import binomtest

    only_a, only_b = int((pair.net < 0).sum()), int((pair.net > 0).sum())
    return McNemar(only_a, only_b, float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0)


def _kappa(pair: _Pair) -> Interval:
    """Cohen's kappa between the two models' answers; unknown where both answer all films with one class."""
    n, bootstrap = len(pair.classes), pair.bootstrap

    def kappa(table: Floats) -> Floats:
        total = table.sum((-2, -1))
        agreed = np.trace(table, axis1=-2, axis2=-1) / total
        chance = (table.sum(-1) * table.sum(-2)).sum(-1) / total**2
        return np.asarray(np.divide(agreed - chance, 1 - chance, out=np.full_like(agreed, np.nan), where=1 - chance > 1e-12))

    cells = np.eye(n * n)[pair.a.labels * n + pair.b.labels]
    value = float(kappa(cells.sum(axis=0).reshape(1, n, n))[0])
    if math.isnan(value) or bootstrap.n_patients < 2:
        return Interval(None if math.isnan(value) else value, None, None, bootstrap.n_films, bootstrap.n_patients)
    return bootstrap.percentile(value, kappa(bootstrap.sums(cells).reshape(-1, n, n)))


def _class_moves(pair: _Pair, c: int) -> ClassMoves:
    (a, b), films = pair.hits, pair.truth == c
    counts = [int((films & mask).sum()) for mask in (a & b, a & ~b, b & ~a, ~a & ~b)]
    return ClassMoves(pair.classes[c], int(films.sum()), pair.bootstrap.patients_with(films), *counts)


def _point_moves(pair: _Pair, point: Point) -> PointMoves:
    truth, a, b = pair.positives(point), pair.a.decisions[point], pair.b.decisions[point]
    net = b.astype(np.int64) - a
    return PointMoves(
        point.name,
        point.positive,
        n_positive=int(truth.sum()),
        up_positive=int((truth & (net > 0)).sum()),
        down_positive=int((truth & (net < 0)).sum()),
        n_negative=int((~truth).sum()),
        up_negative=int((~truth & (net > 0)).sum()),
        down_negative=int((~truth & (net < 0)).sum()),
        nri_positive=_share_or_unknown(pair, net, [truth]),
        nri_negative=_share_or_unknown(pair, -net, [~truth]),
        nri=_share_or_unknown(pair, np.where(truth, net, -net), [truth, ~truth]),
    )


def _share_or_unknown(pair: _Pair, net: Ints, groups: Sequence[Bools]) -> Interval:
    return share_difference(pair.bootstrap, net, groups)[0] if all(group.any() for group in groups) else UNKNOWN


def _refused(pair: _Pair) -> Refused:
    a, b = (np.zeros(len(pair.truth), dtype=bool) if each.refused is None else each.refused for each in (pair.a, pair.b))
    return Refused(int((a & ~b).sum()), int((b & ~a).sum()), int((a & b).sum()))


def _most_different(pair: _Pair, names: Sequence[str] | None) -> tuple[Disagreement, ...]:
    a, b = pair.a, pair.b
    distance = np.abs(a.probabilities - b.probabilities).sum(axis=1) / 2
    found = []
    for i in np.argsort(-distance, kind="stable")[:MOST_DIFFERENT].tolist():
        if distance[i] > 0:
            ends = [(pair.classes[each.labels[i]], float(each.probabilities[i].max())) for each in (a, b)]
            name = names[i] if names is not None else str(i)
            found.append(Disagreement(i, name, pair.classes[pair.truth[i]], *ends[0], *ends[1], float(distance[i])))
    return tuple(found)


def _limits(pair: _Pair) -> tuple[Limit, ...]:
    counts = np.bincount(pair.truth, minlength=len(pair.classes))
    films, patients = pair.bootstrap.n_films, pair.bootstrap.n_patients
    absent = [label for c, label in enumerate(pair.classes) if not counts[c]]
    small = [label for c, label in enumerate(pair.classes) if 0 < counts[c] < FEW]
    found = []
    if len(absent) == len(counts) - 1:
        found.append(Limit("one_class", {"label": pair.classes[int(counts.argmax())]}))
    elif absent:
        found.append(Limit("absent_classes", {"labels": ", ".join(absent)}))
    if patients == 1:
        found.append(Limit("one_patient"))
    elif films < FEW or patients < FEW:
        found.append(Limit("few", {"films": films, "patients": patients}))
    elif small:
        found.append(Limit("small_classes", {"labels": ", ".join(small)}))
    for each, own in (("A", pair.a), ("B", pair.b)):
        if alone := len(own.decisions) - len(pair.points):
            found.append(Limit("own_points", {"model": each, "n": alone}))
    return tuple(found)
