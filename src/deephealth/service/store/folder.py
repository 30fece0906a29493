"""The data folder as a whole: what is in it, and who works there."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deephealth.errors import UsageError
from deephealth.service.config import ServiceConfig
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database

_LOCK = "in-use.lock"


@dataclass(frozen=True)
class Store:
    """What is kept: the folder, the rows and the files."""

    data: Path
    database: Database
    blobs: Blobs


def make(data: Path) -> None:
    """Make the folder where it is absent, for its owner only: films lie there. The rights of one that is there are its owner's choice."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextlib.contextmanager
def opened(config: ServiceConfig, *, new: bool = False) -> Iterator[Store]:
    """What the service of `config` keeps, for a command beside it; with `new` begun where there is nothing, else UsageError then."""
    data = config.data
    if not new and not (data.is_dir() and (config.database or (data / "deephealth.sqlite3").is_file())):
        raise UsageError(f"{data} holds nothing of the service; give its data folder with --data-dir.")
    make(data)
    database = Database(config.database_url)
    try:
        yield Store(data, database, Blobs(data / "blobs"))
    finally:
        database.close()


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
    make(data)
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
