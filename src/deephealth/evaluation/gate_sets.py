"""Both errors of the gate: chest films that it refuses, and pictures that are none and that it lets pass.

Protocol point 10: hands, photographs, slices of CT and MR, lateral views, and what can be made of the films themselves (inverted, upside
down, blank). Each set is a row of its own; "refused" is right for pictures that are no chest films and wrong for those that are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deephealth.evaluation.evidence import GateSet
from deephealth.evaluation.intervals import DRAWS, PatientBootstrap
from deephealth.images.archive import FilmFile, find_films
from deephealth.inference.predictor import Prediction, Predictor
from deephealth.model.file import Model
from deephealth.settings.progress import Listener, silent


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
    return find_films([str(folder)])


def gate_on(model: Model, name: str, files: Sequence[FilmFile], *, seed: int = 0, threads: int = 1, progress: Listener = silent) -> GateSet:
    """What the gate of `model` does with pictures that are no chest films, each counted on its own."""
    answers = list(Predictor(model, threads=threads).predict_many(files, progress))
    return gate_row(name, answers, [file.name for file in files], chest=False, seed=seed)
