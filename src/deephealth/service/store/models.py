"""Rows of models. The model that ships has none: it is a part of the package, always there (see service.models.registry)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from deephealth.service.store.blobs import Blobs
from deephealth.service.store.tables import models, settings

_SERVING = "serving"


@dataclass(frozen=True)
class ModelRow:
    """A registered model. id: SHA-256 of its file, a blob; report, evaluation: blobs or None; times: seconds since 1970 or None."""

    id: str
    name: str
    origin: str
    project: str | None
    job: str | None
    report: str | None
    evaluation: str | None
    classroom: bool
    created: float | None
    archived: float | None


def register_model(
    connection: Connection,
    blobs: Blobs,
    path: Path,
    *,
    name: str,
    origin: str,
    project: str | None = None,
    job: str | None = None,
    report: Path | None = None,
    evaluation: Path | None = None,
    classroom: bool = False,
) -> str:
    """Keep the model file at `path`, and its report (HTML) and evaluation (JSON) where it has any; its id, the file's SHA-256.

    The file must have been checked (`Pool.describe`) or made by us. A model that is there already is brought back from the archive and
    takes the new report, project and job. classroom: trained on synthetic films.
    """
    files = {key: _put(blobs, file) for key, file in (("report", report), ("evaluation", evaluation)) if file is not None}
    sha256 = _put(blobs, path)
    values: dict[str, Any] = {"name": name[:200], "origin": origin, "project": project, "job": job, "classroom": classroom, **files}
    if find_model(connection, sha256) is None:
        connection.execute(insert(models).values(id=sha256, created=time.time(), **values))
    else:
        connection.execute(update(models).where(models.c.id == sha256).values(archived=None, **values))
    return sha256


def find_model(connection: Connection, sha256: str) -> ModelRow | None:
    """The registered model of that id, archived or not."""
    row = connection.execute(select(models).where(models.c.id == sha256)).first()
    return None if row is None else _model(row)


def list_models(connection: Connection, *, archived: bool = False) -> list[ModelRow]:
    """The registered models, newest first; with `archived` those put away, too."""
    wanted = select(models).order_by(models.c.created.desc(), models.c.id)
    return [_model(row) for row in connection.execute(wanted if archived else wanted.where(models.c.archived.is_(None)))]


def change_model(connection: Connection, sha256: str, **values: Any) -> None:
    """Set columns of a registered model."""
    connection.execute(update(models).where(models.c.id == sha256).values(**values))


def newest_classroom(connection: Connection) -> str | None:
    """The newest model trained on synthetic films that is not archived."""
    wanted = select(models.c.id).where(models.c.classroom, models.c.archived.is_(None)).order_by(models.c.created.desc()).limit(1)
    return connection.execute(wanted).scalar()


def serving_model(connection: Connection) -> str | None:
    """The model chosen to answer on Read; None: none was chosen, or it is archived by now."""
    chosen = connection.execute(select(settings.c.value).where(settings.c.name == _SERVING)).scalar()
    if chosen is None:
        return None
    row = find_model(connection, chosen)
    return chosen if row is not None and row.archived is None else None


def serve_model(connection: Connection, sha256: str | None) -> None:
    """Choose the model that answers on Read; None: the one that ships."""
    connection.execute(delete(settings).where(settings.c.name == _SERVING))
    if sha256 is not None:
        connection.execute(insert(settings).values(name=_SERVING, value=sha256))


def _put(blobs: Blobs, path: Path) -> str:
    with path.open("rb") as file:
        return blobs.put(file)


def _model(row: Row[Any]) -> ModelRow:
    return ModelRow(**row._mapping)
