"""Uploads, as rows, and the files in which their bytes gather: data/uploads/ID.part, whose size is the truth about the offset."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from deephealth.service.problems import ServiceProblem
from deephealth.service.store import projects
from deephealth.service.store.tables import uploads

NO_UPLOAD = (
    "There is no such upload, or its time is over; begin it anew.",
    "No existe esa subida, o su plazo terminó; empiécela de nuevo.",
)
_IN_PROGRESS = (
    "The service is still busy with this very upload; ask again in a few seconds.",
    "El servicio sigue ocupado con esta misma subida; vuelva a preguntar en unos segundos.",
)


def create(connection: Connection, values: Mapping[str, Any]) -> str:
    """Begin an upload; `values`: project, class, name, bytes, sha256. Its identifier."""
    upload = projects.new_id()
    connection.execute(uploads.insert().values(id=upload, added=None, changed=time.time(), **values))
    return upload


def get(connection: Connection, upload: str) -> Row[Any]:
    """The upload's row. ServiceProblem 404 when there is none."""
    row = find(connection, upload)
    if row is None:
        raise ServiceProblem(404, "no-upload", NO_UPLOAD)
    return row


def find(connection: Connection, upload: str) -> Row[Any] | None:
    """The upload's row, or None."""
    return connection.execute(select(uploads).where(uploads.c.id == upload)).first()


def finish(connection: Connection, upload: str, added: Mapping[str, Any]) -> None:
    """Note what became of an upload."""
    connection.execute(uploads.update().where(uploads.c.id == upload).values(added=dict(added), changed=time.time()))


def note(connection: Connection, upload: str, project: str, class_id: str, added: Mapping[str, Any]) -> None:
    """Note what became of films that were sent in one request, under a key of the client's."""
    values = {"project": project, "class": class_id, "name": "", "bytes": 0, "sha256": None}
    connection.execute(uploads.insert().values(id=upload, added=dict(added), changed=time.time(), **values))


def part(data: Path, upload: str) -> Path:
    """Where the bytes of an upload gather. `upload`: an identifier of ours, never what a client sent."""
    return data / "uploads" / f"{upload}.part"


def size(path: Path) -> int:
    """How many bytes have arrived."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def alone_with(path: Path) -> Iterator[int]:
    """Hold a file of the uploads folder (made if absent) as an open descriptor; ServiceProblem 503 when another request holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    except BlockingIOError:
        raise ServiceProblem(503, "processing", _IN_PROGRESS, headers={"Retry-After": "2"}) from None
    finally:
        os.close(handle)
