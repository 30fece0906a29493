"""Is it alive, can it work, and how is it doing: for whoever watches over the service."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import text

from deephealth.service.context import Parts, Services
from deephealth.service.problems import ServiceProblem
from deephealth.service.schemas import Sent, problems
from deephealth.service.security.guard import viewer

router = APIRouter(tags=["operation"])


class Health(Sent):
    """That it is so."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", summary="Is it alive?")
async def healthz() -> Health:
    """The process answers; nothing more is asked."""
    return Health()


@router.get("/readyz", responses=problems(503), summary="Can it work?")
async def readyz(parts: Parts) -> Health:
    """The database answers, the data folder can be written to, and a worker answers or is at work."""
    await run_in_threadpool(_storage, parts)
    if not await parts.pool.alive():
        raise _not_ready("no worker answers", "ningún proceso de lectura responde")
    return Health()


@router.get("/metrics", response_class=Response, dependencies=[viewer], summary="How is it doing?")
def metrics(parts: Parts) -> Response:
    """Figures in Prometheus' text format."""
    return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _storage(parts: Services) -> None:
    with parts.database.read() as connection:
        connection.execute(text("SELECT 1"))
    try:
        _write_and_remove(parts.config.data / "incoming")
    except OSError as error:
        raise _not_ready("the data folder cannot be written to", "no se puede escribir en la carpeta de datos") from error


def _write_and_remove(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    trial = folder / f"ready.{secrets.token_hex(4)}"
    try:
        trial.write_bytes(b"ready")
    finally:
        trial.unlink(missing_ok=True)


def _not_ready(english: str, spanish: str) -> ServiceProblem:
    return ServiceProblem(
        503,
        "not-ready",
        (f"The service is not ready: {english}; try again in a few seconds.", f"El servicio no está listo: {spanish}; inténtelo de nuevo."),
        headers={"Retry-After": "2"},
    )
