"""What a model file answers to many pictures, through ONNX Runtime as any user's program would ask it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.evaluation.intervals import DRAWS, Interval, PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.images.read import read_film
from deephealth.model.file import Model, Outputs
from studies.shipped.films import Children, Pixels
from studies.shipped.runs import Runs

Figure = dict[str, float | int | None]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Every film's answer by the model that has seen neither it nor its patient. labels: int [n]; probabilities: float [n, C]."""

    films: tuple[Film, ...]
    folds: Ints
    labels: Ints
    probabilities: Floats
    refused: NDArray[np.bool_]

    @property
    def patients(self) -> tuple[str, ...]:
        """Of each film."""
        return tuple(film.patient for film in self.films)


def ask(model: Model, pictures: Iterable[Pixels], threads: int) -> list[Outputs]:
    """The model's answers, in order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda pixels: model.run(np.ascontiguousarray(pixels), threads=1), pictures))


def probabilities_of(answers: Sequence[Outputs]) -> Floats:
    """float64 [n, C]."""
    return np.array([answer.probabilities for answer in answers], dtype=np.float64)


def refused_by(model: Model, answers: Sequence[Outputs]) -> NDArray[np.bool_]:
    """Which of the pictures the gate refuses, bool [n]."""
    threshold = model.record.novelty_threshold
    assert threshold is not None
    return np.array([answer.novelty > threshold for answer in answers])


def out_of_fold(children: Children, runs: Runs, threads: int) -> OutOfFold:
    """Ask each fold's model about the fold's films."""
    parts = []
    for k in range(len(children.splits)):
        model = Model.load(runs.fold(k))
        films = children.tested(k)
        answers = ask(model, (read_film(film.path).pixels for film in films), threads)
        number = {label: c for c, label in enumerate(model.labels)}
        labels = np.array([number[film.label] for film in films])
        parts.append((films, np.full(len(films), k), labels, probabilities_of(answers), refused_by(model, answers)))
    films, *arrays = zip(*parts, strict=True)
    return OutOfFold(tuple(film for part in films for film in part), *(np.concatenate(array) for array in arrays))


def figure(interval: Interval) -> Figure:
    """An interval as plain values, rounded to what can be read."""
    values = (interval.value, interval.low, interval.high)
    value, low, high = (None if v is None else round(float(v), 4) for v in values)
    return {"value": value, "low": low, "high": high, "films": interval.n_films, "patients": interval.n_patients}


def share(hits: object, patients: Sequence[str], among: object | None = None) -> Figure:
    """A share of films with its interval over patients."""
    every = np.ones(len(patients), dtype=bool) if among is None else np.asarray(among)
    return figure(PatientBootstrap(patients, draws=DRAWS).proportion(np.asarray(hits), every))
