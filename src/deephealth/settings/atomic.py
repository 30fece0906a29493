"""Files that are either whole or absent, after a kill, a full disk or a power cut."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deephealth.errors import UsageError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes `path`'s place, on any error it is removed.

    The data is on the disk before the name changes, so a power cut leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}.part"
    try:
        # Opened with the rights of any new file, which the system cuts by the umask; reading the umask would change it for other threads.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        if error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)  # a full disk is told without a name, or with one that the user never gave
        raise
    finally:
        temporary.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether `path` is what a kill in the middle of `replacing` leaves behind; it may be removed or ignored."""
    return path.name.startswith(".") and path.name.endswith(".part")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold `folder` while it is filled; UsageError when another process does. The system lets go of it when this one ends, however."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(f"{folder} is being filled by another process; wait for it, or choose another place.") from error
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, data: str) -> None:
    """Write `data` to `path` as UTF-8, whole or not at all; bytes of a file's name that are not UTF-8 as backslash escapes."""
    write_bytes(path, data.encode("utf-8", "backslashreplace"))


def write_json(path: Path, data: Any) -> None:
    """Write `data` as indented JSON with a final newline; NaN and infinity are refused (ValueError), since JSON has neither."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
