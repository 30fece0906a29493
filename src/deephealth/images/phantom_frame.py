"""Where the body lies on the film: the pose of one exposure, and the projection of lines and tubes onto the pixel grid.

Body coordinates are in film heights: x to the right of the picture (the patient's left), 0 at the spine; y downwards, 0 at the chin, 1 at the
lower edge of a film of average pose; z from back (-) to front (+).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Frame:
    """A pixel grid of height x width over the body, turned by `angle` radians, scaled, shifted (film heights) and with the patient yawed."""

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

    def splat(self, x: Array, y: Array, weight: Array, z: Array | float = 0.0) -> Array:
        """Sum of points onto the grid, each shared between its four nearest pixels; float32 [H, W], weight per unit of area."""
        column, row = self.to_pixels(x, y, z)
        column, row, weight = column.ravel(), row.ravel(), np.broadcast_to(weight, x.shape).ravel()
        inside = (column > -1) & (column < self.width) & (row > -1) & (row < self.height)
        column, row, weight = column[inside] + 1, row[inside] + 1, weight[inside]
        left, top = column.astype(np.int32), row.astype(np.int32)
        right_share, low_share = column - left, row - top
        stride = self.width + 2
        cell = top * stride + left
        low, high = weight * low_share, weight * (1 - low_share)
        cells = np.concatenate([cell, cell + 1, cell + stride, cell + stride + 1])
        shares = np.concatenate([high * (1 - right_share), high * right_share, low * (1 - right_share), low * right_share])
        total = np.bincount(cells, shares, minlength=stride * (self.height + 2))
        total = total.reshape(self.height + 2, stride)[1:-1, 1:-1]
        return np.asarray(total * self.pixels_per_unit**2, dtype=np.float32)

    def tubes(self, x: Array, y: Array, radius: Array | float, weight: Array | float = 1.0, hollow: float = 0.0) -> Array:
        """Projected depth of tubes along lines: x, y [lines, points]; radius and weight broadcast; `hollow` is the share of the core taken out.

        Float32 [H, W] in body units: 2 sqrt(r^2 - d^2) at distance d from a line's axis.
        """
        radius = np.broadcast_to(np.asarray(radius, np.float32), x.shape)
        weight = np.broadcast_to(np.asarray(weight, np.float32), x.shape)
        dx, dy = np.gradient(x, axis=-1), np.gradient(y, axis=-1)
        length = np.hypot(dx, dy) + np.float32(1e-9)
        offset = ring(int(np.ceil(float(radius.max()) * self.pixels_per_unit * 2)) | 1)
        depth = np.sqrt(1 - offset**2) - hollow * np.sqrt(np.maximum(0.72**2 - offset**2, 0))
        across = radius[..., None] * offset
        share = (weight * radius * radius * length)[..., None] * (depth * (4 / len(offset)))
        return self.splat(x[..., None] - (dy / length)[..., None] * across, y[..., None] + (dx / length)[..., None] * across, share)


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
    from scipy.ndimage import map_coordinates

    x, y = frame.body
    total = np.zeros(x.shape, np.float32)
    for octave in range(octaves):
        cell = grain / 2**octave
        count = int(np.ceil(1.8 / cell)) + 4
        field = rng.standard_normal((count, count)).astype(np.float32)
        coordinates = np.stack([(y + 0.4) / cell + 1, (x + 0.9) / cell + 1])
        total += map_coordinates(field, coordinates, order=1 if octave else 2, mode="wrap", prefilter=False) / np.float32(1.6**octave)
    return np.asarray(total * np.float32(1.7 / np.sqrt(octaves)), dtype=np.float32)
