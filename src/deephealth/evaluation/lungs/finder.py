"""Where the lungs are on a film: the lung finder, and what audit and heatmap do with its masks.

A mask covers the lung fields with the shadow of the heart on them, up to the spine, as anatomists' masks of children's films do; so
blacking it out takes all lung away, and a heatmap on the heart's shadow counts as inside. A film on which no plausible pair of lungs is
found is said so (`LungMask.plausible`), and refused where it would be masked.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import FilmError, ModelFileError
from deephealth.features.graph import open_session
from deephealth.images.conversions import luma
from deephealth.model.lung_record import LUNG_KEY, LUNG_OUTPUT, LungRecord, Plausibility
from deephealth.model.wire import WireError, inspect

SHIPPED = "lungs.onnx"
LARGEST_FILE = 64 * 2**20
"""Bytes; a lung finder is far smaller."""
MARGIN = 0.05
"""How far blacking out reaches beyond the mask, as a share of the film's side: 6 pixels of 128, 3 of a 64-pixel thumbnail. Of the lung
drawn on 460 held-out children's films 0.4 % lies farther out (`python -m benchmarks.lungs`, "lung left by the margin")."""


@dataclass(frozen=True, eq=False)
class LungMask:
    """The lungs found on one film, on the network's square grid [S, S], over which the film is squashed.

    probabilities: float32 [S, S], 0..1. threshold: from here a pixel counts as lung. rule: what a plausible mask is like.
    """

    probabilities: NDArray[np.float32]
    threshold: float
    rule: Plausibility

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """bool [S, S], True on the lungs."""
        return np.asarray(self.probabilities >= self.threshold)

    @property
    def share(self) -> float:
        """Share of the film's area that is lung, 0..1."""
        return float(self.mask.mean())

    @cached_property
    def parts(self) -> tuple[int, ...]:
        """Pixels of each connected part of the mask, largest first."""
        return _parts(self.mask)

    @cached_property
    def reason(self) -> str:
        """Why the mask is not plausible, as the second half of a sentence; empty when it is."""
        return judge(self)

    @property
    def plausible(self) -> bool:
        """Whether this looks like the lungs of a frontal chest film. A False says that the mask must not be used unseen."""
        return not self.reason

    def at(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask on a film of this size, bool [height, width]."""
        return resize_mask(self.mask, height, width)


class LungFinder:
    """The lung finder's file, ready to answer. One finder may be asked from several threads at once."""

    def __init__(self, data: bytes, record: LungRecord, *, threads: int = 1) -> None:
        self.data, self.record, self.threads = data, record, threads

    @classmethod
    def shipped(cls, *, threads: int = 1) -> Self:
        """The finder that comes with the package. ModelFileError when this copy of the package has none."""
        path = Path(str(importlib.resources.files("deephealth") / "data" / SHIPPED))
        if not path.is_file():
            raise ModelFileError(f"This installation has no {SHIPPED}; install deephealth again.")
        return cls.load(path, threads=threads)

    @classmethod
    def load(cls, source: str | Path | bytes, *, threads: int = 1) -> Self:
        """A finder from a file or its bytes. ModelFileError when it cannot be read or is something else; nothing in it is run here."""
        data, name = (source, "The lung finder") if isinstance(source, bytes) else (_read(Path(source)), str(source))
        try:
            facts = inspect(data)
        except WireError as error:
            raise ModelFileError(f"{name} is not a usable ONNX file ({error}); expected a lung finder, {SHIPPED}.") from error
        text = facts.metadata.get(LUNG_KEY)
        if text is None or facts.external or "image" not in facts.inputs:
            raise ModelFileError(f"{name} is an ONNX file, but no lung finder; expected one made by `make lungs`, {SHIPPED}.")
        record = LungRecord.from_text(text)
        if facts.outputs.get(LUNG_OUTPUT) != (record.side, record.side):
            raise ModelFileError(f"{name} says a side of {record.side} and its graph gives another; make the file anew.")
        return cls(data, record, threads=threads)

    @property
    def side(self) -> int:
        """Side S of the network's square."""
        return self.record.side

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal: which finder an audit's masks are from."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def _session(self) -> Any:
        return open_session(self.data, self.threads)

    def find(self, pixels: NDArray[np.uint8]) -> LungMask:
        """The lungs of one film, uint8 [H, W] or [H, W, 3], of any size from 1 x 1. Raises FilmError for pixels of another kind."""
        if pixels.dtype != np.uint8 or not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
            raise FilmError(
                f"The film's pixels are {pixels.dtype} {list(pixels.shape)}, expected uint8 [H, W] or [H, W, 3]; read it with read_film."
            )
        grey = luma(pixels) if pixels.ndim == 3 else pixels
        (found,) = self._session.run([LUNG_OUTPUT], {"image": np.ascontiguousarray(grey)})
        return LungMask(np.asarray(found, np.float32), self.record.threshold, self.record.plausibility)

    def masks(self, films: Iterable[NDArray[np.uint8]]) -> Iterator[LungMask]:
        """`find` for each of many films, in their order."""
        return map(self.find, films)


def find_lungs(pixels: NDArray[np.uint8], side: int) -> NDArray[np.bool_] | None:
    """The lungs that the shipped finder sees on a film, bool [side, side]; None where none are plausible. It is loaded once a process."""
    found = _shipped().find(pixels)
    return found.at(side, side) if found.plausible else None


@functools.cache
def _shipped() -> LungFinder:
    return LungFinder.shipped()


def judge(found: LungMask) -> str:
    """Why `found` is not a plausible pair of lungs, as the second half of a sentence ("shows ..."); empty when it is one."""
    return next(_objections(found), "")


def _objections(found: LungMask) -> Iterator[str]:
    rule, mask = found.rule, found.mask
    if not mask.any():
        yield "shows no lungs"
        return
    if not rule.smallest <= found.share <= rule.largest:
        yield f"shows lungs on {found.share:.0%} of its area, expected {rule.smallest:.0%} to {rule.largest:.0%}"
    if (held := sum(found.parts[:2]) / sum(found.parts)) < rule.main:
        yield f"shows lungs in {len(found.parts)} pieces, the two largest with {held:.0%} of the area, expected {rule.main:.0%}"
    left, right = _halves(mask)
    if min(left, right) < rule.balance * max(left, right):
        yield f"shows one lung {max(left, right) / max(min(left, right), 1):.1f} times as large as the other"
    if (breadth := _breadth(mask)) < rule.breadth:
        yield f"shows lungs {breadth:.2f} times as wide as high, expected {rule.breadth:.2f} for two"
    if (certainty := float(found.probabilities[mask].mean())) < rule.certainty:
        yield f"shows lungs with a mean probability of {certainty:.2f}, expected {rule.certainty:.2f}"


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """A mask bool [h, w] on a film of another size, bool [height, width]: a pixel is inside when half of it or more is.

    Antialiased linear interpolation between the middles of the pixels, cut at one half.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(mask).astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)) >= 0.5


def grow_mask(mask: NDArray[np.bool_], margin: float) -> NDArray[np.bool_]:
    """The mask with everything within `margin` of it, as a share of the film's height and width: bool of the same shape [h, w]."""
    if margin < 0:
        raise ValueError(f"a margin is 0 or more; this one is {margin}")
    if not mask.any() or margin == 0:
        return mask
    from scipy.ndimage import distance_transform_edt

    height, width = mask.shape
    return np.asarray(distance_transform_edt(~mask, sampling=(1 / height, 1 / width)) <= margin)


def without_lungs(
    pixels: NDArray[np.uint8], mask: LungMask | NDArray[np.bool_], *, margin: float = MARGIN, fill: int = 0
) -> NDArray[np.uint8]:
    """A film uint8 [H, W] or [H, W, 3] with the lungs and all within `margin` (see MARGIN) of them filled with the grey `fill`.

    mask: on any grid, bool [h, w], or what the finder found. The lungs' outline stays visible as the edge of the filled part: where that
    must not tell anything, use one mask for all films. Raises FilmError when the mask is empty or not plausible.
    """
    return _filled(pixels, grow_mask(_believed(mask), margin), fill)


def only_lungs(pixels: NDArray[np.uint8], mask: LungMask | NDArray[np.bool_], *, margin: float = 0.0, fill: int = 0) -> NDArray[np.uint8]:
    """A film with everything but the lungs (and all within `margin` of them) filled with the grey `fill`; see `without_lungs`."""
    return _filled(pixels, ~grow_mask(_believed(mask), margin), fill)


def lung_energy(heatmap: NDArray[np.floating[Any]], mask: LungMask | NDArray[np.bool_]) -> float:
    """Share 0..1 of the heatmap's positive values that lies inside the lungs; NaN when it has no positive value.

    heatmap: float [h, w], of any grid laid over the film; each of its cells counts by the share of the cell that is lung. This is the
    energy-based pointing game (Wang et al., "Score-CAM", 2020) with a mask instead of a box. What a map that knows nothing would get is
    the mask's share of the area. Raises FilmError when the mask is empty or not plausible.
    """
    if heatmap.ndim != 2 or not heatmap.size or not np.isfinite(heatmap).all():
        raise ValueError(f"a heatmap is a grid [h, w] of finite numbers; this one has shape {heatmap.shape}")
    positive = np.maximum(np.asarray(heatmap, np.float64), 0)
    total = float(positive.sum())
    if total == 0:
        return float("nan")
    return float((positive * cell_shares(_believed(mask), *heatmap.shape)).sum() / total)


def cell_shares(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.float64]:
    """The share of each cell of a grid [height, width] laid over the mask that is inside, float64, 0..1."""
    rows = _overlaps(mask.shape[0], height)
    columns = _overlaps(mask.shape[1], width)
    return np.asarray(rows @ mask.astype(np.float64) @ columns.T)


def _overlaps(fine: int, cells: int) -> NDArray[np.float64]:
    """[cells, fine]: how much of each cell each of `fine` even stretches of the same line covers; every row sums to 1."""
    edges, marks = np.linspace(0, 1, cells + 1), np.linspace(0, 1, fine + 1)
    low = np.maximum(edges[:-1, None], marks[None, :-1])
    high = np.minimum(edges[1:, None], marks[None, 1:])
    return np.asarray(np.maximum(high - low, 0) * cells)


def _believed(mask: LungMask | NDArray[np.bool_]) -> NDArray[np.bool_]:
    if isinstance(mask, LungMask):
        if mask.reason:
            raise FilmError(f"The film {mask.reason}; a film without plausible lungs cannot be masked, leave it out and say so.")
        return mask.mask
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"a mask is bool [h, w]; this one is {mask.dtype} {mask.shape}")
    if not mask.any():
        raise FilmError("The film's lung mask is empty, expected some lung; leave the film out and say so.")
    return mask


def _filled(pixels: NDArray[np.uint8], where: NDArray[np.bool_], fill: int) -> NDArray[np.uint8]:
    if not 0 <= fill <= 255:
        raise ValueError(f"a grey level is 0 to 255; this one is {fill}")
    result = pixels.copy()
    result[resize_mask(where, *pixels.shape[:2])] = fill
    return result


def _parts(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    from scipy.ndimage import label

    numbers, count = label(mask)
    return tuple(sorted(np.bincount(numbers.ravel(), minlength=count + 1)[1:].tolist(), reverse=True))


def _breadth(mask: NDArray[np.bool_]) -> float:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float((columns[-1] - columns[0] + 1) / (rows[-1] - rows[0] + 1))


def _halves(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Pixels left and right of the middle between the mask's outermost columns."""
    columns = mask.sum(axis=0)
    used = np.flatnonzero(columns)
    middle = (used[0] + used[-1] + 1) / 2
    centres = np.arange(len(columns)) + 0.5
    return int(columns[centres < middle].sum()), int(columns[centres > middle].sum())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"The lung finder {path} cannot be read; give the path of a file that exists.") from error
    if len(data) > LARGEST_FILE:
        raise ModelFileError(f"{path} has more than {LARGEST_FILE >> 20} MB, so it is no lung finder; expected {SHIPPED}.")
    return data
