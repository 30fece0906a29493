"""What is over is removed for good: rows deleted long ago, uploads left half-way, folders of gone jobs, bytes that no row names."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, String, Table, Text, cast, delete, select
from sqlalchemy.exc import SQLAlchemyError

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.tables import classes, films, jobs, metadata, projects, uploads

DAY = 86_400.0
_UPLOAD_SECONDS = DAY  # an upload that nobody went on with for so long is abandoned
_GRACE_SECONDS = 3600.0  # between bytes that are put, or a folder that is made, and the row that names them
_FIRST_SECONDS, _EVERY_SECONDS = 20.0, 3600.0
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_log = logging.getLogger("deephealth.service")


@dataclass(frozen=True)
class Cleaned:
    """How much one clean-up removed. rows: projects, classes, films and uploads; files: blobs; folders: of jobs; bytes: of the files."""

    rows: int
    files: int
    folders: int
    bytes: int

    @property
    def anything(self) -> bool:
        """Whether it removed anything."""
        return bool(self.rows or self.files or self.folders)


def clean(database: Database, blobs: Blobs, data: Path, keep_days: float, *, now: float | None = None) -> Cleaned:
    """Remove for good what was deleted more than `keep_days` ago and all that nothing refers to. Safe while the service works."""
    now = time.time() if now is None else now
    rows = _remove_rows(database, now - keep_days * DAY, now - _UPLOAD_SECONDS)
    folders = _remove_unnamed(data / "jobs", _ids(database, jobs), now - _GRACE_SECONDS)
    _remove_unnamed(data / "uploads", _ids(database, uploads), now - _GRACE_SECONDS)
    _remove_unnamed(data / "incoming", set, now - _GRACE_SECONDS)
    begun = blobs.tidy()

    def named() -> set[str]:
        with database.read() as connection:
            return hashes(connection)

    files, freed = blobs.collect(named, now - _GRACE_SECONDS)
    return Cleaned(rows, files + begun, folders, freed)


def hashes(connection: Connection) -> set[str]:
    """Every SHA-256 that any row holds, in a column of its own or within JSON: the blobs that must stay. Too many do no harm."""
    found: set[str] = set()
    for table in metadata.sorted_tables:
        columns = [cast(column, Text) for column in table.c if _may_hold_hash(column.type)]
        if columns:
            for row in connection.execution_options(yield_per=1000).execute(select(*columns)):
                for value in row:
                    found.update(_HASH.findall(value or ""))
    return found


class Cleaner:
    """Cleans up soon after the service starts and then every hour, in a thread of its own."""

    def __init__(self, work: Callable[[], Cleaned]) -> None:
        self._work = work
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cleaner", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the clean-up in progress."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _FIRST_SECONDS
        while not self._end.wait(pause):
            try:
                done = self._work()
                if done.anything:
                    _log.info(
                        "removed for good: %d rows, %d files (%d bytes), %d job folders", done.rows, done.files, done.bytes, done.folders
                    )
            except (ServiceProblem, SQLAlchemyError, OSError) as error:
                # The next hour may find the database in reach again; the service itself goes on.
                _log.warning("the clean-up failed: %s", type(error).__name__)
            pause = _EVERY_SECONDS


def _may_hold_hash(kind: Any) -> bool:
    return isinstance(kind, JSON) or (isinstance(kind, String) and kind.length == 64)


def _remove_rows(database: Database, deleted_before: float, left_before: float) -> int:
    over = [delete(table).where(table.c.deleted < deleted_before) for table in (films, classes, projects)]
    with database.begin() as connection:
        return sum(connection.execute(statement).rowcount for statement in (*over, delete(uploads).where(uploads.c.changed < left_before)))


def _ids(database: Database, table: Table) -> Callable[[], set[str]]:
    def ask() -> set[str]:
        with database.read() as connection:
            return set(connection.scalars(select(table.c.id)))

    return ask


def _remove_unnamed(folder: Path, named: Callable[[], set[str]], before: float) -> int:
    """Remove every file and folder ID or ID.anything whose ID no row has, but what is new or locked by who works there."""
    try:
        old = [path for path in folder.iterdir() if path.lstat().st_mtime < before]
    except FileNotFoundError:
        return 0
    kept = named() if old else set()
    return sum(_remove(path) for path in old if path.name.partition(".")[0] not in kept)


def _remove(path: Path) -> bool:
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        if path.is_symlink():
            path.unlink()
            return True
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            return True
        finally:
            os.close(handle)
    return False
