"""Synthetic films to try the classroom model with, drawn by a worker when first asked for and then kept."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from deephealth.service.context import Services
from deephealth.service.problems import ServiceProblem
from deephealth.service.reading.schemas import Example
from deephealth.settings import atomic

_LABELS = ("normal", "bacterial", "viral")
_SEEDS = (90_001, 90_002, 90_003)  # far from those that people and tests draw training sets with
_SIZE, _SMALL = 512, 96
_FILMS = {f"{label}-{place}": (label, seed) for place, seed in enumerate(_SEEDS, 1) for label in _LABELS}


async def listed(services: Services) -> list[Example]:
    """The examples, one of each label after the other, with their thumbnails: all in one answer, so that a first visit stays light."""
    small = await _drawn(services, list(_FILMS), _SMALL)
    return [
        Example(id=name, label=label, href=f"/api/v1/examples/{name}.png", thumbnail=f"data:image/png;base64,{b64encode(data).decode()}")
        for (name, (label, _)), data in zip(_FILMS.items(), small, strict=True)
    ]


async def film(services: Services, name: str) -> bytes:
    """The PNG of an example. ServiceProblem 404 for another name."""
    if name not in _FILMS:
        raise _unknown()
    return (await _drawn(services, [name], _SIZE))[0]


async def _drawn(services: Services, names: list[str], size: int) -> list[bytes]:
    """The films of these names; what is missing is drawn by one worker in one go."""
    paths = {name: services.config.data / "examples" / f"{name}-{size}.png" for name in names}
    missing = [name for name in names if not paths[name].is_file()]
    if missing:
        drawn = await services.pool.draw_phantoms([_FILMS[name] for name in missing], size)
        for name, data in zip(missing, drawn, strict=True):
            await run_in_threadpool(_keep, paths[name], data)
    return [await run_in_threadpool(path.read_bytes) for path in paths.values()]


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, data)


def _unknown() -> ServiceProblem:
    return ServiceProblem(
        404,
        "no-example",
        ("There is no such example; choose one of the list.", "No existe ese ejemplo; elija uno de la lista."),
    )
