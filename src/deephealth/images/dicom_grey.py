"""Grey values of a DICOM film as a viewer would show them: modality, values of interest, presentation, 8 bits (PS3.3 C.11, C.7.6.3).

Every step depends only on a pixel's stored value, so the whole chain is computed once for each value that can occur and then looked up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import FilmError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Values = NDArray[np.float64]
_LARGEST_TABLE = 1 << 16


@dataclass(frozen=True, eq=False)
class Lut:
    """A lookup table (PS3.3 C.11.1.1): values below `first` take the first entry, values past the end the last one."""

    first: int
    bits: int
    entries: NDArray[np.uint16]

    def __call__(self, values: Values) -> Values:
        """Look up rounded values."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        found: Values = self.entries[index].astype(np.float64)
        return found


@dataclass(frozen=True)
class Window:
    """A window: the values that are spread from black to white. function: LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"

    def __call__(self, values: Values) -> Values:
        """0 (black) to 1 (white), by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - self.center) / self.width, -700, 700)
            sigmoid: Values = 1 / (1 + np.exp(exponent))
            return sigmoid
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True, eq=False)
class GreyRules:
    """What a film's tags say of its grey values. padding: the stored values, first and last, that are no part of the picture."""

    bits_stored: int
    signed: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi: Lut | Window | None = None
    invert: bool = False
    padding: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()

    def modality(self, stored: Values) -> Values:
        """Stored values to the modality's units."""
        return self.modality_lut(stored) if self.modality_lut else stored * self.slope + self.intercept


def grey_rules(ds: Dataset) -> GreyRules:
    """Read the rules from a data set. Raises FilmError when a tag that decides pixel values is malformed."""
    voi, warnings = _voi(ds)
    photometric, shape = str(ds.get("PhotometricInterpretation", "")), str(ds.get("PresentationLUTShape", "") or "")
    if photometric == "MONOCHROME1" and shape == "IDENTITY":
        warnings += ("says MONOCHROME1 and PresentationLUTShape IDENTITY, which contradict each other; shown as MONOCHROME1",)
    slope, intercept = (_number(ds, key, default) for key, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)))
    if slope == 0:
        raise FilmError("has RescaleSlope 0, expected another number; export the film again.")
    return GreyRules(
        bits_stored=int(ds.BitsStored),
        signed=bool(ds.get("PixelRepresentation", 0)),
        slope=slope,
        intercept=intercept,
        modality_lut=_lut(ds, "ModalityLUTSequence"),
        voi=voi,
        invert=photometric == "MONOCHROME1" or shape == "INVERSE",
        padding=_padding(ds),
        warnings=warnings,
    )


def render(stored: NDArray[Any], rules: GreyRules) -> NDArray[np.uint8]:
    """Stored values, integers [H, W], as uint8 [H, W], 0 black to 255 white.

    Padding is shown black and never counts towards the range. Without a window or table of interest, samples of up to 8 bits keep
    their meaning (the nominal range is shown), and deeper ones are spread from the smallest to the largest value in the film.
    """
    low, high = int(stored.min()), int(stored.max())
    scale = None if rules.voi else _range(stored, rules, low, high)
    if high - low >= _LARGEST_TABLE:
        return _shade(stored.astype(np.float64), rules, scale)
    table = _shade(np.arange(low, high + 1, dtype=np.float64), rules, scale)
    # Filled up to start at zero where that is cheap, which saves a subtraction over the whole film.
    shift = 0 if 0 <= low < _LARGEST_TABLE else low
    table = np.concatenate([np.zeros(low - shift, np.uint8), table])
    pixels: NDArray[np.uint8] = table[np.subtract(stored, shift, dtype=np.intp) if shift else stored]
    return pixels


def _shade(stored: Values, rules: GreyRules, scale: tuple[float, float] | None) -> NDArray[np.uint8]:
    values = rules.modality(stored)
    if isinstance(rules.voi, Lut):
        grey = rules.voi(values) / ((1 << rules.voi.bits) - 1)
    elif rules.voi:
        grey = rules.voi(values)
    else:
        bottom, top = scale or (0.0, 1.0)
        grey = (values - bottom) / (top - bottom) if top > bottom else np.zeros_like(values)
    if rules.invert:
        grey = 1 - grey
    pixels = np.floor(np.clip(grey, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rules.padding:
        pixels[(stored >= rules.padding[0]) & (stored <= rules.padding[1])] = 0
    return pixels


def _range(stored: NDArray[Any], rules: GreyRules, low: int, high: int) -> tuple[float, float]:
    """The modality values that become black and white when the film names none."""
    if rules.bits_stored <= 8:
        first = -(1 << (rules.bits_stored - 1)) if rules.signed else 0
        present = np.arange(first, first + (1 << rules.bits_stored), dtype=np.float64)
    elif high - low < _LARGEST_TABLE:
        counts = np.bincount(np.subtract(stored, low, dtype=np.intp).ravel(), minlength=high - low + 1)
        present = (np.flatnonzero(counts) + low).astype(np.float64)
    else:
        present = stored.ravel().astype(np.float64)
    if rules.padding and rules.bits_stored > 8:
        inside = (present < rules.padding[0]) | (present > rules.padding[1])
        present = present[inside] if inside.any() else present
    values = rules.modality(present)
    return float(values.min()), float(values.max())


def _voi(ds: Dataset) -> tuple[Lut | Window | None, tuple[str, ...]]:
    """The table of interest if there is one, else the first window, else None; and warnings."""
    table = _lut(ds, "VOILUTSequence")
    if table:
        return table, ()
    centers, widths = _numbers(ds, "WindowCenter"), _numbers(ds, "WindowWidth")
    if not centers or not widths:
        return None, ()
    function = str(ds.get("VOILUTFunction", "") or "LINEAR").upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise FilmError("has a VOILUTFunction that DICOM does not define, expected LINEAR, LINEAR_EXACT or SIGMOID; export the film again.")
    if widths[0] < 1 if function == "LINEAR" else widths[0] <= 0:
        return None, (f"has a window of width {widths[0]:g}, which cannot be used; the full range of values is shown",)
    return Window(centers[0], widths[0], function), ()


def _lut(ds: Dataset, keyword: str) -> Lut | None:
    items = ds.get(keyword)
    if not items:
        return None
    count, first, bits = (int(value) for value in items[0].LUTDescriptor)
    count = count or 1 << 16
    data = items[0].LUTData
    if isinstance(data, bytes):
        order = "<u2" if getattr(ds, "original_encoding", (None, True))[1] is not False else ">u2"
        entries = np.frombuffer(data, np.uint8 if bits == 8 and len(data) < 2 * count else order)
    else:
        entries = np.asarray(data if hasattr(data, "__len__") else [data], np.int64)
    if not 8 <= bits <= 16 or count < 1 or len(entries) < count:
        raise FilmError(f"has a {keyword} of {len(entries)} entries of {bits} bits, expected {count} of 8 to 16; export the film again.")
    return Lut(first, bits, entries[:count].astype(np.uint16))


def _padding(ds: Dataset) -> tuple[int, int] | None:
    first = ds.get("PixelPaddingValue")
    if first is None or first == "":
        return None
    last = ds.get("PixelPaddingRangeLimit")
    last = first if last is None or last == "" else last
    return min(int(first), int(last)), max(int(first), int(last))


def _numbers(ds: Dataset, keyword: str) -> list[float]:
    value = ds.get(keyword)
    if value is None or value == "":
        return []
    try:
        numbers = [float(one) for one in value] if hasattr(value, "__iter__") and not isinstance(value, str) else [float(value)]
    except (TypeError, ValueError) as error:
        raise FilmError(f"has a {keyword} that is no number, expected a number; export the film again.") from error
    if not all(math.isfinite(one) for one in numbers):
        raise FilmError(f"has a {keyword} that is not finite, expected a number; export the film again.")
    return numbers


def _number(ds: Dataset, keyword: str, default: float) -> float:
    return (_numbers(ds, keyword) or [default])[0]
