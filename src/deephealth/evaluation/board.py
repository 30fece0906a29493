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
from deephealth.training.answers_board import show_answers
from deephealth.training.recipe import Recipe
from deephealth.training.tensorboard import Board


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

    if not board.on:
        return
    board.graph(onnx.load_from_string(model.data))
    _projector(board, facts, points, with_films=with_films)
    labels = list(judged.evaluation.classes)
    truth = np.array([labels.index(film.label) for film in judged.films])
    scores = np.array([[answer.probabilities[label] for label in labels] for answer in judged.predictions]).reshape(len(truth), len(labels))
    if not len(truth):
        return
    rows = {name: row for row, name in enumerate(facts.names)}
    shown = facts.thumbnails if facts.details is None else facts.details

    def picture(row: int) -> NDArray[np.uint8]:
        return np.asarray(shown[rows[judged.films[row].name]])

    show_answers(board, labels, truth, scores, _flat(recipe.to_dict()), picture if with_films else None)


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


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A recipe's sections as `section.name`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{before}{name}"
        found |= _flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return found
