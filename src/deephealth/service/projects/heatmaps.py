"""Where the project's own model sees evidence on a film: a transparent picture to be laid over it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, Response

from deephealth.service.answering.results import CannotAnswer
from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.ids import PathId
from deephealth.service.models import registry
from deephealth.service.problems import ServiceProblem
from deephealth.service.schemas import problems
from deephealth.service.security.guard import viewer_or_editor
from deephealth.service.store import films, jobs

router = APIRouter(
    prefix="/api/v1/projects/{project}/films/{film}", tags=["films"], dependencies=[viewer_or_editor], responses=problems(404, 422, 503)
)


@router.get("/heatmap", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def heatmap(project: PathId, film: PathId, parts: Parts, language: InLanguage, label: str = "") -> Response:
    """The evidence for `label` (the model's answer by default), in the film's aspect; of the last finished training."""
    name, model, blob = await asyncio.to_thread(_wanted, parts, project, film)
    try:
        answer = await parts.pool.answer(model, await asyncio.to_thread(blob.read_bytes), name)
    except CannotAnswer as error:
        raise ServiceProblem(422, error.code, (error.sentence, error.sentence)) from error
    cells = answer.heatmap.get(label or answer.label)
    if cells is None:
        raise ServiceProblem(422, "no-label", _NO_LABEL, about="label")
    facts = await parts.pool.describe(model)
    scale = float(facts["record"]["heatmap_scale"])
    shares = [[min(1.0, max(0.0, cell / scale)) for cell in row] for row in cells]
    drawn = await parts.pool.draw_map(shares, answer.width, answer.height)
    # Another training is another map at the same address, so it must be asked again; the answer is quick.
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, max-age=0", "ETag": f'"{answer.model[:32]}"'})


def _wanted(parts: Services, project: str, film: str) -> tuple[str, Path, Path]:
    """What to call the film, the model's file and the film's."""
    with parts.database.read() as connection:
        row = films.get(connection, project, film)
        trained = jobs.last_trained(connection, project)
    if trained is None or trained.model is None:
        raise ServiceProblem(404, "no-results", _NO_MODEL)
    return row.id, registry.path_of(parts, registry.find(parts, trained.model)), parts.blobs.path(row.blob)


_NO_MODEL = (
    "The project has no trained model that could show its evidence; press Train first.",
    "El proyecto no tiene ningún modelo entrenado que pueda mostrar su evidencia; pulse primero Entrenar.",
)
_NO_LABEL = ("The model knows no such label; ask for one of its own.", "El modelo no conoce esa etiqueta; pida una de las suyas.")
