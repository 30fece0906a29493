"""Films of projects, as rows: paging, moving and hiding many at once, and the little that comparing them needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, and_, func, or_, select

from deephealth.service.problems import ServiceProblem
from deephealth.service.store import projects
from deephealth.service.store.tables import classes, films

_MANY = 400  # identifiers in one statement: SQLite takes 32,766, older builds 999

NO_FILM = ("The project has no such film; open the project anew.", "El proyecto no tiene esa radiografía; vuelva a abrir el proyecto.")


@dataclass(frozen=True, eq=False)
class Known:
    """What is needed to compare the films in sight of a project, in the order they came: n rows each.

    phash: uint64 [n, 4].
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    patients: tuple[str | None, ...]
    blobs: tuple[str, ...]
    names: tuple[str, ...]
    phash: NDArray[np.uint64]


def add(connection: Connection, project: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add films; each row holds the table's columns but project, added and deleted. They keep their order."""
    now = time.time()
    filled = [{**row, "project": project, "added": now + number * 1e-6, "deleted": None} for number, row in enumerate(rows)]
    if filled:
        connection.execute(films.insert(), filled)
    projects.change(connection, project)


def get(connection: Connection, project: str, film: str) -> Row[Any]:
    """One film, deleted or not. ServiceProblem 404 when the project has none of that identifier."""
    row = connection.execute(select(films).where(and_(films.c.project == project, films.c.id == film))).first()
    if row is None:
        raise ServiceProblem(404, "no-film", NO_FILM)
    return row


def page(
    connection: Connection, project: str, *, class_id: str | None = None, after: str = "", limit: int = 200, deleted: bool = False
) -> tuple[list[Row[Any]], str | None]:
    """At most `limit` films in the order they came, and where to go on ("after"), None at the end.

    Without `deleted` those in sight: neither they nor their class deleted; with it, the deleted ones.
    """
    query = select(films).select_from(films.join(classes, films.c["class"] == classes.c.id)).where(films.c.project == project)
    query = query.where(films.c.deleted.is_not(None) if deleted else and_(films.c.deleted.is_(None), classes.c.deleted.is_(None)))
    if class_id:
        query = query.where(films.c["class"] == class_id)
    if after:
        added, film = _cursor(after)
        query = query.where(or_(films.c.added > added, and_(films.c.added == added, films.c.id > film)))
    found = list(connection.execute(query.order_by(films.c.added, films.c.id).limit(limit + 1)))
    more = len(found) > limit
    return found[:limit], f"{found[limit - 1].added!r}~{found[limit - 1].id}" if more else None


def by_id(connection: Connection, project: str, wanted: Sequence[str]) -> list[Row[Any]]:
    """The films of these identifiers that the project has, in the order they came."""
    found: list[Row[Any]] = []
    for start in range(0, len(wanted), _MANY):
        part = films.c.id.in_(wanted[start : start + _MANY])
        found += connection.execute(select(films).where(and_(films.c.project == project, part)))
    return sorted(found, key=lambda row: (row.added, row.id))


def change(connection: Connection, project: str, wanted: Sequence[str], **values: Any) -> list[Row[Any]]:
    """Change columns (class, deleted, patient) of many films at once; their rows. ServiceProblem 404 when one is not the project's."""
    if len(by_id(connection, project, wanted)) != len(set(wanted)):
        raise ServiceProblem(404, "no-film", NO_FILM)
    for start in range(0, len(wanted), _MANY):
        part = films.c.id.in_(wanted[start : start + _MANY])
        connection.execute(films.update().where(and_(films.c.project == project, part)).values(**values))
    projects.change(connection, project)
    return by_id(connection, project, wanted)


def known(connection: Connection, project: str) -> Known:
    """What is needed to compare every film in sight with every other."""
    columns = (films.c.id, films.c["class"], films.c.patient, films.c.blob, films.c.name, films.c.phash)
    query = (
        select(*columns)
        .select_from(films.join(classes, films.c["class"] == classes.c.id))
        .where(and_(films.c.project == project, films.c.deleted.is_(None), classes.c.deleted.is_(None)))
        .order_by(films.c.added, films.c.id)
    )
    rows = list(connection.execute(query))
    if not rows:
        return Known((), (), (), (), (), np.zeros((0, 4), dtype=np.uint64))
    ids, of_class, patients, blobs, names, hashes = (tuple(column) for column in zip(*rows, strict=True))
    return Known(ids, of_class, patients, blobs, names, np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4))


def patient_numbers(connection: Connection, project: str) -> dict[str, str]:
    """The key of each patient of a project -> "1", "2", ... in the order in which their first films came, deleted ones too."""
    first = func.min(films.c.added)
    query = select(films.c.patient).where(and_(films.c.project == project, films.c.patient.is_not(None))).group_by(films.c.patient)
    return {key: str(number) for number, (key,) in enumerate(connection.execute(query.order_by(first, films.c.patient)), start=1)}


def _cursor(after: str) -> tuple[float, str]:
    added, _, film = after.partition("~")
    try:
        return float(added), film
    except ValueError:
        raise ServiceProblem(
            400,
            "bad-cursor",
            (
                "The value of 'after' is none that this service gave; begin again without it.",
                "El valor de «after» no procede de este servicio; empiece sin él.",
            ),
            about="after",
        ) from None
