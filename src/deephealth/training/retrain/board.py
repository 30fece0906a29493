"""What a finished retraining shows in TensorBoard beside its curves: graph, films as points, confusion, errors, precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.model.heads import LinearHead
from deephealth.training.answers_board import show_answers
from deephealth.training.heads import Examples, softmax
from deephealth.training.tensorboard import MOST_POINTS, THUMBNAIL, Board


def show_retraining(
    board: Board,
    model: Model,
    head: LinearHead,
    films: Mapping[str, Sequence[Film]],
    sets: Mapping[str, Examples],
    settings: Mapping[str, object],
) -> None:
    """Draw the results of the test films, which are asked once, and validation and test films as points. Labels only, no names."""
    import onnx

    if not board.on:
        return
    board.graph(onnx.load_from_string(model.data))
    test = sets["testing"]
    show_answers(
        board,
        model.labels,
        test.labels,
        softmax(head.logits(test.features)),
        settings,
        lambda row: _small(films["testing"][row], 128),
    )
    _projector(board, films, sets)


def _projector(board: Board, films: Mapping[str, Sequence[Film]], sets: Mapping[str, Examples]) -> None:
    chosen = [(film, split) for split in ("validation", "testing") for film in films[split]]
    features = np.concatenate([sets["validation"].features, sets["testing"].features])
    columns = {"label": [film.label for film, _ in chosen], "split": [split for _, split in chosen]}
    small = np.stack([_small(film, THUMBNAIL) for film, _ in chosen]) if len(chosen) <= MOST_POINTS else None
    board.projector("validation", features, columns, small)


def _small(film: Film, side: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(read_film(film.path).pixels).resize((side, side), Image.Resampling.BILINEAR))
