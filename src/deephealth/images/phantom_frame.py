"""Where the body lies on the film: the pose of one exposure, and the projection of lines and tubes onto the pixel grid.

Body coordinates are in film heights: x to the right of the picture (the patient's left), 0 at the spine; y downwards, 0 at the chin,
1 at the lower edge of a film of average pose; z from back (-) to front (+).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Points = tuple[Array, Array, Array, Array]
"""x, y, z and weight of points of the body, [n] each."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A pixel grid of height x width over the body, turned by `angle` radians, scaled, shifted, the patient yawed."""

    height: int
    width: int
    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    yaw: float = 0.0

    @property
    def pixels_per_unit(self) -> float:
        """Pixels in one film height of the body."""
        return self.height * self.scale

    @cached_property
    def body(self) -> tuple[Array, Array]:
        """Body coordinates x, y of every pixel's centre, float32 [H, W] each."""
        row = (np.arange(self.height, dtype=np.float32) + 0.5) / self.height - 0.5
        column = (np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2) / self.height
        cos, sin = np.float32(np.cos(self.angle) / self.scale), np.float32(np.sin(self.angle) / self.scale)
        x = cos * column[None, :] + sin * row[:, None] - np.float32(self.shift[0])
        y = -sin * column[None, :] + cos * row[:, None] - np.float32(self.shift[1]) + np.float32(0.5)
        return x, y

    def to_pixels(self, x: Array, y: Array, z: Array | float = 0.0) -> tuple[Array, Array]:
        """Column and row (pixel centres are at whole numbers) of points of the body; z moves points sideways when the patient is yawed."""
        x = x * np.cos(self.yaw) + z * np.sin(self.yaw) + self.shift[0]
        y = y - 0.5 + self.shift[1]
        cos, sin = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        column = (cos * x - sin * y) * self.height + self.width / 2 - 0.5
        row = (sin * x + cos * y + 0.5) * self.height - 0.5
        return column, row

    def splat(self, points: Sequence[Points]) -> Array:
        """Sum of points onto the grid, each shared between its four nearest pixels; float32 [H, W], weight per unit of area."""
        x, y, z, weight = (np.concatenate(part) for part in zip(*points, strict=True))
        column, row = self.to_pixels(x, y, z)
        inside = (column > -1) & (column < self.width) & (row > -1) & (row < self.height)
        column, row, weight = column[inside] + 1, row[inside] + 1, weight[inside]
        left, top = column.astype(np.intp), row.astype(np.intp)
        right_share, low_share = column - left, row - top
        stride = self.width + 2
        cell = top * stride + left
        low, high = weight * low_share, weight * (1 - low_share)
        cells = np.concatenate([cell, cell + 1, cell + stride, cell + stride + 1])
        shares = np.concatenate([high * (1 - right_share), high * right_share, low * (1 - right_share), low * right_share])
        total = np.bincount(cells, shares, minlength=stride * (self.height + 2))
        total = total.reshape(self.height + 2, stride)[1:-1, 1:-1]
        return np.asarray(total * self.pixels_per_unit**2, dtype=np.float32)

    def tubes(self, x: Array, y: Array, radius: Array | float, weight: float = 1.0, hollow: float = 0.0) -> Points:
        """Points that add up to tubes along lines: x, y [lines, points]; radius broadcasts; `hollow` is the share of the core taken out.

        Splatted, they give the projected depth in body units: 2 sqrt(r^2 - d^2) at distance d from a line's axis.
        """
        radius = np.broadcast_to(np.asarray(radius, np.float32), x.shape)
        dx, dy = np.gradient(x, axis=-1), np.gradient(y, axis=-1)
        length = np.hypot(dx, dy) + np.float32(1e-9)
        offset = ring(int(np.ceil(float(radius.max()) * self.pixels_per_unit * 2)) | 1)
        depth = np.sqrt(1 - offset**2) - hollow * np.sqrt(np.maximum(0.72**2 - offset**2, 0))
        across = radius[..., None] * offset
        share = (radius * radius * length)[..., None] * (depth * np.float32(4 * weight / len(offset)))
        return points_at(x[..., None] - (dy / length)[..., None] * across, y[..., None] + (dx / length)[..., None] * across, share)


def points_at(x: Array, y: Array, weight: Array, z: Array | None = None) -> Points:
    """Points of the body for `Frame.splat`, from arrays of one shape."""
    x, y, weight = (np.asarray(part, np.float32).ravel() for part in (x, y, weight))
    return x, y, np.zeros_like(x) if z is None else np.asarray(z, np.float32).ravel(), weight


def ring(count: int) -> Array:
    """`count` (at least 3) evenly spaced offsets strictly within -1..1."""
    count = max(count, 3)
    return ((np.arange(count, dtype=np.float32) + 0.5) * 2 / count - 1).astype(np.float32)


def smooth(value: Array, width: float) -> Array:
    """A soft step: 0 below, 1 above zero, over about +-2 `width`."""
    return np.asarray(0.5 + 0.5 * np.tanh(value * np.float32(0.8 / width)), dtype=np.float32)


def resize(picture: Array, height: int, width: int) -> Array:
    """`picture` resampled (antialiased, bicubic) to height x width."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def blur(picture: Array, sigma: float) -> Array:
    """Gaussian blur of `sigma` pixels; a wide one is done on a smaller copy."""
    from scipy.ndimage import gaussian_filter

    factor = max(1, int(sigma // 3))
    if factor == 1:
        return np.asarray(gaussian_filter(picture, sigma, mode="nearest", truncate=3.0), dtype=np.float32)
    height, width = picture.shape
    small = resize(picture, max(4, height // factor), max(4, width // factor))
    return resize(np.asarray(gaussian_filter(small, sigma * small.shape[0] / height, mode="nearest", truncate=3.0)), height, width)


def texture(rng: np.random.Generator, frame: Frame, grain: float, octaves: int = 1) -> Array:
    """Smooth random field fixed to the body, about mean 0 and standard deviation 1, its blobs about `grain` film heights wide."""
    from PIL import Image

    total = np.zeros((frame.height, frame.width), np.float32)
    (x0, dx, dx_down), (y0, dy, dy_down) = _steps(frame)
    for octave in range(octaves):
        cell = grain / 2**octave
        field = rng.standard_normal((int(1.9 / cell) + 4, int(2.4 / cell) + 4), dtype=np.float32)
        affine = (dx / cell, dx_down / cell, (x0 + 1.2) / cell + 2, dy / cell, dy_down / cell, (y0 + 0.45) / cell + 2)
        coarse = 4 if cell * frame.pixels_per_unit > 12 else 1  # a smooth field needs few samples
        size = -(-frame.width // coarse), -(-frame.height // coarse)
        step = (frame.width / size[0], frame.height / size[1], 1.0)
        affine = tuple(value * step[place % 3] for place, value in enumerate(affine))
        layer = Image.fromarray(field).transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
        if coarse > 1:
            layer = layer.resize((frame.width, frame.height), Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=np.float32) / np.float32(1.6**octave)
    return np.asarray(total * np.float32(1.25 / np.sqrt(sum(1.6 ** (-2 * k) for k in range(octaves)))), dtype=np.float32)


def _steps(frame: Frame) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Body x and y at the first pixel's corner, and how they grow with a column and with a row."""
    x, y = frame.body
    across, down = (float(x[0, 1] - x[0, 0]), float(x[1, 0] - x[0, 0])), (float(y[0, 1] - y[0, 0]), float(y[1, 0] - y[0, 0]))
    x0, y0 = float(x[0, 0]) - 0.5 * sum(across), float(y[0, 0]) - 0.5 * sum(down)
    return (x0, *across), (y0, *down)
