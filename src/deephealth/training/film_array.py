"""Films as one array at the network's size: decoded and resized once, then read from disk by memory mapping, batch after batch.

The resize is the model file's own (`features.graph.resize_film`), rounded to whole grey levels, so that an epoch costs no decoding and a
training set of any length costs no memory.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film, Problem
from deephealth.errors import DatasetError, FilmError
from deephealth.features.graph import resize_film
from deephealth.images.read import read_film
from deephealth.settings.progress import Listener, Progress, silent
from deephealth.settings.records import RecordTable, record_key

_FLUSH_EVERY = 64


@dataclass(frozen=True, eq=False)
class FilmArray:
    """`n` films for training: which row of `pixels` (uint8 [m, side * side]) holds each, its class number and how much it counts.

    rows, labels: int64 [n]; weights: float32 [n], positive; names as in the index; problems: films that could not be read.
    """

    side: int
    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    names: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, which: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Pixels uint8 [k, side, side] of the films numbered `which`."""
        return self.pixels[self.rows[which]].reshape(-1, self.side, self.side)


def array_of(pixels: NDArray[np.uint8], labels: NDArray[np.int64], weights: NDArray[np.float32] | None = None) -> FilmArray:
    """Films that are in memory already, uint8 [n, side, side], with class numbers [n]."""
    n, side = pixels.shape[:2]
    ones = np.ones(n, dtype=np.float32)
    return FilmArray(side, pixels.reshape(n, -1), np.arange(n), labels.astype(np.int64), ones if weights is None else weights)


def load_films(
    films: Sequence[Film], classes: Sequence[str], side: int, folder: Path, *, threads: int = 1, progress: Listener = silent
) -> FilmArray:
    """Decode and resize `films` into `folder`/films-<side>.records, as far as they are not there yet, and open the array.

    A kill loses at most the last few films; films that cannot be read are left out and listed in `problems`. A film's file that changes
    (size or time) is read again. Raises DatasetError when no film can be read.
    """
    keys = [_key(film) for film in films]
    path = folder / f"films-{side}.records"
    with RecordTable.opened(path, np.uint8, side * side) as table:
        problems = _fill(table, films, keys, side, threads, progress)
        table.flush()
        records, rows = table.read(), dict(table.rows)
    found = [k for k, key in enumerate(keys) if key in rows]
    if not found:
        raise DatasetError(f"None of the {len(films)} films to train on could be read, expected at least one; look at the reasons listed.")
    number = {label: k for k, label in enumerate(classes)}
    return FilmArray(
        side=side,
        pixels=records["values"],
        rows=np.array([rows[keys[k]] for k in found]),
        labels=np.array([number[films[k].label] for k in found]),
        weights=np.array([films[k].weight for k in found], dtype=np.float32),
        names=tuple(films[k].name for k in found),
        problems=problems,
    )


def _key(film: Film) -> bytes:
    try:
        facts = film.path.stat()
        identity = f"{film.name}\n{film.path}\n{facts.st_size}\n{facts.st_mtime_ns}"
    except OSError:
        identity = f"{film.name}\n{film.path}"
    return record_key(hashlib.sha256(identity.encode()).hexdigest())


def _fill(
    table: RecordTable, films: Sequence[Film], keys: Sequence[bytes], side: int, threads: int, progress: Listener
) -> tuple[Problem, ...]:
    todo = [k for k, key in enumerate(keys) if key not in table.rows]
    reused = len(films) - len(todo)
    problems = []
    for done, (k, pixels) in enumerate(_decoded([(k, films[k]) for k in todo], side, threads), start=1):
        if isinstance(pixels, Problem):
            problems.append(pixels)
        else:
            table.append(keys[k], pixels.ravel())
        if done % _FLUSH_EVERY == 0 or done == len(todo):
            table.flush()
            progress(Progress("films", reused + done, len(films), reused))
    return tuple(problems)


def _decoded(todo: Sequence[tuple[int, Film]], side: int, threads: int) -> Iterator[tuple[int, NDArray[np.uint8] | Problem]]:
    """The films of `todo` in order, decoded by `threads` threads that run at most a few films ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[int, Future[NDArray[np.uint8] | Problem]]] = deque()
        for k, film in todo:
            waiting.append((k, pool.submit(_decode, film, side)))
            if len(waiting) > 4 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _decode(film: Film, side: int) -> NDArray[np.uint8] | Problem:
    try:
        grey = resize_film(read_film(film.path).pixels, side)
    except FilmError as error:
        return Problem(film.name, str(error))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
