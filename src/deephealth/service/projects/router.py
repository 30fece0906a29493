"""Projects and classes over HTTP."""

from __future__ import annotations

import time

from fastapi import APIRouter

from deephealth.datasets.index import CLASSES
from deephealth.service.context import InLanguage, Parts
from deephealth.service.ids import PathId
from deephealth.service.jobs import plan
from deephealth.service.jobs.views import job_view
from deephealth.service.projects import schemas, views
from deephealth.service.schemas import problems
from deephealth.service.security.acts import note
from deephealth.service.security.guard import viewer_or_editor
from deephealth.service.store import jobs, projects

router = APIRouter(
    prefix="/api/v1/projects", tags=["projects"], dependencies=[viewer_or_editor], responses=problems(404, 409, 422, 503, 507)
)


@router.get("")
def list_projects(parts: Parts, language: InLanguage, deleted: bool = False) -> schemas.Projects:
    """Every project, the one changed last first; with `deleted`, those that can be brought back."""
    with parts.database.read() as connection:
        return schemas.Projects(projects=views.summaries(connection, parts, deleted=deleted, language=language))


@router.post("", status_code=201)
def create_project(new: schemas.NewProject, parts: Parts, language: InLanguage) -> schemas.Project:
    """Make a project."""
    with parts.database.begin() as connection:
        project = projects.create(connection, new.name, tuple(new.classes))
        note(connection, "project.create", project=project)
        return views.project_view(connection, parts, project, language)


@router.get("/{project}")
def get_project(project: PathId, parts: Parts, language: InLanguage) -> schemas.Project:
    """One project with its classes, settings and warnings."""
    with parts.database.read() as connection:
        return views.project_view(connection, parts, project, language)


@router.patch("/{project}")
def change_project(project: PathId, change: schemas.ProjectChange, parts: Parts, language: InLanguage) -> schemas.Project:
    """Rename a project, keep its settings, hide it or bring it back."""
    with parts.database.begin() as connection:
        row = projects.get(connection, project)
        values: dict[str, object] = {}
        if change.name is not None:
            values["name"] = change.name
        if change.settings is not None:
            values["settings"] = change.settings.model_dump()
        if change.deleted is not None:
            values["deleted"] = (row.deleted or time.time()) if change.deleted else None
        projects.change(connection, project, **values)
        note(connection, "project.change", project=project, changed=sorted(values), deleted=change.deleted)
        return views.project_view(connection, parts, project, language)


@router.delete("/{project}", status_code=204)
def delete_project(project: PathId, parts: Parts) -> None:
    """Hide a project; PATCH with `deleted` false brings it back until the clean-up."""
    with parts.database.begin() as connection:
        row = projects.get(connection, project)
        projects.change(connection, project, deleted=row.deleted or time.time())
        note(connection, "project.delete", project=project)


@router.post("/{project}/classes", status_code=201)
def add_class(project: PathId, new: schemas.NewClass, parts: Parts) -> schemas.ProjectClass:
    """Add a class at the end."""
    with parts.database.begin() as connection:
        class_id = projects.add_class(connection, project, new.name)
        note(connection, "class.add", project=project, class_id=class_id)
        return views.class_view(projects.get_class(connection, project, class_id))


@router.patch("/{project}/classes/{class_id}")
def change_class(project: PathId, class_id: PathId, change: schemas.ClassChange, parts: Parts) -> schemas.ProjectClass:
    """Rename a class, hide it with its films, or bring it back."""
    with parts.database.begin() as connection:
        projects.change_class(connection, project, class_id, name=change.name, deleted=change.deleted)
        note(connection, "class.change", project=project, class_id=class_id, renamed=change.name is not None, deleted=change.deleted)
        return views.class_view(projects.get_class(connection, project, class_id))


@router.post("/examples", status_code=202)
def start_example(new: schemas.NewExample, parts: Parts, language: InLanguage) -> schemas.ExampleStarted:
    """Make a project of synthetic films, with a shortcut planted or without; a job draws them."""
    with parts.database.begin() as connection:
        project = projects.create(connection, _EXAMPLES[new.kind][language == "es"], CLASSES)
        note(connection, "project.create", project=project, example=new.kind)
        salt = projects.get(connection, project).salt
    job = plan.queue(parts, "example", project, {"example": new.kind, "per_class": new.per_class, "salt": salt})
    parts.supervisor.wake()
    with parts.database.read() as connection:
        found = views.project_view(connection, parts, project, language)
        return schemas.ExampleStarted(project=found, job=job_view(parts, jobs.get(connection, job), language))


_EXAMPLES = {
    "clean": ("Synthetic films", "Radiografías sintéticas"),
    "corner-marker": ("Synthetic films with a marker in the corner", "Radiografías sintéticas con una marca en la esquina"),
    "border": ("Synthetic films with a border", "Radiografías sintéticas con un borde"),
    "size": ("Synthetic films of different sizes", "Radiografías sintéticas de distinto tamaño"),
}
