"""Projects saved as one file and opened again, over HTTP. What comes in is trusted as little as any upload."""

from __future__ import annotations

import asyncio
import secrets
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from deephealth.evaluation.wording import Language
from deephealth.service.answering.results import CannotAnswer
from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.ids import PathId
from deephealth.service.problems import ServiceProblem
from deephealth.service.projects import adding, archive, schemas, views
from deephealth.service.projects.archive import ArchivedFilm, ArchivedProject
from deephealth.service.schemas import problems
from deephealth.service.security import acts
from deephealth.service.security.guard import viewer_or_editor
from deephealth.service.store import films, jobs, projects, uploads
from deephealth.service.store.models import register_model
from deephealth.service.store.space import told_when_full
from deephealth.settings.table import number

router = APIRouter(
    prefix="/api/v1/projects", tags=["projects"], dependencies=[viewer_or_editor], responses=problems(400, 404, 409, 413, 422, 503, 507)
)
_MOST_MODEL = 500_000_000


@router.get("/{project}/archive", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}})
def save(project: PathId, parts: Parts) -> StreamingResponse:
    """The project as one file, to be kept or opened elsewhere: it names no file and no patient."""
    packed = archive.pack(parts, project)
    with parts.database.begin() as connection:
        acts.note(connection, "project.save", project=project)
    headers = {
        "Content-Disposition": f'attachment; filename="{archive.file_name(packed.description.name)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(packed.stream(), media_type="application/zip", headers=headers)


@router.post(
    "/archive",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def open_saved(request: Request, parts: Parts, language: InLanguage) -> schemas.Project:
    """Make a project of a file that `save` gave; the body is the file. Each film is looked at anew."""
    path = uploads.part(parts.config.data, secrets.token_hex(8))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        await _receive(request, path, parts)
        return await asyncio.to_thread(_open, parts, path, language)
    finally:
        path.unlink(missing_ok=True)


async def _receive(request: Request, path: Path, parts: Services) -> None:
    most, received = parts.config.request_mb * 1_000_000, 0
    try:
        with told_when_full(), path.open("wb") as file:
            async for piece in request.stream():
                received += len(piece)
                if received > most:
                    raise _too_large(parts.config.request_mb)
                await asyncio.to_thread(file.write, piece)
    except ClientDisconnect as error:
        raise ServiceProblem(400, "disconnected", _LOST) from error


def _open(parts: Services, path: Path, language: Language) -> schemas.Project:
    opened, described = archive.opened(path)
    with opened:
        salt = secrets.token_hex(16)
        rows = list(_films(parts, opened, described, salt))
        if described.films and not rows:
            raise ServiceProblem(422, "no-archive", _NO_FILM)
        with parts.database.begin() as connection:
            project = projects.create(connection, described.name, tuple(described.classes), salt=salt)
            projects.change(connection, project, settings=described.settings.model_dump())
            classes = [entry.id for entry in projects.classes_of(connection, project)]
            films.add(connection, project, [{**row, "class": classes[row["class"]]} for row in rows])
            acts.note(connection, "project.open", project=project, films=acts.some(row["blob"] for row in rows))
        _keep_model(parts, opened, described, project)
    with parts.database.read() as connection:
        return views.project_view(connection, parts, project, language)


def _films(parts: Services, opened: zipfile.ZipFile, described: ArchivedProject, salt: str) -> Iterator[dict[str, Any]]:
    """The rows of the films that can be read; a film that cannot is left out, as in any upload."""
    most = number("max_file_mb") * 1_000_000

    def look(film: ArchivedFilm, data: bytes) -> dict[str, Any] | None:
        name = film.file.rpartition("/")[2]
        try:
            found = parts.pool.inspect(data, name, salt)
        except CannotAnswer:
            return None
        facts = {"synthetic": True} if film.synthetic else {}
        row = adding.film_row(parts, name, found, salt, **facts)
        patient = adding.patient_key(str(film.patient), salt) if film.patient else None
        return {**row, "class": film.class_, "patient": patient}

    with ThreadPoolExecutor(parts.config.workers, thread_name_prefix="inspect") as pool:
        for start in range(0, len(described.films), parts.config.workers):
            some = described.films[start : start + parts.config.workers]
            read = [(film, data) for film in some if (data := archive.member(opened, film.file, most)) is not None]
            for row in pool.map(lambda pair: look(*pair), read):
                if row is not None:
                    yield row


def _keep_model(parts: Services, opened: zipfile.ZipFile, described: ArchivedProject, project: str) -> None:
    """Register the model of the archive, checked by a worker first, as what the project was trained to; a bad one is left out."""
    if described.model is None:
        return
    data = archive.member(opened, "model.onnx", _MOST_MODEL)
    if data is None:
        return
    path = uploads.part(parts.config.data, secrets.token_hex(8))
    try:
        parts.quota.require(len(data))
        with told_when_full():
            path.write_bytes(data)
        parts.pool.describe_now(path)
        with parts.database.begin() as connection:
            name, synthetic = described.model.name, described.model.synthetic
            model = register_model(connection, parts.blobs, path, name=name, origin="imported", project=project, classroom=synthetic)
            jobs.note_opened(connection, project, model)
    except CannotAnswer:
        return
    finally:
        path.unlink(missing_ok=True)


def _too_large(megabytes: int) -> ServiceProblem:
    sentences = (
        f"The project is larger than {megabytes:,} MB, the most that this service takes at once; ask who runs it to raise the limit.",
        f"El proyecto supera {megabytes} MB, lo máximo que este servicio admite de una vez; pida a quien lo administra que suba el límite.",
    )
    return ServiceProblem(413, "too-large", sentences)


_LOST = ("The connection was lost; send the project again.", "Se perdió la conexión; envíe el proyecto de nuevo.")
_NO_FILM = (
    "Not one film of the project can be read, expected some; choose another file.",
    "No se puede leer ninguna radiografía del proyecto; elija otro archivo.",
)
