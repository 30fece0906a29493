"""Synthetic films to try the classroom model with, drawn by a worker when first asked for and then kept."""

from __future__ import annotations

from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from deephealth.service.context import Services
from deephealth.service.problems import ServiceProblem
from deephealth.service.reading.schemas import Example
from deephealth.settings import atomic

_LABELS = ("normal", "bacterial", "viral")
_SEEDS = (90_001, 90_002, 90_003)  # far from those that people and tests draw training sets with
_SIZE = 512


def listed() -> list[Example]:
    """The examples, one of each label after the other."""
    found = [(label, f"{label}-{place}") for place in range(1, len(_SEEDS) + 1) for label in _LABELS]
    return [Example(id=name, label=label, href=f"/api/v1/examples/{name}.png") for label, name in found]


async def film(services: Services, name: str) -> bytes:
    """The PNG of an example. ServiceProblem 404 for another name."""
    if name not in {example.id for example in listed()}:
        raise _unknown()
    path = services.config.data / "examples" / f"{name}.png"
    if path.is_file():
        return await run_in_threadpool(path.read_bytes)
    label, _, place = name.partition("-")
    data = await services.pool.draw_phantom(label, _SEEDS[int(place) - 1], _SIZE)
    await run_in_threadpool(_keep, path, data)
    return data


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, data)


def _unknown() -> ServiceProblem:
    return ServiceProblem(
        404,
        "no-example",
        ("There is no such example; choose one of the list.", "No existe ese ejemplo; elija uno de la lista."),
    )
