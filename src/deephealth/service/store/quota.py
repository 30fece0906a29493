"""How much the data folder holds, and whether more may come: asked before bytes are accepted, so it must cost next to nothing."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.space import storage_full

_RESERVE = 64_000_000  # bytes of disk kept free, so that rows can still be written, and deleted
_FRESH_SECONDS = 300.0
_SHARE = 100  # counting takes at most one part in so many of the time


class Quota:
    """The room in the folder `data`, of which all files together may take `limit` bytes (0: as much as the disk has). Shared by threads.

    Files are counted now and then; what `require` promised in between is added.
    """

    def __init__(self, data: Path, limit: int) -> None:
        self.data, self.limit = data, limit
        self._counting = threading.Lock()
        self._used = 0
        self._stale = 0.0

    def used(self) -> int:
        """Bytes in use, as of at most some minutes ago."""
        if time.monotonic() >= self._stale and self._counting.acquire(blocking=not self._stale):
            try:
                begun = time.monotonic()
                self._used = sum(sizes(self.data).values())
                ended = time.monotonic()
                self._stale = ended + max(_FRESH_SECONDS, _SHARE * (ended - begun))
            finally:
                self._counting.release()
        return self._used

    def forget(self) -> None:
        """Count anew when next asked; for who has removed much."""
        self._stale = 0.0

    def require(self, more: int, *, promise: bool = True) -> None:
        """Promise room for `more` bytes that come now, or only look whether there is some for later.

        ServiceProblem 507 when the quota or the disk has not so much left.
        """
        used = self.used()
        if self.limit and used + more > self.limit:
            raise _over(used, self.limit, more)
        if shutil.disk_usage(self.data).free < more + _RESERVE:
            raise storage_full()
        if promise:
            self._used += more


def sizes(data: Path) -> dict[str, int]:
    """Bytes on the disk of each thing in the data folder: {"blobs": ..., "deephealth.sqlite3": ...}. A file with two names counts once."""
    seen: set[int] = set()
    found: dict[str, int] = {}
    for name, status in _files(data):
        if status.st_nlink == 1 or status.st_ino not in seen:
            seen.add(status.st_ino)
            found[name] = found.get(name, 0) + status.st_blocks * 512
    return found


def _files(data: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The first part below `data` and the status of every file; what vanishes meanwhile is passed over."""
    todo = [("", str(data))]
    while todo:
        name, folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                todo.append((name or entry.name, entry.path))
                continue
            try:
                yield name or entry.name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue


def _over(used: int, limit: int, more: int) -> ServiceProblem:
    mega = 1_000_000
    english = (
        f"The service holds {used // mega} of {limit // mega} MB, which leaves no room for {-(-more // mega)} MB more; "
        "delete what is not needed, or ask who runs it for a larger quota."
    )
    spanish = (
        f"El servicio ocupa {used // mega} de {limit // mega} MB y no caben {-(-more // mega)} MB más; "
        "elimine lo que no necesite o pida más espacio a quien lo administra."
    )
    return ServiceProblem(507, "quota", (english, spanish))
