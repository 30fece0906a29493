"""The models of this service: the one that ships, those trained here, those imported."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path

from deephealth.service.context import Services
from deephealth.service.problems import ServiceProblem
from deephealth.service.security.acts import note
from deephealth.service.store.models import (
    ModelRow,
    change_model,
    find_model,
    list_models,
    newest_classroom,
    serve_model,
    serving_model,
)


def shipped_path() -> Path:
    """Where the model that comes with the package lies."""
    from importlib.resources import files

    return Path(str(files("deephealth") / "data" / "deephealth-small.onnx"))


@functools.cache
def shipped() -> ModelRow:
    """The model that ships, as if it were registered. Read once: the package does not change while it runs."""
    sha256 = hashlib.sha256(shipped_path().read_bytes()).hexdigest()
    return ModelRow(sha256, "deephealth-small", "shipped", None, None, None, None, False, None, None)


def find(services: Services, wanted: str) -> ModelRow:
    """The model of an id; "" is the one that serves. ServiceProblem 404 when there is none."""
    with services.database.read() as connection:
        sha256 = wanted or serving_model(connection) or shipped().id
        row = shipped() if sha256 == shipped().id else find_model(connection, sha256)
    if row is None:
        raise _unknown(wanted)
    return row


def path_of(services: Services, model: ModelRow) -> Path:
    """Where the model's file lies. ServiceProblem 404 when it is not kept any more."""
    path = shipped_path() if model.id == shipped().id else services.blobs.path(model.id)
    if not path.is_file():
        raise _unknown(model.id)
    return path


def warm_path(services: Services) -> Path | None:
    """Where the model that serves lies; None when its file is gone, which must not keep the service from starting."""
    with contextlib.suppress(ServiceProblem):
        return path_of(services, find(services, ""))
    return None


def listed(services: Services, *, archived: bool = False) -> list[ModelRow]:
    """Every model, newest first, the one that ships last."""
    with services.database.read() as connection:
        return [*list_models(connection, archived=archived), shipped()]


def serving(services: Services) -> str:
    """The id of the model that answers on Read."""
    with services.database.read() as connection:
        return serving_model(connection) or shipped().id


def classroom(services: Services) -> str | None:
    """The id of the model that answers the synthetic examples: the newest one trained on such films."""
    with services.database.read() as connection:
        return newest_classroom(connection)


def change(services: Services, wanted: str, *, name: str | None = None, archived: bool | None = None, serve: bool = False) -> ModelRow:
    """Rename a model, archive it or bring it back, make it the one that serves. ServiceProblem 404, 409."""
    import time

    model = find(services, wanted)
    ships = model.id == shipped().id
    if ships and (name is not None or archived is not None):
        raise _part_of_the_package()
    with services.database.begin() as connection:
        if archived and serving_model(connection) == model.id:
            raise _serves()
        if name is not None:
            change_model(connection, model.id, name=name)
        if archived is not None:
            change_model(connection, model.id, archived=time.time() if archived else None)
        if serve:
            _refuse_archived(model, archived)
            serve_model(connection, None if ships else model.id)
        note(connection, "model.change", model=model.id, renamed=name is not None, archived=archived, serves=serve)
    if serve:
        services.pool.warm = warm_path(services)
    return find(services, model.id)


def _refuse_archived(model: ModelRow, archived: bool | None) -> None:
    if archived or (archived is None and model.archived is not None):
        raise ServiceProblem(
            409,
            "archived",
            (
                "An archived model cannot answer on Read; bring it back from the archive first.",
                "Un modelo archivado no puede responder en Leer; recupérelo antes del archivo.",
            ),
        )


def _unknown(wanted: str) -> ServiceProblem:
    return ServiceProblem(
        404,
        "no-model",
        (
            "There is no model of this identifier; choose one of the list of models.",
            "No hay ningún modelo con este identificador; elija uno de la lista de modelos.",
        ),
        about=wanted[:64],
    )


def _part_of_the_package() -> ServiceProblem:
    return ServiceProblem(
        409,
        "shipped",
        (
            "The model that ships is a part of the program, so it keeps its name and its place; change one of your own.",
            "El modelo incluido forma parte del programa: conserva su nombre y su lugar; cambie uno de los suyos.",
        ),
    )


def _serves() -> ServiceProblem:
    return ServiceProblem(
        409,
        "serving",
        (
            "This model answers on Read, so it cannot be archived; choose another one for Read first.",
            "Este modelo responde en Leer y no se puede archivar; elija antes otro para Leer.",
        ),
    )
