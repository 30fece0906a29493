"""What a finished retraining shows in TensorBoard beside its curves: graph, films as points, confusion, errors, precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.model.heads import LinearHead
from deephealth.training.confusion import confusion_picture
from deephealth.training.heads import Examples, cross_entropy_and_accuracy, softmax
from deephealth.training.tensorboard import MOST_POINTS, THUMBNAIL, Board

_MOST_ERRORS = 24


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

    board.graph(onnx.load_from_string(model.data))
    labels, test = list(model.labels), sets["testing"]
    scores = softmax(head.logits(test.features))
    guesses = scores.argmax(axis=1)
    board.picture("test", "confusion", confusion_picture(labels, test.labels, guesses))
    for place, label in enumerate(labels):
        board.precision_recall("test", f"precision_recall/{label}", test.labels == place, scores[:, place])
    wrong = sorted(np.flatnonzero(guesses != test.labels), key=lambda row: -scores[row].max())[:_MOST_ERRORS]
    for number, row in enumerate(wrong, start=1):
        told = f"errors/{labels[test.labels[row]]}_called_{labels[guesses[row]]}/{number:02d}"
        board.picture("test", told, _small(films["testing"][int(row)], 128))
    loss, accuracy = cross_entropy_and_accuracy(head, test)
    board.scalars("test", {"accuracy": accuracy, "cross_entropy": loss}, 0)
    board.hyperparameters(dict(settings), {"test/accuracy": accuracy, "test/cross_entropy": loss})
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
