"""Scores of sets whose answers are known, and of sets too poor to score."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.evaluation import metrics
from deephealth.evaluation.calibration import OperatingPoint, choose_operating_points, softmax
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.report import report_schema
from deephealth.evaluation.results import Evaluation, EvaluationContext, Problem

CLASSES = ("normal", "bacterial", "viral")
DRAWS = 200


def films(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, n // 2, n)
    labels = patient % 3
    return 1.5 * rng.normal(size=(n, 3)) + 2 * np.eye(3)[labels], labels, [f"secret-{p}" for p in patient]


def evaluated(**more: object) -> Evaluation:
    logits, labels, patients = films()
    return score_predictions(softmax(logits), labels, patients, CLASSES, draws=DRAWS, **more)  # type: ignore[arg-type]


def assert_valid(evaluation: Evaluation) -> None:
    jsonschema.validate(json.loads(json.dumps(evaluation.to_json(), allow_nan=False)), report_schema())


def test_values_are_those_of_the_metrics_and_lie_in_their_intervals() -> None:
    logits, labels, patients = films()
    p = softmax(logits)
    scores = evaluated().scores
    matrix = metrics.confusion_matrix(labels, p.argmax(1), 3)
    assert scores.confusion == tuple(map(tuple, matrix.tolist()))
    for found, wanted in (
        (scores.accuracy, metrics.accuracy(matrix)),
        (scores.balanced_accuracy, metrics.balanced_accuracy(matrix)),
        (scores.macro_auc, metrics.macro_auc(p, labels)),
        (scores.brier, metrics.brier(p, labels)),
        (scores.log_loss, metrics.log_loss(p, labels)),
        (scores.ece, metrics.ece_equal_mass(p.max(1), p.argmax(1) == labels)),
        (scores.classes[1].ppv, metrics.ppv(matrix)[1]),
        (scores.classes[2].auc, metrics.auc(p[:, 2], labels == 2)),
    ):
        assert found.value == pytest.approx(wanted)
        assert found.low <= found.value <= found.high
    assert (scores.n_films, scores.n_patients) == (300, len(set(patients)))
    assert sum(entry.n_films for entry in scores.classes) == 300


def test_same_seed_same_numbers() -> None:
    assert evaluated(seed=3).to_json() == evaluated(seed=3).to_json() != evaluated(seed=4).to_json()


def test_frozen_points_are_applied_unchanged() -> None:
    logits, labels, patients = films(seed=1)
    points = choose_operating_points(softmax(logits), labels, CLASSES, patients, draws=DRAWS)
    found = evaluated(operating_points=[points[0], points[1].to_json()])
    test_logits, test_labels, _ = films()
    score = 1 - softmax(test_logits)[:, 0]
    for applied, point in zip(found.operating_points, points[:2], strict=True):
        assert applied.chosen == point
        assert applied.sensitivity.value == pytest.approx((score[test_labels != 0] >= point.threshold).mean())
        assert applied.specificity.value == pytest.approx((score[test_labels == 0] < point.threshold).mean())
    assert_valid(found)


def test_a_point_for_other_labels_is_left_out_and_said() -> None:
    point = OperatingPoint("x", ("tuberculosis",), ("normal",), 0.5, Interval(1, 1, 1, 1, 1), Interval(1, 1, 1, 1, 1))
    found = evaluated(operating_points=[point])
    assert found.operating_points == ()
    assert [limit.code for limit in found.limits] == ["unusable_points"]


def test_refused_films_are_scored_with_and_without() -> None:
    refused = np.arange(300) % 10 == 0
    found = evaluated(refused=refused, novelty=np.linspace(0, 1, 300), names=[f"f{i}" for i in range(300)])
    assert (found.scores.n_films, found.accepted.n_films, len(found.refused)) == (300, 270, 30)
    assert found.refused[1].name == "f10"
    logits, labels, _ = films()
    right = softmax(logits).argmax(1) == labels
    assert found.accepted.accuracy.value == pytest.approx(right[~refused].mean())
    assert_valid(found)
    assert evaluated().accepted is None


def test_a_single_prevalence_is_that_of_all_that_is_not_normal() -> None:
    found = evaluated(prevalence=0.1)
    shares = [entry.prevalence for entry in found.scores.classes]
    assert shares[0] == pytest.approx(0.9)
    assert sum(shares) == pytest.approx(1)
    entry = found.scores.classes[1]
    wanted = metrics.ppv_at(entry.sensitivity.value, entry.specificity.value, entry.prevalence)
    assert entry.ppv_at_prevalence.value == pytest.approx(wanted)
    assert entry.ppv_at_prevalence.low < wanted < entry.ppv_at_prevalence.high
    assert_valid(found)


@pytest.mark.parametrize("prevalence", [1.5, -0.1, {"normal": 0.5}, {"normal": 0.5, "bacterial": 0.5, "viral": 7}])
def test_an_impossible_prevalence_is_refused(prevalence: object) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        evaluated(prevalence=prevalence)


def test_one_prevalence_without_a_normal_class_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a class 'normal'"):
        score_predictions([[0.5, 0.5]], [0], ["a"], ("a", "b"), prevalence=0.1)


def test_the_surest_errors_come_first() -> None:
    found = evaluated()
    sure = [case.probability for case in found.errors]
    assert len(sure) == 10
    assert sure == sorted(sure, reverse=True)
    assert all(case.truth != case.answer for case in found.errors)


def test_calibration_before_and_after_the_temperature() -> None:
    logits, labels, patients = films(3000)
    found = score_predictions(softmax(logits, 2.25 / 2), labels, patients, CLASSES, logits=3 * logits, draws=DRAWS)
    assert found.before_temperature.low > found.scores.ece.high
    assert sum(b.correct.n_films for b in found.reliability) == 3000


def test_ece_of_calibrated_answers_has_an_interval_that_reaches_down_to_little() -> None:
    # The plain percentile interval would lie above: a resample of calibrated answers is always worse calibrated.
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(2), 2000)
    labels = (rng.random(2000) < p[:, 1]).astype(int)
    ece = score_predictions(p, labels, [str(i) for i in range(2000)], ("a", "b"), draws=DRAWS).scores.ece
    assert ece.low < 0.01 < ece.high


@pytest.mark.parametrize(
    ("labels", "patients", "codes"),
    [
        ([], [], ["no_films"]),
        ([0, 0, 0], ["a", "b", "c"], ["one_class", "few"]),
        ([0, 0, 1], ["a", "b", "c"], ["absent_classes", "few"]),
        ([0, 1, 2], ["a", "a", "a"], ["one_patient"]),
        ([-1, 7, 0], ["a", "b", "c"], ["unknown_labels", "one_class", "one_patient"]),
        ([-1], ["a"], ["unknown_labels", "no_films"]),
    ],
)
def test_poor_sets_say_what_cannot_be_concluded(labels: list[int], patients: list[str], codes: list[str]) -> None:
    p = np.tile([0.5, 0.3, 0.2], (len(labels), 1))
    found = score_predictions(p, labels, patients, CLASSES, draws=DRAWS, prevalence=0.2, logits=p)
    assert [limit.code for limit in found.limits] == codes
    assert_valid(found)


def test_a_perfect_answer_to_21_films_is_not_certain() -> None:
    labels = np.arange(21) % 3
    scores = score_predictions(np.eye(3)[labels], labels, [str(i) for i in range(21)], CLASSES, draws=DRAWS).scores
    for found in (scores.accuracy, scores.balanced_accuracy):
        assert found.value == found.high == 1
        assert found.low == pytest.approx(0.839, abs=0.001)
    assert scores.macro_auc.low < 0.95


def test_lists_that_do_not_match_are_refused() -> None:
    with pytest.raises(UsageError, match="2 answers, 1 labels and 1 patients"):
        score_predictions(np.ones((2, 2)), [0], ["a"], ("a", "b"))


def test_no_patient_is_in_the_json_and_names_can_be_left_out() -> None:
    leakage = {"leaks": True, "counts": {"patient": 1}, "sentence": "x", "findings": [{"a": "secret-1"}]}
    context = EvaluationContext(problems=(Problem("broken.png", "empty"),), leakage=leakage)
    found = evaluated(names=[f"film-{i}.png" for i in range(300)], context=context)
    text = json.dumps(found.to_json())
    assert "secret" not in text
    assert "film-" in text and "broken.png" in text
    bare = json.dumps(found.to_json(names=False))
    assert "film-" not in bare and "broken.png" not in bare
    assert_valid(found)
    assert "findings" in leakage, "the caller's own mapping stays as it was"


def test_curves_are_thin_enough_to_ship_and_keep_their_ends() -> None:
    logits, labels, patients = films(3000)
    found = score_predictions(softmax(logits), labels, patients, CLASSES, draws=20)
    for curve in found.roc:
        assert len(curve.x) <= 200
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


def test_an_evaluation_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        evaluated().scores = None  # type: ignore[misc]
