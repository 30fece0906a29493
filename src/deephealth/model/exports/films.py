"""The films that certify an export, and those that calibrate one in whole numbers: drawn, or the user's own."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.sources import open_dataset
from deephealth.errors import DatasetError, DeepHealthError
from deephealth.images.archive import FilmFile, find_films
from deephealth.images.phantom import LABELS, draw_phantom
from deephealth.model.exports.runtimes.asking import square
from deephealth.settings.progress import Listener, Progress, silent

_SIDES = (96, 128, 160, 192, 224)
_ENLARGED = (1, 2, 3)  # a film of 672 px tells as much about the resize when each pixel of a smaller one is repeated, and is drawn at once
_CERTIFYING_SEED, _CALIBRATING_SEED = 31, 77  # never the same films
CALIBRATION_FILMS = 64


@dataclass(frozen=True, eq=False)
class Films:
    """Films uint8 [H, W] (or [H, W, 3]); labels: each one's class by its folder, or empty. name: where they come from."""

    pixels: Sequence[NDArray[np.uint8]]
    labels: tuple[str, ...]
    name: str

    @property
    def sha256(self) -> str:
        """Of all pixels and shapes, in order."""
        digest = hashlib.sha256()
        for film in self.pixels:
            digest.update(str(film.shape).encode() + film.tobytes())
        return digest.hexdigest()


def drawn(count: int, channels: int, *, seed: int = _CERTIFYING_SEED, listener: Listener = silent, stage: str = "films") -> Films:
    """`count` phantoms of 72 to 672 px, upright, wide and square."""
    pixels = []
    for number in range(count):
        pixels.append(_shaped(_phantom(number, seed), channels))
        listener(Progress(stage, number + 1, count))
    return Films(pixels, (), "phantoms")


@functools.lru_cache(maxsize=512)
def _phantom(number: int, seed: int) -> NDArray[np.uint8]:
    side = _SIDES[number % len(_SIDES)]
    film = draw_phantom(LABELS[number % len(LABELS)], seed=seed, patient=number, size=side).pixels
    film = (film, film[:, : side * 4 // 5], film[: side * 3 // 4])[number // len(_SIDES) % 3]
    times = _ENLARGED[number // 2 % len(_ENLARGED)]
    return np.ascontiguousarray(film.repeat(times, axis=0).repeat(times, axis=1))


def of_folder(folder: Path, most: int, channels: int, *, listener: Listener = silent, stage: str = "films") -> Films:
    """At most `most` films of a folder, evenly spread over it; with labels where it is a data set. DatasetError when none can be read."""
    found = _found(folder)
    chosen = [found[place] for place in np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))] if found else []
    pixels, labels = [], []
    for number, (file, label) in enumerate(chosen, start=1):
        try:
            pixels.append(_shaped(file.read(channels).pixels, channels))
            labels.append(label)
        except DeepHealthError:
            pass  # a film that cannot be read certifies nothing; how many were used is written down
        listener(Progress(stage, number, len(chosen)))
    if not pixels:
        raise DatasetError(f"No film in {folder} can be read, expected JPEG, PNG, TIFF or DICOM files; give another folder.")
    return Films(pixels, tuple(labels) if all(labels) else (), folder.name)


def _found(folder: Path) -> list[tuple[FilmFile, str]]:
    try:
        return [(FilmFile(film.name, film.path), film.label) for film in open_dataset(folder).films]
    except DatasetError:  # no classes: films all the same
        return [(film, "") for film in find_films([folder])]


def calibration(folder: Path | None, size: int, channels: int, listener: Listener = silent) -> NDArray[np.float32]:
    """float32 [n, C, size, size] in 0..255: the films that tell a quantiser which values to expect."""
    stage = "calibration films"
    if folder:
        films = of_folder(folder, CALIBRATION_FILMS * 4, channels, listener=listener, stage=stage)
    else:
        films = drawn(CALIBRATION_FILMS, channels, seed=_CALIBRATING_SEED, listener=listener, stage=stage)
    return np.stack([square(film, size, channels) for film in films.pixels])


def _shaped(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    return np.repeat(pixels[:, :, None], 3, axis=2) if channels == 3 and pixels.ndim == 2 else pixels
