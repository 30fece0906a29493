"""Found lungs as pictures and rows: the mask, its outline over the film, a table of what was found."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.evaluation.lungs.finder import LungMask
from deephealth.inference.batch import printable
from deephealth.settings.atomic import replacing, write_text

COLUMNS = ("file", "plausible", "share", "parts", "reason", "mask", "overlay")
_LINE = np.array([0, 200, 255], np.uint8)  # sky blue: told from grey by every kind of colour vision
_DOUBT = np.array([255, 140, 0], np.uint8)  # orange: the mask is not plausible
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class LungRow:
    """What was found on one film. reason: why its mask is not plausible or why it could not be read; mask, overlay: names of pictures."""

    name: str
    plausible: bool = False
    share: float | None = None
    parts: int | None = None
    reason: str = ""
    mask: str = ""
    overlay: str = ""


def outlined(pixels: NDArray[np.uint8], found: LungMask) -> NDArray[np.uint8]:
    """The film, uint8 [H, W] or [H, W, 3], with the mask's outline drawn over it, uint8 [H, W, 3]; orange when it is not plausible."""
    height, width = pixels.shape[:2]
    colour = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels.copy()
    mask = found.at(height, width)
    colour[_edge(mask, max(1, round(min(height, width) / 200)))] = _LINE if found.plausible else _DOUBT
    return colour


def _edge(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask, iterations=thickness, border_value=1))


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write uint8 [H, W] or [H, W, 3] as PNG, whole or not at all."""
    from PIL import Image

    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, "PNG")


def to_csv(rows: Iterable[LungRow]) -> str:
    """The rows as CSV with COLUMNS; no cell is taken for a formula by a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        share = "" if row.share is None else f"{row.share:.4f}"
        parts = "" if row.parts is None else row.parts
        plausible = "true" if row.plausible else "false"
        writer.writerow([_cell(row.name), plausible, share, parts, _cell(row.reason), row.mask, row.overlay])
    return buffer.getvalue()


def write_csv(path: Path, rows: Iterable[LungRow]) -> None:
    """Write `to_csv` to `path`, whole or not at all."""
    write_text(path, to_csv(rows))


def _cell(text: str) -> str:
    return ("'" if text.startswith(_FORMULA) else "") + printable(text)
