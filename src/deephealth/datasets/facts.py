"""What the files of a data set hold, film by film: size, checksum, a thumbnail and a perceptual hash, gathered in one pass and cached.

Everything that compares films (duplicates, leakage, the shortcut audit) works on these facts and never decodes a film again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.copies import DETAIL_SIDE
from deephealth.datasets.duplicates import HASH_BYTES, THUMBNAIL_SIDE, hash_thumbnails, shrink
from deephealth.datasets.index import DatasetIndex, Film, Problem
from deephealth.errors import FilmError
from deephealth.images.read import read_capped, read_film
from deephealth.settings import cache as cache_folder
from deephealth.settings import table
from deephealth.settings.progress import Listener, Progress, silent
from deephealth.settings.records import RecordTable, record_key

STAGE = "film facts"
_THUMBNAIL_BYTES = THUMBNAIL_SIDE * THUMBNAIL_SIDE
_SIZE_BYTES = 8  # width and height, 4 bytes each, little endian
_DETAIL_BYTES = DETAIL_SIDE * DETAIL_SIDE
_RECORD_BYTES = _THUMBNAIL_BYTES + HASH_BYTES + _DETAIL_BYTES + _SIZE_BYTES
_FLUSH_EVERY = 64
_TABLE = "films-2.records"  # the number rises when a record holds something else or is computed in another way


@dataclass(frozen=True, eq=False)
class FilmFacts:
    """Facts of `n` films, in index order; films that could not be read are in `problems` instead.

    sha256: of each file, hex. width, height: pixels, int32 [n]. file_bytes: int64 [n].
    thumbnails: uint8 [n, 64, 64], each value the mean of the film's pixels under it (aspect ratio squashed).
    phash: uint8 [n, 32], `duplicates.perceptual_hash` of each film.
    details: uint8 [n, 128, 128], as the thumbnails but larger, to tell whether a turned or cropped film is the same picture (16 KB a film);
    None where they were not gathered: such copies are then not looked for.
    """

    names: tuple[str, ...]
    sha256: tuple[str, ...]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    file_bytes: NDArray[np.int64]
    thumbnails: NDArray[np.uint8]
    phash: NDArray[np.uint8]
    problems: tuple[Problem, ...] = ()
    details: NDArray[np.uint8] | None = None

    def only(self, names: Collection[str]) -> FilmFacts:
        """The facts of the films among `names`, in the same order."""
        rows = [row for row, name in enumerate(self.names) if name in names]
        return FilmFacts(
            tuple(self.names[row] for row in rows),
            tuple(self.sha256[row] for row in rows),
            self.width[rows],
            self.height[rows],
            self.file_bytes[rows],
            self.thumbnails[rows],
            self.phash[rows],
            self.problems,
            None if self.details is None else self.details[rows],
        )


@dataclass(frozen=True, eq=False)
class _Row:
    name: str
    sha256: str
    file_bytes: int
    packed: NDArray[np.uint8] | None  # None: already in the cache


def scan_films(index: DatasetIndex, *, threads: int = 1, progress: Listener = silent, cache: bool = True) -> FilmFacts:
    """The facts of every film of `index`, by `threads` threads (decoding and hashing run outside Python's lock).

    With `cache`, facts are kept by the file's SHA-256 under the cache folder: a second run only reads and hashes the files, and a run that
    was killed goes on where it stopped. A film that cannot be read becomes a problem; nothing is raised for it.
    """
    rows: list[_Row] = []
    problems: list[Problem] = []
    total, reused = len(index.films), 0
    packed = np.zeros((total, _RECORD_BYTES), dtype=np.uint8)
    with _opened(cache) as store, _mapped(index.films, store, threads) as results:
        stored = None if store is None else store.read()["values"]
        for done, result in enumerate(results, start=1):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                reused += result.packed is None
                packed[len(rows)] = _values(result, store, stored)
                rows.append(result)
            if store is not None and done % _FLUSH_EVERY == 0:
                store.flush()
            progress(Progress(STAGE, done, total, reused))
    return _facts(rows, packed[: len(rows)], problems)


@contextmanager
def _opened(cache: bool) -> Iterator[RecordTable | None]:
    if not cache:
        yield None
        return
    path = table.cache_dir() / "facts" / _TABLE
    with RecordTable.opened(path, np.uint8, _RECORD_BYTES) as store:
        cache_folder.mark_used(path)
        yield store
    cache_folder.enforce_limit(keep=[path])


@contextmanager
def _mapped(films: tuple[Film, ...], store: RecordTable | None, threads: int) -> Iterator[Iterator[_Row | Problem]]:
    # The keys at the start: the table's own dictionary grows in the main thread while workers look.
    known = frozenset(store.rows) if store is not None else frozenset()
    pool = ThreadPoolExecutor(max(threads, 1))
    try:
        yield pool.map(lambda film: _look(film, known), films)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look(film: Film, known: frozenset[bytes]) -> _Row | Problem:
    try:
        data = read_capped(film.path, film.name)
        digest = hashlib.sha256(data).hexdigest()
        if record_key(digest) in known:
            return _Row(film.name, digest, len(data), None)
        pixels = read_film(data, name=film.name).pixels
    except FilmError as error:
        return Problem(film.name, str(error))
    return _Row(film.name, digest, len(data), _pack(pixels))


def _pack(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    thumbnail = shrink(pixels)
    size = np.array([pixels.shape[1], pixels.shape[0]], dtype="<u4").view(np.uint8)
    return np.concatenate([thumbnail.ravel(), hash_thumbnails(thumbnail[None])[0], shrink(pixels, DETAIL_SIDE).ravel(), size])


def _values(row: _Row, store: RecordTable | None, stored: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if row.packed is None:
        assert store is not None and stored is not None
        values: NDArray[np.uint8] = stored[store.rows[record_key(row.sha256)]]
        return values
    if store is not None:
        store.append(record_key(row.sha256), row.packed)
    return row.packed


def _facts(rows: list[_Row], packed: NDArray[np.uint8], problems: list[Problem]) -> FilmFacts:
    hashes = packed[:, _THUMBNAIL_BYTES : _THUMBNAIL_BYTES + HASH_BYTES]
    sizes = np.ascontiguousarray(packed[:, -_SIZE_BYTES:]).view("<u4").astype(np.int32)
    return FilmFacts(
        names=tuple(row.name for row in rows),
        sha256=tuple(row.sha256 for row in rows),
        width=sizes[:, 0],
        height=sizes[:, 1],
        file_bytes=np.array([row.file_bytes for row in rows], dtype=np.int64),
        thumbnails=packed[:, :_THUMBNAIL_BYTES].reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE),
        phash=hashes.copy(),
        problems=tuple(problems),
        details=packed[:, _THUMBNAIL_BYTES + HASH_BYTES : -_SIZE_BYTES].reshape(-1, DETAIL_SIDE, DETAIL_SIDE),
    )
