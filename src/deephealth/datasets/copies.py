"""Copies that were turned by a few degrees, mirrored, cropped or shifted: candidates by a bank of layings, then the films laid exactly.

Chest films resemble each other far more than other pictures do, so a pattern is first freed of what chest films share: the mean and the
common ways to vary of films of children, of adults and of phantoms (`data/chest_patterns.npz`, made by tools/chest_patterns.py). What a
pair is called depends on its two films alone, not on what else is in the set (but for `MOST_CANDIDATES`).
See docs/decisions/006-copies.md for the figures.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.patterns import Floats, Rows, at, disc, laid, local_patterns, pixel_rows, refine, sampled, unit_rows
from deephealth.settings.progress import Listener, Progress, silent

COMPARING, LAYING = "comparing films", "laying films on one another"  # stages of the progress: views, and pairs
DETAIL_SIDE = 128
CANDIDATE = 0.5  # likeness of two whitened patterns above which a pair is looked at closely
MOST_CANDIDATES = 30_000  # the most alike are looked at first: only sets of very uniform films reach this
REGISTERED = 0.65  # the same likeness after laying one on the other, below which the details need no look
COPY = 0.87  # correlation of the details of two films laid on each other above which they are one picture
CONFIRMED = 0.79  # the same, below which films of one coarse pattern are still two pictures

_COARSE = (1.5, 3.0, 5.0)  # sizes of `local_patterns`, in 64ths of a side
_DETAIL = (0.7, 2.0, 6.0)  # the same in 128ths
_PLACES = disc(24, 0.85)
_DETAIL_PLACES = disc(80, 0.9)
_LAYING_PLACES = disc(48, 0.9)
_STEPS = 6
_BLOCK = 512
_PAIRS = 128
_SATURATED = 250  # grey level from which a brightened film has lost its pattern
_LEAST_SEEN = 0.4  # share of the disc that must lie inside both films and unsaturated, or nothing can be said


@dataclass(frozen=True)
class Changed:
    """Film j is a changed copy of film i, or the other way about (rows): the correlation of their details, and the change in words."""

    i: int
    j: int
    similarity: float
    change: str


@dataclass(frozen=True)
class _View:
    """How a film may have been changed: `turned` degrees about the centre after `quarters` of a turn, enlarged, then shifted."""

    turned: float = 0.0
    zoom: float = 1.0
    across: float = 0.0
    down: float = 0.0
    mirrored: bool = False
    quarters: int = 0

    def laying(self, aspect: float) -> NDArray[np.float64]:
        """The laying [2, 3] for a film whose width is `aspect` times its height: degrees are degrees of the film, not the thumbnail."""
        shape = 1 / aspect if self.quarters % 2 else aspect
        angle = np.deg2rad(self.turned)
        turn = np.array([[np.cos(angle), -np.sin(angle) / shape], [np.sin(angle) * shape, np.cos(angle)]]) / self.zoom
        quarter = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), self.quarters)
        mirror = np.diag([-1.0 if self.mirrored else 1.0, 1.0])
        return np.column_stack([quarter @ mirror @ turn, [self.across, self.down]])


def _views() -> tuple[_View, ...]:
    """Near enough to every change looked for that `refine` finds the rest: some 2 degrees and 3 % of the side."""
    upright = [_View(angle, zoom) for angle in (-10, -6, -3, 3, 6, 10) for zoom in (1, 1.08)]
    upright += [_View(angle, 1.16) for angle in (-10, 0, 10)] + [_View(0, 1.24)]
    for zoom, shift in ((1.03, 0.025), (1.08, 0.04)):
        upright += [_View(0, zoom, across, down) for across in (-shift, 0, shift) for down in (-shift, 0, shift)]
    upright.append(_View())
    mirrored = [_View(view.turned, view.zoom, view.across, view.down, True) for view in upright]
    quarter = [_View(angle, 1.04, 0, 0, flip, turns) for turns in (1, 2, 3) for flip in (False, True) for angle in (-10, -5, 0, 5, 10)]
    return (*upright, *mirrored, *quarter)


VIEWS = _views()


def changed_copies(
    thumbnails: NDArray[np.uint8],
    details: NDArray[np.uint8],
    aspects: NDArray[np.float64],
    known: frozenset[tuple[int, int]] = frozenset(),
    progress: Listener = silent,
) -> list[Changed]:
    """Pairs i < j of films that are changed copies, sorted, without the `known` ones.

    thumbnails: uint8 [n, 64, 64]. details: uint8 [n, 128, 128]. aspects: width / height of each film, float64 [n].

    1. Candidates: the whitened pattern of every film, seen in each of `VIEWS`, against that of every other; likeness over 0.5.
    2. Each candidate is laid on the other film by an affine laying that is improved until the patterns agree; likeness over 0.65.
    3. The laying is improved once more on the details, and these must correlate over 0.87 on the disc, where neither film is saturated.
    """
    if len(thumbnails) < 2:
        return []
    coarse = _coarse(thumbnails)
    shapes = np.exp(np.round(np.log(aspects) / 0.1) * 0.1)
    found = _candidates(coarse, shapes, known, progress)
    copies, most = [], len(found[0])
    for start in range(0, most, _BLOCK):
        i, j, layings = _registered(coarse, shapes, *(part[start : start + _BLOCK] for part in found))
        for first in range(0, len(i), _PAIRS):
            part = slice(first, first + _PAIRS)
            correlation, exact = _detailed(details, i[part], j[part], layings[part])
            for row in np.flatnonzero(correlation > COPY):
                a, b = int(i[first + row]), int(j[first + row])
                change = in_words(exact[row], float(aspects[a]), float(aspects[b]))
                copies.append(Changed(min(a, b), max(a, b), min(float(correlation[row]), 1.0), change))
        progress(Progress(LAYING, min(start + _BLOCK, most), most))
    return sorted(copies, key=lambda copy: (copy.i, copy.j))


def square_laying(turns: int, mirrored: bool) -> NDArray[np.float64]:
    """The laying, float64 [2, 3], of a film on the same film mirrored, if `mirrored`, and then turned by `turns` quarters (`np.rot90`)."""
    quarter = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), turns)
    return np.column_stack([np.diag([-1.0 if mirrored else 1.0, 1.0]) @ quarter, [0.0, 0.0]])


def confirmed(details: NDArray[np.uint8], i: Rows, j: Rows, layings: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the details, uint8 [n, 128, 128], leave it open that films i and j, [k], so laid, [k, 2, 3], are one picture: bool [k].

    For films whose thumbnails are the same picture by a rule that sees no detail; among phantoms, that rule alone errs. Where too much
    is saturated to say, the answer is yes.
    """
    result = np.ones(len(i), dtype=bool)
    for start in range(0, len(i), _PAIRS):
        part = slice(start, start + _PAIRS)
        correlation, _ = _detailed(details, i[part], j[part], layings[part])
        result[part] = ~(correlation <= CONFIRMED)
    return result


def in_words(laying: NDArray[np.float64], aspect: float, other: float) -> str:
    """What was done to a film, as "mirrored, turned by 10 degrees, cropped"; "" for nothing but encoding or brightness.

    laying: [2, 3], film of `aspect` (width / height) to its copy of `other`. The sense of a turn is not said: which film came first is
    not known.
    """
    matrix = np.diag([aspect, 1.0]) @ laying[:, :2] @ np.diag([1 / other, 1.0])
    left, _, right = np.linalg.svd(matrix)
    turn = left @ right
    mirrored = bool(np.linalg.det(turn) < 0)
    if mirrored:
        turn = np.diag([-1.0, 1.0]) @ turn
    angle = abs(round(float(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])))))
    reach = np.abs(laying[:, :2]).sum(axis=1) if angle < 2 else np.array([1.0, 1.0])
    cropped = angle < 2 and bool(np.abs(reach - 1).max() > 0.015 or np.abs(laying[:, 2]).max() > 0.015)
    scaled = angle >= 2 and angle % 90 > 1 and bool(abs(np.log(abs(np.linalg.det(laying[:, :2])))) > 0.06)
    words = ["mirrored"] * mirrored + [f"turned by {angle} degrees"] * (angle >= 2) + ["cropped or shifted"] * (cropped or scaled)
    return ", ".join(words)


def described(patterns: Floats, mean: Floats, whitening: Floats) -> Floats:
    """Patterns at the places of the disc, freed of what chest films share: float32 [n, m] to [n, 192], length 1 each."""
    unit: Floats = unit_rows((unit_rows(patterns) - mean) @ whitening)
    return unit


def disc_patterns(thumbnails: NDArray[np.uint8]) -> Floats:
    """What tools/chest_patterns.py learns from: uint8 [n, 64, 64] to float32 [n, m], mean 0 and length 1 each."""
    return unit_rows(at(pixel_rows(_coarse(thumbnails)), _PLACES))


def _coarse(thumbnails: NDArray[np.uint8]) -> Floats:
    patterns = np.empty(thumbnails.shape, dtype=np.float32)
    for start in range(0, len(thumbnails), _BLOCK):
        patterns[start : start + _BLOCK] = local_patterns(thumbnails[start : start + _BLOCK], *_COARSE)
    return patterns


@lru_cache(maxsize=1)
def _shared() -> tuple[Floats, Floats]:
    """Mean [m] and whitening [m, 192] of chest films."""
    with (importlib.resources.files("deephealth") / "data" / "chest_patterns.npz").open("rb") as file, np.load(file) as stored:
        return stored["mean"].astype(np.float32), stored["whitening"].astype(np.float32)


def _candidates(
    coarse: Floats, shapes: NDArray[np.float64], known: frozenset[tuple[int, int]], progress: Listener
) -> tuple[Rows, Rows, Rows]:
    """Rows i, j and view of the pairs that are alike when film i is seen in the view, the most alike first; each pair once."""
    n = len(coarse)
    alike_in_shape = [(rows, pixel_rows(coarse[rows])) for rows in (np.flatnonzero(shapes == shape) for shape in np.unique(shapes))]
    plain = _seen(alike_in_shape, shapes, _View())
    left_out = np.array([i * n + j for i, j in known], dtype=np.int64)
    keys, scores, views = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
    for number, view in enumerate(VIEWS):
        for i, j, score in _alike(_seen(alike_in_shape, shapes, view), plain):
            ordered = np.minimum(i, j) * n + np.maximum(i, j)
            fresh = ~np.isin(ordered, left_out)
            # The last bit keeps which of the two is seen in the view.
            keys = np.concatenate([keys, (ordered * 2 + (i > j))[fresh]])
            scores = np.concatenate([scores, score[fresh]])
            views = np.concatenate([views, np.full(int(fresh.sum()), number)])
            if len(keys) > 4 * MOST_CANDIDATES:
                keys, scores, views = _best(keys, scores, views)
        progress(Progress(COMPARING, number + 1, len(VIEWS)))
    keys, _, views = _best(keys, scores, views)
    low, high, swapped = keys // 2 // n, keys // 2 % n, keys % 2 == 1
    return np.where(swapped, high, low), np.where(swapped, low, high), views


def _alike(seen: Floats, plain: Floats) -> Iterator[tuple[Rows, Rows, Floats]]:
    for start in range(0, len(seen), _BLOCK):
        likeness = seen[start : start + _BLOCK] @ plain.T
        likeness[np.arange(len(likeness)), start + np.arange(len(likeness))] = -1
        hits = np.flatnonzero(likeness > CANDIDATE)
        i, j = np.divmod(hits, len(plain))
        yield i + start, j, likeness.reshape(-1)[hits]


def _best(keys: Rows, scores: Floats, views: Rows) -> tuple[Rows, Floats, Rows]:
    """The best view of each pair, and of the pairs the most alike; ties by row, so that the order of work does not matter."""
    order = np.lexsort((views, keys, -scores))
    _, first = np.unique(keys[order] // 2, return_index=True)
    kept = order[np.sort(first)[:MOST_CANDIDATES]]
    return keys[kept], scores[kept], views[kept]


def _seen(groups: Sequence[tuple[Rows, Floats]], shapes: NDArray[np.float64], view: _View) -> Floats:
    """`described` for all films seen in one view; films of one shape at a time, since a turn depends on it."""
    values = np.empty((len(shapes), _PLACES.shape[1]), dtype=np.float32)
    for rows, pixels in groups:
        values[rows] = at(pixels, laid(view.laying(float(shapes[rows[0]]))[None], _PLACES)[0])
    return described(values, *_shared())


def _registered(coarse: Floats, shapes: NDArray[np.float64], i: Rows, j: Rows, views: Rows) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """The candidates that are still alike when laid on each other, with their layings."""
    begun = np.array([VIEWS[view].laying(float(shapes[row])) for row, view in zip(i, views, strict=True)])
    layings, ours, theirs = refine(coarse, i, j, begun, _PLACES, _STEPS)
    likeness = np.einsum("km,km->k", described(ours, *_shared()), described(theirs, *_shared()))
    kept = likeness > REGISTERED
    return i[kept], j[kept], layings[kept]


def _detailed(
    details: NDArray[np.uint8], i: Rows, j: Rows, layings: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation of the details of films i and j, [k] (NaN where too little can be compared), and the layings improved on them."""
    films, where = np.unique(np.concatenate([i, j]), return_inverse=True)
    a, b = where[: len(i)], where[len(i) :]
    patterns = local_patterns(details[films], *_DETAIL)
    layings, _, _ = refine(patterns, a, b, layings, _LAYING_PLACES, _STEPS)
    places = laid(layings, _DETAIL_PLACES)
    same = np.broadcast_to(_DETAIL_PLACES, places.shape)
    grey = details[films].astype(np.float32)
    lit = (sampled(grey, a, places)[0] < _SATURATED) & (sampled(grey, b, same)[0] < _SATURATED) & (np.abs(places).max(axis=1) < 1)
    correlation = _masked_correlation(sampled(patterns, a, places)[0], sampled(patterns, b, same)[0], lit)
    return np.where(lit.mean(axis=1) > _LEAST_SEEN, correlation, np.nan), layings


def _masked_correlation(a: Floats, b: Floats, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    weight = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    a, b = (values - (values * weight).sum(axis=1, keepdims=True) for values in (a, b))
    spread = np.sqrt((a * a * weight).sum(axis=1) * (b * b * weight).sum(axis=1))
    result: NDArray[np.float64] = (a * b * weight).sum(axis=1) / np.maximum(spread, 1e-6)
    return result
