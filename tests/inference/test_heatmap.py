"""Heatmaps over films: evidence where it is, on a scale that does not depend on the film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deephealth.inference.heatmap import FULL_EVIDENCE, colours, evidence, overlay, write_overlay

FILM = np.linspace(0, 255, 60 * 40).reshape(60, 40).astype(np.uint8)


def spot(value: float) -> np.ndarray:
    heatmap = np.zeros((5, 5), np.float32)
    heatmap[1, 3] = value
    return heatmap


@given(st.floats(-100, 0))
def test_no_evidence_leaves_the_film_as_it_is(value: float) -> None:
    coloured = overlay(FILM, np.full((4, 4), value, np.float32))
    assert coloured.shape == (60, 40, 3)
    assert coloured.dtype == np.uint8
    assert np.array_equal(coloured, np.repeat(FILM[:, :, None], 3, axis=2))


def test_evidence_lies_where_the_map_has_it() -> None:
    share = evidence(spot(FULL_EVIDENCE), 50, 100)
    assert share.shape == (50, 100)
    row, column = np.unravel_index(share.argmax(), share.shape)
    assert 10 <= row < 20
    assert 60 <= column < 80
    assert share[25:, :40].max() == 0


def test_the_scale_is_fixed_so_weak_evidence_looks_weak() -> None:
    changes = [np.abs(overlay(FILM, spot(value)).astype(float) - FILM[:, :, None]).sum() for value in (0.5, 2.0, FULL_EVIDENCE)]
    assert changes[0] < 0.1 * changes[2]
    assert changes[0] < changes[1] < changes[2]
    assert np.array_equal(overlay(FILM, spot(FULL_EVIDENCE)), overlay(FILM, spot(5 * FULL_EVIDENCE)))


def test_colours_grow_lighter_evenly() -> None:
    shades = colours(np.linspace(0, 1, 64, dtype=np.float32))
    lightness = shades @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(lightness) > 0)
    assert shades.min() >= 0
    assert shades.max() <= 255


def test_a_colour_film_and_no_opacity_stay() -> None:
    film = np.stack([FILM, FILM // 2, FILM // 3], axis=2)
    assert np.array_equal(overlay(film, spot(9), alpha=0), film)


@pytest.mark.parametrize(
    ("film", "heatmap", "options"),
    [
        (FILM, np.zeros((2, 2, 2), np.float32), {}),
        (FILM, np.zeros((0, 2), np.float32), {}),
        (FILM, np.full((2, 2), np.nan, np.float32), {}),
        (FILM.astype(float), spot(1), {}),
        (np.zeros((4, 4, 4), np.uint8), spot(1), {}),
        (FILM, spot(1), {"alpha": 1.5}),
        (FILM, spot(1), {"full": 0.0}),
    ],
)
def test_what_is_not_a_film_or_a_map_is_refused(film: np.ndarray, heatmap: np.ndarray, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is"):
        overlay(film, heatmap, **options)


def test_the_file_says_its_scale(tmp_path: Path) -> None:
    path = write_overlay(tmp_path / "new" / "film.png", FILM, spot(4.0))
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert "10 logits" in picture.info["Description"]
        assert np.array_equal(np.asarray(picture), overlay(FILM, spot(4.0)))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(97, 61), (61, 97), (3, 5), (1, 1)])
def test_strips_join_without_a_seam(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Large films are coloured in strips, whose height must not show."""
    film = np.full(shape, 90, np.uint8)
    heatmap = np.random.default_rng(3).uniform(-2, FULL_EVIDENCE, (7, 6)).astype(np.float32)
    whole = overlay(film, heatmap).astype(int)
    monkeypatch.setattr("deephealth.inference.heatmap._STRIP_PIXELS", 4 * shape[1])
    assert np.abs(overlay(film, heatmap).astype(int) - whole).max() <= 1
