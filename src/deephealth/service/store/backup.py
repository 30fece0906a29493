"""Everything the service keeps as one file, made while it works: a plain zip archive that either database can be filled from.

rows/TABLE.jsonl     every row of one moment, one JSON object a line
blobs/SHA256         the films, models and reports that these rows name
jobs/ID/...          what the jobs that had ended wrote
manifest.json        how many of everything, and of each file its size and SHA-256; its own SHA-256 is the archive's comment

Nothing is compressed: films and models are already, and a file that unpacks to what it weighs cannot be a bomb. Sessions and unfinished
uploads stay behind: who is signed in is no part of what is kept; of a job that still works only the row travels, so that it is told to be
started again. Passwords and tokens travel as the hashes they are kept as.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Table, select

from deephealth import __version__
from deephealth.service.store import migrate
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.check import blob_names
from deephealth.service.store.cleaning import hashes
from deephealth.service.store.database import Database
from deephealth.service.store.jobs import ENDED
from deephealth.service.store.tables import jobs, metadata
from deephealth.settings import atomic
from deephealth.settings.progress import Listener, Progress, silent

FORMAT = 1
COMMENT = b"deephealth backup, manifest "
LEFT_OUT = ("sessions", "uploads")
_PIECE = 1 << 20
_STALE_SECONDS = 3600.0
_ONLY_AT_WORK = ("films", "drawn", "models", "pid", "cancel")  # what is in a job's folder while it works


@dataclass
class Manifest:
    """What an archive holds. tables: the version of the tables; rows: of each table; files: name -> (bytes, SHA-256).

    missing: SHA-256 of the files that rows name and that were absent or damaged on the disk.
    """

    tables: str
    made: str
    program: str = __version__
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(size for size, _ in self.files.values())


def write_backup(database: Database, blobs: Blobs, data: Path, path: Path, listener: Listener = silent) -> Manifest:
    """Write the archive `path`, whole or not at all, readable by its owner only; what it holds. Safe while the service works."""
    _sweep(path)
    with blobs.keeping(), atomic.replacing(path) as temporary:
        temporary.chmod(0o600)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            manifest, names, ended = _write_rows(database, blobs, archive)
            files = [*_job_files(data / "jobs", ended), *((f"blobs/{name}", blobs.path(name)) for name in names)]
            for number, (name, file) in enumerate(files, start=1):
                _write_file(archive, manifest, name, file)
                listener(Progress("backing up", number, len(files)))
            written = json.dumps({"format": FORMAT, **vars(manifest)}, indent=1).encode()
            archive.writestr("manifest.json", written)
            archive.comment = COMMENT + hashlib.sha256(written).hexdigest().encode()
    return manifest


def _write_rows(database: Database, blobs: Blobs, archive: zipfile.ZipFile) -> tuple[Manifest, list[str], set[str]]:
    """The rows of one moment; the manifest begun, the blobs that the rows name, and the jobs that had ended."""
    with database.read() as connection:
        manifest = Manifest(migrate.version(connection) or "", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        for table in metadata.sorted_tables:
            if table.name not in LEFT_OUT:
                lines = _lines(connection, table, manifest)
                _write(archive, manifest, f"rows/{table.name}.jsonl", lines)
        wanted, kept = hashes(connection), set(blobs.names())
        manifest.missing = sorted(blob_names(connection) - kept)
        return manifest, sorted(wanted & kept), set(connection.scalars(select(jobs.c.id).where(jobs.c.state.in_(ENDED))))


def _lines(connection: Connection, table: Table, manifest: Manifest) -> Iterator[bytes]:
    manifest.rows[table.name] = 0
    order = list(table.primary_key.columns)
    for row in connection.execution_options(yield_per=500).execute(select(table).order_by(*order)).mappings():
        manifest.rows[table.name] += 1
        yield json.dumps(dict(row), ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _write_file(archive: zipfile.ZipFile, manifest: Manifest, name: str, path: Path) -> None:
    # A job's folder may go, for good, while it is copied: then it is no longer wanted. Blobs are held.
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        _write(archive, manifest, name, _pieces(file))
    kind, _, blob = name.partition("/")
    if kind == "blobs" and manifest.files[name][1] != blob:
        manifest.missing.append(blob)


def _write(archive: zipfile.ZipFile, manifest: Manifest, name: str, pieces: Iterable[bytes]) -> None:
    digest, size = hashlib.sha256(), 0
    with archive.open(zipfile.ZipInfo(name, time.gmtime()[:6]), "w", force_zip64=True) as member:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            member.write(piece)
    manifest.files[name] = (size, digest.hexdigest())


def _pieces(file: IO[Any]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _job_files(folder: Path, ended: set[str]) -> Iterator[tuple[str, Path]]:
    """The name in the archive and the path of every file of the jobs that have ended; links, and what only the work needed, left out."""
    for job in sorted(ended):
        for path in sorted((folder / job).rglob("*")):
            parts = path.relative_to(folder / job).parts
            if path.is_file() and not path.is_symlink() and parts[0] not in _ONLY_AT_WORK and not path.name.endswith(".part"):
                yield "/".join(("jobs", job, *parts)), path


def _sweep(path: Path) -> None:
    """Remove what backups to the same file that were killed have left; a living one writes all the time."""
    for part in path.parent.glob(f".{path.name[:40]}.*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                part.unlink()
