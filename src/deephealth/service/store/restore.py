"""A backup brought back, into either database. Everything in it is read and checked before anything is written.

Bytes come first: they are whole files under their own hash, of which nothing knows yet. Then all rows come in one transaction. So a restore
that is killed leaves the database as it was, and the same command may be given again.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy import JSON, Connection, MetaData, Table, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from deephealth.errors import InputError, UsageError
from deephealth.service.store import audit_log, migrate
from deephealth.service.store.backup import COMMENT, FORMAT, Manifest
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.tables import metadata
from deephealth.settings import atomic
from deephealth.settings.progress import Listener, Progress, silent

_PIECE = 1 << 20
_AT_ONCE = 500
_PART = r"(?!\.{1,2}(?:/|$))[^/\\\x00-\x1f]{1,200}"
_NAME = re.compile(rf"rows/[a-z_]{{1,40}}\.jsonl|blobs/[0-9a-f]{{64}}|jobs/[0-9a-f]{{16}}(?:/{_PART}){{1,8}}")

# What `zipfile` raises for a damaged header: besides its own, for places before the file, and compression and encryption no backup has.
_DAMAGED = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError, struct.error)


class Archive:
    """The backup at `path`, its manifest read and every name in it known to be harmless. Raises InputError for what is no backup."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest = self._manifest()
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise  # no damage: the command line says which path the system refused
        except (*_DAMAGED, TypeError, KeyError, AttributeError) as error:
            raise self._fault("is no whole backup of Deep Health") from error
        if self.manifest.tables not in migrate.versions():
            raise self._fault(f"has version {self.manifest.tables} of the tables and this Deep Health knows up to {migrate.newest()}")

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def verify(self, listener: Listener = silent) -> None:
        """Read everything and compare its SHA-256 with the manifest's. Raises InputError for the first that differs."""
        for number, (name, (size, sha256)) in enumerate(self.manifest.files.items(), start=1):
            digest, read = hashlib.sha256(), 0
            try:
                with self.open(name) as file:
                    while piece := file.read(_PIECE):
                        digest.update(piece)
                        read += len(piece)
            except _DAMAGED as error:
                raise self._fault(f"is damaged in {name}") from error
            if (read, digest.hexdigest()) != (size, sha256):
                raise self._fault(f"is damaged in {name}")
            listener(Progress("checking", number, len(self.manifest.files)))

    def open(self, name: str) -> BinaryIO:
        """A file of the archive."""
        return cast(BinaryIO, self._zip.open(name))

    def names(self, kind: str) -> list[str]:
        """The files below `kind`: rows, blobs or jobs; those that were damaged when the backup was made left out."""
        damaged = {f"blobs/{name}" for name in self.manifest.missing}
        return [name for name in self.manifest.files if name.startswith(f"{kind}/") and name not in damaged]

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table."""
        with self.open(f"rows/{table}.jsonl") as file:
            for line in file:
                yield json.loads(line)

    def _manifest(self) -> Manifest:
        """ValueError and the like for anything but a manifest that agrees with the archive's list of files."""
        written = self._zip.read("manifest.json")
        if self._zip.comment != COMMENT + hashlib.sha256(written).hexdigest().encode():
            raise ValueError
        found = json.loads(written)
        if found.pop("format") != FORMAT:
            raise ValueError
        found["files"] = {name: (int(size), str(sha256)) for name, (size, sha256) in found["files"].items()}
        manifest = Manifest(**found)
        members = {info.filename: info for info in self._zip.infolist() if info.filename != "manifest.json"}
        if set(members) != set(manifest.files) or len(self._zip.infolist()) != len(members) + 1:
            raise ValueError
        for name, info in members.items():
            stored = info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size == manifest.files[name][0]
            if not stored or not _NAME.fullmatch(name):
                raise ValueError
        return manifest

    def _fault(self, what: str) -> InputError:
        return InputError(f"{self.path} {what}; give another backup, nothing was changed.")


def restore(
    archive: Archive,
    database: Database,
    blobs: Blobs,
    data: Path,
    *,
    who: str = "",
    overwrite: bool = False,
    listener: Listener = silent,
) -> None:
    """Put everything of a verified archive into `data` and `database`; with `overwrite` in place of what is there.

    who: gets the entry in the audit log, which goes on from that of the archive.

    Call it while no service works there (`folder.replacing`). Raises UsageError when there are rows and not `overwrite`, InputError when
    the rows do not fit the tables or the disk has not room enough.
    """
    with database.read() as connection:
        if not overwrite and (there := _present(connection)):
            raise UsageError(f"There is something already ({there}); give an empty --data-dir, or --overwrite to replace it all.")
    if shutil.disk_usage(data).free < archive.manifest.bytes:
        raise InputError(
            f"{archive.path} needs {archive.manifest.bytes // 1_000_000} MB and the disk of {data} has less; free space first."
        )
    names = [*archive.names("blobs"), *archive.names("jobs")]
    for number, name in enumerate(names, start=1):
        with archive.open(name) as file:
            if name.startswith("blobs/"):
                blobs.put(file)
            else:
                with atomic.replacing(data / name) as temporary, temporary.open("wb") as copy:
                    shutil.copyfileobj(file, copy)
        listener(Progress("restoring", number, len(names)))
    try:
        with migrate.changing(database.engine) as connection:
            _replace_rows(connection, archive)
            audit_log.append(connection, who, "data.restore", {"made": archive.manifest.made, "bytes": archive.manifest.bytes})
    except (SQLAlchemyError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{archive.path} holds rows that do not fit the tables ({type(error).__name__}); nothing was changed.") from error


def _present(connection: Connection) -> str:
    counts = {table.name: connection.scalar(select(func.count()).select_from(table)) for table in metadata.sorted_tables}
    shown = [f"{counts[name]} {name}" for name in ("projects", "films", "models", "users") if counts[name]]
    return ", ".join(shown or ["what was set"]) if any(counts.values()) else ""


def _replace_rows(connection: Connection, archive: Archive) -> None:
    """Tables as they were when the backup was made, its rows, and then every upgrade since: the way an old database takes, too."""
    metadata.drop_all(connection)
    migrate.forget(connection)
    migrate.upgrade(connection, archive.manifest.tables)
    then = MetaData()
    then.reflect(connection)
    for table in then.sorted_tables:
        for column in table.c:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
        if f"rows/{table.name}.jsonl" in archive.manifest.files:
            _insert(connection, table, archive)
    migrate.upgrade(connection)


def _insert(connection: Connection, table: Table, archive: Archive) -> None:
    rows: list[dict[str, Any]] = []
    for row in archive.rows(table.name):
        if set(row) != set(table.c.keys()):
            raise ValueError(table.name)
        rows.append(row)
        if len(rows) == _AT_ONCE:
            connection.execute(insert(table), rows)
            rows.clear()
    if rows:
        connection.execute(insert(table), rows)
