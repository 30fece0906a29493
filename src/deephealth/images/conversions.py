"""The few changes that a film's pixels undergo before a model sees them: plain arithmetic, no decoding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import FilmError, FilmTooLarge
from deephealth.settings.table import number

# ITU-R BT.601 weights 0.299, 0.587, 0.114 in 1/65536, which sum to exactly one: grey stays grey.
_RED, _GREEN, _BLUE = 19595, 38470, 7471
_LONGEST_SIDE = 65_535  # what JPEG and DICOM have room for in a header


def check_size(width: int, height: int) -> None:
    """Refuse a film whose header announces no pixels (FilmError), a side or an area over the limits (FilmTooLarge)."""
    if width <= 0 or height <= 0:
        raise FilmError(f"says it has {width} x {height} pixels, expected at least one; export the film again.")
    if max(width, height) > _LONGEST_SIDE:
        raise FilmTooLarge(f"announces {width} x {height} pixels, expected at most {_LONGEST_SIDE:,} a side; export the film again.")
    limit = number("max_pixels")
    if width * height > limit:
        raise FilmTooLarge(
            f"announces {width} x {height} pixels, over the limit of {limit:,}; shrink it, or raise DEEPHEALTH_MAX_PIXELS if it is a film."
        )


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B, rounded to nearest.

    rgb: uint8 [H, W, 3]; the result: uint8 [H, W]. The same 16-bit fixed point as Pillow's ``convert("L")``, so equal to it.
    """
    total = rgb[..., 0] * np.uint32(_RED)
    total += rgb[..., 1] * np.uint32(_GREEN)
    total += rgb[..., 2] * np.uint32(_BLUE)
    total += np.uint32(32768)
    return (total >> np.uint32(16)).astype(np.uint8)


def to_eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """16-bit samples divided by 257 and rounded to nearest, so that 0 stays 0 and 65535 becomes 255; uint8 passes unchanged."""
    if samples.dtype == np.uint8:
        return samples
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def over_black(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with transparency laid over black, which is what surrounds a film on a viewer.

    colour: uint8 [H, W] or [H, W, 3]; alpha: uint8 [H, W], 255 opaque. Fully opaque pictures are unchanged.
    """
    if alpha.min(initial=255) == 255:
        return colour
    weight = alpha.astype(np.uint16)
    if colour.ndim == 3:
        weight = weight[..., None]
    return ((colour * weight + np.uint16(127)) // np.uint16(255)).astype(np.uint8)


def orient(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn stored pixels upright. orientation: the Exif tag 0x0112, 1 to 8; any other value means upright (Exif 2.32, 4.6.4)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Pixels as the caller asked for them, contiguous: uint8 [H, W] for one channel, [H, W, 3] for three."""
    if channels == 1 and pixels.ndim == 3:
        pixels = luma(pixels)
    elif channels == 3 and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels)
