"""The studies are no installed package: they are imported from the repository's root."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

GreyOf = Callable[[int, int], int]


def picture(path: Path, seed: int, grey: int) -> None:
    """64 x 64 pixels in 8 x 8 even tiles, of greys from `grey` on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(grey, grey + 60, (8, 8))
    Image.fromarray(np.kron(pixels.astype(np.uint8), np.ones((8, 8), np.uint8))).save(path)


def _write_adults(root: Path, grey: GreyOf) -> None:
    """16 films of each of three sources of adults, every other one ill; `grey`(source's number, label) is where their greys begin."""
    for number in range(16):
        label = number % 2
        nih = root / "nih" / ("No_findings", "Pneumonia")[label] / f"{number // 2:08d}_{label:03d}.png"
        picture(nih, number, grey(0, label))
        for source, prefix in ((1, "CHNCXR"), (2, "MCUCXR")):
            cxr = root / "tb-shenzhen-montgomery" / "cxr"
            picture(cxr / f"{prefix}_{number:04d}_{label}.png", 100 * source + number, grey(source, label))


@pytest.fixture(scope="session")
def write_adults() -> Callable[[Path, GreyOf], None]:
    return _write_adults


@pytest.fixture(scope="session")
def write_picture() -> Callable[[Path, int, int], None]:
    return picture
