"""/api/v1/models: list, look at, import, check, choose, archive."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from deephealth.evaluation.wording import Language, Words
from deephealth.service.answering.results import CannotAnswer, Facts
from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.forms import damaged, too_large
from deephealth.service.models import describe, registry
from deephealth.service.models.schemas import ModelChange, ModelDetail, Models, ModelSummary, Verified
from deephealth.service.problems import ServiceProblem
from deephealth.service.schemas import problems
from deephealth.service.security.acts import note
from deephealth.service.security.guard import Me, require, viewer_or_editor
from deephealth.service.security.headers import REPORT_CONTENT_SECURITY
from deephealth.service.store.models import ModelRow, register_model
from deephealth.service.store.space import told_when_full

router = APIRouter(prefix="/api/v1/models", tags=["models"], dependencies=[viewer_or_editor])

Identifier = Annotated[str, InPath(pattern="^[0-9a-f]{64}$", description="SHA-256 of the model file")]
_UNCHANGING = "private, max-age=31536000, immutable"
_BODY = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get("", summary="List models")
def list_all(parts: Parts, speaks: InLanguage, archived: Annotated[bool, Query(description="with archived ones")] = False) -> Models:
    """Every model, newest first, the one that ships last. One whose file is damaged is left out."""
    serving = registry.serving(parts)
    return Models(
        models=[found for model in registry.listed(parts, archived=archived) if (found := _glance(parts, model, serving, speaks))]
    )


@router.post(
    "", status_code=201, openapi_extra={"requestBody": _BODY}, responses=problems(400, 413, 422, 503, 507), summary="Import a model"
)
async def import_model(request: Request, parts: Parts, speaks: InLanguage) -> ModelDetail:
    """Take in a Deep Health model file (the raw bytes of model.onnx). It is loaded and run once in a worker before it is kept."""
    folder = parts.config.data / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".onnx") as file:
        parts.quota.require(await _received(request, file, parts.config.request_mb * 1_000_000))
        try:
            facts = await parts.pool.check(Path(file.name))
        except CannotAnswer as error:
            sentence = error.sentence.replace(file.name, "The file")
            raise ServiceProblem(422, "model", (sentence, Words("es").reason(sentence))) from error
        model = await run_in_threadpool(_keep, parts, Path(file.name), facts)
    return await run_in_threadpool(_detail, parts, model, speaks)


@router.get("/{model}", responses=problems(404, 422), summary="Look at a model")
def look_at(model: Identifier, parts: Parts, speaks: InLanguage) -> ModelDetail:
    """Everything known of a model: card, scores with intervals, lamps, files."""
    return _detail(parts, registry.find(parts, model), speaks)


@router.patch("/{model}", responses=problems(404, 409, 422), summary="Rename, serve, archive")
def change(model: Identifier, wanted: ModelChange, parts: Parts, speaks: InLanguage, me: Me) -> ModelDetail:
    """Give it another name, put it in the archive or bring it back; an admin may let it answer on Read."""
    if wanted.serving:
        require(me, "admin")
    changed = registry.change(parts, model, name=wanted.name, archived=wanted.archived, serve=bool(wanted.serving))
    return _detail(parts, changed, speaks)


@router.delete("/{model}", status_code=204, responses=problems(404, 409), summary="Archive a model")
def archive(model: Identifier, parts: Parts) -> None:
    """Put it in the archive; PATCH archived=false brings it back."""
    registry.change(parts, model, archived=True)


@router.post("/{model}/verify", responses=problems(404, 422, 503), summary="Does it still answer as when it was made?")
async def verify(model: Identifier, parts: Parts, speaks: InLanguage) -> Verified:
    """Ask the model the golden films that its file carries, and compare."""
    found = await run_in_threadpool(registry.find, parts, model)
    try:
        report = await parts.pool.verify(registry.path_of(parts, found))
    except CannotAnswer as error:
        raise _unusable(error) from error
    return Verified(**report, text=_verdict(report, speaks))


@router.get("/{model}/file", response_class=FileResponse, responses=problems(404), summary="Download a model")
def download(model: Identifier, parts: Parts, if_none_match: Annotated[str, Header()] = "") -> Response:
    """The ONNX file. Its bytes never change: it is named by them."""
    found = registry.find(parts, model)
    return _file(registry.path_of(parts, found), found.id, "application/octet-stream", if_none_match, describe.file_name(found, ".onnx"))


@router.get("/{model}/report", response_class=FileResponse, responses=problems(404), summary="Read the report")
def report(model: Identifier, parts: Parts, if_none_match: Annotated[str, Header()] = "") -> Response:
    """The report (HTML) of the evaluation that made it."""
    return _blob(parts, registry.find(parts, model).report, "text/html; charset=utf-8", if_none_match)


@router.get("/{model}/evaluation", response_class=FileResponse, responses=problems(404), summary="Read the evaluation")
def evaluation(model: Identifier, parts: Parts, if_none_match: Annotated[str, Header()] = "") -> Response:
    """The same as JSON."""
    return _blob(parts, registry.find(parts, model).evaluation, "application/json", if_none_match)


@router.get("/{model}/card", response_class=Response, responses=problems(404, 422), summary="Read the model card")
def card(model: Identifier, parts: Parts, speaks: InLanguage) -> Response:
    """The model card, Markdown, in the language asked for."""
    found = registry.find(parts, model)
    return Response(_facts(parts, found)[f"card_{speaks}"], media_type="text/markdown; charset=utf-8")


async def _received(request: Request, file: IO[bytes], most_bytes: int) -> int:
    """Write the request's body into `file`; how many bytes. ServiceProblem 413 when there are more than `most_bytes`."""
    received = 0
    try:
        with told_when_full():
            async for chunk in request.stream():
                received += len(chunk)
                if received > most_bytes:
                    raise too_large(most_bytes)
                file.write(chunk)
            file.flush()
    except ClientDisconnect as error:
        raise damaged() from error
    return received


def _glance(parts: Services, model: ModelRow, serving: str, speaks: Language) -> ModelSummary | None:
    try:
        return describe.summary(parts, model, _facts(parts, model), serving, speaks)
    except ServiceProblem:
        return None  # its file is gone or damaged; the rest of the list is not to suffer for it


def _detail(parts: Services, model: ModelRow, speaks: Language) -> ModelDetail:
    return describe.detail(parts, model, _facts(parts, model), registry.serving(parts), speaks)


def _facts(parts: Services, model: ModelRow) -> Facts:
    try:
        return parts.pool.describe_now(registry.path_of(parts, model))
    except CannotAnswer as error:
        raise _unusable(error) from error


def _keep(parts: Services, path: Path, facts: Facts) -> ModelRow:
    if facts["sha256"] == registry.shipped().id:
        return registry.shipped()
    with parts.database.begin() as connection:
        sha256 = register_model(connection, parts.blobs, path, name=facts["record"]["name"], origin="imported")
        note(connection, "model.import", model=sha256)
    return registry.find(parts, sha256)


def _blob(parts: Services, name: str | None, kind: str, known: str) -> Response:
    path = None if name is None else parts.blobs.path(name)
    if name is None or path is None or not path.is_file():
        raise _no_report()
    reply = _file(path, name, kind, known)
    reply.headers["Content-Security-Policy"] = REPORT_CONTENT_SECURITY
    return reply


def _file(path: Path, sha256: str, kind: str, known: str, download: str | None = None) -> Response:
    """A file named by its content. Only a download lies at an address that is of its content, too, and never has another."""
    headers = {"ETag": f'"{sha256}"', "Cache-Control": _UNCHANGING if download else "private, no-cache"}
    if sha256 in known:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=kind, filename=download, headers=headers)


def _verdict(report: Facts, language: Language) -> str:
    films, largest = report["films"], f"{report['largest_difference']:.1e}"
    if not films:
        texts = (
            "The file carries no golden films, so it cannot be verified.",
            "El archivo no lleva radiografías de control: no se puede verificar.",
        )
    elif report["ok"]:
        texts = (
            f"It answers as when it was made: {films} golden films, largest difference {largest}.",
            f"Responde como cuando se hizo: {films} radiografías de control, diferencia máxima {largest}.",
        )
    else:
        texts = (
            f"It does NOT answer as when it was made: {films} golden films, largest difference {largest}.",
            f"NO responde como cuando se hizo: {films} radiografías de control, diferencia máxima {largest}.",
        )
    return texts[language == "es"]


def _unusable(error: CannotAnswer) -> ServiceProblem:
    return ServiceProblem(422, "model", (error.sentence, Words("es").reason(error.sentence)))


def _no_report() -> ServiceProblem:
    return ServiceProblem(
        404,
        "no-report",
        (
            "This model has no report here, since it was not trained in this service; evaluate it on films of a project.",
            "Este modelo no tiene informe aquí porque no se entrenó en este servicio; evalúelo con las radiografías de un proyecto.",
        ),
    )
