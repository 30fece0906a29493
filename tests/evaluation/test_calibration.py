"""Temperature and operating points on films whose right answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from deephealth.evaluation import metrics
from deephealth.evaluation.calibration import OperatingPoint, choose_operating_points, fit_temperature, positive_score, softmax

CLASSES = ("normal", "bacterial", "viral")


def films(n: int = 600, seed: int = 0, sharp: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return rng.normal(size=(n, 3)) + sharp * np.eye(3)[labels], labels


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_known_one(too_sure: float) -> None:
    # For unit normals a distance `sharp` apart the true log odds are sharp times the difference.
    logits, labels = films(20_000)
    assert fit_temperature(2.0 * logits * too_sure, labels) == pytest.approx(too_sure, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 5))
def test_temperature_is_the_least_log_loss(seed: int, scale: float) -> None:
    logits, labels = films(60, seed, 1.0)
    found = fit_temperature(scale * logits, labels)
    best = minimize_scalar(
        lambda t: metrics.log_loss(softmax(scale * logits, np.exp(t)), labels), bounds=np.log([0.05, 20]), method="bounded"
    )
    assert metrics.log_loss(softmax(scale * logits, found), labels) <= best.fun + 1e-7
    assert 0.05 <= found <= 20


def test_few_right_answers_in_a_row_do_not_make_a_model_certain() -> None:
    """Three of three warrant 4/5, whatever the scale of the logits; a hundred of a hundred warrant more."""
    for scale in (0.5, 1.0, 2.0):
        logits = scale * np.eye(3)[[0, 1, 2]]
        assert softmax(logits, fit_temperature(logits, [0, 1, 2])).max() == pytest.approx(4 / 5, abs=1e-3)
    many = np.eye(3)[np.arange(100) % 3]
    assert softmax(many, fit_temperature(many, np.arange(100) % 3)).max() == pytest.approx(101 / 102, abs=1e-3)


def test_temperature_is_not_below_the_least_that_is_asked_for() -> None:
    z, y = np.array([[1.0, 0.0]] * 9 + [[0.0, 1.0]]), np.zeros(10, dtype=int)  # right nine times of ten: surer than these logits say
    assert fit_temperature(z, y) < 0.7
    assert fit_temperature(z, y, least=1.0) == pytest.approx(1.0, abs=1e-5)


def test_temperature_of_hopeless_answers_stays_in_its_bounds() -> None:
    assert fit_temperature(np.eye(3)[[0, 1, 2]], [1, 2, 0]) == pytest.approx(20, rel=1e-3)
    assert fit_temperature(np.zeros((0, 3)), []) == 1.0


def test_huge_logits_do_not_overflow() -> None:
    assert 0.05 <= fit_temperature([[1e4, 0, 0], [0, 1e4, 0]], [0, 0]) <= 20
    assert softmax([[1e4, 0.0]])[0].tolist() == [1.0, 0.0]


def test_normal_against_the_rest_keeps_what_it_promises() -> None:
    logits, labels = films()
    p = softmax(logits)
    points = {point.name: point for point in choose_operating_points(p, labels, CLASSES, [str(i // 2) for i in range(600)])}
    assert list(points) == ["specificity 0.90", "specificity 0.95", "sensitivity 0.95", "Youden"]
    score, truth = 1 - p[:, 0], labels != 0
    for name, point in points.items():
        yes = score >= point.threshold
        assert (point.positive, point.negative) == (("bacterial", "viral"), ("normal",))
        assert point.sensitivity.value == pytest.approx(yes[truth].mean())
        assert point.specificity.value == pytest.approx((~yes)[~truth].mean())
        assert point.sensitivity.n_films == truth.sum(), name
    alarms, hits, _ = metrics.roc_points(score, truth)
    for target in (0.90, 0.95):
        point = points[f"specificity {target:.2f}"]
        assert point.specificity.value >= target
        assert point.sensitivity.value == pytest.approx(hits[1 - alarms >= target - 1e-12].max())
    assert points["sensitivity 0.95"].sensitivity.value >= 0.95
    youden = points["Youden"].sensitivity.value + points["Youden"].specificity.value
    assert all(youden >= point.sensitivity.value + point.specificity.value for point in points.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=30))
def test_thresholds_with_ties_never_break_their_promise(rows: list[tuple[int, bool]]) -> None:
    sick = np.array([value for value, _ in rows]) / 10
    labels = np.array([int(truth) for _, truth in rows])
    points = choose_operating_points(np.stack([1 - sick, sick], axis=1), labels, ("normal", "viral"), draws=20)
    if len(set(labels)) < 2:
        assert points == []
        return
    for point in points:
        yes = sick >= point.threshold
        assert 0 <= point.threshold <= 1 + 1e-5
        if point.name.startswith("specificity"):
            assert (~yes)[labels == 0].mean() >= float(point.name.split()[1]) - 1e-9
        if point.name.startswith("sensitivity"):
            assert yes[labels == 1].mean() >= 0.95


def test_without_a_normal_class_each_is_asked_for() -> None:
    logits, labels = films()
    points = choose_operating_points(softmax(logits), labels, ("a", "b", "c"), draws=50)
    assert {point.positive for point in points} == {("a",), ("b",), ("c",)}
    assert {point.negative for point in points if point.positive == ("b",)} == {("a", "c")}


def test_points_survive_json() -> None:
    logits, labels = films(60)
    for point in choose_operating_points(softmax(logits), labels, CLASSES, draws=50):
        assert OperatingPoint.from_json(json.loads(json.dumps(point.to_json(), allow_nan=False))) == point


def test_positive_score_sums_the_positive_labels() -> None:
    np.testing.assert_allclose(positive_score([[0.2, 0.5, 0.3]], CLASSES, ("viral", "bacterial")), [0.8])


def test_points_hold_their_promise_on_average_on_films_they_were_not_chosen_on() -> None:
    """Chosen on 60 normal films and 120 others, a point reaches its stated rate on fresh films up to 0.02, on average over 300 choices.

    It cannot be exact: the k-th of m films leaves k / (m + 1) of all on its side..
    """
    fresh_logits, fresh = films(6000, seed=10_000)
    score, sick = 1 - softmax(fresh_logits)[:, 0], fresh != 0
    reached: dict[str, list[float]] = {"specificity 0.90": [], "specificity 0.95": [], "sensitivity 0.95": []}
    for seed in range(300):
        logits, labels = films(180, seed=seed)
        for point in choose_operating_points(softmax(logits), labels, CLASSES, draws=2):
            yes = score >= point.threshold
            if point.name in reached:
                reached[point.name].append(float(yes[sick].mean() if point.name.startswith("sens") else (~yes)[~sick].mean()))
    for name, rates in reached.items():
        assert np.mean(rates) == pytest.approx(float(name.split()[1]), abs=0.02), name
        assert np.std(rates) < 0.06, name


@pytest.mark.parametrize("truth", [0.6, 1.0, 2.5])
def test_the_temperature_of_small_sets_scatters_about_the_true_one(truth: float) -> None:
    found = np.log([fit_temperature(2.0 * logits * truth, labels) for logits, labels in (films(200, seed) for seed in range(150))])
    assert np.median(found) == pytest.approx(np.log(truth), abs=0.05)
    assert np.std(found) < 0.25
