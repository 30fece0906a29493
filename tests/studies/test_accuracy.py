"""The folds' figures: what they are of, on answers that were made up so that the right figure is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.index import Film
from studies.shipped.accuracy import scores, surest
from studies.shipped.answers import OutOfFold, share

LABELS = ("normal", "bacterial", "viral")


def made_up(probabilities: np.ndarray, labels: np.ndarray) -> OutOfFold:
    """One patient a film."""
    n = len(labels)
    films = tuple(Film(f"{k}.png", Path(f"{k}.png"), LABELS[labels[k]], f"p{k}") for k in range(n))
    return OutOfFold(films, np.arange(n) % 5, labels, probabilities, np.zeros(n, dtype=bool))


@pytest.fixture(scope="module")
def found() -> OutOfFold:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    logits = random.normal(size=(180, 3)) + 2.0 * np.eye(3)[labels]
    return made_up(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels)


def test_scores_are_those_of_a_count_by_hand(found: OutOfFold) -> None:
    figures = scores(found, LABELS)
    p, y = found.probabilities, found.labels
    assert figures["accuracy"]["value"] == pytest.approx((p.argmax(1) == y).mean(), abs=1e-4)
    pairs = [a > b for a in 1 - p[y > 0, 0] for b in 1 - p[y == 0, 0]]
    assert figures["normal against pneumonia, AUC"]["value"] == pytest.approx(np.mean(pairs), abs=1e-4)
    viral = p[:, 2] / (p[:, 1] + p[:, 2])
    pairs = [a > b for a in viral[y == 2] for b in viral[y == 1]]
    assert figures["bacterial against viral, AUC"]["value"] == pytest.approx(np.mean(pairs), abs=1e-4)
    for figure in figures.values():
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert figures["bacterial against viral, AUC"]["films"] == 120


def test_specificity_is_read_where_sensitivity_is_reached(found: OutOfFold) -> None:
    figure = scores(found, LABELS)["specificity at sensitivity 0.95"]
    score = 1 - found.probabilities[:, 0]
    ill = np.sort(score[found.labels > 0])
    threshold = ill[int(np.floor(0.05 * len(ill)))]  # 114 of 120 at or above it
    assert (ill >= threshold).mean() == pytest.approx(0.95)
    assert figure["value"] == pytest.approx((score[found.labels == 0] < threshold).mean(), abs=1e-4)


def test_the_surest_films_are_answered_first() -> None:
    labels = np.repeat([0, 1], 50)
    sure = np.linspace(0.5, 1.0, 100)
    right = sure > 0.75
    p = np.zeros((100, 3))
    p[np.arange(100), np.where(right, labels, 1 - labels)] = sure
    p[:, 2] = 1 - sure
    curve = surest(made_up(p, labels))
    assert curve["50%"]["value"] == 1.0
    assert curve["100%"]["value"] == pytest.approx(right.mean())
    assert curve["60%"]["films"] == 60


def test_a_share_counts_only_the_films_among_which_it_is_taken() -> None:
    figure = share([True, False, True, True], ["a", "b", "c", "c"], [True, True, False, False])
    assert (figure["value"], figure["films"], figure["patients"]) == (0.5, 2, 2)
