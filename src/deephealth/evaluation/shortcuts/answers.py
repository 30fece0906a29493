"""A model's answers to parts of films: whole, only the border, lungs hidden, nothing but the lungs. What `deep` scores.

Films are looked at twice: first for their lungs, since what hides them is one shape for all films, then with parts hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import shrink
from deephealth.datasets.index import Film
from deephealth.errors import FilmError
from deephealth.evaluation.lungs.finder import lung_energy, resize_mask
from deephealth.evaluation.metrics import Floats
from deephealth.evaluation.shortcuts import regions
from deephealth.evaluation.shortcuts.light import BLACKED_OUT, BORDER, ENOUGH_LUNGS, TOP, WHOLE, grey_levels
from deephealth.evaluation.shortcuts.masks import MaskSource
from deephealth.images.archive import FilmFile
from deephealth.images.conversions import luma
from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.settings.progress import Listener, Progress

ONLY_LUNGS = "only lungs"
BLACK, MEAN = "black", "mean film"
LUNG_FREE = (BLACKED_OUT, BORDER, TOP)
_GRID = 128  # side of the grid on which lung masks are kept
_T = TypeVar("_T")
_R = TypeVar("_R")


def sample_films(films: Sequence[Film], most: int, seed: int) -> tuple[Film, ...]:
    """At most `most` of `films`, in their order: whole patients drawn at random, each class in its share of the films."""
    if len(films) <= most:
        return tuple(films)
    rng = np.random.default_rng([seed, 11])
    of_patient: dict[str, list[Film]] = {}
    for film in films:
        of_patient.setdefault(film.patient, []).append(film)
    kept: set[str] = set()
    for label in sorted({film.label for film in films}):
        patients = [patient for patient, theirs in of_patient.items() if theirs[0].label == label]
        room = most * sum(len(of_patient[patient]) for patient in patients) / len(films)
        for number in rng.permutation(len(patients)):
            size = len(of_patient[patients[number]])
            if size <= room:
                kept.add(patients[number])
                room -= size
    return tuple(film for film in films if film.patient in kept)


@dataclass(frozen=True, eq=False)
class Look:
    """What the first look at a film gives; lungs: bool [128, 128], None where no plausible ones are found."""

    lungs: NDArray[np.bool_] | None
    size: tuple[int, int, int]  # width, height, bytes of the file
    levels: Floats  # its grey levels, [32]
    small: NDArray[np.uint8]  # [128, 128]


@dataclass(frozen=True, eq=False)
class Seen:
    """The films that are audited. shape: where their lungs lie, bool [128, 128], None when lungs were found on too few."""

    films: tuple[Film, ...]
    looks: tuple[Look, ...]
    shape: NDArray[np.bool_] | None
    notes: tuple[str, ...]

    @property
    def patients(self) -> list[str]:
        """The patient of each film."""
        return [film.patient for film in self.films]

    @cached_property
    def mean_film(self) -> NDArray[np.uint8]:
        """The films' mean grey at every place, uint8 [128, 128]: one for all, since a film's own would carry what is to be hidden."""
        return np.asarray(np.rint(np.mean([look.small for look in self.looks], axis=0)), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Answer:
    """The model's answers to the parts of one film, by part and what stands for the rest; energy: the heatmap's share in the lungs.

    features: float32 [d]; probabilities: float32 [C].
    """

    features: dict[tuple[str, str], NDArray[np.float32]]
    probabilities: dict[tuple[str, str], NDArray[np.float32]]
    energy: float


def look_at(model: Model, films: Sequence[Film], source: MaskSource, threads: int, progress: Listener) -> list[Look | None]:
    """The first look at each of `films`, by `threads` threads; None where a film cannot be read."""

    def look(film: Film) -> Look | None:
        try:
            data = FilmFile(film.name, film.path).read_bytes()
            pixels = read_film(data, name=film.name, channels=model.record.channels).pixels
        except FilmError:
            return None
        grey = luma(pixels) if pixels.ndim == 3 else pixels
        size = (pixels.shape[1], pixels.shape[0], len(data))
        return Look(source.mask(film, pixels, _GRID), size, grey_levels(shrink(grey)[None])[0], regions.resized(grey, _GRID, _GRID))

    return _mapped(look, films, threads, "audit: lungs", progress)


def select(films: Sequence[Film], looks: Sequence[Look | None]) -> Seen:
    """The films to audit: those with plausible lungs, or all that can be read when those with lungs are fewer than half of them."""
    read = [(film, look) for film, look in zip(films, looks, strict=True) if look is not None]
    with_lungs = [(film, look) for film, look in read if look.lungs is not None]
    enough = len(with_lungs) >= ENOUGH_LUNGS * max(len(read), 1)
    kept = with_lungs if enough else read
    masks = [look.lungs for _, look in with_lungs if look.lungs is not None]
    notes = () if enough else (f"Plausible lungs were found on {len(with_lungs)} of {len(read)} films, too few to hide them.",)
    return Seen(
        tuple(film for film, _ in kept), tuple(look for _, look in kept), regions.common_lungs(masks) if enough and masks else None, notes
    )


def parts(seen: Seen) -> list[tuple[str, str]]:
    """What is shown to the model: the names of the parts, and what stands in place of the rest, `BLACK` or `MEAN`."""
    names = (BORDER, TOP) if seen.shape is None else (ONLY_LUNGS, *LUNG_FREE)
    return [(WHOLE, BLACK), *((name, rest) for rest in (BLACK, MEAN) for name in names)]


def ask_parts(model: Model, seen: Seen, threads: int, progress: Listener) -> list[Answer]:
    """The answers to all `parts` of every film, by `threads` threads."""
    shape = np.zeros((_GRID, _GRID), dtype=bool) if seen.shape is None else seen.shape
    shown = {
        WHOLE: np.ones_like(shape),
        BLACKED_OUT: ~shape,
        BORDER: regions.border(_GRID, _GRID) & ~shape,
        TOP: regions.corners(_GRID, _GRID) & ~shape,
    }
    wanted = parts(seen)

    def ask(case: tuple[Film, Look]) -> Answer:
        film, look = case
        pixels = FilmFile(film.name, film.path).read(model.record.channels).pixels
        height, width = pixels.shape[:2]
        fills: dict[str, NDArray[np.uint8] | int] = {BLACK: 0, MEAN: regions.resized(seen.mean_film, height, width)}
        features, probabilities = {}, {}
        energy = float("nan")
        for name, rest in wanted:
            region = look.lungs if name == ONLY_LUNGS else shown[name]
            assert region is not None
            answer = model.run(regions.only(pixels, resize_mask(region, height, width), fills[rest]), threads=1)
            features[name, rest], probabilities[name, rest] = answer.features, answer.probabilities
            if name == WHOLE and look.lungs is not None:
                energy = lung_energy(answer.heatmap[int(answer.probabilities.argmax())], look.lungs)
        return Answer(features, probabilities, energy)

    return _mapped(ask, list(zip(seen.films, seen.looks, strict=True)), threads, "audit: model", progress)


def _mapped(work: Callable[[_T], _R], cases: Sequence[_T], threads: int, stage: str, progress: Listener) -> list[_R]:
    """Results in order, by `threads` threads."""
    pool = ThreadPoolExecutor(max(threads, 1), thread_name_prefix="audit")
    found = []
    try:
        for result in pool.map(work, cases):
            found.append(result)
            progress(Progress(stage, len(found), len(cases)))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found


def features_of(answers: Sequence[Answer], name: str, rest: str = BLACK) -> Floats:
    """Features of one part of every film, [n, d]."""
    return np.stack([answer.features[name, rest] for answer in answers]).astype(np.float64)
