"""Jobs, as rows: what was asked, how far it came. What a job wrote lies in its folder; here is only what must survive it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.tables import jobs

ENDED = ("done", "failed", "cancelled", "interrupted")
NO_JOB = ("There is no such job; open the list anew.", "No existe ese trabajo; vuelva a abrir la lista.")


def create(connection: Connection, job: str, kind: str, project: str | None, plan: Mapping[str, Any]) -> None:
    """Queue a job, whose folder is there."""
    connection.execute(
        jobs.insert().values(id=job, project=project, kind=kind, state="queued", plan=dict(plan), created=time.time(), attempts=0)
    )


def note_opened(connection: Connection, project: str, model: str) -> None:
    """Note that a project came with a model: as a training that is done and of which only the model is here."""
    now = time.time()
    values = {"id": secrets.token_hex(8), "project": project, "kind": "train", "state": "done", "plan": {"opened": True}, "model": model}
    connection.execute(jobs.insert().values(created=now, started=now, ended=now, attempts=0, **values))


def get(connection: Connection, job: str) -> Row[Any]:
    """The job's row. ServiceProblem 404 when there is none."""
    row = connection.execute(select(jobs).where(jobs.c.id == job)).first()
    if row is None:
        raise ServiceProblem(404, "no-job", NO_JOB)
    return row


def listed(connection: Connection, *, project: str | None = None, states: Sequence[str] = (), most: int = 200) -> list[Row[Any]]:
    """Jobs, newest first."""
    query = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id).limit(most)
    if project is not None:
        query = query.where(jobs.c.project == project)
    if states:
        query = query.where(jobs.c.state.in_(states))
    return list(connection.execute(query))


def unfinished(connection: Connection) -> list[Row[Any]]:
    """Jobs that are queued or running, oldest first."""
    return list(connection.execute(select(jobs).where(jobs.c.state.in_(("queued", "running"))).order_by(jobs.c.created, jobs.c.id)))


def ended(connection: Connection) -> list[str]:
    """The identifiers of jobs that have ended."""
    return list(connection.scalars(select(jobs.c.id).where(jobs.c.state.in_(ENDED))))


def last_of_projects(connection: Connection, of: Sequence[str]) -> dict[str, Row[Any]]:
    """The newest job of each of these projects that has one."""
    newest = select(jobs.c.project, func.max(jobs.c.created).label("created")).group_by(jobs.c.project).subquery()
    query = select(jobs).join(newest, and_(jobs.c.project == newest.c.project, jobs.c.created == newest.c.created))
    wanted = set(of)
    return {row.project: row for row in connection.execute(query) if row.project in wanted}


def last_trained(connection: Connection, project: str) -> Row[Any] | None:
    """The last training of the project that was finished."""
    query = select(jobs).where(and_(jobs.c.project == project, jobs.c.kind == "train", jobs.c.state == "done"))
    return connection.execute(query.order_by(jobs.c.created.desc()).limit(1)).first()


def update(connection: Connection, job: str, **values: Any) -> None:
    """Change columns of a job."""
    connection.execute(jobs.update().where(jobs.c.id == job).values(**values))


def end(connection: Connection, job: str, state: str, *, problem: Mapping[str, str] | None = None, model: str | None = None) -> None:
    """Note how a job ended; what has ended stays as it is."""
    unended = and_(jobs.c.id == job, jobs.c.state.not_in(ENDED))
    values = {"state": state, "ended": time.time(), "problem": dict(problem) if problem else None, "model": model}
    connection.execute(jobs.update().where(unended).values(**values))
