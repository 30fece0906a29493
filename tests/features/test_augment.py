from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephealth.errors import UsageError
from deephealth.features.augment import Augmentation

NOTHING = Augmentation(rotate=0, shift=0, scale=0, flip=False, gamma=0, contrast=0, brightness=0, noise=0, erase=0)
AUGMENTATIONS = st.builds(
    Augmentation,
    rotate=st.floats(0, 45),
    shift=st.floats(0, 0.5),
    scale=st.floats(0, 0.5),
    flip=st.booleans(),
    gamma=st.floats(0, 0.9),
    contrast=st.floats(0, 0.9),
    brightness=st.floats(0, 0.5),
    noise=st.floats(0, 0.5),
    erase=st.floats(0, 1),
)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40)) | st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))


@settings(max_examples=100, deadline=None)
@given(AUGMENTATIONS, SHAPES, st.integers(0, 2**32))
def test_a_view_is_a_film_of_the_same_shape_and_depends_on_the_seed_only(
    augmentation: Augmentation, shape: tuple[int, ...], seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    before = pixels.copy()
    view = augmentation.apply(pixels, np.random.default_rng(seed))
    assert view.shape == shape
    assert view.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(view, augmentation.apply(pixels, np.random.default_rng(seed)))


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.integers(0, 2**32))
def test_an_augmentation_of_nothing_changes_nothing(shape: tuple[int, ...], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    view = NOTHING.apply(pixels, np.random.default_rng(seed))
    np.testing.assert_array_equal(view, pixels)
    assert not np.shares_memory(view, pixels)


@settings(max_examples=50, deadline=None)
@given(AUGMENTATIONS)
def test_fields_survive_as_a_dictionary(augmentation: Augmentation) -> None:
    assert Augmentation(**augmentation.to_dict()) == augmentation
    assert Augmentation(**augmentation.to_dict()).digest == augmentation.digest


def test_the_digest_tells_augmentations_apart() -> None:
    changed = [dataclasses.replace(NOTHING, **{field.name: True if field.name == "flip" else 0.5}) for field in dataclasses.fields(NOTHING)]
    assert len({augmentation.digest for augmentation in [NOTHING, *changed]}) == len(changed) + 1
    assert Augmentation(rotate=7).digest == Augmentation(rotate=7.0).digest


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rotate": 46}, "rotate is 46"),
        ({"noise": -0.1}, "noise"),
        ({"scale": float("nan")}, "scale"),
        ({"shift": "0.1"}, "shift"),
        ({"flip": 1}, "flip"),
    ],
)
def test_values_outside_the_range_are_refused(values: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Augmentation(**values)


def cross(size: int = 81) -> np.ndarray:
    pixels = np.zeros((size, size), np.uint8)
    pixels[size // 2 - 1 : size // 2 + 2] = 255
    return pixels


def test_a_turn_is_about_the_centre_and_within_the_limit() -> None:
    augmentation = dataclasses.replace(NOTHING, rotate=20)
    angles = []
    for seed in range(60):
        view = augmentation.apply(cross(), np.random.default_rng(seed)).astype(float)
        rows = np.arange(81)[:, None]
        centre = (view * rows).sum(axis=0) / view.sum(axis=0)
        angles.append(np.degrees(np.arctan(np.polyfit(np.arange(20, 61), centre[20:61], 1)[0])))
        assert abs(centre[40] - 40) < 0.2
    assert np.abs(angles).max() < 20.5
    assert min(angles) < -10
    assert max(angles) > 10


def test_a_shift_moves_by_at_most_its_share() -> None:
    pixels = np.zeros((100, 100), np.uint8)
    pixels[48:52, 48:52] = 255
    for seed in range(20):
        view = dataclasses.replace(NOTHING, shift=0.2).apply(pixels, np.random.default_rng(seed)).astype(float)
        rows, columns = np.indices(view.shape)
        assert abs((view * rows).sum() / view.sum() - 49.5) <= 20
        assert abs((view * columns).sum() / view.sum() - 49.5) <= 20


def test_a_flip_mirrors_left_and_right() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31), dtype=np.uint8)
    views = [dataclasses.replace(NOTHING, flip=True).apply(pixels, np.random.default_rng(seed)) for seed in range(12)]
    mirrored = [np.array_equal(view, pixels[:, ::-1]) for view in views]
    assert any(mirrored)
    assert all(found or np.array_equal(view, pixels) for found, view in zip(mirrored, views, strict=True))


def test_what_comes_from_outside_repeats_the_edge() -> None:
    view = dataclasses.replace(NOTHING, rotate=45, shift=0.5, scale=0.5).apply(np.full((50, 40), 93, np.uint8), np.random.default_rng(1))
    assert (view == 93).all()


def test_erasing_blanks_one_corner_or_border_of_limited_size() -> None:
    pixels = np.full((100, 100), 200, np.uint8)
    pixels[::2] = 100
    for seed in range(60):
        changed = dataclasses.replace(NOTHING, erase=1).apply(pixels, np.random.default_rng(seed)) != pixels
        assert 0 < changed.mean() <= 0.09
        assert not changed[30:70, 30:70].any()
