"""From probabilities to an `Evaluation`: metrics, frozen operating points and calibration of one set, with intervals over patients."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deephealth.errors import UsageError
from deephealth.evaluation import metrics
from deephealth.evaluation.calibration import NORMAL, OperatingPoint, positive_score, softmax
from deephealth.evaluation.headline import UNKNOWN, balanced, macro
from deephealth.evaluation.intervals import DRAWS, Interval, PatientBootstrap, ratio_limits, scaled_noise_limits
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.results import (
    AppliedPoint,
    Case,
    ClassScores,
    Curve,
    Evaluation,
    EvaluationContext,
    Limit,
    ReliabilityBin,
    Scores,
)
from deephealth.model import record as model_record

MOST_ERRORS = 10
MOST_POINTS = 200


def score_predictions(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: Sequence[str],
    classes: Sequence[str],
    *,
    logits: ArrayLike | None = None,
    novelty: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    operating_points: Sequence[OperatingPoint | model_record.OperatingPoint | Mapping[str, Any]] = (),
    prevalence: float | Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    context: EvaluationContext | None = None,
) -> Evaluation:
    """Score a model's answers with intervals over patients.

    probabilities: [n, C] after temperature; labels: int [n], the number of each film's class, -1 for a label that the model does not know
    (such films are left out, and the report says how many); patients: [n]; logits: [n, C] before temperature; novelty: [n];
    refused: bool [n], films that the gate refused; names: [n]. prevalence: share of all that is not normal, or a share for each class
    (UsageError unless they are between 0 and 1). The same input and seed give the same numbers.
    """
    p = np.asarray(probabilities, dtype=np.float64).reshape(-1, len(classes))
    y = np.asarray(labels, dtype=np.int64)
    if not len(p) == len(y) == len(patients):
        raise UsageError(f"{len(p)} answers, {len(y)} labels and {len(patients)} patients were given; there must be as many of each")
    familiar = [int(i) for i in np.nonzero((y >= 0) & (y < len(classes)))[0]]
    films = _Films(
        p[familiar],
        y[familiar],
        tuple(patients[i] for i in familiar),
        tuple(classes),
        tuple(names[i] if names is not None else str(i) for i in familiar),
        np.asarray(novelty, dtype=np.float64)[familiar] if novelty is not None else None,
        np.asarray(refused, dtype=bool)[familiar] if refused is not None else np.zeros(len(familiar), dtype=bool),
    )
    shares = _prevalences(prevalence, films)
    points = [_as_point(point) for point in operating_points]
    usable = [point for point in points if set(point.positive) | set(point.negative) <= set(classes)]
    bootstrap = PatientBootstrap(films.patients, draws=draws, seed=seed)
    before = np.asarray(logits, dtype=np.float64)[familiar] if logits is not None else None
    return Evaluation(
        classes=films.classes,
        scores=_scores(films, bootstrap, shares),
        accepted=_accepted(films, shares, draws, seed),
        refused=tuple(films.case(int(i)) for i in np.nonzero(films.refused)[0]),
        operating_points=tuple(_apply(point, films, bootstrap, shares) for point in usable),
        roc=_curves(films, metrics.roc_points),
        precision_recall=_curves(films, metrics.precision_recall_points),
        reliability=_reliability(films, bootstrap),
        before_temperature=None if before is None else _ece(softmax(before), films.labels, bootstrap),
        errors=_errors(films),
        limits=_limits(films, bootstrap, len(y) - len(familiar), len(points) - len(usable)),
        context=context or EvaluationContext(),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Films:
    probabilities: Floats
    labels: Ints
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    novelty: Floats | None
    refused: Any

    @property
    def answers(self) -> Ints:
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    def chosen(self, mask: Any) -> _Films:
        index = np.nonzero(mask)[0]
        return _Films(
            self.probabilities[index],
            self.labels[index],
            tuple(self.patients[i] for i in index),
            self.classes,
            tuple(self.names[i] for i in index),
            None if self.novelty is None else self.novelty[index],
            self.refused[index],
        )

    def case(self, i: int) -> Case:
        answer = int(self.probabilities[i].argmax())
        return Case(
            i,
            self.names[i],
            self.classes[self.labels[i]],
            self.classes[answer],
            float(self.probabilities[i, answer]),
            None if self.novelty is None else float(self.novelty[i]),
        )


def _accepted(films: _Films, shares: Mapping[str, float], draws: int, seed: int) -> Scores | None:
    if not films.refused.any():
        return None
    rest = films.chosen(~films.refused)
    return _scores(rest, PatientBootstrap(rest.patients, draws=draws, seed=seed), shares)


def _scores(films: _Films, bootstrap: PatientBootstrap, shares: Mapping[str, float]) -> Scores:
    p, y, answers = films.probabilities, films.labels, films.answers
    matrix = metrics.confusion_matrix(y, answers, len(films.classes))
    aucs = [bootstrap.auc(p[:, c], y == c) for c in range(len(films.classes))]
    return Scores(
        n_films=bootstrap.n_films,
        n_patients=bootstrap.n_patients,
        accuracy=bootstrap.proportion(answers == y, np.ones(len(y), dtype=bool)),
        balanced_accuracy=balanced(p, y, bootstrap),
        macro_auc=macro(p, y, bootstrap, aucs),
        brier=bootstrap.mean(metrics.brier_terms(p, y), least=0.0, most=2.0),
        log_loss=bootstrap.mean(metrics.log_loss_terms(p, y), least=0.0),
        ece=_ece(p, y, bootstrap),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        classes=tuple(_class_scores(c, films, bootstrap, aucs[c], shares) for c in range(len(films.classes))),
    )


def _class_scores(c: int, films: _Films, bootstrap: PatientBootstrap, auc: Interval, shares: Mapping[str, float]) -> ClassScores:
    truth, yes = films.labels == c, films.answers == c
    label, score = films.classes[c], films.probabilities[:, c]
    found = _yes_or_no(yes, truth, bootstrap, shares.get(label))
    return ClassScores(
        label=label,
        n_films=int(truth.sum()),
        n_patients=bootstrap.patients_with(truth),
        auc=auc,
        average_precision=bootstrap.average_precision(score, truth),
        **found,
    )


def _yes_or_no(yes: Any, truth: Any, bootstrap: PatientBootstrap, prevalence: float | None) -> dict[str, Any]:
    """Sensitivity, specificity and predictive values of a yes-or-no answer."""
    sens, spec = bootstrap.proportion(yes, truth), bootstrap.proportion(~yes, ~truth)
    found: dict[str, Any] = {
        "sensitivity": sens,
        "specificity": spec,
        "ppv": bootstrap.proportion(truth, yes),
        "npv": bootstrap.proportion(~truth, ~yes),
        "prevalence": prevalence,
    }
    if prevalence is not None:
        found["ppv_at_prevalence"], found["npv_at_prevalence"] = _at_prevalence(sens, spec, prevalence, bootstrap)
    return found


def _at_prevalence(sens: Interval, spec: Interval, prevalence: float, bootstrap: PatientBootstrap) -> tuple[Interval, Interval]:
    """Predictive values by Bayes' rule. They rise and fall with the likelihood ratios sens / (1 - spec) and (1 - sens) / spec alone, so
    the ends of a ratio's interval give theirs; the two shares come from different films, hence independently."""
    hit, spared = _limits_of(sens), _limits_of(spec)
    if hit is None or spared is None:
        return UNKNOWN, UNKNOWN
    missed, alarm = ((1 - value, 1 - high, 1 - low) for value, low, high in (hit, spared))
    ppv, npv = metrics.ppv_at(hit[0], spared[0], prevalence), metrics.npv_at(hit[0], spared[0], prevalence)
    good, bad = ratio_limits(hit, alarm), ratio_limits(missed, spared)
    found = (
        (float(ppv), _odds_to_share(good[0], prevalence), _odds_to_share(good[1], prevalence)),
        (float(npv), 1 - _odds_to_share(bad[1], prevalence), 1 - _odds_to_share(bad[0], prevalence)),
    )
    first, second = (
        UNKNOWN if math.isnan(value) else Interval(value, min(low, value), max(high, value), bootstrap.n_films, bootstrap.n_patients)
        for value, low, high in found
    )
    return first, second


def _odds_to_share(ratio: float, prevalence: float) -> float:
    if prevalence in (0.0, 1.0):
        return prevalence
    return 1.0 if math.isinf(ratio) else ratio * prevalence / (ratio * prevalence + 1 - prevalence)


def _limits_of(interval: Interval) -> tuple[float, float, float] | None:
    if interval.value is None or interval.low is None or interval.high is None:
        return None
    return interval.value, interval.low, interval.high


def _ece(probabilities: Floats, labels: Ints, bootstrap: PatientBootstrap) -> Interval:
    """ECE with an interval for the calibration error of all films over the bins of these (`scaled_noise_limits`), widened to hold the
    value itself; of one patient there is none."""
    if not len(labels):
        return UNKNOWN
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = metrics.bins_for(len(labels))
    value = metrics.ece_equal_mass(confidence, right, bins)
    if bootstrap.n_patients < 2:
        return Interval(value, None, None, bootstrap.n_films, bootstrap.n_patients)
    number = np.unique(metrics.equal_mass_bins(confidence, bins), return_inverse=True)[1]
    gaps = np.eye(int(number.max()) + 1)[number] * (confidence - right)[:, None]
    totals = bootstrap.sums(np.column_stack([gaps, np.ones(len(labels))]))
    low, high = scaled_noise_limits(gaps.mean(axis=0), totals[:, :-1] / totals[:, -1:] - gaps.mean(axis=0))
    return Interval(value, min(value, low), min(1.0, max(value, high)), bootstrap.n_films, bootstrap.n_patients)


def _reliability(films: _Films, bootstrap: PatientBootstrap) -> tuple[ReliabilityBin, ...]:
    if not len(films.labels):
        return ()
    confidence, right = films.probabilities.max(axis=1), films.answers == films.labels
    number = metrics.equal_mass_bins(confidence, min(10, metrics.bins_for(len(films.labels))))
    return tuple(ReliabilityBin(float(confidence[number == b].mean()), bootstrap.proportion(right, number == b)) for b in np.unique(number))


def _curves(films: _Films, points: Any) -> tuple[Curve, ...]:
    found = []
    for c, label in enumerate(films.classes):
        x, y, _ = points(films.probabilities[:, c], films.labels == c)
        keep = np.unique(np.linspace(0, max(len(x) - 1, 0), MOST_POINTS).round().astype(int)) if len(x) else slice(0)
        found.append(Curve(label, tuple(np.round(x[keep], 5).tolist()), tuple(np.round(y[keep], 5).tolist())))
    return tuple(found)


def _errors(films: _Films) -> tuple[Case, ...]:
    wrong = np.nonzero(films.answers != films.labels)[0]
    surest = wrong[np.argsort(-films.probabilities.max(axis=1)[wrong], kind="stable")][:MOST_ERRORS]
    return tuple(films.case(int(i)) for i in surest)


def _apply(point: OperatingPoint, films: _Films, bootstrap: PatientBootstrap, shares: Mapping[str, float]) -> AppliedPoint:
    positive = [c for c, label in enumerate(films.classes) if label in point.positive]
    yes = positive_score(films.probabilities, films.classes, point.positive) >= point.threshold
    prevalence = sum(shares[films.classes[c]] for c in positive) if shares else None
    return AppliedPoint(chosen=point, **_yes_or_no(yes, np.isin(films.labels, positive), bootstrap, prevalence))


def _as_point(point: OperatingPoint | model_record.OperatingPoint | Mapping[str, Any]) -> OperatingPoint:
    if isinstance(point, OperatingPoint):
        return point
    return OperatingPoint.from_json(point if isinstance(point, Mapping) else dataclasses.asdict(point))


def _prevalences(prevalence: float | Mapping[str, float] | None, films: _Films) -> dict[str, float]:
    """The share of every class asked about; a single number is shared out among the classes that are not normal as in the films."""
    if prevalence is None:
        return {}
    if isinstance(prevalence, Mapping):
        shares = {label: float(prevalence.get(label, math.nan)) for label in films.classes}
    elif NORMAL not in films.classes:
        raise UsageError(f"one prevalence ({prevalence}) needs a class 'normal'; give one for each of {', '.join(films.classes)}")
    else:
        counts = np.bincount(films.labels, minlength=len(films.classes)).astype(float)
        counts[films.classes.index(NORMAL)] = 0
        part = counts / counts.sum() if counts.sum() else np.full(len(counts), 1 / max(len(counts) - 1, 1))
        shares = {label: float(prevalence * part[c]) for c, label in enumerate(films.classes)}
        shares[NORMAL] = 1 - float(prevalence)
    if not all(0 <= share <= 1 for share in shares.values()):
        raise UsageError(f"a prevalence must be a number from 0 to 1 for each of {', '.join(films.classes)}; found {prevalence}")
    return shares


def _limits(films: _Films, bootstrap: PatientBootstrap, unknown: int, unusable: int) -> tuple[Limit, ...]:
    counts = np.bincount(films.labels, minlength=len(films.classes))
    absent = [label for c, label in enumerate(films.classes) if not counts[c]]
    found = []
    if unknown:
        found.append(Limit("unknown_labels", {"n": unknown}))
    if unusable:
        found.append(Limit("unusable_points", {"n": unusable}))
    if not len(films.labels):
        return (*found, Limit("no_films"))
    if films.refused.all():
        found.append(Limit("all_refused"))
    if len(absent) == len(films.classes) - 1:
        found.append(Limit("one_class", {"label": films.classes[int(counts.argmax())]}))
    elif absent:
        found.append(Limit("absent_classes", {"labels": ", ".join(absent)}))
    if bootstrap.n_patients == 1:
        found.append(Limit("one_patient"))
    elif len(films.labels) < 20 or bootstrap.n_patients < 20:
        found.append(Limit("few", {"films": bootstrap.n_films, "patients": bootstrap.n_patients}))
    small = [label for c, label in enumerate(films.classes) if 0 < counts[c] < 20]
    if small and len(films.labels) >= 20:
        found.append(Limit("small_classes", {"labels": ", ".join(small)}))
    return tuple(found)
