"""Films with parts hidden and films framed anew, as the study of the shipped model shows them to it."""

from __future__ import annotations

import numpy as np
import pytest

from deephealth.evaluation.lungs.finder import LungFinder
from deephealth.images.phantom import draw_phantom
from studies.shipped.lungs import PARTS, parts_of, reframed


@pytest.fixture(scope="module")
def parts() -> dict[str, list[np.ndarray]]:
    pixels = [draw_phantom("normal", seed=3, patient=k, size=192).pixels for k in range(3)]
    return parts_of(pixels, [LungFinder.shipped().find(film) for film in pixels])


def test_every_part_is_what_its_name_says(parts: dict[str, list[np.ndarray]]) -> None:
    assert tuple(parts) == PARTS
    for k in range(3):
        whole, lungs, rest, border, corners = (parts[name][k].astype(int) for name in PARTS)
        assert ((lungs == whole) | (lungs == 0)).all()
        assert ((lungs > 0) & (rest > 0)).sum() == 0, "what is lung is hidden where the lungs are"
        assert lungs.any()
        assert rest.any()
        rows, columns = (round(side / 8) for side in whole.shape)
        assert not border[rows:-rows, columns:-columns].any()
        assert border.any()
        assert corners[: rows + 1].any()
        assert not corners[round(whole.shape[0] * 10 / 64) :].any()


def test_a_new_frame_shows_a_window_of_the_film() -> None:
    film = np.arange(200 * 240, dtype=np.int64).reshape(200, 240).astype(np.uint8)
    random = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        window = reframed(film, random)
        rows, columns = window.shape
        assert rows >= 200 * 0.85 / 1.2**0.5 - 1
        assert columns >= 240 * 0.85 / 1.2**0.5 - 1
        shares.append((rows / 200) / (columns / 240))
    assert 1.1 < max(shares) <= 1.2 + 0.02
    assert 1 / 1.22 <= min(shares) < 0.9
