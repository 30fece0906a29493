"""What a job is asked, frozen in its folder when it is queued: later changes of the project do not reach it."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from deephealth.datasets.index import canonical_label
from deephealth.service.context import Services
from deephealth.service.jobs.folder import JobFolder
from deephealth.service.problems import ServiceProblem
from deephealth.service.security.acts import note
from deephealth.service.store import jobs, projects
from deephealth.service.store.space import told_when_full
from deephealth.service.store.tables import classes, films
from deephealth.settings import atomic, threads

FEWEST_PATIENTS = 3
_ROOM = 50_000_000  # bytes that a job may write: a model, its report, features
_COLUMNS = ("path", "label", "patient", "view", "age", "sex")


def queue(parts: Services, kind: str, project: str | None, plan: Mapping[str, Any], models: Mapping[str, Path] | None = None) -> str:
    """Queue a job; its identifier. With films of `project` unless it is an example; `models`: name in the folder -> file to be used.

    ServiceProblem 404 for what is not there, 422 when the films do not suffice, 507 when the disk is full.
    """
    folder = JobFolder(parts.config.data, projects.new_id())
    parts.quota.require(_ROOM, promise=False)
    most = parts.config.job_threads or max(1, threads.available() - 1)
    try:
        with parts.database.read() as connection, told_when_full():
            found = films_to_learn(connection, project) if project is not None and kind != "example" else []
            _refuse_too_few(found, kind, dict(plan))
            folder.run.mkdir(parents=True)
            if found:
                _link_films(parts, folder, found)
            for name, path in (models or {}).items():
                _link(path, folder.path / "models" / name)
            synthetic = bool(found) and all(row.facts.get("synthetic") for row in found)
            atomic.write_json(folder.path / "plan.json", {**plan, "kind": kind, "threads": most, "synthetic": synthetic})
        with parts.database.begin() as connection:
            jobs.create(connection, folder.job, kind, project, {**plan, "synthetic": synthetic})
            note(connection, "job.start", job=folder.job, kind=kind, project=project, films=len(found))
    except BaseException:
        folder.remove()
        raise
    return folder.job


def films_to_learn(connection: Connection, project: str) -> list[Row[Any]]:
    """The films in sight of a project, each with the name of its class as `label`. ServiceProblem 404."""
    projects.get(connection, project)
    query = (
        select(films, classes.c.name.label("label"))
        .select_from(films.join(classes, films.c["class"] == classes.c.id))
        .where(and_(films.c.project == project, films.c.deleted.is_(None), classes.c.deleted.is_(None)))
        .order_by(films.c.added, films.c.id)
    )
    return list(connection.execute(query))


def _refuse_too_few(found: Sequence[Row[Any]], kind: str, plan: Mapping[str, Any]) -> None:
    """A training needs two classes, and of each as many patients as there are splits; an evaluation a film."""
    labels = Counter(row.label for row in found)
    if kind in ("evaluate", "compare") and not found:
        raise ServiceProblem(422, "no-films", _NO_FILMS)
    if kind != "train":
        return
    if len(labels) < 2:
        raise ServiceProblem(422, "one-class", _ONE_CLASS)
    by_film = plan["settings"]["split_by"] == "film"
    for label in labels:
        patients = len({row.id if by_film else row.patient or row.id for row in found if row.label == label})
        if patients < FEWEST_PATIENTS:
            english, spanish = _TOO_FEW
            values = {"label": label, "films": labels[label], "patients": patients, "needed": FEWEST_PATIENTS}
            raise ServiceProblem(422, "class-too-small", (english.format(**values), spanish.format(**values)), about=label)


def _link_films(parts: Services, folder: JobFolder, found: Sequence[Row[Any]]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in found:
        _link(parts.blobs.path(row.blob), folder.films / row.id)
        facts = row.facts
        line = (row.id, canonical_label(row.label), row.patient or "", facts.get("view", ""), facts.get("age", ""), facts.get("sex", ""))
        writer.writerow(line)
    atomic.write_text(folder.films / "index.csv", table.getvalue())


def _link(path: Path, link: Path) -> None:
    """A second name of a file, which stays when the first goes; a copy where the file system has no such names."""
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, link)
    except FileNotFoundError:
        raise ServiceProblem(404, "no-file", _NO_FILE) from None
    except OSError:
        shutil.copyfile(path, link)


_NO_FILMS = ("The project has no films, expected one at least; add films first.", "El proyecto no tiene radiografías; añada alguna antes.")
_NO_FILE = (
    "A film or model that this work needs is no longer kept; open the project anew and try again.",
    "Ya no se conserva una radiografía o un modelo que este trabajo necesita; vuelva a abrir el proyecto e inténtelo de nuevo.",
)
_ONE_CLASS = (
    "Films of fewer than two classes are there, and a model learns to tell classes apart; add films to a second class.",
    "Hay radiografías de menos de dos clases, y un modelo aprende a distinguir clases; añada radiografías a otra clase.",
)
_TOO_FEW = (
    "{label} has {films} films of {patients} patients, expected at least {needed} patients, one each to learn from, to choose with and to "
    "test on; add films or delete the class.",
    "{label} tiene {films} radiografías de {patients} pacientes; hacen falta al menos {needed}, uno para aprender, otro para elegir y otro "
    "para probar: añada radiografías o elimine la clase.",
)
