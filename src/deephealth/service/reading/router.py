"""What else the Read page needs: heatmaps as pictures, previews, synthetic examples, and what this service is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from deephealth import __version__
from deephealth.evaluation.wording import Words
from deephealth.service.answering.results import CannotAnswer
from deephealth.service.context import Parts
from deephealth.service.forms import received
from deephealth.service.models import registry
from deephealth.service.problems import ServiceProblem
from deephealth.service.reading import examples
from deephealth.service.reading.heatmaps import from_token
from deephealth.service.reading.schemas import About, Examples, Limits, User
from deephealth.service.schemas import problems
from deephealth.service.security.guard import Someone, viewer
from deephealth.settings.table import number

router = APIRouter(prefix="/api/v1", tags=["read"])

_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}
_PNG = {"content": {"image/png": {}}, "description": "a picture"}


class Png(Response):
    """A PNG."""

    media_type = "image/png"


@router.get(
    "/heatmaps/{token}.png",
    response_class=Png,
    responses={200: _PNG, **problems(404, 503)},
    summary="Draw a heatmap",
    dependencies=[viewer],
)
async def heatmap(token: str, parts: Parts) -> Response:
    """The map that the address itself holds, as a transparent picture of the film's aspect to lay over the film."""
    try:
        found = from_token(token)
    except ValueError as error:
        raise _no_map() from error
    return Png(await parts.pool.draw_map(found.rows, found.width, found.height), headers=_KEPT)


@router.post(
    "/previews",
    response_class=Png,
    responses={200: _PNG, **problems(400, 413, 415, 422, 503, 507)},
    summary="Show a film",
    dependencies=[viewer],
)
async def preview(request: Request, parts: Parts) -> Response:
    """A film (multipart field `file`) as an 8-bit grey PNG, for a browser that cannot decode it. Nothing is kept."""
    async with received(request, parts.config.data / "incoming", parts.config.request_mb * 1_000_000, 1) as form:
        film = next((part for part in form.parts if part.field == "file"), None)
        if film is None:
            raise _no_film()
        try:
            return Png(await parts.pool.preview(form.data(film), film.name or "film"))
        except CannotAnswer as error:
            status = 413 if error.code == "too-large" else 422
            raise ServiceProblem(status, error.code, (error.sentence, Words("es").reason(error.sentence)), about=film.name) from error


@router.get("/examples", summary="Synthetic films to try", dependencies=[viewer])
async def list_examples(parts: Parts) -> Examples:
    """Synthetic films, for the classroom model; none where there is no such model."""
    there = await run_in_threadpool(registry.classroom, parts)
    return Examples(examples=await examples.listed(parts) if there else [])


@router.get(
    "/examples/{example}.png",
    response_class=Png,
    responses={200: _PNG, **problems(404, 503)},
    summary="A synthetic film",
    dependencies=[viewer],
)
async def example_film(example: str, parts: Parts) -> Response:
    """One synthetic film, drawn once and then kept."""
    return Png(await examples.film(parts, example), headers={"Cache-Control": "public, max-age=86400"})


@router.get("/about", summary="What this service is and allows")
def about(parts: Parts, user: Someone) -> About:
    """Version, who may use it, limits, and which models answer."""
    config = parts.config
    limits = Limits(
        file_bytes=number("max_file_mb") * 1_000_000,
        request_bytes=config.request_mb * 1_000_000,
        pixels=number("max_pixels"),
        chunk_bytes=config.chunk_mb * 1_000_000,
        quota_bytes=config.quota_mb * 1_000_000,
        used_bytes=parts.quota.used(),
    )
    return About(
        version=__version__,
        access=config.access,
        user=User(name=user.name, role=user.role) if user else None,
        limits=limits,
        serving=registry.serving(parts),
        classroom=registry.classroom(parts),
    )


def _no_map() -> ServiceProblem:
    return ServiceProblem(
        404,
        "no-heatmap",
        (
            "This address holds no heatmap, expected one as an answer gives it; ask for the film's answer again.",
            "Esta dirección no contiene ningún mapa; se esperaba una como las que da cada respuesta: vuelva a pedir la respuesta.",
        ),
    )


def _no_film() -> ServiceProblem:
    return ServiceProblem(
        400,
        "no-film",
        (
            "The request holds no film, expected one in the field file; add it.",
            "La petición no contiene ninguna radiografía; se esperaba una en el campo file.",
        ),
    )
