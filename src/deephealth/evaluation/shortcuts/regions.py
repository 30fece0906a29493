"""Parts of a film that the shortcut audits look at alone or hide: border, corners, and where lungs lie in the films of a set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

BORDER = 1 / 8
CORNER = 10 / 64
# The places where this share of a set's films have lung are blacked out on all of them, and this share of the side about them.
COMMON = 0.01
MARGIN = 1 / 32


def border(height: int, width: int) -> Mask:
    """The outer eighth on all four sides of a film, bool [H, W]."""
    rows, columns = max(1, round(height * BORDER)), max(1, round(width * BORDER))
    region = np.ones((height, width), dtype=bool)
    region[rows : height - rows, columns : width - columns] = False
    return region


def corners(height: int, width: int, where: Literal["top", "bottom"] = "top") -> Mask:
    """The two top or bottom corners of a film, each 10/64 of the height by 10/64 of the width, bool [H, W]."""
    rows, columns = max(1, round(height * CORNER)), max(1, round(width * CORNER))
    region = np.zeros((height, width), dtype=bool)
    side = slice(0, rows) if where == "top" else slice(height - rows, height)
    region[side, :columns] = region[side, width - columns :] = True
    return region


def common_lungs(masks: Mask | Sequence[Mask]) -> Mask:
    """Where lungs lie in a set of films: bool [g, g] from their lung masks bool [n, g, g], n of 1 or more.

    True where at least 1 % of the films have lung, and 1/32 of the side about that. One shape for all films, because a film's own outline
    tells what is in it: a lobe that is filled is not found as lung (see docs/decisions/010-lung-free-probes.md).
    """
    from scipy.ndimage import binary_dilation

    shares = np.mean(np.asarray(masks, dtype=bool), axis=0)
    reach = max(1, round(shares.shape[0] * MARGIN))
    return np.asarray(binary_dilation(shares >= COMMON, iterations=reach), dtype=bool)


def only(pixels: Pixels, region: Mask, rest: Pixels | int = 0) -> Pixels:
    """The film [H, W] or [H, W, 3] with everything outside `region` (bool [H, W]) replaced by `rest`: one grey, or a film [H, W]."""
    if pixels.ndim == 2:
        return np.where(region, pixels, np.asarray(rest, dtype=np.uint8))
    other = rest[:, :, None] if isinstance(rest, np.ndarray) else np.uint8(rest)
    return np.where(region[:, :, None], pixels, np.asarray(other, dtype=np.uint8))


def resized(film: Pixels, height: int, width: int) -> Pixels:
    """A grey film uint8 [h, w] at another size, bilinear."""
    from PIL import Image

    return np.asarray(Image.fromarray(film).resize((width, height), Image.Resampling.BILINEAR))
