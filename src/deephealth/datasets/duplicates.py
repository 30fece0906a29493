"""Films that are the same picture: equal files, near-identical copies, and films that a backbone has already seen.

All comparisons work on small versions of the films (`facts.FilmFacts`). Chest films resemble each other, so nothing here compares grey
levels as they are: what all share is removed first, and what is compared is the fine pattern that belongs to one exposure.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.copies import changed_copies, confirmed, square_laying
from deephealth.datasets.patterns import blurred
from deephealth.settings import cache, table
from deephealth.settings.atomic import write_json
from deephealth.settings.progress import Listener, silent

if TYPE_CHECKING:
    from deephealth.datasets.facts import FilmFacts

THUMBNAIL_SIDE = 64
HASH_BYTES = 32

# Two films are near copies when their correlation is over the first number and their hashes differ in at most so many bits.
NEAR = ((0.6, 30), (0.82, 45))
SEEN_DISTANCE = 30
CANDIDATE_CORRELATION = 0.6

_RULE = 1  # rises when copies are recognised in another way, so that no old note is taken for a new one
_WORTH_KEEPING = 500  # films; fewer are compared again in a second or two
_HALF = THUMBNAIL_SIDE // 2
_BLUR = 2.0  # standard deviation, in thumbnail pixels, of what is taken away before films are correlated
_FLATTEST = 0.5  # root mean square, in grey levels, of the fine pattern below which a film is blank and resembles nothing
_SKIPPED = 10  # zigzag number of the first DCT coefficient in the hash: the ones before it are alike in all chest films
_BLOCK = 512


View = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class _Square:
    """One of the eight ways to lay a square on itself; changes in between are for `copies.changed_copies`."""

    turns: int
    mirrored: bool

    def __call__(self, pictures: NDArray[Any]) -> NDArray[Any]:
        return np.rot90(pictures[:, :, ::-1] if self.mirrored else pictures, self.turns, axes=(1, 2))

    @property
    def name(self) -> str:
        turned = f"turned by {min(self.turns, 4 - self.turns) * 90} degrees"
        return ", ".join(["mirrored"] * self.mirrored + [turned] * (self.turns > 0))


_VIEWS = tuple(_Square(turns, mirrored) for mirrored in (False, True) for turns in range(4))

_found: weakref.WeakKeyDictionary[FilmFacts, tuple[Pair, ...]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Pair:
    """Two films, by name, that are the same picture: `similarity` is 1 for equal files, else the correlation of `find_duplicates`.

    change: how one differs from the other, as "mirrored, turned by 10 degrees"; "" for nothing but encoding, size or brightness.
    """

    a: str
    b: str
    kind: Literal["exact", "near"]
    similarity: float
    change: str = ""


def find_duplicates(facts: FilmFacts, progress: Listener = silent) -> tuple[Pair, ...]:
    """Pairs of films that are copies of each other: equal files ("exact") and near-identical pictures ("near"), in index order.

    Of k equal files the first is paired with each of the others, and only the first is compared with other pictures.
    Near copies are found in one of two ways; where both find a pair, the first one's similarity is reported.

    Whole copies: films are compared in each of the eight ways to lay one on the other (mirrored, turned by quarters). Those whose fine
    patterns at 32x32 correlate over 0.6 are looked at closely, and are copies when those at 64x64 correlate over 0.6 and the perceptual
    hashes differ in at most 30 of 256 bits, or over 0.82 and in at most 45. A fine pattern is the thumbnail less its own blurred self
    (Gaussian, 2 of 64 pixels); the similarity is the correlation at 64x64. Where the facts have details, these must not speak against it
    (`copies.confirmed`).

    Changed copies, turned by up to 12 degrees, cropped or shifted, with a mirroring or quarter turns or without: `copies.changed_copies`,
    when the facts have details. The similarity is the correlation of the details of the two films, laid on each other.

    Measured, whole copies. Plain correlation of 32x32 thumbnails over 0.97 finds 11 false pairs among 5,232 films of children. This rule
    finds the 28 known pairs and no other. 770 films of five sources re-encoded at JPEG quality 30, at half size, 96x96 or 224x224,
    20 % brighter or darker, gamma 0.7 or 1.4, with noise of 5 grey levels: correlation 0.87 and more, at most 30 bits. Different films:
    0.81 at most in any position, and then at least 37 bits. For changed copies see docs/decisions/006-copies.md.
    """
    if facts not in _found:
        pairs = _remembered(facts)
        _found[facts] = _remember(facts, _search(facts, progress)) if pairs is None else pairs
    return _found[facts]


def perceptual_hash(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """256 bits, uint8 [32], that stay nearly the same when a film (uint8 [H, W]) is re-encoded, resized or squashed.

    The signs of 256 coefficients, in zigzag order from the 10th, of the discrete cosine transform of the 64x64 thumbnail (after Zauner,
    "Implementation and benchmarking of perceptual image hash functions", 2010, with the coefficients that all chest films share left out).

    Measured, in bits of 256 that differ. 120 films of 700-2,000 pixels against their squashed 224-pixel copies: at most 11, mean 4.
    JPEG quality 30, half size, 96x96, noise of 5 grey levels: at most 22; 20 % brighter, gamma 0.7 or 1.4: at most 30 (770 films of five
    sources).
    Different films: at least 37 among 5,232 of children, at least 56 between those and 1,953 films of four other sources.
    """
    bits: NDArray[np.uint8] = hash_thumbnails(shrink(pixels)[None])[0]
    return bits


def match_seen(facts: FilmFacts, seen: NDArray[np.uint8]) -> tuple[str, ...]:
    """Names of the films whose perceptual hash differs in at most 30 of 256 bits from one in `seen` (uint8 [m, 32]), in index order.

    See `perceptual_hash` for the distances measured between copies and between different films. A hash knows whole copies only: of the
    films a backbone learned from nothing else is kept, so a turned or cropped copy of one of them is not recognised.
    """
    films, known = _words(facts.phash), _words(np.asarray(seen, dtype=np.uint8).reshape(-1, HASH_BYTES))
    if not len(known):
        return ()
    hits: list[str] = []
    for start in range(0, len(films), _BLOCK):
        nearest = np.full(len(films[start : start + _BLOCK]), 8 * HASH_BYTES, dtype=np.int64)
        for other in range(0, len(known), _BLOCK):
            differ = films[start : start + _BLOCK, None] ^ known[None, other : other + _BLOCK]
            nearest = np.minimum(nearest, np.bitwise_count(differ).sum(axis=2, dtype=np.int64).min(axis=1))
        hits += [facts.names[start + row] for row in np.flatnonzero(nearest <= SEEN_DISTANCE)]
    return tuple(hits)


def shrink(pixels: NDArray[np.uint8], side: int = THUMBNAIL_SIDE) -> NDArray[np.uint8]:
    """The thumbnail of `side` x `side`, uint8, of a film, uint8 [H, W]: each value the mean of the pixels under it."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.Resampling.BOX), dtype=np.uint8)


def hash_thumbnails(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`perceptual_hash` of films by their thumbnails: uint8 [n, 64, 64] to uint8 [n, 32]."""
    rows, columns = _zigzag()
    basis = _cosines(int(max(rows.max(), columns.max())) + 1)
    bits = np.empty((len(thumbnails), 8 * HASH_BYTES), dtype=bool)
    for start in range(0, len(thumbnails), _BLOCK):
        part = thumbnails[start : start + _BLOCK].astype(np.float64)
        # A blank film has no sign but rounding error; over a hundredth of a grey level it has one.
        bits[start : start + _BLOCK] = (basis @ part @ basis.T)[:, rows, columns] > 0.01
    return np.packbits(bits, axis=1)


def fine_patterns(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What `find_duplicates` correlates: uint8 [n, 64, 64] to float32 [n, 64, 64], mean 0 and length 1 each (all 0 for a blank film)."""
    patterns = np.empty(thumbnails.shape, dtype=np.float32)
    for start in range(0, len(thumbnails), _BLOCK):
        part = thumbnails[start : start + _BLOCK].astype(np.float32)
        patterns[start : start + _BLOCK] = _unit(part - blurred(part, _BLUR), _FLATTEST * THUMBNAIL_SIDE)
    return patterns


def _remembered(facts: FilmFacts) -> tuple[Pair, ...] | None:
    """The pairs that an earlier process found among the same films in the same order; None where there is no readable note of them."""
    if len(facts.names) < _WORTH_KEEPING:
        return None
    try:
        rows = json.loads(_note(facts).read_bytes())
        pairs = tuple(Pair(facts.names[i], facts.names[j], kind, similarity, change) for i, j, kind, similarity, change in rows)
    except (OSError, ValueError, TypeError, IndexError):
        return None
    cache.mark_used(_note(facts))
    return pairs


def _remember(facts: FilmFacts, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    if len(facts.names) >= _WORTH_KEEPING:
        row = {name: number for number, name in enumerate(facts.names)}
        note = _note(facts)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_json(note, [[row[pair.a], row[pair.b], pair.kind, pair.similarity, pair.change] for pair in pairs])
        cache.enforce_limit(keep=[note])
    return pairs


def _note(facts: FilmFacts) -> Path:
    """Where the pairs of these films are kept: by all that they depend on."""
    digest = hashlib.sha256(f"{_RULE} {facts.details is not None} {' '.join(facts.sha256)}".encode())
    for part in (facts.width, facts.height, facts.thumbnails):
        digest.update(np.ascontiguousarray(part).data)
    return table.cache_dir() / "copies" / f"{digest.hexdigest()}.json"


def _search(facts: FilmFacts, progress: Listener) -> tuple[Pair, ...]:
    first: dict[str, int] = {}
    pairs: list[tuple[int, int, Pair]] = []
    for row, digest in enumerate(facts.sha256):
        origin = first.setdefault(digest, row)
        if origin != row:
            pairs.append((origin, row, Pair(facts.names[origin], facts.names[row], "exact", 1.0)))
    rows = np.array(sorted(first.values()), dtype=np.int64)
    whole = _near(facts.thumbnails[rows], None if facts.details is None else facts.details[rows])
    for i, j, similarity, change in [*((*key, *value) for key, value in whole.items()), *_changed(facts, rows, frozenset(whole), progress)]:
        a, b = int(rows[i]), int(rows[j])
        pairs.append((a, b, Pair(facts.names[a], facts.names[b], "near", round(similarity, 4), change)))
    return tuple(pair for _, _, pair in sorted(pairs, key=lambda item: item[:2]))


def _changed(
    facts: FilmFacts, rows: NDArray[np.int64], known: frozenset[tuple[int, int]], progress: Listener
) -> list[tuple[int, int, float, str]]:
    if facts.details is None:
        return []
    aspects = facts.width[rows] / np.maximum(facts.height[rows], 1)
    found = changed_copies(facts.thumbnails[rows], facts.details[rows], aspects, known, progress)
    return [(copy.i, copy.j, copy.similarity, copy.change) for copy in found]


def _near(thumbnails: NDArray[np.uint8], details: NDArray[np.uint8] | None) -> dict[tuple[int, int], tuple[float, str]]:
    """Pairs i < j of whole copies, their correlation, the best over the views of film i, and the name of that view."""
    patterns = fine_patterns(thumbnails)
    halved = _unit(patterns.reshape(-1, _HALF, 2, _HALF, 2).mean(axis=(2, 4)).astype(np.float32), 0.0)
    hashes = hash_thumbnails(thumbnails)
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for view in _VIEWS:
        for i, j in _candidates(halved, view):
            correlation = np.einsum("nxy,nxy->n", view(patterns[i]), patterns[j])
            differing = _differing(hash_thumbnails(view(thumbnails[i])), hashes[j])
            alike = np.logical_or.reduce([(correlation > lowest) & (differing <= most) for lowest, most in NEAR])
            if details is not None:
                laying = square_laying(view.turns, view.mirrored)
                alike[alike] = confirmed(details, i[alike], j[alike], np.repeat(laying[None], int(alike.sum()), axis=0))
            for row in np.flatnonzero(alike):
                pair = int(i[row]), int(j[row])
                best[pair] = max(best.get(pair, (0.0, "")), (min(float(correlation[row]), 1.0), view.name))
    return best


def _candidates(halved: NDArray[np.float32], view: View) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows i < j whose patterns at half the size are alike when film i is seen in `view`: few enough to look at closely."""
    flat = halved.reshape(len(halved), _HALF**2)
    for start in range(0, len(halved), _BLOCK):
        block = view(halved[start : start + _BLOCK])
        i, j = np.nonzero(block.reshape(len(block), -1) @ flat[start:].T > CANDIDATE_CORRELATION)
        later = i < j
        yield start + i[later], start + j[later]


def _unit(patterns: NDArray[np.floating], shortest: float) -> NDArray[np.float32]:
    """Each picture less its mean and divided by its length; 0 when the length is not over `shortest`."""
    centred = patterns - patterns.mean(axis=(1, 2), keepdims=True)
    length = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    unit: NDArray[np.float32] = np.where(length > shortest, centred / np.maximum(length, 1e-6), 0).astype(np.float32)
    return unit


def _differing(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    count: NDArray[np.int64] = np.bitwise_count(_words(a) ^ _words(b)).sum(axis=1, dtype=np.int64)
    return count


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(hashes).view(np.uint64)


@lru_cache(maxsize=1)
def _zigzag() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = sorted(((u, v) for u in range(THUMBNAIL_SIDE) for v in range(THUMBNAIL_SIDE)), key=lambda place: (sum(place), place[0]))
    chosen = np.array(order[_SKIPPED : _SKIPPED + 8 * HASH_BYTES], dtype=np.int64)
    return chosen[:, 0], chosen[:, 1]


@lru_cache(maxsize=2)
def _cosines(count: int) -> NDArray[np.float64]:
    """The first `count` basis vectors of the orthonormal DCT-II of length 64: float64 [count, 64]."""
    places = np.arange(THUMBNAIL_SIDE) + 0.5
    basis: NDArray[np.float64] = np.cos(np.pi * np.arange(count)[:, None] * places / THUMBNAIL_SIDE) * np.sqrt(2 / THUMBNAIL_SIDE)
    basis[0] /= np.sqrt(2)
    return basis
