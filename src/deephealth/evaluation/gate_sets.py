"""Both errors of the gate: chest films that it refuses, and pictures that are none and that it lets pass.

Protocol point 10: hands, photographs, slices of CT and MR, lateral views, and what can be made of the films themselves (inverted, upside
down, blank). Each set is a row of its own; "refused" is right for pictures that are no chest films and wrong for those that are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.errors import FilmError, UsageError
from deephealth.evaluation.evidence import GateSet
from deephealth.evaluation.intervals import DRAWS, PatientBootstrap
from deephealth.images.archive import FilmFile, find_films
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.inference.predictor import Prediction, Predictor
from deephealth.model.file import Model
from deephealth.settings.progress import Listener, silent

Pixels = NDArray[np.uint8]


def gate_row(
    name: str, answers: Sequence[Prediction], patients: Sequence[str], *, chest: bool, draws: int = DRAWS, seed: int = 0
) -> GateSet:
    """The share refused of answers [n] to films of patients [n]; those that could not be read are counted apart, for no gate saw them."""
    read = [row for row, answer in enumerate(answers) if not answer.error]
    refused = np.array([answers[row].refused for row in read], dtype=bool)
    bootstrap = PatientBootstrap([patients[row] for row in read], draws=draws, seed=seed)
    return GateSet(name, chest, bootstrap.proportion(refused, np.ones(len(read), dtype=bool)), unread=len(answers) - len(read))


def not_chest_files(folder: Path) -> list[FilmFile]:
    """The pictures of a folder, a file or a zip archive that hold no chest film. UsageError when there is none."""
    if not folder.exists():
        raise UsageError(f"{folder} does not exist; expected a folder of pictures that are no chest films.")
    files = find_films([folder])
    if not files:
        raise UsageError(f"{folder} holds no picture; expected some that are no chest films.")
    return files


def gate_on(model: Model, name: str, files: Sequence[FilmFile], *, seed: int = 0, threads: int = 1, progress: Listener = silent) -> GateSet:
    """What the gate of `model` does with pictures that are no chest films, each counted on its own."""
    answers = list(Predictor(model, threads=threads).predict_many(files, progress))
    return gate_row(name, answers, [file.name for file in files], chest=False, seed=seed)


def made_sets(model: Model, films: Sequence[Film], *, seed: int = 0, threads: int = 1) -> tuple[GateSet, ...]:
    """What the gate does with pictures made of at most 40 of `films`, evenly spread: "inverted" (black for white), "upside down", "blank".

    Blank are five pictures of one grey, the size of the first film. Films that cannot be read are counted as unread.
    """
    predictor = Predictor(model, threads=threads)
    chosen = films[:: math.ceil(len(films) / _MOST_MADE)] if films else ()
    read = [_pixels(film, model.record.channels) for film in chosen]
    patients = [film.patient for film, pixels in zip(chosen, read, strict=True) if pixels is not None]
    whole = [pixels for pixels in read if pixels is not None]
    if not whole:
        return ()
    found = []
    for name, change in _CHANGES.items():
        answers = [predictor.predict(_radiograph(name, change(pixels))) for pixels in whole]
        row = gate_row(name, answers, patients, chest=False, seed=seed)
        found.append(dataclasses.replace(row, unread=len(chosen) - len(whole)))
    blank = [predictor.predict(_radiograph("blank", np.full_like(whole[0], grey))) for grey in _GREYS]
    return (*found, gate_row("blank", blank, [str(grey) for grey in _GREYS], chest=False, seed=seed))


_MOST_MADE = 40
_GREYS = (0, 64, 128, 192, 255)
_CHANGES: Mapping[str, Callable[[Pixels], Pixels]] = MappingProxyType(
    {"inverted": lambda pixels: 255 - pixels, "upside down": lambda pixels: np.ascontiguousarray(pixels[::-1])}
)


def _pixels(film: Film, channels: int) -> Pixels | None:
    try:
        return read_film(film.path, name=film.name, channels=channels).pixels
    except FilmError:
        return None


def _radiograph(name: str, pixels: Pixels) -> Radiograph:
    return Radiograph(pixels, name, "made", "")
