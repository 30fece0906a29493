"""Random changes of a batch of films as tensor arithmetic, to destroy cues that are not anatomy: exposure, framing, borders, markers.

All random numbers are drawn from one numpy generator that the caller seeds by step, so a step's batch depends on nothing but the seed and
the step's number; a resumed run therefore needs no saved random state. Nothing here looks at labels.
Patch erasing: Zhong et al., "Random erasing data augmentation", 2020.
Mix-up: Zhang et al., "mixup: beyond empirical risk minimization", 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from deephealth.training.recipe import FineTuneAugmentation

Floats = NDArray[np.float64]
_LEVELS = np.linspace(0.0, 1.0, 256)
_PADDINGS = ("zeros", "border", "reflection")  # what lies beyond the film's edge
_BORDER_SHARE = 0.10  # of the side: the thickest erased border
_PATCH_SHARE = (0.06, 0.28)  # of the side: sides of an erased patch
_CORNER_SHARE = 0.2  # of the side: how far from its corner a marker may lie
_SEEN = 0.1  # share of a blend from which on a film can be seen in it
_GLYPHS = (  # R, L, A, P: one number a row, 5 bits
    (30, 17, 17, 30, 20, 18, 17),
    (16, 16, 16, 16, 16, 16, 31),
    (14, 17, 17, 31, 17, 17, 17),
    (30, 17, 17, 30, 16, 16, 16),
)


def augment(films: Tensor, settings: FineTuneAugmentation, random: np.random.Generator) -> Tensor:
    """Change each film in its own way: uint8 [n, S, S] -> float32 [n, 1, S, S] in about [0, 255], on the same device."""
    grey, grid = _exposed(films, settings, random)
    padding = _PADDINGS[random.integers(len(_PADDINGS))]
    grey = functional.grid_sample(grey, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return _spoiled(grey, settings, random)


def augment_with_masks(films: Tensor, masks: Tensor, settings: FineTuneAugmentation, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """`augment`, and the films' masks [n, k, S, S] (float32, 0..1) moved along: what is erased from a film stays in its masks.

    Beyond the film's edge a mask is 0, and the film black or its edge repeated; never a reflection, which would show an organ twice.
    """
    grey, grid = _exposed(films, settings, random)
    padding = _PADDINGS[random.integers(2)]
    grey = functional.grid_sample(grey, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    masks = functional.grid_sample(masks, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return _spoiled(grey, settings, random), masks


def coarsen(grey: Tensor, share: float, smallest: int, random: np.random.Generator) -> Tensor:
    """A `share` of the films [n, 1, S, S] as if enlarged from a thumbnail of one random side, `smallest` to S pixels."""
    side = grey.shape[-1]
    chosen = torch.from_numpy(random.random(len(grey)) < share).to(grey.device)
    small = int(np.exp(random.uniform(np.log(smallest), np.log(side))))
    thumbnails = functional.interpolate(grey, size=(small, small), mode="bilinear", antialias=True, align_corners=False)
    enlarged = functional.interpolate(thumbnails, size=(side, side), mode="bilinear", align_corners=False)
    return torch.where(chosen[:, None, None, None], enlarged, grey)


def _exposed(films: Tensor, settings: FineTuneAugmentation, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Films with another exposure, float32 [n, 1, S, S], and where each output pixel shall lie on them, [n, S, S, 2]."""
    n, side = films.shape[0], films.shape[-1]
    curves = torch.from_numpy(exposure_curves(n, settings, random)).to(films.device)
    grey = torch.gather(curves, 1, films.reshape(n, -1).long()).reshape(n, 1, side, side)
    return grey, _grid(torch.from_numpy(framings(n, settings, random)).to(films.device), side)


def _spoiled(grey: Tensor, settings: FineTuneAugmentation, random: np.random.Generator) -> Tensor:
    """Films softened, with markers, noise, erased borders and patches."""
    n, side = grey.shape[0], grey.shape[-1]
    if settings.soften:
        grey = coarsen(grey, settings.soften, side // 2, random)
    _burn_markers(grey, settings.marker, random)
    if settings.noise:
        grey += _noise(grey, settings.noise, random)
    grey = _erase(grey, _borders(n, side, settings.border, random), random)
    return _erase(grey, _patches(n, side, settings.patch, random), random)


def exposure_curves(n: int, settings: FineTuneAugmentation, random: np.random.Generator) -> NDArray[np.float32]:
    """A random monotone grey-level curve for each of `n` films: float32 [n, 256] of values in [0, 255].

    Gamma, then a sigmoid contrast curve (or its inverse) about a random middle, then brightness, cut to the range.
    """
    gamma = _factors(n, settings.gamma, random)
    slopes = _factors(n, settings.contrast, random)
    middles = random.uniform(0.35, 0.65, n)
    shifts = settings.brightness * random.uniform(-1, 1, n)
    curves = _LEVELS[None, :] ** gamma[:, None]
    for k in range(n):
        curves[k] = _sigmoid_contrast(curves[k], slopes[k], middles[k])
    return (255 * np.clip(curves + shifts[:, None], 0, 1)).astype(np.float32)


def framings(n: int, settings: FineTuneAugmentation, random: np.random.Generator) -> NDArray[np.float32]:
    """A random affine transform for each of `n` films, as `affine_grid` takes it: float32 [n, 2, 3], output to input, in half sides.

    The window on the film spans 1 - crop to 1 + crop / 2 of its side, is stretched by up to `aspect`, turned, moved, perhaps mirrored.
    """
    window = random.uniform(1 - settings.crop, 1 + settings.crop / 2, n)
    stretch = np.sqrt(_factors(n, settings.aspect, random))
    spans = np.stack([window * stretch, window / stretch], axis=1)
    angle = np.deg2rad(settings.rotate * random.uniform(-1, 1, n))
    mirror = np.where(random.random(n) < settings.flip, -1.0, 1.0)
    room = np.maximum(0, 1 - spans)
    centre = random.uniform(-1, 1, (n, 2)) * room + random.uniform(-1, 1, (n, 2)) * 2 * settings.shift
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    matrix = turn * spans[:, :, None]
    matrix[:, :, 0] *= mirror[:, None]
    return np.concatenate([matrix, centre[:, :, None]], axis=2).astype(np.float32)


def _grid(transforms: Tensor, side: int) -> Tensor:
    """What `affine_grid` gives, ten times faster on a processor: where each output pixel lies on its film, [n, side, side, 2]."""
    place = (2 * torch.arange(side, device=transforms.device) + 1) / side - 1
    rows = transforms[:, :, 0, None] * place  # [n, 2, side]
    columns = transforms[:, :, 1, None] * place + transforms[:, :, 2, None]
    return rows.mT[:, None, :, :] + columns.mT[:, :, None, :]


def mix(films: Tensor, targets: Tensor, masks: Tensor, strength: float, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Mix-up: blend each film [n, 1, S, S] and its class shares [n, C] with another of the batch, by a share drawn from Beta(a, a).

    `strength` is a; 0 leaves the batch as it is. A blend's masks [n, k, S, S] (k may be 0) cover what those of both films
    cover, if both can be seen.
    """
    if strength == 0:
        return films, targets, masks
    share = float(random.beta(strength, strength))
    order = torch.from_numpy(random.permutation(len(films))).to(films.device)
    if share < 1 - _SEEN:
        masks = torch.maximum(masks, masks[order]) if share > _SEEN else masks[order]
    return torch.lerp(films[order], films, share), torch.lerp(targets[order], targets, share), masks


def _factors(n: int, strength: float, random: np.random.Generator) -> Floats:
    """Factors between 1 / (1 + strength) and 1 + strength, evenly spread on a logarithmic scale."""
    return np.asarray(np.exp(np.log1p(strength) * random.uniform(-1, 1, n)))


_GAINS = np.linspace(1e-3, 8, 400)
_GAIN_SLOPES = _GAINS / np.tanh(_GAINS)  # slope at the middle of the sigmoid below, for each gain


def _sigmoid_contrast(levels: Floats, slope: float, middle: float) -> Floats:
    """An S-shaped curve through (0, 0) and (1, 1), about `slope` times as steep in the middle; below 1, the inverse of such a curve."""
    gain = 2 * np.interp(max(slope, 1 / slope), _GAIN_SLOPES, _GAINS)
    curve = np.tanh(gain * (_LEVELS - middle))
    curve = (curve - curve[0]) / (curve[-1] - curve[0])
    return np.interp(levels, _LEVELS, curve) if slope >= 1 else np.interp(levels, curve, _LEVELS)


def _noise(grey: Tensor, strength: float, random: np.random.Generator) -> Tensor:
    """Gaussian noise of a random strength for each film."""
    generator = torch.Generator(device=grey.device).manual_seed(int(random.integers(2**62)))
    sigma = torch.from_numpy(random.uniform(0, 255 * strength, (len(grey), 1, 1, 1)).astype(np.float32)).to(grey.device)
    return torch.randn(grey.shape, generator=generator, device=grey.device) * sigma


def _burn_markers(grey: Tensor, probability: float, random: np.random.Generator) -> None:
    """Write a bright letter near a corner of some of the films, in place."""
    side = grey.shape[-1]
    for k in np.flatnonzero(random.random(len(grey)) < probability):
        rows = np.array(_GLYPHS[random.integers(len(_GLYPHS))])
        glyph = (rows[:, None] >> np.arange(4, -1, -1)) & 1
        size = int(random.integers(1, max(2, side // 50) + 1))
        letter = torch.from_numpy(np.kron(glyph, np.ones((size, size))).astype(np.float32)).to(grey.device)
        height, width = letter.shape
        down, right = (random.random(2) * _CORNER_SHARE * side).astype(int)
        top = max(0, down if random.random() < 0.5 else side - height - down)
        left = max(0, right if random.random() < 0.5 else side - width - right)
        place = grey[k, 0, top : top + height, left : left + width]
        brightness = float(random.uniform(170, 255))
        place += letter[: place.shape[0], : place.shape[1]] * (brightness - place)


def _borders(n: int, side: int, probability: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which pixels lie on a border to erase: bool [n, side, side], borders of up to a tenth of the side, each of the four by itself."""
    thickness = random.uniform(0, _BORDER_SHARE * side, (n, 4)) * (random.random((n, 4)) < 0.6)
    thickness[random.random(n) >= probability] = 0
    place = np.arange(side)
    top, bottom, left, right = thickness.T[:, :, None]
    rows = (place < top) | (place >= side - bottom)
    columns = (place < left) | (place >= side - right)
    return np.asarray(rows[:, :, None] | columns[:, None, :])


def _patches(n: int, side: int, probability: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which pixels lie in a patch to erase: bool [n, side, side], at most one patch a film."""
    spans = random.uniform(*_PATCH_SHARE, (n, 2)) * side
    spans[random.random(n) >= probability] = 0
    starts = random.uniform(0, 1, (n, 2)) * (side - spans)
    place = np.arange(side)
    inside = (place >= starts[:, :, None]) & (place < (starts + spans)[:, :, None])
    return np.asarray(inside[:, 0, :, None] & inside[:, 1, None, :])


def _erase(grey: Tensor, where: NDArray[np.bool_], random: np.random.Generator) -> Tensor:
    """Fill pixels with one random grey level for each film."""
    fill = torch.from_numpy(random.uniform(0, 255, (len(grey), 1, 1, 1)).astype(np.float32)).to(grey.device)
    return torch.where(torch.from_numpy(where).to(grey.device)[:, None], fill, grey)
