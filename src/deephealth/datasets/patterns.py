"""The fine pattern of a film, read at any place, and the exact laying of one film on another.

Places are in units of half a side, from -1 to 1, first across and then down, so that they mean the same in thumbnails of any size.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
_LEAST_CONTRAST = 4.0  # grey levels, squared: below it a pattern is noise and is not raised to full contrast
_LONGEST_STEP = 0.06  # of half a side, in one step of `refine`


def local_patterns(pictures: NDArray[np.uint8], fine: float, coarse: float, around: float) -> Floats:
    """What is between two sizes in each picture (uint8 [n, s, s]), at the same contrast everywhere: float32 [n, s, s].

    Difference of Gaussians with standard deviations `fine` and `coarse` pixels, divided by its root mean square over `around` pixels: a
    burned-in letter or the edge of the lit field then weighs no more than a rib.
    """
    sharp = blurred(pictures.astype(np.float32), fine)
    band = sharp - blurred(sharp, float(np.sqrt(coarse**2 - fine**2)))
    return np.asarray(band / np.sqrt(np.maximum(blurred(band * band, around), 0) + _LEAST_CONTRAST), dtype=np.float32)


def blurred(pictures: Floats, deviation: float) -> Floats:
    """Gaussian blur of float32 [n, s, s] by `deviation` pixels, edge pixels repeated outwards."""
    blur = _blur_matrix(pictures.shape[-1], deviation)
    return np.asarray(blur @ pictures @ blur.T, dtype=np.float32)


def disc(across: int, radius: float) -> Floats:
    """The places of a grid of `across` x `across` points that lie within `radius` of the centre: float32 [2, m].

    A film turned by any angle on its own canvas keeps this disc, while its corners are filled with something else.
    """
    centres = (np.arange(across) + 0.5) / across * 2 - 1
    y, x = np.meshgrid(centres, centres, indexing="ij")
    inside = x * x + y * y <= radius * radius
    return np.stack([x[inside], y[inside]]).astype(np.float32)


def pixel_rows(pictures: Floats) -> Floats:
    """Pictures [n, s, s] as `at` reads them fastest: float32 [s * s, n], all pictures' values of one pixel side by side."""
    return np.ascontiguousarray(pictures.reshape(len(pictures), -1).T)


def at(pixels: Floats, places: NDArray[np.floating]) -> Floats:
    """Values, float32 [n, m], of all pictures (`pixel_rows`) at the same places [2, m], between pixels by bilinear interpolation."""
    side = math.isqrt(len(pixels))
    corner, (right, down) = _corners(places, side)
    right, down = right[:, None], down[:, None]
    top = pixels[corner] * (1 - right) + pixels[corner + 1] * right
    low = pixels[corner + side] * (1 - right) + pixels[corner + side + 1] * right
    values: Floats = np.ascontiguousarray((top * (1 - down) + low * down).T)
    return values


def sampled(pictures: Floats, rows: Rows, places: NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Values and slopes across and down, float32 [k, m] each, of picture rows[k] at places[k] of [k, 2, m]; slopes per half side."""
    side = pictures.shape[-1]
    corner, (right, down) = _corners(places, side)
    index = rows[:, None] * (side * side) + corner
    flat = pictures.reshape(-1)
    a, b, c, d = flat[index], flat[index + 1], flat[index + side], flat[index + side + 1]
    top, low = a + (b - a) * right, c + (d - c) * right
    return top + (low - top) * down, ((b - a) * (1 - down) + (d - c) * down) * (side / 2), (low - top) * (side / 2)


def refine(
    patterns: Floats, i: Rows, j: Rows, layings: NDArray[np.float64], places: Floats, steps: int
) -> tuple[NDArray[np.float64], Floats, Floats]:
    """Layings [k, 2, 3] of film i on film j, improved, and the values [k, m] of both films where they now lie on each other.

    A laying takes a place of film j to its place in film i. Gauss-Newton on the six numbers of an affine laying and the gain between the
    films (Lucas and Kanade, 1981; with gain, Evangelidis and Psarakis, 2008), least squares over `places` of film j.
    """
    layings = layings.copy()
    wanted = sampled(patterns, j, np.broadcast_to(places, (len(j), *places.shape)))[0]
    goal = wanted - wanted.mean(axis=1, keepdims=True)
    x, y = places
    for _ in range(steps):
        values, across, down = sampled(patterns, i, laid(layings, places))
        columns = np.stack([values, across * x, across * y, across, down * x, down * y, down], axis=1)
        columns -= columns.mean(axis=2, keepdims=True)
        normal = (columns @ columns.transpose(0, 2, 1)).astype(np.float64)
        normal += np.eye(7) * (1e-4 * np.trace(normal, axis1=1, axis2=2) / 7 + 1e-9)[:, None, None]
        solved = np.linalg.solve(normal, (columns @ goal[:, :, None]).astype(np.float64))[:, :, 0]
        step = np.clip(solved[:, 1:] / np.maximum(solved[:, :1], 0.3), -_LONGEST_STEP, _LONGEST_STEP)
        layings += step.reshape(-1, 2, 3)
    return layings, sampled(patterns, i, laid(layings, places))[0], wanted


def laid(layings: NDArray[np.float64], places: Floats) -> Floats:
    """Where each laying [k, 2, 3] takes `places` [2, m]: float32 [k, 2, m]."""
    result: Floats = (layings[:, :, :2] @ places + layings[:, :, 2:]).astype(np.float32)
    return result


def unit_rows(values: NDArray[np.floating]) -> Floats:
    """Each row less its mean and divided by its length (0 where it has none): the product of two rows is their correlation."""
    centred = values - values.mean(axis=1, keepdims=True)
    unit: Floats = (centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit


def _corners(places: NDArray[np.floating], side: int) -> tuple[NDArray[np.int64], Floats]:
    """The flat number of the pixel above and to the left of each place, and how far the place lies right of and below it."""
    pixels = np.clip((places + 1) * (side / 2) - 0.5, 0, side - 1.001)
    whole = pixels.astype(np.int64)
    x, y = np.moveaxis(whole, -2, 0)
    beyond: Floats = np.moveaxis(pixels - whole, -2, 0).astype(np.float32)
    return y * side + x, beyond


@lru_cache(maxsize=16)
def _blur_matrix(side: int, deviation: float) -> Floats:
    """Gaussian blur along one axis of `side` pixels, edge pixels repeated outwards: float32 [side, side], rows summing to 1."""
    reach = int(4 * deviation + 0.5)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2)
    matrix = np.zeros((side, side))
    for row in range(side):
        np.add.at(matrix[row], np.clip(row + offsets, 0, side - 1), kernel / kernel.sum())
    return matrix.astype(np.float32)
