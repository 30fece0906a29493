"""Films through a backbone, once: features computed by a pool of threads and kept in a table on disk.

A record is keyed by the film's SHA-256 and the number of the view, so that renamed, moved and repeated films are found again. A record is
handed to the system before its progress is told, so a kill at any moment loses nothing that was reported as done.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film, Problem
from deephealth.errors import FilmError, UsageError
from deephealth.features import graph
from deephealth.features.augment import Augmentation
from deephealth.features.backbones import Backbone
from deephealth.images.archive import FilmFile
from deephealth.images.read import read_film
from deephealth.settings import cache as cache_folder
from deephealth.settings import table
from deephealth.settings.progress import Listener, Progress, silent
from deephealth.settings.records import RecordTable, record_key

STAGE = "features"
_VERSION = 1  # rises when a film is read, reduced or augmented in another way, so that no old record is taken for a new one
_AHEAD = 4  # films handed to each thread before their results are awaited; bounds what is held in memory


_NOT_FINITE = "The backbone gives NaN or infinity for this film, expected finite features; use another backbone."


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of the films that could be read, in the order given.

    names: [n]. features: float32 [n, views, d], memory-mapped; view 0 is the film itself. problems: the films that could not be read.
    reused: number of views that were in the cache.
    """

    names: tuple[str, ...]
    features: NDArray[np.float32]
    problems: tuple[Problem, ...]
    reused: int


@dataclass(frozen=True, eq=False)
class _Film:
    """What a thread found out about one film: its SHA-256 and the views it computed."""

    name: str
    sha256: str
    computed: dict[int, NDArray[np.float32]]


def extract_features(
    films: Sequence[Film],
    backbone: Backbone,
    *,
    views: int = 1,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Listener = silent,
    cache: bool = True,
) -> FeatureTable:
    """The features of `films` by `threads` threads, from the cache where they are there.

    View 0 is the film; view k is `augmentation` (default: Augmentation()) with a generator seeded by (seed, film, k), so the result depends
    neither on the order of films nor on the number of threads. With `cache`, records go to `features` in the cache folder, an interrupted
    extraction goes on where it stopped, and the cache is brought within its limit at the end; without, to a temporary file. Progress counts
    views. A film that cannot be read becomes a problem; ModelFileError when the backbone does not run, UsageError when `views` is under 1.
    """
    if views < 1:
        raise UsageError(f"{views} views a film were asked for, expected 1 or more; change the number of views.")
    worker = _Worker(backbone, views, augmentation or Augmentation(), seed)
    with _table(worker.table_name, backbone.dim, cache) as records:
        problems: list[Problem] = []
        found: list[_Film] = []
        reused = 0
        for number, result in enumerate(_ordered(films, threads, worker.work(records)), start=1):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                found.append(_Film(result.name, result.sha256, {}))
                reused += views - _store(records, result)
            progress(Progress(STAGE, number * views, len(films) * views, reused))
        features = _gather(records, [film.sha256 for film in found], views, backbone.dim)
    if cache:
        cache_folder.enforce_limit(keep=[records.path])
    return FeatureTable(tuple(film.name for film in found), features, tuple(problems), reused)


class _Worker:
    """What every thread shares: the session (its `run` may be called by several at once) and how views are made."""

    def __init__(self, backbone: Backbone, views: int, augmentation: Augmentation, seed: int) -> None:
        self._backbone = backbone
        self._session: Any = None
        self._views = views
        self._augmentation = augmentation
        self._seed = seed
        plain = views == 1
        # The film alone depends on neither, so that a later run with another seed finds it.
        self.table_name = f"{backbone.sha256}-{_VERSION}-{'plain' if plain else f'{augmentation.digest}-{seed}'}.rec"

    def work(self, records: RecordTable) -> Callable[[Film], _Film | Problem]:
        """The function that a thread runs for one film."""
        self._session = graph.open_session(self._backbone.model)

        def one(film: Film) -> _Film | Problem:
            try:
                data = FilmFile(film.name, film.path).read_bytes()
                digest = hashlib.sha256(data).hexdigest()
                missing = [view for view in range(self._views) if record_key(digest, view) not in records.rows]
                if not missing:
                    return _Film(film.name, digest, {})
                pixels = read_film(data, name=film.name, channels=self._backbone.channels).pixels
            except FilmError as error:
                return Problem(film.name, str(error))
            computed = self._features(pixels, digest, missing)
            if not all(np.isfinite(features).all() for features in computed.values()):
                return Problem(film.name, _NOT_FINITE)
            return _Film(film.name, digest, computed)

        return one

    def _features(self, pixels: NDArray[np.uint8], digest: str, views: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        computed = {0: graph.run_features(self._session, pixels)} if 0 in views else {}
        augmented = [view for view in views if view]
        if augmented:
            # Little more than the network's square is kept of a view: turning all of a large film would cost more than the network.
            pixels = _reduced(pixels, self._backbone.size * 3 // 2)
        for view in augmented:
            rng = np.random.default_rng([self._seed, view, int(digest, 16)])
            computed[view] = graph.run_features(self._session, self._augmentation.apply(pixels, rng))
        return computed


def _reduced(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The film reduced by the largest whole factor that leaves both sides at `side` or more, by block means."""
    factor = min(pixels.shape[:2]) // side
    if factor < 2:
        return pixels
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, *pixels.shape[2:])
    sums = blocks.sum(axis=1, dtype=np.uint32).sum(axis=2)
    means: NDArray[np.uint8] = np.rint(sums / factor**2).astype(np.uint8)
    return means


def _ordered(films: Sequence[Film], threads: int, work: Callable[[Film], _Film | Problem]) -> Iterator[_Film | Problem]:
    """Results in the order of `films`, with at most a few films a thread in flight."""
    pool = ThreadPoolExecutor(max(threads, 1))
    waiting: deque[Future[_Film | Problem]] = deque()
    try:
        for film in films:
            if len(waiting) >= _AHEAD * max(threads, 1):
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, film))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _store(records: RecordTable, film: _Film) -> int:
    """Add the views computed to the table; how many there were."""
    for view, features in film.computed.items():
        records.append(record_key(film.sha256, view), features)
    if film.computed:
        records.flush()
    return len(film.computed)


def _gather(records: RecordTable, digests: Sequence[str], views: int, dim: int) -> NDArray[np.float32]:
    """The records of these films as [n, views, dim], in an unnamed file, so that memory holds only what is being looked at."""
    if not digests:
        return np.empty((0, views, dim), np.float32)
    records.flush()
    stored = records.read()["values"]
    with tempfile.TemporaryFile(dir=records.path.parent) as unnamed:
        gathered = np.memmap(unnamed, np.float32, "w+", shape=(len(digests), views, dim))
    for row, digest in enumerate(digests):
        for view in range(views):
            gathered[row, view] = stored[records.rows[record_key(digest, view)]]
    return gathered


@contextmanager
def _table(name: str, dim: int, cache: bool) -> Iterator[RecordTable]:
    if not cache:
        with tempfile.TemporaryDirectory() as folder, RecordTable.opened(Path(folder) / name, np.float32, dim) as records:
            yield records
        return
    path = table.cache_dir() / "features" / name
    with RecordTable.opened(path, np.float32, dim) as records:
        cache_folder.mark_used(path)
        yield records
