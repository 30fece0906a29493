"""Parts of a film are where they are said to be, at any size."""

from __future__ import annotations

import numpy as np
import pytest

from deephealth.evaluation.shortcuts import regions


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 160), (9, 5)])
def test_the_border_is_the_outer_eighth_and_corners_lie_in_corners(height: int, width: int) -> None:
    border, top, bottom = (
        regions.border(height, width),
        regions.corners(height, width),
        regions.corners(height, width, "bottom"),
    )
    rows, columns = max(1, round(height / 8)), max(1, round(width / 8))
    assert border.sum() == height * width - (height - 2 * rows) * (width - 2 * columns)
    assert top[0, 0] and top[0, -1] and not top[-1].any() and not top[:, width // 2].any()
    assert (bottom == top[::-1]).all()
    assert border[0].all() and not border[height // 2, width // 2]


def test_the_common_shape_holds_what_one_film_in_a_hundred_shows_and_a_margin() -> None:
    masks = np.zeros((200, 64, 64), dtype=bool)
    masks[:, 20:40, 20:40] = True
    masks[:2, 10, 10] = True
    masks[0, 60, 60] = True
    shape = regions.common_lungs(masks)
    assert shape[20:40, 20:40].all()
    assert shape[18, 30] and not shape[17, 30]
    assert shape[10, 10] and shape[10, 12], "two films of 200 are one in a hundred"
    assert not shape[60, 60]


def test_no_film_s_own_mask_shows_in_the_shape() -> None:
    masks = np.random.default_rng(0).random((50, 32, 32)) < 0.2
    assert (regions.common_lungs(masks) == regions.common_lungs(masks[::-1])).all()


def test_only_a_part_is_left_and_the_rest_is_replaced() -> None:
    film = np.full((6, 8), 200, dtype=np.uint8)
    region = np.zeros((6, 8), dtype=bool)
    region[:, :3] = True
    assert set(regions.only(film, region)[:, 3:].ravel()) == {0}
    assert (regions.only(film, region)[:, :3] == 200).all()
    other = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert (regions.only(film, region, other)[:, 3:] == other[:, 3:]).all()
    colour = regions.only(np.repeat(film[:, :, None], 3, axis=2), region, other)
    assert colour.dtype == np.uint8 and (colour[:, 3:, 2] == other[:, 3:]).all() and (colour[:, :3] == 200).all()
