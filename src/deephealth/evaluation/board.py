"""What a finished run shows in TensorBoard: graph, films as points, confusion and errors as pictures, precision and recall, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import Film
from deephealth.evaluation.judge import Judged
from deephealth.model.file import Model
from deephealth.training.confusion import confusion_picture
from deephealth.training.recipe import Recipe
from deephealth.training.tensorboard import Board

MOST_ERRORS = 24
"""Errors drawn, the surest first."""


def show_run(
    board: Board,
    model: Model,
    judged: Judged,
    facts: FilmFacts,
    points: Mapping[str, tuple[Sequence[Film], NDArray[np.float32]]],
    recipe: Recipe,
    *,
    with_films: bool,
) -> None:
    """Draw a run's results.

    points: split -> its films and their features float32 [n, d]. with_films: pictures of films may be shown. File and patient names never
    are: points and errors carry labels only.
    """
    import onnx

    board.graph(onnx.load_from_string(model.data))
    _projector(board, facts, points, with_films=with_films)
    labels = list(judged.evaluation.classes)
    truth = np.array([labels.index(film.label) for film in judged.films])
    scores = np.array([[answer.probabilities[label] for label in labels] for answer in judged.predictions]).reshape(len(truth), len(labels))
    if not len(truth):
        return
    guesses = scores.argmax(axis=1)
    board.picture("test", "confusion", confusion_picture(labels, truth, guesses))
    for place, label in enumerate(labels):
        board.precision_recall("test", f"precision_recall/{label}", truth == place, scores[:, place])
    if with_films:
        _errors(board, judged, facts, labels, truth, scores)
    accuracy = float((guesses == truth).mean())
    loss = float(-np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-12)).mean())
    board.scalars("test", {"accuracy": accuracy, "cross_entropy": loss}, 0)
    board.hyperparameters(_flat(recipe.to_dict()), {"test/accuracy": accuracy, "test/cross_entropy": loss})


def _projector(
    board: Board, facts: FilmFacts, points: Mapping[str, tuple[Sequence[Film], NDArray[np.float32]]], *, with_films: bool
) -> None:
    rows = {name: row for row, name in enumerate(facts.names)}
    films = [film for split_films, _ in points.values() for film in split_films]
    splits = [split for split, (split_films, _) in points.items() for _ in split_films]
    if not films:
        return
    features = np.concatenate([values for _, values in points.values()])
    thumbnails = facts.thumbnails[[rows[film.name] for film in films]] if with_films else None
    board.projector("validation", features, {"label": [film.label for film in films], "split": splits}, thumbnails)


def _errors(
    board: Board, judged: Judged, facts: FilmFacts, labels: Sequence[str], truth: NDArray[np.int64], scores: NDArray[np.floating]
) -> None:
    """The films answered wrongly, the surest first: true label and answer in the name."""
    rows = {name: row for row, name in enumerate(facts.names)}
    shown = facts.thumbnails if facts.details is None else facts.details
    guesses = scores.argmax(axis=1)
    wrong = sorted(np.flatnonzero(guesses != truth), key=lambda place: -scores[place].max())[:MOST_ERRORS]
    for number, place in enumerate(wrong, start=1):
        told = f"errors/{labels[truth[place]]}_called_{labels[guesses[place]]}/{number:02d}"
        board.picture("test", told, shown[rows[judged.films[place].name]])


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A recipe's sections as `section.name`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{before}{name}"
        found |= _flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return found
