"""Patterns are read at places as they are drawn, and one film is laid on another to a tenth of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from deephealth.datasets.patterns import at, blurred, disc, laid, local_patterns, pixel_rows, refine, unit_rows


def smooth(seed: int, side: int = 64) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 2).astype(np.float32) * 500 + 120


def test_the_blur_is_scipys_with_the_edge_repeated() -> None:
    picture = smooth(0)
    np.testing.assert_allclose(blurred(picture[None], 1.5)[0], ndimage.gaussian_filter(picture, 1.5, mode="nearest"), atol=1e-3)


def test_values_at_the_centres_of_pixels_are_the_pixels() -> None:
    picture = smooth(1)
    centres = (np.arange(64) + 0.5) / 32 - 1
    y, x = np.meshgrid(centres, centres, indexing="ij")
    np.testing.assert_allclose(at(pixel_rows(picture[None]), np.stack([x.ravel(), y.ravel()]))[0], picture.ravel(), atol=0.2)


def test_a_disc_holds_no_corner() -> None:
    places = disc(24, 0.85)
    assert np.hypot(*places).max() <= 0.85
    assert places.shape[0] == 2 and places.shape[1] == pytest.approx(24**2 * np.pi * 0.85**2 / 4, rel=0.05)


def test_refining_finds_a_laying_again() -> None:
    fine, places = ndimage.zoom(smooth(2), 4, order=3), disc(32, 0.8)
    true = np.array([[[1.01, -0.05, 0.02], [0.06, 0.97, -0.03]]])
    centres = (np.arange(64) + 0.5) / 32 - 1
    y, x = np.meshgrid(centres, centres, indexing="ij")
    grid = np.stack([x.ravel(), y.ravel()]).astype(np.float32)
    pixels = pixel_rows(fine[None])
    pictures = np.stack([at(pixels, grid)[0], at(pixels, laid(true, grid)[0])[0] * 0.5 + 20]).reshape(2, 64, 64)
    begun = np.eye(2, 3)[None]
    found, ours, theirs = refine(pictures, np.array([0]), np.array([1]), begun, places, 10)
    assert np.abs(laid(found, places) - laid(true, places)).max() < 0.1 / 32
    assert (unit_rows(ours) * unit_rows(theirs)).sum() > 0.999
    assert (begun == np.eye(2, 3)).all()


def test_contrast_does_not_change_a_pattern() -> None:
    picture = smooth(3).clip(60, 180)
    a, b = (local_patterns(one[None].astype(np.uint8), 1.5, 3, 5).reshape(1, -1) for one in (picture, picture * 1.4))
    assert (unit_rows(a) * unit_rows(b)).sum() > 0.98


def test_a_blank_row_has_no_direction() -> None:
    assert not unit_rows(np.full((1, 9), 7.0)).any()
