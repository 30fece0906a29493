"""What the cache holds, how to empty it, and how it stays within its limit.

The cache folder has one folder for each kind of table. Only tables in these folders are ever removed, and never one that a process holds
the lock of; what is removed is computed again when it is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from deephealth.errors import UsageError
from deephealth.settings import table

KINDS = ("features", "facts", "copies")
_SUFFIXES = (".rec", ".records", ".json")


@dataclass(frozen=True)
class _Table:
    path: Path
    size: int
    used: float  # seconds since the epoch


def usage() -> dict[str, int]:
    """Bytes on disk by kind of table, one entry for each of KINDS."""
    return {kind: sum(found.size for found in _tables(kind)) for kind in KINDS}


def clear(kind: str | None = None) -> int:
    """Remove every table of `kind` (None: of every kind) that is not in use; the bytes freed. Raises UsageError for an unknown kind."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"The cache has no kind {kind!r}, expected one of {', '.join(KINDS)}; name one of these or none.")
    return sum(_remove(found) for name in KINDS if kind in (None, name) for found in _tables(name))


def enforce_limit(keep: Collection[Path] = ()) -> int:
    """Remove the tables used longest ago until the cache is within the setting `cache_limit_mb`; the bytes freed.

    Tables in use stay, and so do those in `keep` (a run keeps what it has just computed, even when that alone is over the limit).
    """
    tables = sorted((found for kind in KINDS for found in _tables(kind)), key=lambda found: found.used)
    excess = sum(found.size for found in tables) - table.number("cache_limit_mb") * 1_000_000
    freed = 0
    for found in tables:
        if freed >= excess:
            break
        if found.path not in keep:
            freed += _remove(found)
    return freed


def mark_used(path: Path) -> None:
    """Note that the table at `path` is used now; reading alone leaves no reliable trace on a file system."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)


def _tables(kind: str) -> Iterator[_Table]:
    folder = table.cache_dir() / kind
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        # Another process may remove a table while this one looks.
        with contextlib.suppress(FileNotFoundError):
            if path.suffix in _SUFFIXES and path.is_file() and not path.is_symlink():
                status = path.stat()
                yield _Table(path, status.st_blocks * 512, max(status.st_mtime, status.st_atime))


def _remove(found: _Table) -> int:
    """Unlink a table while holding its lock, so that nobody is writing it; 0 when it is in use or gone."""
    try:
        with open(found.path, "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return 0
    return found.size
