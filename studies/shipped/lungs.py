"""Whether the model looks at the lungs: films of which parts are hidden, the heatmap's place, films framed in another way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.evaluation.headline import balanced
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.lungs.finder import LungFinder, LungMask, lung_energy, only_lungs, without_lungs
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.shortcuts.regions import border, common_lungs, corners, only
from deephealth.images.read import read_film
from deephealth.model.file import Model
from studies.shipped.answers import Figure, ask, figure, probabilities_of, share
from studies.shipped.films import Children, Pixels
from studies.shipped.runs import Runs

CROP, STRETCH = 0.15, 0.20
PARTS = ("whole film", "only lungs", "without lungs", "only border", "only corners")


@dataclass(frozen=True, eq=False)
class Shown:
    """A model's answers to n films, whole and in parts. probabilities: float [n, C] by part; reframed: the same in another frame.

    labels: int [n]; energy: float [n], NaN for films of which nobody drew the lungs.
    """

    films: tuple[Film, ...]
    labels: Ints
    probabilities: Mapping[str, Floats]
    reframed: Floats
    energy: Floats


def measure(children: Children, runs: Runs, threads: int) -> dict[str, Any]:
    """The section "lungs": the recipe over all folds, and beside it, on fold 0, a model trained without counter-measures."""
    shipped = [of_fold(children, Model.load(runs.fold(k)), k, threads) for k in range(len(children.splits))]
    naive = [of_fold(children, Model.load(runs.naive), 0, threads)]
    return {"shipped": summary(shipped), "shipped, fold 0": summary(shipped[:1]), "naive, fold 0": summary(naive)}


def of_fold(children: Children, model: Model, k: int, threads: int) -> Shown:
    """The answers to the films of a fold on which plausible lungs are found, whole and in parts."""
    finder = LungFinder.shipped()
    films, pixels, masks = [], [], []
    for film in children.tested(k):
        read = read_film(film.path).pixels
        mask = finder.find(read)
        if mask.plausible:
            films.append(film)
            pixels.append(read)
            masks.append(mask)
    pictures = parts_of(pixels, masks)
    answers = {name: ask(model, shown, threads) for name, shown in pictures.items()}
    random = np.random.default_rng(k)
    framed = ask(model, [reframed(film, random) for film in pixels], threads)
    return Shown(
        films=tuple(films),
        labels=np.array([model.labels.index(film.label) for film in films]),
        probabilities={name: probabilities_of(found) for name, found in answers.items()},
        reframed=probabilities_of(framed),
        energy=_energies(children, films, answers["whole film"]),
    )


def parts_of(pixels: list[Pixels], masks: list[LungMask]) -> dict[str, list[Pixels]]:
    """The films, and what is left of them: black elsewhere. Border and corners are without the place where any film has lung."""
    everywhere = common_lungs([mask.mask for mask in masks])
    found: dict[str, list[Pixels]] = {"whole film": pixels}
    found["only lungs"] = [only_lungs(film, mask) for film, mask in zip(pixels, masks, strict=True)]
    found["without lungs"] = [without_lungs(film, mask) for film, mask in zip(pixels, masks, strict=True)]
    hidden = [_at(everywhere, film.shape) for film in pixels]
    found["only border"] = [only(film, border(*film.shape[:2]) & ~lung) for film, lung in zip(pixels, hidden, strict=True)]
    found["only corners"] = [only(film, corners(*film.shape[:2]) & ~lung) for film, lung in zip(pixels, hidden, strict=True)]
    return found


def _at(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows = np.arange(shape[0]) * mask.shape[0] // shape[0]
    columns = np.arange(shape[1]) * mask.shape[1] // shape[1]
    return np.asarray(mask[rows[:, None], columns[None]])


def reframed(film: Pixels, random: np.random.Generator) -> Pixels:
    """A window of the film: up to 15 % is cut from a side, and it is up to a fifth wider or higher than the film is."""
    size, stretch = 1 - random.uniform(0, CROP), np.exp(np.log1p(STRETCH) * random.uniform(-1, 1))
    height, width = film.shape
    rows, columns = (min(full, round(full * size * factor)) for full, factor in ((height, stretch**-0.5), (width, stretch**0.5)))
    top, left = random.integers(0, height - rows + 1), random.integers(0, width - columns + 1)
    return np.ascontiguousarray(film[top : top + rows, left : left + columns])


def _energies(children: Children, films: list[Film], answers: Any) -> NDArray[np.float64]:
    """The share of each heatmap of the label answered that lies in the drawn lungs; NaN for films without a drawn mask."""
    found = np.full(len(films), np.nan)
    for k, (film, answer) in enumerate(zip(films, answers, strict=True)):
        mask = children.mask(film)
        if mask is not None and mask.any():
            found[k] = lung_energy(answer.heatmap[int(answer.probabilities.argmax())], mask)
    return found


def summary(folds: Sequence[Shown]) -> dict[str, Any]:
    """Figures over the films of some folds."""
    films = [film for fold in folds for film in fold.films]
    patients = [film.patient for film in films]
    y = np.concatenate([fold.labels for fold in folds])
    bootstrap = PatientBootstrap(patients)
    joined = {name: np.concatenate([fold.probabilities[name] for fold in folds]) for name in PARTS}
    framed = np.concatenate([fold.reframed for fold in folds])
    energy = np.concatenate([fold.energy for fold in folds])
    known = ~np.isnan(energy)
    masked = PatientBootstrap([patient for patient, there in zip(patients, known, strict=True) if there])
    found: dict[str, dict[str, Figure]] = {
        name: {"accuracy": share(p.argmax(axis=1) == y, patients), "balanced accuracy": figure(balanced(p, y, bootstrap))}
        for name, p in joined.items()
    }
    return {
        "majority": round(float(np.bincount(y).max() / len(y)), 4),
        "parts": found,
        "energy in the drawn lungs": figure(masked.mean(energy[known], least=0, most=1)),
        "answers changed by another frame": share(framed.argmax(axis=1) != joined["whole film"].argmax(axis=1), patients),
    }
