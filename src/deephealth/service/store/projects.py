"""Projects and their classes, as rows. Deleting hides: the row stays, with its time, until the clean-up."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from deephealth.datasets.index import canonical_label
from deephealth.service.problems import ServiceProblem
from deephealth.service.store.tables import classes, films, projects

NO_PROJECT = ("There is no such project; open the list of projects anew.", "No existe ese proyecto; vuelva a abrir la lista de proyectos.")
NO_CLASS = ("The project has no such class; open the project anew.", "El proyecto no tiene esa clase; vuelva a abrir el proyecto.")


def new_id() -> str:
    """A random identifier, 16 hexadecimal digits."""
    return secrets.token_hex(8)


def create(connection: Connection, name: str, labels: tuple[str, ...] = (), *, salt: str = "") -> str:
    """Make a project with classes of these names; its identifier. ServiceProblem when two names mean one class."""
    now, project, salt = time.time(), new_id(), salt or secrets.token_hex(16)
    connection.execute(projects.insert().values(id=project, name=name, salt=salt, settings={}, created=now, changed=now, deleted=None))
    for label in labels:
        add_class(connection, project, label)
    return project


def get(connection: Connection, project: str) -> Row[Any]:
    """The project's row, deleted or not. ServiceProblem 404 when there is none."""
    row = connection.execute(select(projects).where(projects.c.id == project)).first()
    if row is None:
        raise ServiceProblem(404, "no-project", NO_PROJECT)
    return row


def listed(connection: Connection, *, deleted: bool) -> list[Row[Any]]:
    """Projects, the one changed last first, with `films` and `classes` counted; those deleted or those not."""
    films_of = _films_by_class().subquery()
    counted = (
        select(classes.c.project, func.count().label("classes"), func.coalesce(func.sum(films_of.c.films), 0).label("films"))
        .select_from(classes.outerjoin(films_of, films_of.c["class"] == classes.c.id))
        .where(classes.c.deleted.is_(None))
        .group_by(classes.c.project)
        .subquery()
    )
    query = (
        select(projects, func.coalesce(counted.c.classes, 0).label("classes"), func.coalesce(counted.c.films, 0).label("films"))
        .select_from(projects.outerjoin(counted, counted.c.project == projects.c.id))
        .where(projects.c.deleted.is_not(None) if deleted else projects.c.deleted.is_(None))
        .order_by(projects.c.changed.desc(), projects.c.id)
    )
    return list(connection.execute(query))


def change(connection: Connection, project: str, **values: Any) -> None:
    """Change columns of a project (name, settings, deleted) and note the time; none: only note the time."""
    get(connection, project)
    connection.execute(projects.update().where(projects.c.id == project).values(changed=time.time(), **values))


def classes_of(connection: Connection, project: str) -> list[Row[Any]]:
    """The project's classes in their order, deleted ones too, with `films` counted."""
    films_of = _films_by_class().subquery()
    query = (
        select(classes, func.coalesce(films_of.c.films, 0).label("films"))
        .select_from(classes.outerjoin(films_of, films_of.c["class"] == classes.c.id))
        .where(classes.c.project == project)
        .order_by(classes.c.place, classes.c.id)
    )
    return list(connection.execute(query))


def get_class(connection: Connection, project: str, class_id: str) -> Row[Any]:
    """One class with its films counted. ServiceProblem 404 when the project has no such class."""
    for row in classes_of(connection, project):
        if row.id == class_id:
            return row
    raise ServiceProblem(404, "no-class", NO_CLASS)


def add_class(connection: Connection, project: str, name: str) -> str:
    """Add a class at the end; its identifier. ServiceProblem 409 when a class of the project has that name or means the same."""
    get(connection, project)
    _refuse_same(connection, project, name)
    place = connection.execute(select(func.coalesce(func.max(classes.c.place), -1)).where(classes.c.project == project)).scalar_one()
    class_id = new_id()
    connection.execute(classes.insert().values(id=class_id, project=project, name=name, place=place + 1, deleted=None))
    change(connection, project)
    return class_id


def change_class(connection: Connection, project: str, class_id: str, *, name: str | None = None, deleted: bool | None = None) -> None:
    """Rename, hide or bring back a class with its films. ServiceProblem 404, and 409 as `add_class`."""
    row = get_class(connection, project, class_id)
    hidden = row.deleted is not None if deleted is None else deleted
    if not hidden:
        _refuse_same(connection, project, name or row.name, but=class_id)
    values: dict[str, Any] = {"deleted": (row.deleted or time.time()) if hidden else None, "name": name or row.name}
    connection.execute(classes.update().where(classes.c.id == class_id).values(**values))
    change(connection, project)


def _films_by_class() -> Any:
    return select(films.c["class"], func.count().label("films")).where(films.c.deleted.is_(None)).group_by(films.c["class"])


def _refuse_same(connection: Connection, project: str, name: str, but: str = "") -> None:
    query = select(classes.c.id, classes.c.name).where(and_(classes.c.project == project, classes.c.deleted.is_(None)))
    for row in connection.execute(query):
        if row.id != but and canonical_label(row.name).casefold() == canonical_label(name).casefold():
            raise ServiceProblem(
                409,
                "class-exists",
                (
                    f"There is a class {row.name!r} already, which means the same; choose another name or use that class.",
                    f"Ya hay una clase «{row.name}», que significa lo mismo; elija otro nombre o use esa clase.",
                ),
                about="name",
            )
