"""The data folder as a whole: who works in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from deephealth.errors import UsageError

_LOCK = "in-use.lock"


@contextlib.contextmanager
def in_use(data: Path) -> Iterator[None]:
    """Work in `data`, made if absent and readable by its owner only; several services may at once. UsageError while it is `replacing`."""
    with _locked(data, fcntl.LOCK_SH, f"{data} is being restored from a backup; wait for that to end and start again."):
        yield


@contextlib.contextmanager
def replacing(data: Path) -> Iterator[None]:
    """Work in `data`, made if absent, while no service does. UsageError when one is running."""
    with _locked(data, fcntl.LOCK_EX, f"A service is running on {data}; stop it first, then run this again."):
        yield


@contextlib.contextmanager
def _locked(data: Path, how: int, taken: str) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise UsageError(taken) from error
    try:
        yield
    finally:
        os.close(handle)
