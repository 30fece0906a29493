"""Confident learning on labels that were made wrong on purpose, and step by step on a set small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from deephealth.evaluation.label_errors import calibrated_joint, confident_joint, find_label_errors, flagged

CLASSES = ("normal", "bacterial", "viral")


def noisy(n: int = 2000, share: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three separable classes, `share` of the labels changed; out-of-fold probabilities of a head fitted on the changed labels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 8)) + 4 * np.eye(8)[truth]
    wrong = rng.random(n) < share
    labels = np.where(wrong, (truth + rng.integers(1, 3, n)) % 3, truth)
    return cross_val_predict(LogisticRegression(), x, labels, cv=5, method="predict_proba"), labels, truth


def found_in(p: np.ndarray, y: np.ndarray):  # type: ignore[no-untyped-def]
    names = [f"film {i}" for i in range(len(y))]
    return find_label_errors(p, y, names, [str(i // 2) for i in range(len(y))], CLASSES)


@pytest.mark.parametrize("seed", range(3))
def test_labels_changed_on_purpose_are_found_and_little_else(seed: int) -> None:
    p, y, truth = noisy(seed=seed)
    changed = set(np.flatnonzero(y != truth).tolist())
    rows = flagged(p, y, calibrated_joint(confident_joint(p, y), np.bincount(y, minlength=3)))
    hits = len(changed & set(rows.tolist()))
    assert hits / len(rows) > 0.9  # precision
    assert hits / len(changed) > 0.9  # recall
    found = found_in(p, y)
    assert found.found == len(rows)
    assert [suspect.index for suspect in found.suspects] == rows[:50].tolist()
    assert all(CLASSES[truth[suspect.index]] == suspect.suggested for suspect in found.suspects[:20])


def test_the_first_suspects_are_the_least_confident() -> None:
    p, y, _ = noisy()
    found = found_in(p, y)
    confidence = [suspect.self_confidence for suspect in found.suspects]
    assert confidence == sorted(confidence)
    for suspect in found.suspects:
        assert suspect.truth == CLASSES[y[suspect.index]] != suspect.suggested
        assert suspect.name == f"film {suspect.index}"
        assert suspect.self_confidence == p[suspect.index, y[suspect.index]] < suspect.probability == p[suspect.index].max()


def test_right_labels_are_left_alone() -> None:
    p, y, truth = noisy(share=0.0)
    assert (y == truth).all()
    assert found_in(p, y).found <= 0.02 * len(y)


def test_the_joint_estimates_how_many_labels_are_wrong() -> None:
    p, y, truth = noisy(n=6000, share=0.08)
    joint = np.array(found_in(p, y).joint)
    np.testing.assert_allclose(joint.sum(axis=1), np.bincount(y), rtol=1e-6)
    real = np.bincount(y * 3 + truth, minlength=9).reshape(3, 3)
    np.testing.assert_allclose(joint, real, atol=0.02 * len(y) / 3)


def test_the_counts_by_hand() -> None:
    """Thresholds: mean probability of the own label, 0.7 for the first class and 0.6 for the second."""
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9], [0.7, 0.3]])
    y = np.array([0, 0, 0, 1, 1, 1])
    assert confident_joint(p, y).tolist() == [[2, 1], [1, 2]]
    assert calibrated_joint(confident_joint(p, y), np.array([3, 3])).tolist() == [[2.0, 1.0], [1.0, 2.0]]
    assert flagged(p, y, np.array([[2.0, 1.0], [1.0, 2.0]])).tolist() == [2, 5]
    # Two wrong in the first class by the estimate, but only one is more like the other class.
    assert flagged(p, y, np.array([[1.0, 2.0], [0.0, 3.0]])).tolist() == [2]


def test_a_label_without_confident_films_is_taken_as_right() -> None:
    assert calibrated_joint(np.array([[0, 0], [1, 3]]), np.array([5, 8])).tolist() == [[5.0, 0.0], [2.0, 6.0]]


def test_too_few_films_of_all_but_one_class_give_a_reason() -> None:
    p = np.full((12, 3), 1 / 3)
    found = found_in(p, np.array([0] * 10 + [1, 2]))
    assert found.reason and not found.suspects and found.n_films == 12 and found.n_patients == 6
    assert found_in(np.empty((0, 3)), np.empty(0, int)).reason
