"""The films and masks that the lung finder learns from and is judged on, at the network's square.

Two conventions meet here. The masks of the children's films (V7 Labs) and of the phantoms hold the lungs with the shadow of heart and
diaphragm's edge on them, the spine left out. Montgomery's hold only the lung that heart and vessels leave clear; there, what lies between
the lungs is neither lung nor not: it is ignored, and the rest of the mask counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.split import make_split
from deephealth.errors import DatasetError
from deephealth.features.graph import resize_film
from deephealth.images.phantom import LABELS, draw_phantom
from deephealth.images.read import read_film
from deephealth.settings.progress import Listener, Progress, silent

LUNG, IGNORED = 255, 127
"""Grey levels of a mask; everything else is 0, not lung."""
VALIDATION, TEST = 0.10, 0.22
"""Shares of the patients with a mask that choose between networks, and that are shown to no choice."""
PHANTOM_SIZES = (96, 128, 192, 256, 320)
_CHILDREN, _ADULTS = "kermany", "tb-shenzhen-montgomery"


@dataclass(frozen=True)
class MaskedFilm:
    """A film and its mask on the disk; the mask has another size, and is squashed to the film's."""

    name: str
    patient: str
    film: Path
    mask: Path


@dataclass(frozen=True, eq=False)
class LungExamples:
    """n films at the network's side S: films uint8 [n, S, S]; masks uint8 [n, S, S] of 0, IGNORED, LUNG."""

    films: NDArray[np.uint8]
    masks: NDArray[np.uint8]

    @property
    def sha256(self) -> str:
        """Hash (hex) of all pixels and masks."""
        return hashlib.sha256(self.films.tobytes() + self.masks.tobytes()).hexdigest()

    @staticmethod
    def joined(parts: Sequence[LungExamples]) -> LungExamples:
        """All parts, one after another."""
        return LungExamples(np.concatenate([part.films for part in parts]), np.concatenate([part.masks for part in parts]))


def children(data: Path, seed: int) -> dict[str, tuple[MaskedFilm, ...]]:
    """The children's films that have a mask, by "train", "validation" and "test"; no patient stands in two of them."""
    from deephealth.datasets.sources import open_dataset

    index = open_dataset(data / _CHILDREN / "chest_xray")
    masks = {path.stem: path for path in (data / _CHILDREN / "lung_masks").rglob("*.png")}
    films = tuple(film for film in index.films if film.path.stem in masks)
    return _placed([(film, masks[film.path.stem]) for film in films], index.root, index.classes, seed)


def montgomery(data: Path, seed: int) -> dict[str, tuple[MaskedFilm, ...]]:
    """Montgomery's films by "train", "validation" and "test"; every film is a patient."""
    found = adults(data, "MCUCXR")
    films = [(Film(item.name, item.film, _finding(item.name), item.patient), item.mask) for item in found]
    return _placed(films, data / _ADULTS, ("normal", "tuberculosis"), seed)


def adults(data: Path, prefix: str) -> tuple[MaskedFilm, ...]:
    """All films of one of the two tuberculosis sets, MCUCXR (Montgomery) or CHNCXR (Shenzhen, whose masks may not train what ships)."""
    masks = {path.stem: path for path in (data / _ADULTS / "lung_masks").glob(f"{prefix}*")}
    films = sorted((data / _ADULTS / "cxr").glob(f"{prefix}*"))
    return tuple(MaskedFilm(film.name, film.stem, film, masks[film.stem]) for film in films if film.stem in masks)


def _finding(name: str) -> str:
    return "normal" if Path(name).stem.endswith("_0") else "tuberculosis"


def _placed(films: Sequence[tuple[Film, Path]], root: Path, classes: tuple[str, ...], seed: int) -> dict[str, tuple[MaskedFilm, ...]]:
    if not films:
        raise DatasetError(f"{root} holds no film with a lung mask; expected the folders that ../shared/data/README.md describes.")
    index = DatasetIndex(root, "masks", tuple(film for film, _ in films), classes, ())
    split = make_split(index, seed=seed, validation=VALIDATION, test=TEST)
    places: dict[str, list[MaskedFilm]] = {"train": [], "validation": [], "test": []}
    for film, mask in films:
        places[split.assignments[film.name]].append(MaskedFilm(film.name, film.patient, film.path, mask))
    return {place: tuple(found) for place, found in places.items()}


def read_mask(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """A lung mask squashed to a film's height and width, uint8 [height, width] of 0, IGNORED, LUNG."""
    from PIL import Image

    with Image.open(path) as image:
        grey = np.asarray(image.convert("L").resize((width, height), Image.Resampling.NEAREST))
    return np.where(grey > 191, np.uint8(LUNG), np.where(grey > 63, np.uint8(IGNORED), np.uint8(0)))


def between_ignored(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask that leaves the heart out, with what lies within the lungs' convex hull, but in neither lung, marked IGNORED."""
    from scipy.spatial import ConvexHull

    rows, columns = np.nonzero(mask == LUNG)
    if len(rows) < 3:
        return mask
    points = np.stack([columns, rows], axis=1)
    edges = ConvexHull(points).equations
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    inside = np.all(edges[:, 0, None, None] * x + edges[:, 1, None, None] * y + edges[:, 2, None, None] <= 1e-9, axis=0)
    return np.where(inside & (mask != LUNG), np.uint8(IGNORED), mask)


def load(films: Sequence[MaskedFilm], side: int, *, heart: bool, progress: Listener = silent) -> LungExamples:
    """Films and masks at the network's side. heart: the masks hold the heart's shadow; else what lies between the lungs is ignored."""
    pixels, masks = [], []
    for done, item in enumerate(films, start=1):
        film = read_film(item.film).pixels
        mask = read_mask(item.mask, *film.shape)
        pixels.append(_at_side(film, side))
        masks.append(_mask_at_side(mask if heart else between_ignored(mask), side))
        progress(Progress("reading films and masks", done, len(films)))
    return _stacked(pixels, masks, side)


def phantoms(count: int, side: int, seed: int, *, progress: Listener = silent) -> LungExamples:
    """`count` phantom films, each of a patient of its own, in the sizes PHANTOM_SIZES in turn."""
    pixels, masks = [], []
    for number in range(count):
        size = PHANTOM_SIZES[number % len(PHANTOM_SIZES)]
        phantom = draw_phantom(LABELS[number % 3], seed=seed, patient=number, size=size)
        pixels.append(_at_side(phantom.pixels, side))
        masks.append(_mask_at_side(phantom.lung_mask.astype(np.uint8) * np.uint8(LUNG), side))
        progress(Progress("drawing phantom films", number + 1, count))
    return _stacked(pixels, masks, side)


def no_chests(films: NDArray[np.uint8], count: int, seed: int) -> LungExamples:
    """`count` pictures without lungs, so that the finder learns to find none: films in shuffled tiles, noise, flat fields, ramps."""
    pictures = [_no_chest(films, np.random.default_rng([seed, number]), number) for number in range(count)]
    side = films.shape[-1]
    return _stacked(pictures, [np.zeros((side, side), np.uint8)] * count, side)


def _no_chest(films: NDArray[np.uint8], random: np.random.Generator, number: int) -> NDArray[np.uint8]:
    side = films.shape[-1]
    if number % 4 < 2:
        return _shuffled_tiles(films[random.integers(len(films))], int(random.choice([4, 8, 16])), random)
    if number % 4 == 2:
        coarse = int(random.choice([2, 4, 16, side]))
        return resize_film(random.integers(0, 256, (coarse, coarse), dtype=np.uint8), side).astype(np.uint8)
    first, last = random.integers(0, 256, 2).tolist()
    return np.broadcast_to(np.linspace(first, last, side)[:, None], (side, side)).astype(np.uint8)


def _shuffled_tiles(film: NDArray[np.uint8], tiles: int, random: np.random.Generator) -> NDArray[np.uint8]:
    step = film.shape[0] // tiles
    parts = film[: step * tiles, : step * tiles].reshape(tiles, step, tiles, step).swapaxes(1, 2).reshape(-1, step, step)
    mixed = parts[random.permutation(len(parts))].reshape(tiles, tiles, step, step).swapaxes(1, 2).reshape(step * tiles, -1)
    return np.ascontiguousarray(mixed)


def _at_side(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.rint(resize_film(pixels, side)).astype(np.uint8)


def _mask_at_side(mask: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    lung = resize_film((mask == LUNG).astype(np.uint8) * np.uint8(255), side) > 127.5
    ignored = resize_film((mask == IGNORED).astype(np.uint8) * np.uint8(255), side) > 64
    return np.where(lung, np.uint8(LUNG), np.where(ignored, np.uint8(IGNORED), np.uint8(0)))


def _stacked(films: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.uint8]], side: int) -> LungExamples:
    empty = np.zeros((0, side, side), np.uint8)
    return LungExamples(np.stack(films) if films else empty, np.stack(masks) if masks else empty)


def batches(count: int, size: int, epoch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The films of each step of one epoch, shuffled; the incomplete last batch is left out."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]
