"""Two models' answers compared: the verdict, the scores beside it, and what poor sets allow to say."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.evaluation.calibration import softmax
from deephealth.evaluation.comparison.results import Comparison, comparison_schema
from deephealth.evaluation.comparison.scores import Answers, Point, compare_answers, needed_patients
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import Interval

CLASSES = ("normal", "bacterial", "viral")
POINT = Point("specificity 0.90", ("bacterial", "viral"))


def answers(rng: np.random.Generator, labels: np.ndarray, skill: float, threshold: float = 0.5) -> Answers:
    p = softmax(rng.normal(size=(len(labels), 3)) + skill * np.eye(3)[labels])
    return Answers(p, {POINT: p[:, 1:].sum(axis=1) >= threshold})


def pair(skill_a: float, skill_b: float, *, n: int = 240, films: int = 2, seed: int = 0, **options: object) -> Comparison:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) // films % 3
    a, b = answers(rng, labels, skill_a), answers(rng, labels, skill_b)
    patients = [str(i // films) for i in range(n)]
    return compare_answers(a, b, labels, patients, CLASSES, draws=200, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def better() -> Comparison:
    return pair(0.5, 3.0, margin=0.02)


def test_the_better_model_is_named_whichever_place_it_has(better: Comparison) -> None:
    assert (better.verdict.code, better.verdict.winner, better.verdict.not_worse) == ("better", "B", True)
    turned = pair(3.0, 0.5, margin=0.02).verdict
    assert (turned.code, turned.winner, turned.not_worse) == ("better", "A", False)
    assert better.verdict.needed_patients is None


def test_equally_good_models_have_no_winner_and_a_number_of_patients_that_would_be_needed() -> None:
    found = pair(1.5, 1.5, seed=1)
    assert (found.verdict.code, found.verdict.winner) == ("undecided", "")
    assert found.primary.difference.low is not None and found.primary.difference.low < 0
    assert found.verdict.needed_patients is not None and found.verdict.needed_patients > found.n_patients


def test_the_same_answers_differ_by_zero_everywhere_and_win_nothing() -> None:
    labels = np.arange(120) % 3
    a = answers(np.random.default_rng(2), labels, 1.0)
    found = compare_answers(a, a, labels, [str(i) for i in range(120)], CLASSES, draws=200)
    assert found.verdict.code == "undecided" and found.verdict.needed_patients is None
    for entry in (found.primary, *found.differences):
        assert entry.difference.value == 0, entry.score
        assert entry.difference.low is not None and entry.difference.high is not None
        assert entry.difference.low <= 0 <= entry.difference.high, entry.score
    assert found.kappa.value == 1
    assert found.most_different == ()
    assert found.mcnemar is not None and (found.mcnemar.only_a, found.mcnemar.only_b, found.mcnemar.p) == (0, 0, 1.0)
    assert all(test.p is None for test in found.auc_tests)
    assert compare_answers(a, a, labels, [str(i) for i in range(120)], CLASSES, draws=50, same=True).verdict.code == "same"


def test_no_winner_where_a_model_learned_from_the_films() -> None:
    verdict = pair(0.5, 3.0, learned=True, margin=0.1).verdict
    assert (verdict.code, verdict.winner, verdict.not_worse) == ("seen", "", None)


def test_every_difference_is_that_of_the_two_evaluations(better: Comparison) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(240) // 2 % 3
    patients = [str(i // 2) for i in range(240)]
    a, b = (score_predictions(answers(rng, labels, skill).probabilities, labels, patients, CLASSES, draws=200) for skill in (0.5, 3.0))
    found = {entry.score: entry for entry in (better.primary, *better.differences) if not entry.subject}
    assert set(found) == {"balanced_accuracy", "accuracy", "macro_auc", "brier", "log_loss", "ece"}
    for name, entry in found.items():
        one, other = getattr(a.scores, name), getattr(b.scores, name)
        assert (entry.a, entry.b) == (one, other)
        assert entry.difference.value == pytest.approx(other.value - one.value), name
    aucs = [entry for entry in better.differences if entry.score == "auc"]
    assert [entry.subject for entry in aucs] == list(CLASSES)
    assert [test.b - test.a for test in better.auc_tests] == pytest.approx([entry.difference.value for entry in aucs])


def test_moves_and_reclassification_add_up(better: Comparison) -> None:
    for row in better.moves:
        assert row.both + row.only_a + row.only_b + row.neither == row.n_films == 80
    change = {entry.score: entry.difference.value for entry in better.differences if entry.score in ("sensitivity", "specificity")}
    (point,) = better.points
    assert point.n_positive + point.n_negative == better.n_films
    assert point.nri_positive.value == pytest.approx((point.up_positive - point.down_positive) / point.n_positive)
    assert point.nri_negative.value == pytest.approx((point.down_negative - point.up_negative) / point.n_negative)
    assert (point.nri_positive.value, point.nri_negative.value) == pytest.approx((change["sensitivity"], change["specificity"]))
    assert point.nri.value == pytest.approx(point.nri_positive.value + point.nri_negative.value)


def test_tests_for_one_film_a_patient_are_held_back_where_there_are_several(better: Comparison) -> None:
    assert better.mcnemar is None
    assert all(test.clustered for test in better.auc_tests)
    single = pair(0.5, 3.0, films=1)
    assert not any(test.clustered for test in single.auc_tests)
    assert single.mcnemar is not None
    from scipy.stats import binom

    fewer, total = min(single.mcnemar.only_a, single.mcnemar.only_b), single.mcnemar.only_a + single.mcnemar.only_b
    assert single.mcnemar.p == pytest.approx(min(1.0, 2 * binom.cdf(fewer, total, 0.5)))


def test_kappa_is_cohens() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(3)
    labels = np.arange(120) % 3
    a, b = answers(rng, labels, 1.0), answers(rng, labels, 2.0)
    found = compare_answers(a, b, labels, [str(i) for i in range(120)], CLASSES, draws=100)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(a.labels, b.labels))
    assert found.kappa.low is not None and found.kappa.low < found.kappa.value


def test_refusals_are_counted_apart_and_change_no_score(better: Comparison) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(240) // 2 % 3
    a, b = answers(rng, labels, 0.5), answers(rng, labels, 3.0)
    marks = np.arange(240)
    a, b = dataclasses.replace(a, refused=marks < 5), dataclasses.replace(b, refused=(marks >= 3) & (marks < 10))
    found = compare_answers(a, b, labels, [str(i // 2) for i in range(240)], CLASSES, draws=200, margin=0.02)
    assert dataclasses.astuple(found.refused) == (3, 5, 2)
    assert found.differences == better.differences


def test_the_films_that_differ_most_come_first(better: Comparison) -> None:
    distances = [film.distance for film in better.most_different]
    assert len(distances) == 10 and distances == sorted(distances, reverse=True)
    assert all(0 < distance <= 1 for distance in distances)


def test_patients_needed_fall_with_the_square_of_the_difference() -> None:
    """n = patients here x (1.96 + 0.84)^2 x (sd / difference)^2."""
    seen = Interval(0.05, -0.01, 0.11, 200, 100)
    assert needed_patients(seen, 0.03) == 290  # 100 x 7.849 x 0.36 = 282.6, rounded up to two figures
    assert needed_patients(dataclasses.replace(seen, value=0.025), 0.03) == 1200
    assert needed_patients(dataclasses.replace(seen, value=0.0), 0.03) is None
    assert needed_patients(seen, 0.0) is None
    assert needed_patients(dataclasses.replace(seen, n_patients=19), 0.03) is None


def test_the_patients_needed_give_the_power_promised() -> None:
    """Draw studies of that many patients from the set at hand: about 80 % of them show the difference."""
    rng = np.random.default_rng(4)
    net = rng.choice([1, 0, -1], p=[0.12, 0.81, 0.07], size=4000)
    value, sd = net.mean(), net.std() / np.sqrt(4000)
    n = needed_patients(Interval(float(value), 0, 0, 4000, 4000), float(sd))
    assert n is not None
    studies = rng.choice(net, size=(2000, n))
    shown = np.abs(studies.mean(axis=1)) > 1.96 * studies.std(axis=1) / np.sqrt(n)
    assert 0.76 < shown.mean() < 0.86


def test_the_json_follows_the_schema_and_can_leave_names_out(better: Comparison) -> None:
    jsonschema.Draft202012Validator.check_schema(comparison_schema())
    for found in (better, pair(1, 1, n=3, films=1), pair(1, 1, films=1)):
        jsonschema.validate(json.loads(json.dumps(found.to_json(), allow_nan=False)), comparison_schema())
    assert not any(film["name"] for film in better.to_json(names=False)["most_different"])


@pytest.mark.parametrize(
    ("labels", "patients", "code", "limit"),
    [
        ([0, 0, 0, 0], "abcd", "unknown", "one_class"),
        ([0, 1, 2, 0], "aaaa", "unknown", "one_patient"),
        ([0, 1, 2], "abc", "undecided", "few"),
        ([2], "a", "unknown", "one_patient"),
        ([0, 1, 0, 1], "abcd", "undecided", "absent_classes"),
    ],
)
def test_poor_sets_say_what_cannot_be_concluded_and_show_the_rest(labels: list[int], patients: str, code: str, limit: str) -> None:
    y = np.array(labels)
    a, b = (Answers(softmax(4 * np.eye(3)[answer]), {POINT: answer > 0}) for answer in ((y + 1) % 3, y))
    found = compare_answers(a, b, y, list(patients), CLASSES, draws=50, margin=0.05)
    assert found.verdict.code == code and found.verdict.winner == ""
    assert limit in {entry.code for entry in found.limits}
    assert found.primary.difference.value == 1
    assert found.moves[labels[0]].only_b >= 1
    jsonschema.validate(json.loads(json.dumps(found.to_json(), allow_nan=False)), comparison_schema())


def test_the_same_input_gives_the_same_numbers(better: Comparison) -> None:
    assert pair(0.5, 3.0, margin=0.02).to_json() == better.to_json()


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_a_margin_that_is_no_share_is_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        pair(1, 1, n=6, margin=margin)


def test_lists_of_different_lengths_are_refused() -> None:
    a = Answers(np.full((3, 3), 1 / 3))
    with pytest.raises(UsageError, match="as many of each"):
        compare_answers(a, a, [0, 1], ["a", "b"], CLASSES)


def test_points_of_one_model_alone_are_named_as_not_compared() -> None:
    labels = np.arange(60) % 3
    a = answers(np.random.default_rng(5), labels, 1.0)
    found = compare_answers(a, Answers(a.probabilities), labels, [str(i) for i in range(60)], CLASSES, draws=50)
    assert found.points == ()
    assert ("own_points", "A", 1) in {(limit.code, limit.values.get("model"), limit.values.get("n")) for limit in found.limits}
