"""Large films and archives over HTTP, in pieces: after a lost connection or a restart an upload goes on where it stopped."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy import Row
from starlette.requests import ClientDisconnect

from deephealth.evaluation.wording import Language
from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.ids import PathId
from deephealth.service.problems import ServiceProblem
from deephealth.service.projects import adding, schemas
from deephealth.service.projects.adding import Sent
from deephealth.service.schemas import problems
from deephealth.service.security.guard import viewer_or_editor
from deephealth.service.store import projects, uploads
from deephealth.service.store.space import told_when_full

router = APIRouter(
    prefix="/api/v1/uploads", tags=["films"], dependencies=[viewer_or_editor], responses=problems(400, 404, 409, 413, 422, 503, 507)
)


@router.post("", status_code=201)
def begin(new: schemas.NewUpload, parts: Parts) -> schemas.Upload:
    """Begin an upload; its bytes follow with PATCH."""
    most = parts.config.request_mb * 1_000_000
    if new.bytes > most:
        found, limit = f"{new.bytes / 1e6:,.0f} MB", f"{parts.config.request_mb:,} MB"
        sentences = (
            f"The file has {found}, and this service takes at most {limit} in one piece; shrink or split it.",
            f"El archivo ocupa {found}, y este servicio admite como máximo {limit} de una vez; redúzcalo o divídalo.",
        )
        raise ServiceProblem(413, "too-large", sentences, about=new.name)
    parts.quota.require(new.bytes, promise=False)
    with parts.database.begin() as connection:
        projects.get_class(connection, new.project, new.class_)
        values = {
            "project": new.project,
            "class": new.class_,
            "name": adding.shown_name(new.name),
            "bytes": new.bytes,
            "sha256": new.sha256,
        }
        upload = uploads.create(connection, values)
    return schemas.Upload(id=upload, offset=0, bytes=new.bytes, added=None)


@router.get("/{upload}")
def look(upload: PathId, parts: Parts, language: InLanguage) -> schemas.Upload:
    """How far an upload is."""
    with parts.database.read() as connection:
        row = uploads.get(connection, upload)
    return _view(parts, row, language)


@router.patch(
    "/{upload}",
    responses={409: {"description": "The offset is another: see the header Upload-Offset"}},
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def go_on(
    upload: PathId, request: Request, response: Response, parts: Parts, language: InLanguage, upload_offset: Annotated[int, Header(ge=0)]
) -> schemas.Upload:
    """Take the next piece, which begins at Upload-Offset. What arrived of a piece that was cut off is kept."""
    row = await asyncio.to_thread(_row, parts, upload)
    if row.added is None:
        path = uploads.part(parts.config.data, row.id)
        with uploads.alone_with(path) as handle:
            row = await asyncio.to_thread(_row, parts, upload)  # another request may have finished it in between
            _refuse_other_offset(uploads.size(path) if row.added is None else row.bytes, upload_offset)
            await _take(request, handle, row, parts)
            if row.added is None and uploads.size(path) == row.bytes:
                await asyncio.to_thread(_finish, parts, row, path)
    row = await asyncio.to_thread(_row, parts, upload)
    shown = await asyncio.to_thread(_view, parts, row, language)
    response.headers["Upload-Offset"] = str(shown.offset)
    return shown


def _row(parts: Services, upload: str) -> Row[Any]:
    with parts.database.read() as connection:
        return uploads.get(connection, upload)


def _view(parts: Services, row: Row[Any], language: Language) -> schemas.Upload:
    if row.added is None:
        offset = uploads.size(uploads.part(parts.config.data, row.id))
        return schemas.Upload(id=row.id, offset=offset, bytes=row.bytes, added=None)
    with parts.database.read() as connection:
        added = adding.added_view(connection, row.project, row.added, language)
    return schemas.Upload(id=row.id, offset=row.bytes, bytes=row.bytes, added=added)


def _refuse_other_offset(true: int, given: int) -> None:
    if true == given:
        return
    sentences = (
        f"The service holds {true:,} bytes of this file and was sent a piece that begins at {given:,}; go on at {true:,}.",
        f"El servicio tiene {true} bytes de este archivo y recibió una parte que empieza en {given}; continúe en {true}.",
    )
    raise ServiceProblem(409, "offset", sentences, headers={"Upload-Offset": str(true)})


async def _take(request: Request, handle: int, row: Row[Any], parts: Services) -> None:
    """Append the request's body; it is on the disk when this returns. Never beyond the size that was promised."""
    offset = os.lseek(handle, 0, os.SEEK_END)
    room = min(row.bytes - offset, parts.config.chunk_mb * 2**20)
    try:
        async for piece in request.stream():
            room -= len(piece)
            if room < 0:
                raise _too_much(parts)
            await asyncio.to_thread(_write, handle, piece)
    except ClientDisconnect as error:
        sentences = ("The connection was lost; go on from the offset.", "Se perdió la conexión; continúe desde la posición indicada.")
        raise ServiceProblem(400, "disconnected", sentences) from error  # nobody reads it, but no log tells of a fault either
    finally:
        await asyncio.to_thread(os.fsync, handle)


def _write(handle: int, piece: bytes) -> None:
    with told_when_full():
        view = memoryview(piece)
        while view:
            view = view[os.write(handle, view) :]


def _too_much(parts: Services) -> ServiceProblem:
    sentences = (
        f"The piece is larger than {parts.config.chunk_mb} MB, or larger than what was still missing of the file; send a smaller one.",
        f"La parte supera {parts.config.chunk_mb} MB, o lo que aún faltaba del archivo; envíe una menor.",
    )
    return ServiceProblem(413, "chunk-too-large", sentences)


def _finish(parts: Services, row: Row[Any], path: Path) -> None:
    """All bytes are there: check them, make films of them, and forget them."""
    if row.sha256 and _sha256(path) != row.sha256:
        path.unlink()
        sentences = (
            "The file arrived damaged: its checksum is another than promised; send it again from the start.",
            "El archivo llegó dañado: su suma de comprobación no es la anunciada; envíelo de nuevo desde el principio.",
        )
        raise ServiceProblem(422, "checksum", sentences, about=row.name)
    with path.open("rb") as file:
        archive = adding.is_zip(file.read(4))
    files = adding.unpacked(parts, path, row.name) if archive else [Sent(row.name, path=path)]
    adding.add(parts, row.project, row._mapping["class"], files, lambda db, found: uploads.finish(db, row.id, found))
    path.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
