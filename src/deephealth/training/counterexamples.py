"""Pictures from which nothing, or not everything, may be told: what a network is shown so that it answers from the lungs.

Augmentation changes what a cue looks like; it cannot tell the network that a cue is none. These pictures do. Of some films only the lungs
are left, and the label stays. Of others the lungs are hidden, or all but border or corners, and the right answer is that every class is as
likely as any other. And pictures that are no chest films are set against the films by an output of their own, which the model file does
not keep: it is there so that such pictures come to lie far from the films among the features, where the novelty gate measures.

After "outlier exposure" (Hendrycks et al. 2019) and "right for the right reasons" (Ross et al. 2017). Everything random is drawn from the
generator that is handed in. Rods in sleeves and ellipses are drawn, so something like limbs and sections is shown, but none made of a
real picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from deephealth.training.recipe import CounterExamples

Random = np.random.Generator

LUNG_SIDE = 112
"""Side of the masks that are kept of the training films; they are enlarged to the network's square where they are needed."""
_LEAST_LUNG = 0.04  # of the film's area: a smaller mask, as augmentation may leave it, hides nothing
_LITTLE = 1e-3  # evidence too small to have a place
_ROOM = (0.0, 0.07)  # of the side: what may stay about the lungs when all else is hidden
_MARGIN = (0.02, 0.08)  # of the side: what is hidden about the lungs when they are
_FRAME = (0.05, 0.16)  # of the side: the border's thickness
_CORNER = (0.10, 0.25)
_WHOLE, _ONLY, _WITHOUT, _FRAMED = range(4)


def unpacked(bits: NDArray[np.uint8]) -> Tensor:
    """Lung masks from their bits, [n, LUNG_SIDE^2 / 8] -> float32 [n, 1, LUNG_SIDE, LUNG_SIDE] of 0 and 1."""
    return torch.from_numpy(np.unpackbits(bits, axis=1).reshape(-1, 1, LUNG_SIDE, LUNG_SIDE)).float()


def conceal(films: Tensor, lungs: Tensor, settings: CounterExamples, random: Random) -> tuple[Tensor, NDArray[np.bool_]]:
    """Hide parts of some films [n, 1, S, S] (grey levels), whose lungs [n, 1, S, S] (0..1) are known.

    Returns the films, and for each whether its label still holds: bool [n], False where nothing of the lungs is left to see.
    """
    n, side = len(films), films.shape[-1]
    shares = [settings.only_lungs, settings.without_lungs, settings.frame]
    kinds = random.choice(4, n, p=[1 - sum(shares), *shares])
    told = np.ones(n, dtype=bool)
    concealed = films.clone()
    for k in np.flatnonzero(kinds):
        mask = (lungs[k] >= 0.5).float()
        if kinds[k] == _FRAMED:
            kept = _frame(side, random).to(films.device)
        elif float(mask.mean()) < _LEAST_LUNG:
            continue
        elif kinds[k] == _ONLY:
            kept = _grown(mask, random.uniform(*_ROOM))
        else:
            kept = 1 - _grown(mask, random.uniform(*_MARGIN))
        told[k] = kinds[k] == _ONLY
        concealed[k] = torch.lerp(_filling(films, bool(told[k]), random), films[k], kept)
    return concealed, told


def outside(maps: Tensor, mass: Tensor, head: nn.Linear, lungs: Tensor, told: Tensor) -> Tensor:
    """The share of the evidence for the films' labels that lies outside their lungs, 0..1; mean over the films where both are known.

    maps [n, d, g, g]: of the network. mass [n, C]: each film's class, or two after mix-up. The evidence is the positive part of the class
    activation map, as the model file draws it; the lungs [n, 1, S, S] count by their share of each cell.
    """
    evidence = torch.einsum("nd,ndhw->nhw", mass @ head.weight, maps) + (mass @ head.bias)[:, None, None]
    evidence = evidence.clamp(min=0)
    cells = functional.adaptive_avg_pool2d(lungs, maps.shape[-1])[:, 0]
    inside = (evidence * cells).sum((1, 2)) / (evidence.sum((1, 2)) + _LITTLE)
    known = told * (cells.mean((1, 2)) >= _LEAST_LUNG)
    return ((1 - inside) * known).sum() / known.sum().clamp(min=1)


def _grown(mask: Tensor, reach: float) -> Tensor:
    """A mask [1, S, S] and everything within `reach` of it, a share of the side, along rows and columns; on a grid half as fine."""
    side = mask.shape[-1]
    r = int(reach * side / 2)
    coarse = functional.max_pool2d(mask, 2, ceil_mode=True)
    along = functional.max_pool2d(coarse, (2 * r + 1, 1), 1, (r, 0))
    grown = functional.max_pool2d(along, (1, 2 * r + 1), 1, (0, r))
    return functional.interpolate(grown[None], size=(side, side), mode="nearest")[0]


def _frame(side: int, random: Random) -> Tensor:
    """What is kept of a film of which only the border, or two or four corners, are to be seen: [1, S, S] of 0 and 1."""
    kept = torch.zeros(1, side, side)
    if random.random() < 0.5:
        top, bottom, left, right = (random.uniform(*_FRAME, 4) * side).astype(int) + 1
        kept[:] = 1
        kept[:, top : side - bottom, left : side - right] = 0
        return kept
    height, width = (random.uniform(*_CORNER, 2) * side).astype(int) + 1
    which = random.integers(3)
    for rows, shown in ((slice(0, height), which != 1), (slice(side - height, side), which != 0)):
        if shown:
            kept[:, rows, :width] = kept[:, rows, side - width :] = 1
    return kept


def _filling(films: Tensor, labelled: bool, random: Random) -> Tensor:
    """What stands in the hidden part: black, one grey, or, where the lungs are to be seen, another film of the batch."""
    draw = random.random()
    if draw < 0.5:
        return films.new_zeros(1, 1, 1)
    if draw < 0.8 or not labelled:
        return films.new_full((1, 1, 1), float(random.uniform(0, 200)))
    return films[int(random.integers(len(films)))]


def not_chest(films: Tensor, random: Random) -> Tensor:
    """As many pictures that are no chest films as there are `films` [n, 1, S, S], some of them made of these: float32, 0..255."""
    pictures = [_MAKERS[random.integers(len(_MAKERS))](film, random) for film in films]
    return torch.stack(pictures).clamp(0, 255) if pictures else films


def _inverted(film: Tensor, random: Random) -> Tensor:
    return 255 - film


def _on_its_side(film: Tensor, random: Random) -> Tensor:
    return torch.rot90(film, int(random.choice([1, 3])), (1, 2))


def _upside_down(film: Tensor, random: Random) -> Tensor:
    return film.flip(1) if random.random() < 0.5 else film.flip(1, 2)


def _shuffled(film: Tensor, random: Random) -> Tensor:
    """The film's tiles in another order."""
    across, side = int(random.integers(3, 8)), film.shape[-1]
    step = side // across
    tiles = film[:, : step * across, : step * across].reshape(across, step, across, step).permute(0, 2, 1, 3).reshape(-1, step, step)
    tiles = tiles[torch.from_numpy(random.permutation(len(tiles))).to(film.device)]
    whole = tiles.reshape(across, across, step, step).permute(0, 2, 1, 3).reshape(1, step * across, step * across)
    return _resized(whole, side)


def _noise(film: Tensor, random: Random) -> Tensor:
    """Noise of any grain, from single pixels to clouds of a quarter of the picture."""
    side = film.shape[-1]
    grain = int(2 ** random.uniform(2, np.log2(side)))
    spots = torch.from_numpy(random.random((1, grain, grain)).astype(np.float32)).to(film.device)
    return _resized(spots * float(random.uniform(50, 255)), side)


def _blank(film: Tensor, random: Random) -> Tensor:
    """One grey, or a ramp, with a little noise or none."""
    side = film.shape[-1]
    down, right = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j].astype(np.float32)
    slope = random.uniform(-120, 120, 2) * (random.random() < 0.5)
    picture = random.uniform(0, 255) + slope[0] * down + slope[1] * right + random.normal(0, random.choice([0, 1, 6]), (side, side))
    return _tensor(picture, film)


def _scene(film: Tensor, random: Random) -> Tensor:
    """Soft clouds as a photograph's background has them (their spectrum falls as one over the frequency), and flat shapes before it."""
    side = _sketch(film)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) + 1 / side
    waves = random.normal(size=frequency.shape) + 1j * random.normal(size=frequency.shape)
    clouds = np.fft.irfft2(waves / frequency ** random.uniform(0.8, 1.6), (side, side))
    picture = 128 + random.uniform(15, 60) * clouds / clouds.std()
    for _ in range(random.integers(0, 12)):
        inside = _ellipse(side, random.random(2), random.uniform(0.02, 0.3, 2), random.uniform(0, np.pi))
        picture[inside] = random.uniform(0, 255) + 0.3 * (picture[inside] - 128)
    return _resized(_tensor(picture, film), film.shape[-1])


def _limb(film: Tensor, random: Random) -> Tensor:
    """Bright rods in grey sleeves on black: bones in soft tissue."""
    side = _sketch(film)
    down, right = np.mgrid[0:side, 0:side] / side
    picture = np.full((side, side), random.uniform(0, 60))
    for _ in range(random.integers(2, 22)):
        y, x = random.random(2)
        angle, length, radius = random.uniform(0, np.pi), random.uniform(0.05, 0.5), random.uniform(0.01, 0.08)
        dy, dx = np.sin(angle), np.cos(angle)
        along = np.clip((down - y) * dy + (right - x) * dx, 0, length)
        distance = np.hypot(down - y - along * dy, right - x - along * dx)
        picture = np.maximum(picture, random.uniform(50, 130) * (distance < 2.2 * radius))
        picture = np.maximum(picture, random.uniform(100, 255) * np.clip((radius - distance) * 80, 0, 1))
    return _grainy(picture, film, random)


def _slice(film: Tensor, random: Random) -> Tensor:
    """A bright-rimmed ellipse with ellipses in it: a section through a body."""
    side = _sketch(film)
    centre, axes, angle = random.uniform(0.35, 0.65, 2), random.uniform(0.25, 0.48, 2), random.uniform(0, np.pi)
    picture = np.full((side, side), random.uniform(0, 40))
    picture[_ellipse(side, centre, axes, angle)] = random.uniform(80, 255)
    picture[_ellipse(side, centre, axes * random.uniform(0.8, 0.97), angle)] = random.uniform(40, 160)
    for _ in range(random.integers(1, 12)):
        part = _ellipse(side, centre + random.uniform(-0.25, 0.25, 2), random.uniform(0.02, 0.2, 2), random.uniform(0, np.pi))
        picture[part] = random.uniform(0, 255)
    return _grainy(picture, film, random)


def _ellipse(side: int, centre: NDArray[np.float64], axes: NDArray[np.float64], angle: float) -> NDArray[np.bool_]:
    down, right = np.mgrid[0:side, 0:side] / side - centre[:, None, None]
    along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
    return np.asarray((along / axes[0]) ** 2 + (across / axes[1]) ** 2 < 1)


def _grainy(picture: NDArray[np.float64], film: Tensor, random: Random) -> Tensor:
    """The picture a little blurred, or not, with a film's grain."""
    side, reach = film.shape[-1], int(random.integers(0, 3))
    soft = functional.avg_pool2d(_resized(_tensor(picture, film), side), 2 * reach + 1, 1, reach)
    return soft + _tensor(random.normal(0, random.uniform(0, 10), (side, side)), film)


def _sketch(film: Tensor) -> int:
    """Side at which shapes are drawn before they are enlarged to the film's: half of it."""
    return max(8, film.shape[-1] // 2)


def _resized(picture: Tensor, side: int) -> Tensor:
    return functional.interpolate(picture[None], size=(side, side), mode="bilinear", align_corners=False)[0]


def _tensor(picture: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(picture.astype(np.float32))[None].to(like.device)


_MAKERS: tuple[Callable[[Tensor, Random], Tensor], ...] = (
    _inverted,
    _on_its_side,
    _upside_down,
    _upside_down,  # twice: nothing else looks so much like a film
    _shuffled,
    _noise,
    _blank,
    _scene,
    _limb,
    _slice,
)
