"""Augmented views of a film in numpy and scipy, for features that are computed once and cached.

Each view is a small change that leaves the film's label true: another pose, another exposure, noise, a corner or border blanked (so that a
head learns nothing from burned-in letters). Fine-tuning has its own augmentation, on batches.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import UsageError

_LARGEST_CORNER = 0.25  # of the film's sides
_LARGEST_BORDER = 0.08


@dataclass(frozen=True)
class Augmentation:
    """How far a view may differ from its film; every number is the largest change, drawn evenly from minus to plus it.

    rotate: degrees, 0..45. shift: share of the film's side, 0..0.5. scale: share, 0..0.5 (0.1: from 0.9 to 1.1 times the size). flip:
    mirror left and right half of the time (off: a mirrored heart is a finding). gamma: exponent, 0..0.9 (0.2: from 1 / 1.2 to 1.2).
    contrast: share, 0..0.9. brightness: share of white, 0..0.5. noise: standard deviation, share of white, drawn from 0 to it, 0..0.5.
    erase: chance, 0..1, that a corner or a border strip is blanked. Raises UsageError outside these ranges.
    """

    rotate: float = 7.0
    shift: float = 0.05
    scale: float = 0.1
    flip: bool = False
    gamma: float = 0.2
    contrast: float = 0.15
    brightness: float = 0.05
    noise: float = 0.01
    erase: float = 0.25

    def __post_init__(self) -> None:
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
                raise UsageError(f"The augmentation's {name} is {value!r}, expected a number from 0 to {largest:g}; change it.")
            # 7 and 7.0 are the same augmentation, so they must have the same digest.
            object.__setattr__(self, name, float(value))
        if not isinstance(self.flip, bool):
            raise UsageError(f"The augmentation's flip is {self.flip!r}, expected true or false; change it.")

    def to_dict(self) -> dict[str, float | bool]:
        """The fields by name."""
        return dataclasses.asdict(self)

    @property
    def digest(self) -> str:
        """16 hex digits that two augmentations share only when all their fields are equal."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def apply(self, pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """A view of the film: uint8 of the same shape, [H, W] or [H, W, 3]. The same generator state gives the same view."""
        moved = self._move(pixels, rng)
        exposed = self._expose(rng)[moved]
        sigma = rng.uniform(0, self.noise) * 255
        if sigma:
            noisy = exposed + rng.standard_normal(exposed.shape, dtype=np.float32) * np.float32(sigma)
            exposed = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        if rng.random() < self.erase:
            _erase(exposed, rng)
        return exposed

    def _move(self, pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        angle = math.radians(rng.uniform(-self.rotate, self.rotate))
        zoom = 1 + rng.uniform(-self.scale, self.scale)
        shift = rng.uniform(-self.shift, self.shift, size=2) * pixels.shape[:2]
        mirror = -1.0 if self.flip and rng.random() < 0.5 else 1.0
        if not (angle or shift.any() or zoom != 1 or mirror < 0):
            return pixels.copy()
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) / zoom
        matrix = turn @ np.diag([1.0, mirror])
        centre = (np.array(pixels.shape[:2]) - 1) / 2
        return _affine(pixels, matrix, centre - matrix @ (centre + shift))

    def _expose(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Gamma, contrast and brightness as a table from old grey level to new, uint8 [256]."""
        gamma = (1 + self.gamma) ** rng.uniform(-1, 1)
        contrast = 1 + rng.uniform(-self.contrast, self.contrast)
        brightness = rng.uniform(-self.brightness, self.brightness)
        levels = (np.linspace(0, 1, 256) ** gamma - 0.5) * contrast + 0.5 + brightness
        table: NDArray[np.uint8] = np.clip(np.rint(levels * 255), 0, 255).astype(np.uint8)
        return table


_LARGEST: dict[str, float] = {
    "rotate": 45,
    "shift": 0.5,
    "scale": 0.5,
    "gamma": 0.9,
    "contrast": 0.9,
    "brightness": 0.5,
    "noise": 0.5,
    "erase": 1,
}


def _affine(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Linear interpolation; what comes from outside the film repeats its edge, so that no black wedge tells a turned film."""
    from scipy.ndimage import affine_transform

    if pixels.ndim == 3:
        return np.stack([_affine(pixels[..., plane], matrix, offset) for plane in range(pixels.shape[2])], axis=-1)
    moved = affine_transform(pixels, matrix, offset, output=np.float32, order=1, mode="nearest")
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


def _erase(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Blank one corner or one border strip, in place, with the film's mean grey or with black."""
    height, width = pixels.shape[:2]
    side = rng.integers(4)
    if rng.random() < 0.5:
        rows = max(1, int(height * rng.uniform(0, _LARGEST_CORNER)))
        columns = max(1, int(width * rng.uniform(0, _LARGEST_CORNER)))
    else:
        share = rng.uniform(0, _LARGEST_BORDER)
        rows, columns = (max(1, int(height * share)), width) if side % 2 else (height, max(1, int(width * share)))
    value = np.uint8(pixels.mean()) if rng.random() < 0.5 else np.uint8(0)
    vertical = slice(0, rows) if side < 2 else slice(height - rows, height)
    horizontal = slice(0, columns) if side in (0, 3) else slice(width - columns, width)
    pixels[vertical, horizontal] = value
