"""Pixels as files for a page: PNG without loss, small WebP thumbnails."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 160
"""The longer side of a thumbnail, pixels."""


def png(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W] or [H, W, 3 or 4] as a PNG without any text."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W] as a WebP whose longer side is at most THUMBNAIL pixels."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=75, method=2)
    return buffer.getvalue()
