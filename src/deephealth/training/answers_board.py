"""The test films' answers in TensorBoard: confusion matrix and errors as pictures, precision and recall, scores beside the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.training.tensorboard import Board

if TYPE_CHECKING:
    from PIL import ImageDraw

MOST_ERRORS = 24
"""Errors drawn, the surest first."""
_CELL, _MARGIN = 96, 120


def show_answers(
    board: Board,
    labels: Sequence[str],
    truth: NDArray[np.int64],
    scores: NDArray[np.floating],
    settings: Mapping[str, Any],
    picture: Callable[[int], NDArray[np.uint8]] | None,
) -> None:
    """Draw what a model answered to its test films.

    truth: the class number of each film, [n]; scores: probabilities [n, classes]; settings: what the run was told; picture: the film of a
    row, uint8 [H, W], None where films may not be shown. Names carry labels only.
    """
    guesses = scores.argmax(axis=1)
    board.picture("test", "confusion", confusion_picture(labels, truth, guesses))
    for place, label in enumerate(labels):
        board.precision_recall("test", f"precision_recall/{label}", truth == place, scores[:, place])
    wrong = sorted(np.flatnonzero(guesses != truth), key=lambda row: -scores[row].max())[:MOST_ERRORS] if picture else []
    for number, row in enumerate(wrong, start=1):
        assert picture is not None
        board.picture("test", f"errors/{labels[truth[row]]}_called_{labels[guesses[row]]}/{number:02d}", picture(int(row)))
    accuracy = float((guesses == truth).mean())
    loss = float(-np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-12)).mean())
    board.scalars("test", {"accuracy": accuracy, "cross_entropy": loss}, 0)
    board.hyperparameters(settings, {"test/accuracy": accuracy, "test/cross_entropy": loss})


def confusion_picture(labels: Sequence[str], truth: NDArray[np.int64], guesses: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The confusion matrix, uint8 [H, W, 3]: a row for each true label, a column for each answer, shaded by the share of its row."""
    from PIL import Image, ImageDraw

    many = len(labels)
    counts = np.zeros((many, many), int)
    np.add.at(counts, (truth, guesses), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    picture = Image.new("RGB", (_MARGIN + many * _CELL, _MARGIN + many * _CELL), "white")
    draw = ImageDraw.Draw(picture)
    for row in range(many):
        _centred(draw, (_MARGIN / 2, _MARGIN + (row + 0.5) * _CELL), labels[row][:18], "black")
        _centred(draw, (_MARGIN + (row + 0.5) * _CELL, _MARGIN - 14), labels[row][:14], "black")
        for column in range(many):
            left, top = _MARGIN + column * _CELL, _MARGIN + row * _CELL
            share = shares[row, column]
            shade = tuple(int(255 + (dark - 255) * share) for dark in (20, 70, 140))
            draw.rectangle((left, top, left + _CELL - 2, top + _CELL - 2), fill=shade)
            text = f"{counts[row, column]}\n{share:.0%}"
            _centred(draw, (left + _CELL / 2, top + _CELL / 2), text, "white" if share > 0.5 else "black")
    _centred(draw, (_MARGIN / 2, _MARGIN - 14), "true \\ answer", "black")
    return np.asarray(picture)


def _centred(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: str) -> None:
    draw.multiline_text(place, text, fill=colour, anchor="mm", align="center", font_size=13)
