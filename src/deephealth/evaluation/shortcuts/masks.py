"""Lung masks of the films of a set: from a folder where somebody drew them, else from the lung finder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.errors import FilmError, UsageError
from deephealth.evaluation.lungs.finder import LungFinder, resize_mask
from deephealth.images.read import read_film

Mask = NDArray[np.bool_]
GIVEN, FOUND = "given", "lung finder"
# Beside the class folders of a phantom set.
_PHANTOM = "_lungs"


@dataclass(frozen=True, eq=False)
class MaskSource:
    """Where masks come from. kind: "given" or "lung finder"; files: film name -> mask file, for given ones."""

    kind: str
    files: Mapping[str, Path] = field(default_factory=dict)
    finder: LungFinder | None = None

    def mask(self, film: Film, pixels: NDArray[np.uint8], side: int) -> Mask | None:
        """The lungs of a film, bool [side, side], or None: there is no mask, it is empty, or the finder's is not plausible.

        pixels: uint8 [H, W] or [H, W, 3], asked only by the finder.
        """
        if self.finder is not None:
            found = self.finder.find(pixels)
            return resize_mask(found.mask, side, side) if found.plausible else None
        if film.name not in self.files:
            return None
        try:
            # 255 is lung; collections mark what is not to be judged by a value in the middle.
            mask = resize_mask(read_film(self.files[film.name]).pixels > 127, side, side)
        except FilmError:
            return None
        return mask if mask.any() else None


def mask_source(films: Sequence[Film], folder: str | Path | None = None) -> MaskSource:
    """Masks of `films` from `folder`, or from the folder `_lungs` that comes with a phantom set, else by the lung finder.

    folder: PNG files with the films' stems, 255 on the lungs, in it or in folders named as the films' own. UsageError when it holds no
    mask of any film.
    """
    chosen = Path(folder).expanduser() if folder else _beside(films)
    if chosen is None:
        return MaskSource(FOUND, finder=LungFinder.shipped())
    files = _matched(films, chosen)
    if not files:
        raise UsageError(f"{chosen} holds no PNG named like one of the {len(films)} films, expected lung masks with the films' names.")
    return MaskSource(GIVEN, files)


def _beside(films: Sequence[Film]) -> Path | None:
    found = films[0].path.parent.parent / _PHANTOM if films else None
    return found if found is not None and found.is_dir() else None


def _matched(films: Sequence[Film], folder: Path) -> dict[str, Path]:
    masks: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.rglob("*.png")):
        masks[path.parent.name, path.stem] = path
        masks.setdefault(("", path.stem), path)
    # A name that stands in two class folders belongs to the film of the same class folder.
    found = {film.name: masks.get((film.path.parent.name, film.path.stem)) or masks.get(("", film.path.stem)) for film in films}
    return {name: path for name, path in found.items() if path is not None}
