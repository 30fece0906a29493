"""Rows as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from deephealth.evaluation.wording import Language
from deephealth.service.context import Services
from deephealth.service.jobs.schemas import Job, TrainSettings
from deephealth.service.jobs.views import job_view
from deephealth.service.projects import schemas, warnings
from deephealth.service.store import films, jobs, projects
from deephealth.service.store.tables import films as film_table
from deephealth.service.times import iso


def summaries(connection: Connection, parts: Services, *, deleted: bool, language: Language) -> list[schemas.ProjectSummary]:
    """Every project, those deleted or those not, the one changed last first."""
    rows = projects.listed(connection, deleted=deleted)
    newest = jobs.last_of_projects(connection, [row.id for row in rows])
    shown = {project: job_view(parts, job, language) for project, job in newest.items()}
    return [schemas.ProjectSummary(**_head(row, row.films, shown.get(row.id)), classes=row.classes) for row in rows]


def project_view(connection: Connection, parts: Services, project: str, language: Language) -> schemas.Project:
    """One project with its classes and warnings. ServiceProblem 404."""
    row = projects.get(connection, project)
    classes = projects.classes_of(connection, project)
    seen = [entry for entry in classes if entry.deleted is None]
    newest = jobs.last_of_projects(connection, [project]).get(project)
    trained = jobs.last_trained(connection, project)
    return schemas.Project(
        **_head(row, sum(entry.films for entry in seen), job_view(parts, newest, language) if newest else None),
        classes=[class_view(entry) for entry in classes],
        settings=TrainSettings(**row.settings),
        warnings=warnings.of_project(seen, patients_of_classes(connection, project), language),
        model=trained.model if trained else None,
    )


def class_view(row: Row[Any]) -> schemas.ProjectClass:
    """A class with its films counted."""
    return schemas.ProjectClass(id=row.id, name=row.name, films=row.films, deleted=row.deleted is not None)


def film_views(connection: Connection, project: str, rows: Sequence[Row[Any]], language: Language) -> list[schemas.ProjectFilm]:
    """Films with their warnings and the addresses of their pictures."""
    names = {row.id: row.name for row in projects.classes_of(connection, project)}
    found = warnings.of_films(rows, films.known(connection, project), names, language)
    numbers = films.patient_numbers(connection, project)
    return [_film_view(row, numbers, found[row.id]) for row in rows]


def patients_of_classes(connection: Connection, project: str) -> dict[str, int]:
    """Patients of each class with films in sight; a film of an unknown patient counts as a patient of its own."""
    patient = func.coalesce(film_table.c.patient, film_table.c.id)
    query = select(film_table.c["class"], func.count(func.distinct(patient)))
    query = query.where(and_(film_table.c.project == project, film_table.c.deleted.is_(None))).group_by(film_table.c["class"])
    return {row[0]: row[1] for row in connection.execute(query)}


def _head(row: Row[Any], count: int, job: Job | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "created": iso(row.created),
        "changed": iso(row.changed),
        "films": count,
        "deleted": row.deleted is not None,
        "job": job,
    }


def _film_view(row: Row[Any], numbers: dict[str, str], found: list[schemas.Warning]) -> schemas.ProjectFilm:
    # The hash in the address lets browsers keep the picture for good: other bytes would have another address.
    address = f"/api/v1/projects/{row.project}/films/{row.id}"
    return schemas.ProjectFilm(
        id=row.id,
        name=row.name,
        class_=row._mapping["class"],
        sha256=row.blob,
        width=row.width,
        height=row.height,
        patient=numbers.get(row.patient) if row.patient else None,
        added=iso(row.added),
        deleted=row.deleted is not None,
        warnings=found,
        thumbnail=f"{address}/thumbnail?v={row.thumbnail[:16]}",
        image=f"{address}/image?v={row.blob[:16]}",
    )
