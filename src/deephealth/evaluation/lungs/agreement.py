"""How well found lungs agree with drawn ones: Dice and share of lung covered, film by film, with intervals over patients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import shrink
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.lungs.finder import LungFinder, LungMask, grow_mask, resize_mask
from deephealth.images.phantom import LABELS, draw_phantom
from deephealth.images.read import read_film
from deephealth.training.lung_films import LUNG, MaskedFilm, read_mask

Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A film, uint8 [H, W], with its lungs as a person (or the phantom's maker) drew them, bool [H, W]."""

    pixels: NDArray[np.uint8]
    lungs: Masks
    patient: str


@dataclass(frozen=True, eq=False)
class Answer:
    """What the finder found on a film, and what was drawn there."""

    found: LungMask
    drawn: Masks
    patient: str

    def found_at(self, threshold: float | None = None, margin: float = 0.0) -> Masks:
        """The found lungs on the film, bool [H, W], by another threshold than the finder's, or grown by a margin."""
        mask = self.found.mask if threshold is None else self.found.probabilities >= threshold
        return resize_mask(grow_mask(mask, margin), *self.drawn.shape)


def masked_films(films: Iterable[MaskedFilm]) -> Iterator[Drawn]:
    """Films read from the disk, one by one, with their masks squashed to their size."""
    for item in films:
        pixels = read_film(item.film).pixels
        yield Drawn(pixels, read_mask(item.mask, *pixels.shape) == LUNG, item.patient)


def phantom_films(count: int, *, seed: int, sizes: Sequence[int] = (128, 256, 512)) -> Iterator[Drawn]:
    """Phantom films of `count` different patients; `seed` must be another than the training's."""
    for number in range(count):
        phantom = draw_phantom(LABELS[number % 3], seed=seed, patient=number, size=sizes[number % len(sizes)])
        yield Drawn(phantom.pixels, phantom.lung_mask, f"p{number}")


def ask(finder: LungFinder, films: Iterable[Drawn], *, thumbnails: bool = False) -> list[Answer]:
    """Find the lungs of all films; with `thumbnails`, from the 64 x 64 picture that a data set's scan keeps of each film."""
    return [Answer(finder.find(shrink(film.pixels) if thumbnails else film.pixels), film.lungs, film.patient) for film in films]


def dice(found: Masks, drawn: Masks) -> float:
    """Twice the common area over the sum of the areas of two masks of one shape, 0..1; 1 when both are empty (Dice 1945)."""
    total = int(found.sum()) + int(drawn.sum())
    return 2 * int((found & drawn).sum()) / total if total else 1.0


def covered(found: Masks, drawn: Masks) -> float:
    """Share of the drawn lung that was found, 0..1; NaN when none was drawn."""
    area = int(drawn.sum())
    return int((found & drawn).sum()) / area if area else float("nan")


@dataclass(frozen=True, eq=False)
class Agreement:
    """Scores of a set of films, one of each a film: Dice, share of the drawn lung covered, whether the finder's mask was plausible."""

    dice: NDArray[np.float64]
    covered: NDArray[np.float64]
    plausible: NDArray[np.bool_]
    patients: tuple[str, ...]

    def mean_dice(self) -> Interval:
        """Mean Dice with its 95 % interval over patients."""
        return PatientBootstrap(self.patients).mean(self.dice, least=0, most=1)

    def mean_covered(self) -> Interval:
        """Mean share of lung covered with its 95 % interval over patients."""
        return PatientBootstrap(self.patients).mean(self.covered, least=0, most=1)

    def share_plausible(self) -> Interval:
        """Share of films with a plausible mask, with its 95 % interval over patients."""
        return PatientBootstrap(self.patients).proportion(self.plausible, np.ones(len(self.plausible), dtype=bool))

    def fifth_percentile(self) -> float:
        """The Dice that 5 % of the films fall below."""
        return float(np.percentile(self.dice, 5))


def agreement(answers: Sequence[Answer], *, threshold: float | None = None, margin: float = 0.0) -> Agreement:
    """Compare found and drawn masks film by film, at the films' size; `threshold` and `margin` as in `Answer.found_at`."""
    pairs = [(answer.found_at(threshold, margin), answer.drawn) for answer in answers]
    founds = [answer.found if threshold is None else dataclasses.replace(answer.found, threshold=threshold) for answer in answers]
    return Agreement(
        np.array([dice(*pair) for pair in pairs]),
        np.array([covered(*pair) for pair in pairs]),
        np.array([found.plausible for found in founds]),
        tuple(answer.patient for answer in answers),
    )
