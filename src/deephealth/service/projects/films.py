"""Films of projects over HTTP: sent, listed, moved, hidden, shown."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse

from deephealth.evaluation.wording import Language
from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.forms import Form, Part, received
from deephealth.service.ids import ClassQuery, PathId
from deephealth.service.problems import ServiceProblem
from deephealth.service.projects import adding, schemas, views
from deephealth.service.projects.adding import Sent
from deephealth.service.schemas import problems
from deephealth.service.security import acts
from deephealth.service.security.guard import viewer_or_editor
from deephealth.service.store import films, projects, uploads
from deephealth.service.store.space import told_when_full

router = APIRouter(
    prefix="/api/v1/projects/{project}/films",
    tags=["films"],
    dependencies=[viewer_or_editor],
    responses=problems(400, 404, 413, 415, 422, 503, 507),
)

_MEDIA = {"jpeg": "image/jpeg", "png": "image/png"}
_FOREVER = "private, max-age=31536000, immutable"


@router.get("")
def list_films(
    project: PathId,
    parts: Parts,
    language: InLanguage,
    class_id: Annotated[str | None, Query(alias="class", pattern="^[0-9a-f]{16}$")] = None,
    after: Annotated[str, Query(pattern="^([0-9.e+]{1,30}~[0-9a-f]{16})?$")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    deleted: bool = False,
) -> schemas.Films:
    """A page of films in the order they came, those in sight or those deleted; `next` is the `after` of the next page."""
    with parts.database.read() as connection:
        projects.get(connection, project)
        rows, following = films.page(connection, project, class_id=class_id, after=after, limit=limit, deleted=deleted)
        return schemas.Films(films=views.film_views(connection, project, rows, language), next=following)


@router.post(
    "",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                        "required": ["file"],
                    }
                }
            },
        }
    },
)
async def send_films(
    project: PathId,
    request: Request,
    parts: Parts,
    language: InLanguage,
    class_id: ClassQuery,
    idempotency_key: Annotated[str | None, Header(pattern="^[0-9a-f]{16,64}$")] = None,
) -> schemas.Added:
    """Add films to a class. Each file becomes a film or a problem with a sentence; the same Idempotency-Key again adds nothing."""
    config = parts.config
    length = request.headers.get("content-length", "")
    parts.quota.require(int(length) if length.isdecimal() else 0, promise=False)
    async with received(request, config.data / "uploads", config.request_mb * 1_000_000, config.films_per_request) as form:
        return await asyncio.to_thread(_add, parts, project, class_id, idempotency_key or secrets.token_hex(16), form, language)


@router.patch("")
def change_films(project: PathId, change: schemas.FilmsChange, parts: Parts, language: InLanguage) -> schemas.ChangedFilms:
    """Move, hide, bring back or give to a patient many films at once; the opposite change is the undo."""
    with parts.database.begin() as connection:
        values: dict[str, Any] = {}
        if change.class_ is not None:
            projects.get_class(connection, project, change.class_)
            values["class"] = change.class_
        if change.deleted is not None:
            values["deleted"] = time.time() if change.deleted else None
        if "patient" in change.model_fields_set:
            values["patient"] = _patient(connection, project, change.patient)
        rows = films.change(connection, project, change.films, **values) if values else films.by_id(connection, project, change.films)
        about = {"films": acts.some(row.id for row in rows), "class_id": change.class_, "deleted": change.deleted}
        acts.note(connection, "films.change", project=project, changed=sorted(values), **about)
        return schemas.ChangedFilms(films=views.film_views(connection, project, rows, language))


@router.get("/{film}/thumbnail", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
def thumbnail(project: PathId, film: PathId, parts: Parts, request: Request) -> Response:
    """The film small, 160 pixels the longer side."""
    with parts.database.read() as connection:
        row = films.get(connection, project, film)
    return _picture(parts, row.thumbnail, "image/webp", request)


@router.get("/{film}/image", response_class=Response, responses={200: {"content": {"image/png": {}, "image/jpeg": {}}}})
def image(project: PathId, film: PathId, parts: Parts, request: Request) -> Response:
    """The film as it is kept: its pixels, and nothing that names anybody."""
    with parts.database.read() as connection:
        row = films.get(connection, project, film)
    return _picture(parts, row.blob, _MEDIA.get(row.kind, "application/octet-stream"), request)


def _picture(parts: Services, blob: str, media: str, request: Request) -> Response:
    tag = f'"{blob[:32]}"'
    headers = {"Cache-Control": _FOREVER, "ETag": tag, "X-Content-Type-Options": "nosniff"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    path = parts.blobs.path(blob)
    if not path.is_file():
        raise ServiceProblem(404, "no-film", films.NO_FILM)
    return FileResponse(path, media_type=media, headers=headers)


def _add(parts: Services, project: str, class_id: str, key: str, form: Form, language: Language) -> schemas.Added:
    upload = adding.patient_key(f"{project}/{key}", "idempotency")
    lock = uploads.part(parts.config.data, f"{upload}-key")
    with ExitStack() as stack:
        stack.enter_context(uploads.alone_with(lock))
        stack.callback(lock.unlink, missing_ok=True)
        with parts.database.read() as connection:
            row = uploads.find(connection, upload)
        if row is None:
            files = [sent for part in form.parts if part.field == "file" for sent in _sent(parts, part, form.data(part), stack)]
            added = adding.add(parts, project, class_id, files, lambda db, found: uploads.note(db, upload, project, class_id, found))
        else:
            added = row.added
    with parts.database.read() as connection:
        return adding.added_view(connection, project, added, language)


def _sent(parts: Services, part: Part, data: memoryview, stack: ExitStack) -> list[Sent]:
    """The films in one file of a form: itself or, for a zip archive, its members."""
    name = adding.shown_name(part.name)
    if not adding.is_zip(bytes(data[:4])):
        return [Sent(name, data=data)]
    path = uploads.part(parts.config.data, secrets.token_hex(8))
    stack.callback(path.unlink, missing_ok=True)
    with told_when_full():
        path.write_bytes(data)
    return adding.unpacked(parts, path, name)


def _patient(connection: Any, project: str, given: str | None) -> str | None:
    """The key of a patient that is given by a number of the project or by anything else that a person calls it; None for unknown."""
    if given is None:
        return None
    keys = {number: key for key, number in films.patient_numbers(connection, project).items()}
    return keys.get(given) or adding.patient_key(f"given by hand: {given}", projects.get(connection, project).salt)
