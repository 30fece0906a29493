"""Every metric against scikit-learn on whatever hypothesis thinks of, and against values worked out by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from deephealth.evaluation import metrics

Case = tuple[np.ndarray, np.ndarray]


@st.composite
def scored(draw: st.DrawFn) -> Case:
    """Scores with many ties, and truths of which either side may be absent."""
    n = draw(st.integers(1, 40))
    score = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    truth = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(score) / 8, np.array(truth)


@st.composite
def answered(draw: st.DrawFn) -> Case:
    n = draw(st.integers(1, 40))
    labels = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    return np.array(draw(labels)), np.array(draw(labels))


@st.composite
def probable(draw: st.DrawFn) -> Case:
    labels, seeds = draw(st.lists(st.integers(0, 2), min_size=2, max_size=30)), draw(st.integers(0, 999))
    return np.random.default_rng(seeds).dirichlet(np.ones(3), len(labels)), np.array(labels)


def both_sides(truth: np.ndarray) -> bool:
    return bool(truth.any() and not truth.all())


@settings(deadline=None)
@given(scored())
def test_auc_is_scikit_learns_ties_included(case: Case) -> None:
    score, truth = case
    if both_sides(truth):
        assert metrics.auc(score, truth) == pytest.approx(reference.roc_auc_score(truth, score))
    else:
        assert math.isnan(metrics.auc(score, truth))


@settings(deadline=None)
@given(scored())
def test_average_precision_is_scikit_learns(case: Case) -> None:
    score, truth = case
    if truth.any():
        assert metrics.average_precision(score, truth) == pytest.approx(reference.average_precision_score(truth, score))
    else:
        assert math.isnan(metrics.average_precision(score, truth))


@settings(deadline=None)
@given(scored())
def test_roc_points_are_scikit_learns(case: Case) -> None:
    score, truth = case
    if both_sides(truth):
        expected = reference.roc_curve(truth, score, drop_intermediate=False)
        for found, wanted in zip(metrics.roc_points(score, truth), expected, strict=True):
            np.testing.assert_allclose(found, wanted)
    else:
        assert metrics.roc_points(score, truth)[0].size == 0


@settings(deadline=None)
@given(scored())
def test_precision_recall_points_are_scikit_learns(case: Case) -> None:
    score, truth = case
    recall, precision, threshold = metrics.precision_recall_points(score, truth)
    if truth.any():
        wanted = reference.precision_recall_curve(truth, score)
        # scikit-learn goes by rising threshold and adds the point (0, 1).
        np.testing.assert_allclose(precision[::-1], wanted[0][:-1])
        np.testing.assert_allclose(recall[::-1], wanted[1][:-1])
        np.testing.assert_allclose(threshold[::-1], wanted[2])
    else:
        assert not recall.size


@pytest.mark.slow
@settings(deadline=None)
@given(answered())
def test_count_scores_are_scikit_learns(case: Case) -> None:
    truth, answer = case
    matrix = metrics.confusion_matrix(truth, answer, 4)
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(truth, answer, labels=range(4)))
    assert metrics.accuracy(matrix) == pytest.approx(reference.accuracy_score(truth, answer))
    with warnings.catch_warnings():
        # scikit-learn warns when an answer is of a class without films, and of single labels.
        warnings.simplefilter("ignore")
        assert metrics.balanced_accuracy(matrix) == pytest.approx(reference.balanced_accuracy_score(truth, answer))
    for c in range(4):
        for found, wanted in (
            (metrics.sensitivity(matrix)[c], reference.recall_score(truth == c, answer == c, zero_division=np.nan)),
            (metrics.specificity(matrix)[c], reference.recall_score(truth != c, answer != c, zero_division=np.nan)),
            (metrics.ppv(matrix)[c], reference.precision_score(truth == c, answer == c, zero_division=np.nan)),
            (metrics.npv(matrix)[c], reference.precision_score(truth != c, answer != c, zero_division=np.nan)),
        ):
            np.testing.assert_allclose(found, wanted)


@settings(deadline=None)
@given(probable())
def test_probability_scores_are_scikit_learns(case: Case) -> None:
    p, y = case
    assert metrics.log_loss(p, y) == pytest.approx(reference.log_loss(y, p, labels=[0, 1, 2]))
    assert metrics.brier(p, y) == pytest.approx(((p - np.eye(3)[y]) ** 2).sum(1).mean())
    if len(set(y)) == 3:
        wanted = reference.roc_auc_score(y, p, multi_class="ovr", average="macro")
        assert metrics.macro_auc(p, y) == pytest.approx(wanted)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 15))
def test_equal_mass_bins_rise_share_ties_and_are_even(values: list[int], bins: int) -> None:
    confidence = np.array(values) / 20
    number = metrics.equal_mass_bins(confidence, bins)
    order = np.argsort(confidence, kind="stable")
    assert (np.diff(number[order]) >= 0).all()
    for value in np.unique(confidence):
        assert len(set(number[confidence == value])) == 1
    if len(set(values)) == len(values):
        assert np.bincount(number).max() <= math.ceil(len(values) / min(bins, len(values)))


def test_ece_of_constructed_cases() -> None:
    assert metrics.ece_equal_mass([0.8] * 10, [1] * 8 + [0] * 2) == pytest.approx(0)
    assert metrics.ece_equal_mass([0.9] * 10, [1] * 6 + [0] * 4) == pytest.approx(0.3)
    # Two bins of five: gaps 0.4 and 0.1.
    assert metrics.ece_equal_mass([0.6] * 5 + [0.9] * 5, [1] * 5 + [1] * 5, bins=2) == pytest.approx(0.25)
    assert math.isnan(metrics.ece_equal_mass([], []))


def test_predictive_values_follow_bayes() -> None:
    matrix = metrics.confusion_matrix([0] * 90 + [1] * 10, [0] * 81 + [1] * 9 + [1] * 8 + [0] * 2, 2)
    assert metrics.ppv(matrix)[1] == pytest.approx(8 / 17)
    assert metrics.ppv(matrix, [0.9, 0.1])[1] == pytest.approx(8 / 17)
    assert metrics.ppv(matrix, [0.5, 0.5])[1] == pytest.approx(0.8 / 0.9)
    assert metrics.npv(matrix, [0.5, 0.5])[1] == pytest.approx(0.9 / 1.1)
    assert math.isnan(metrics.ppv_at(0.0, 1.0, 0.1))


def test_many_matrices_at_once_are_each_on_its_own() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, (7, 3, 3))
    together = metrics.balanced_accuracy(matrices), metrics.npv(matrices)
    for k, matrix in enumerate(matrices):
        np.testing.assert_allclose(together[0][k], metrics.balanced_accuracy(matrix))
        np.testing.assert_allclose(together[1][k], metrics.npv(matrix))


def test_an_absent_class_is_undefined_and_left_out_of_means() -> None:
    matrix = metrics.confusion_matrix([0, 0, 1], [0, 1, 1], 3)
    assert np.isnan(metrics.sensitivity(matrix)[2])
    assert metrics.balanced_accuracy(matrix) == pytest.approx(0.75)
    assert np.isnan(metrics.accuracy(np.zeros((3, 3))))


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_a_class_number_outside_is_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="outside"):
        metrics.confusion_matrix(labels, [0, 0], 3)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        metrics.confusion_matrix([0, 1], [0], 2)


def test_ece_of_calibrated_answers_is_the_noise_of_its_bins() -> None:
    """In bins of m films whose answers are right as often as they say, the gap is normal: its mean size is sqrt(2 p (1 - p) / (pi m))."""
    rng = np.random.default_rng(0)
    found = [
        metrics.ece_equal_mass(np.repeat([0.7, 0.8, 0.9], 400), rng.random(1200) < np.repeat([0.7, 0.8, 0.9], 400), 3) for _ in range(400)
    ]
    expected = np.mean([math.sqrt(2 * p * (1 - p) / (math.pi * 400)) for p in (0.7, 0.8, 0.9)])
    assert np.mean(found) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("gap", [0.05, 0.1, 0.25])
def test_ece_of_answers_too_sure_by_a_known_gap_is_that_gap(gap: float) -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.6, 1.0, 200_000)
    assert metrics.ece_equal_mass(confidence, rng.random(200_000) < confidence - gap) == pytest.approx(gap, abs=0.003)


def test_ece_of_one_film_and_of_films_that_are_all_as_sure() -> None:
    assert metrics.ece_equal_mass([0.7], [1]) == pytest.approx(0.3)
    assert metrics.ece_equal_mass([0.7], [0]) == pytest.approx(0.7)
    # One bin, however many are asked for: equal films are never torn apart, and errors of both signs cancel within it.
    assert metrics.ece_equal_mass([0.75] * 8, [1, 1, 1, 0] * 2, bins=4) == pytest.approx(0)


def test_ece_of_ties_does_not_depend_on_the_order_of_films() -> None:
    rng = np.random.default_rng(2)
    confidence, right = rng.integers(5, 10, 300) / 10, rng.random(300) < 0.7
    order = rng.permutation(300)
    assert metrics.ece_equal_mass(confidence, right) == pytest.approx(metrics.ece_equal_mass(confidence[order], right[order]), abs=1e-12)
