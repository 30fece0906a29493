"""Augmentation on tensors: what it may change, what it must leave alone, and that chance is in the caller's hands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from deephealth.training import torch_augment
from deephealth.training.recipe import FineTuneAugmentation
from deephealth.training.torch_augment import augment, augment_with_masks, coarsen, exposure_curves, framings, mix

pytestmark = pytest.mark.train

NOTHING = FineTuneAugmentation(**dict.fromkeys(FineTuneAugmentation.__dataclass_fields__, 0.0))


def films(n: int = 6, side: int = 64, seed: int = 0) -> torch.Tensor:
    smooth = functional.interpolate(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)), side, mode="bilinear")
    return (smooth[:, 0] * 255).byte()


def test_no_strength_changes_nothing() -> None:
    pixels = films()
    changed = augment(pixels, NOTHING, np.random.default_rng(0))
    torch.testing.assert_close(changed[:, 0], pixels.float(), atol=0.01, rtol=0)


def test_the_same_generator_gives_the_same_batch_and_another_a_different_one() -> None:
    settings = FineTuneAugmentation()
    first, again, other = (augment(films(), settings, np.random.default_rng(seed)) for seed in (3, 3, 4))
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert (first - other).abs().mean() > 5


def test_shape_type_and_range() -> None:
    changed = augment(films(5, 48), FineTuneAugmentation(), np.random.default_rng(0))
    assert changed.shape == (5, 1, 48, 48)
    assert changed.dtype == torch.float32
    assert torch.isfinite(changed).all()
    assert changed.min() > -40
    assert changed.max() < 295


def test_flip_is_off_by_default_and_mirrors_when_asked() -> None:
    assert FineTuneAugmentation().flip == 0
    pixels = films()
    mirrored = augment(pixels, FineTuneAugmentation(**{**vars(NOTHING), "flip": 1.0}), np.random.default_rng(0))
    torch.testing.assert_close(mirrored[:, 0], pixels.flip(2).float(), atol=0.01, rtol=0)


def test_exposure_curves_are_monotone_and_span_the_grey_range() -> None:
    curves = exposure_curves(200, FineTuneAugmentation(gamma=1.0, contrast=1.0, brightness=0.0), np.random.default_rng(0))
    assert (np.diff(curves, axis=1) >= 0).all()
    np.testing.assert_allclose(curves[:, 0], 0, atol=1e-3)
    np.testing.assert_allclose(curves[:, -1], 255, atol=1e-3)


def test_contrast_makes_the_middle_steeper_by_its_factor() -> None:
    levels = torch_augment._LEVELS
    curve = torch_augment._sigmoid_contrast(levels, 1.5, 0.5)
    slope = (curve[130] - curve[125]) / (levels[130] - levels[125])
    assert slope == pytest.approx(1.5, abs=0.02)
    back = torch_augment._sigmoid_contrast(curve, 1 / 1.5, 0.5)
    np.testing.assert_allclose(back, levels, atol=1e-9)


def test_framings_stay_within_their_limits() -> None:
    settings = FineTuneAugmentation(rotate=0, shift=0.1, crop=0.2, aspect=0.3)
    matrices = framings(500, settings, np.random.default_rng(0))
    spans = np.abs(matrices[:, [0, 1], [0, 1]])
    assert spans.min() > 0.8 / np.sqrt(1.3) - 1e-6
    assert spans.max() < 1.1 * np.sqrt(1.3) + 1e-6
    ratio = spans[:, 0] / spans[:, 1]
    assert 1.25 < ratio.max() <= 1.3001
    inside = np.maximum(0, 1 - spans) + 2 * 0.1
    assert (np.abs(matrices[:, :, 2]) <= inside + 1e-6).all()


def test_the_grid_is_affine_grids() -> None:
    transforms = torch.from_numpy(framings(4, FineTuneAugmentation(), np.random.default_rng(0)))
    expected = functional.affine_grid(transforms, [4, 1, 20, 20], align_corners=False)
    torch.testing.assert_close(torch_augment._grid(transforms, 20), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("field", ["border", "patch", "marker", "noise"])
def test_each_change_by_itself_touches_only_part_of_the_film(field: str) -> None:
    pixels = films(32, 96)
    strength = 0.02 if field == "noise" else 1.0
    changed = augment(pixels, FineTuneAugmentation(**{**vars(NOTHING), field: strength}), np.random.default_rng(1))
    touched = ((changed[:, 0] - pixels.float()).abs() > 0.5).float().mean((1, 2))
    assert touched.mean() > 0.002
    assert field == "noise" or touched.max() < 0.6
    if field == "marker":  # letters lie near the corners, never in the middle
        middle = slice(40, 56)
        torch.testing.assert_close(changed[:, 0, middle, middle], pixels[:, middle, middle].float(), atol=0.01, rtol=0)


def test_mix_up_blends_films_and_targets_alike() -> None:
    x, y = torch.randn(8, 1, 4, 4), torch.eye(8)
    mixed, targets, _ = mix(x, y, x[:, :0], 0.4, np.random.default_rng(0))
    torch.testing.assert_close(targets.sum(1), torch.ones(8))
    torch.testing.assert_close(mixed, torch.einsum("ij,jchw->ichw", targets, x), atol=1e-5, rtol=0)
    same, untouched, _ = mix(x, y, x[:, :0], 0.0, np.random.default_rng(0))
    assert same is x
    assert untouched is y


def test_masks_move_with_their_films() -> None:
    """A film that is bright where its mask is stays so, however it is turned and cut; what is erased stays in the mask."""
    random = np.random.default_rng(2)
    pixels = torch.zeros(6, 40, 40, dtype=torch.uint8)
    pixels[:, 8:20, 10:30] = 200
    masks = torch.stack([pixels > 0, pixels == 0], dim=1).float()
    settings = FineTuneAugmentation(**{**vars(NOTHING), "rotate": 20.0, "crop": 0.2, "shift": 0.1, "aspect": 0.2, "flip": 0.5})
    grey, moved = augment_with_masks(pixels, masks, settings, random)
    assert moved.shape == (6, 2, 40, 40)
    torch.testing.assert_close(grey[:, 0] / 200, moved[:, 0], atol=0.02, rtol=0)
    assert (moved[:, 0] != masks[:, 0]).any()
    erased, still = augment_with_masks(pixels, masks, FineTuneAugmentation(**{**vars(NOTHING), "patch": 1.0}), random)
    torch.testing.assert_close(still, masks, atol=1e-4, rtol=0)
    assert ((erased[:, 0] - pixels).abs() > 1).any()


def test_coarse_films_lose_detail_and_keep_their_mean() -> None:
    random = np.random.default_rng(0)
    grey = films(8, 64)[:, None].float()
    assert torch.equal(coarsen(grey, 0.0, 8, random), grey)
    blurred = coarsen(grey, 1.0, 8, random)
    assert blurred.shape == grey.shape
    assert (blurred.std((1, 2, 3)) < grey.std((1, 2, 3))).all()
    torch.testing.assert_close(blurred.mean((1, 2, 3)), grey.mean((1, 2, 3)), atol=3, rtol=0)


def test_softened_films_lose_detail_only_where_they_are_asked_to() -> None:
    noisy = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (200, 32, 32), dtype=np.uint8))
    soft = augment(noisy, FineTuneAugmentation(**{**vars(NOTHING), "soften": 0.5}), np.random.default_rng(1))
    changed = (soft[:, 0] - noisy.float()).abs().amax((1, 2)) > 1
    assert 0.35 < float(changed.float().mean()) < 0.65
    assert float(soft[changed].std()) < 0.95 * float(noisy.float().std())
