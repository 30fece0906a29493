"""A heatmap laid over its film: where the model found evidence for a label.

The scale is fixed, never stretched to the film's own largest value: evidence is in logits, and colour goes from 0 (the film as it is)
to `full` logits (the last colour, at strength `alpha`). So weak evidence looks weak, and two films can be compared by eye. A class
activation map whose mean is the label's logit is in just these units (Zhou et al. 2016). Evidence against the label is not drawn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.settings.atomic import replacing

FULL_EVIDENCE = 10.0
"""Logits at one place of the map that get the last colour."""

ALPHA = 0.6
"""Opacity at full evidence."""

_STRIP_PIXELS = 1 << 20

# Sixteen even steps of inferno, perceptually uniform and readable by the colour-blind (van der Walt and Smith, matplotlib 1.5, CC0).
_INFERNO = np.array(
    [
        [0, 0, 4], [12, 8, 38], [36, 12, 79], [66, 10, 104], [93, 18, 110], [120, 28, 109], [147, 38, 103], [174, 48, 92],
        [199, 62, 76], [221, 81, 58], [237, 105, 37], [248, 133, 15], [252, 165, 10], [250, 198, 45], [242, 230, 97], [252, 255, 164],
    ],
    dtype=np.float32,
)  # fmt: skip


def overlay(
    pixels: NDArray[np.uint8], heatmap: NDArray[np.float32], *, alpha: float = ALPHA, full: float = FULL_EVIDENCE
) -> NDArray[np.uint8]:
    """Colour `pixels` (uint8 [H, W] or [H, W, 3]) by `heatmap` (float [h, w], logits, of any coarser grid) -> uint8 [H, W, 3].

    alpha: opacity at `full` logits, 0..1; below, opacity and colour both fall in proportion, and at 0 or less the film shows unchanged.
    The map's cells cover the film evenly and are joined bilinearly. ValueError for other shapes, NaN or infinity, or a range.
    """
    if heatmap.ndim != 2 or not heatmap.size or not np.isfinite(heatmap).all():
        raise ValueError(f"a heatmap is a grid [h, w] of finite numbers; this one has shape {heatmap.shape}")
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"a film is uint8 [H, W] or [H, W, 3]; this one is {pixels.dtype} {pixels.shape}")
    if not 0 <= alpha <= 1 or not full > 0:
        raise ValueError(f"alpha is in 0..1 and full above 0; these are {alpha} and {full}")
    height, width = pixels.shape[:2]
    result = np.empty((height, width, 3), np.uint8)
    # In strips: the arithmetic takes 60 bytes a pixel, and a film may have a hundred million.
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        film = pixels[top:bottom].astype(np.float32)
        share = evidence(heatmap, height, width, rows=(top, bottom), full=full)
        opacity = (alpha * share)[:, :, None]
        result[top:bottom] = (film if film.ndim == 3 else film[:, :, None]) * (1 - opacity) + colours(share) * opacity + 0.5
    return result


def evidence(
    heatmap: NDArray[np.float32], height: int, width: int, *, rows: tuple[int, int] | None = None, full: float = FULL_EVIDENCE
) -> NDArray[np.float32]:
    """The map's positive part as a share of `full`, 0..1, bilinear between the middles of its cells.

    float32 [height, width], or of that only the `rows` from the first to before the second.
    """
    from PIL import Image

    top, bottom = rows or (0, height)
    share = np.clip(np.asarray(heatmap, np.float32) / np.float32(full), 0, 1)
    image = Image.fromarray(np.ascontiguousarray(share))
    box = (0, top * image.height / height, image.width, bottom * image.height / height)
    strip = image.resize((width, bottom - top), Image.Resampling.BILINEAR, box=box)
    return np.clip(np.asarray(strip, dtype=np.float32), 0, 1)


def colours(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """The colour of each share 0..1 of full evidence: float32 [..., 3], 0..255, from black through red to light yellow."""
    place = np.clip(share, 0, 1) * (len(_INFERNO) - 1)
    low = np.minimum(place.astype(np.intp), len(_INFERNO) - 2)
    part = (place - low)[..., None]
    return np.asarray(_INFERNO[low] * (1 - part) + _INFERNO[low + 1] * part, dtype=np.float32)


def write_overlay(
    path: Path, pixels: NDArray[np.uint8], heatmap: NDArray[np.float32], *, alpha: float = ALPHA, full: float = FULL_EVIDENCE
) -> Path:
    """Write `overlay` of the same arguments to `path` as PNG, whole or not at all, its scale said in the file; returns `path`."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    scale = PngInfo()
    scale.add_text("Description", f"Evidence for the label: none (film unchanged) to {full:g} logits (light yellow). Not a medical device.")
    picture = Image.fromarray(overlay(pixels, heatmap, alpha=alpha, full=full))
    with replacing(path) as temporary:
        picture.save(temporary, "PNG", pnginfo=scale)
    return path
