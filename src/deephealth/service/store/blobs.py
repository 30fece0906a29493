"""Films, models and reports, each under the SHA-256 of its bytes: put, open, delete, so that an object store can replace the folder.

A file appears under its name only when all of it is on the disk. What a killed process had begun lies in `incoming` and is removed by
`tidy`. `keeping` and `collect` see to it that nothing is collected that somebody is just putting again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from deephealth.service.store.space import told_when_full

_PIECE = 1 << 20
_BEGUN_SECONDS = 60.0  # younger than this, a file of `incoming` may be one that its writer has not locked yet
_HEX = frozenset("0123456789abcdef")


class Blobs:
    """The content-addressed files below `folder`: folder/ab/abcdef... Equal bytes are kept once. May be shared by threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes | BinaryIO) -> str:
        """Keep `data`, whole or not at all; its SHA-256 in hexadecimal. A stream is read to its end, a piece at a time.

        ServiceProblem 507 when the disk is full.
        """
        with told_when_full():
            if isinstance(data, bytes | bytearray | memoryview):
                name = hashlib.sha256(data).hexdigest()
                if self._has(name):
                    return name
                data = io.BytesIO(data)
            return self._put(data)

    def open(self, name: str) -> io.BufferedReader:
        """The bytes of `name`, a SHA-256. FileNotFoundError when they are not kept."""
        return self.path(name).open("rb")

    def delete(self, name: str) -> None:
        """Forget `name`; nothing happens when it is not kept. Rows that may name it, too, are the caller's care: see `collect`."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where `name` lies, for programs of ours that take a path. ValueError for anything that is no SHA-256."""
        if len(name) != 64 or not _HEX.issuperset(name):
            raise ValueError("a blob's name is a SHA-256 in 64 hexadecimal digits")
        return self.folder / name[:2] / name

    def names(self) -> Iterator[str]:
        """Every name kept, in no order."""
        with contextlib.suppress(FileNotFoundError):
            for shelf in os.scandir(self.folder):
                if len(shelf.name) == 2 and _HEX.issuperset(shelf.name):
                    yield from (found.name for found in os.scandir(shelf.path) if len(found.name) == 64)

    def intact(self, name: str) -> bool:
        """Whether `name` is kept and its bytes still have that SHA-256."""
        try:
            with self.open(name) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == name
        except FileNotFoundError:
            return False

    def tidy(self) -> int:
        """Remove what killed processes had begun to put; how many files. What living ones write is locked by them, and stays."""
        removed = 0
        for path in self._incoming().iterdir():
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                if time.time() - path.stat().st_mtime > _BEGUN_SECONDS:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    removed += 1
        return removed

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Nothing is collected until the block ends; putting goes on."""
        with self._lock(fcntl.LOCK_SH):
            yield

    def collect(self, named: Callable[[], set[str]], older_than: float) -> tuple[int, int]:
        """Remove what was last put before `older_than` (seconds since 1970) and is not in named(); how many files and bytes.

        `named` is asked after the candidates are known. A row must be written well within the time between a put and `older_than`. Removes
        nothing, or less, while somebody is `keeping`.
        """
        old = [name for name in self.names() if self._put_before(name, older_than)]
        kept = named() if old else set()
        files = freed = 0
        for name in old:
            if name not in kept:
                with contextlib.suppress(FileNotFoundError, BlockingIOError), self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                    if self._put_before(name, older_than):
                        size = self.path(name).stat().st_size
                        self.path(name).unlink()
                        files, freed = files + 1, freed + size
        return files, freed

    def _put(self, data: BinaryIO) -> str:
        temporary = self._incoming() / f"{secrets.token_hex(8)}.part"
        digest = hashlib.sha256()
        try:
            with temporary.open("xb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                while piece := data.read(_PIECE):
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
                name = digest.hexdigest()
                if not self._has(name):
                    self._place(temporary, name)
        finally:
            temporary.unlink(missing_ok=True)
        return name

    def _place(self, temporary: Path, name: str) -> None:
        shelf = self.path(name).parent
        with self._lock(fcntl.LOCK_SH):
            if not shelf.exists():
                shelf.mkdir(exist_ok=True)
                _sync(self.folder)
            temporary.replace(self.path(name))
        _sync(shelf)

    def _has(self, name: str) -> bool:
        """Whether `name` is kept; if so it counts as put just now, so that no clean-up takes it away before a row names it."""
        try:
            with self._lock(fcntl.LOCK_SH):
                os.utime(self.path(name))
        except FileNotFoundError:
            return False
        return True

    def _put_before(self, name: str, moment: float) -> bool:
        try:
            return self.path(name).stat().st_mtime < moment
        except FileNotFoundError:
            return False

    def _incoming(self) -> Path:
        folder = self.folder / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        handle = os.open(self._incoming(), os.O_RDONLY)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
