"""Is everything there that the rows say? Every film, thumbnail, model and report that a row names is read and its SHA-256 compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.tables import films, models
from deephealth.settings.progress import Listener, Progress, silent


@dataclass(frozen=True)
class Checked:
    """What `check` found. missing: SHA-256 of files that a row names and that are absent or changed; database: faults of its own."""

    files: int
    missing: tuple[str, ...]
    database: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.database)


def check(database: Database, blobs: Blobs, listener: Listener = silent) -> Checked:
    """Read everything that rows name. Safe while the service works."""
    with blobs.keeping():
        with database.read() as connection:
            faults = tuple(_faults(connection))
            names = sorted(blob_names(connection))
        missing = []
        for number, name in enumerate(names, start=1):
            if not blobs.intact(name):
                missing.append(name)
            listener(Progress("checking", number, len(names)))
    return Checked(len(names), tuple(missing), faults)


def blob_names(connection: Connection) -> set[str]:
    """The SHA-256 of every blob that a row names."""
    found: set[str] = set()
    for column in (films.c.blob, films.c.thumbnail, models.c.id, models.c.report, models.c.evaluation):
        found.update(name for name in connection.scalars(select(column).distinct()) if name)
    return found


def _faults(connection: Connection) -> Iterator[str]:
    if connection.dialect.name == "sqlite":
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
            if line != "ok":
                yield str(line)
        for table, *_ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield f"a row of {table} refers to a row that is not there"
