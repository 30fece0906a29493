"""Given masks are found by the films' names, and what is no mask of a film is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.errors import UsageError
from deephealth.evaluation.shortcuts.masks import mask_source

NO_PIXELS = np.zeros((4, 4), dtype=np.uint8)


def film(name: str) -> Film:
    return Film(name, Path("/data") / name, "normal", name)


def save(path: Path, value: int, side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((side, 2 * side), dtype=np.uint8)
    pixels[:, :side] = value
    Image.fromarray(pixels).save(path)


def test_a_mask_is_brought_to_the_grid_and_only_255_is_lung(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 255)
    save(tmp_path / "b.png", 127)
    source = mask_source([film("a.jpeg"), film("b.jpeg"), film("c.jpeg")], tmp_path)
    mask = source.mask(film("a.jpeg"), NO_PIXELS, 16)
    assert source.kind == "given" and mask is not None and mask.shape == (16, 16)
    assert mask[:, :8].all() and not mask[:, 8:].any()
    assert source.mask(film("b.jpeg"), NO_PIXELS, 16) is None, "a value in the middle marks what is not to be judged"
    assert source.mask(film("c.jpeg"), NO_PIXELS, 16) is None, "a film without a mask has none"


def test_a_name_in_two_folders_goes_by_its_class(tmp_path: Path) -> None:
    save(tmp_path / "normal" / "1.png", 255)
    save(tmp_path / "viral" / "1.png", 0)
    source = mask_source([film("normal/1.png"), film("viral/1.png")], tmp_path)
    assert source.mask(film("normal/1.png"), NO_PIXELS, 8) is not None
    assert source.mask(film("viral/1.png"), NO_PIXELS, 8) is None


def test_a_broken_mask_is_none_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert mask_source([film("a.png")], tmp_path).mask(film("a.png"), NO_PIXELS, 8) is None
    with pytest.raises(UsageError, match="holds no PNG named like one of the 1 films"):
        mask_source([film("z.png")], tmp_path)
