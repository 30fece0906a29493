"""A small store to test with: a project of two classes with films, an ended job with what it wrote, a model, a user with a token."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from deephealth.service.store import audit_log
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.tables import classes, films, jobs, models, projects, sessions, settings, tokens, uploads, users


def new_id() -> str:
    return secrets.token_hex(8)


def add_project(connection: Connection, name: str = "Tórax", **values: Any) -> tuple[str, str]:
    """The identifiers of a new project and of its one class."""
    project, one = new_id(), new_id()
    connection.execute(insert(projects).values(id=project, name=name, salt="s", settings={"epochs": 5}, created=1.5, changed=2.5, **values))
    connection.execute(insert(classes).values(id=one, project=project, name="normal", place=0))
    return project, one


def add_film(connection: Connection, blobs: Blobs, project: str, one: str, data: bytes, **values: Any) -> str:
    """The identifier of a new film with these bytes."""
    film = {
        "id": new_id(),
        "project": project,
        "class": one,
        "blob": blobs.put(data),
        "thumbnail": blobs.put(b"small " + data),
        "kind": "png",
        "name": "niño.png",
        "width": 2,
        "height": 3,
        "phash": hashlib.sha256(data).hexdigest(),
        "facts": {"age": None, "view": "PA", "novelty": 0.1},
        "added": time.time(),
    }
    connection.execute(insert(films).values(film | values))
    return str(film["id"])


def fill(database: Database, blobs: Blobs, data: Path) -> dict[str, str]:
    """Fill an empty store; the identifiers of what is in it."""
    with database.begin() as connection:
        project, one = add_project(connection)
        for number in range(5):
            add_film(connection, blobs, project, one, b"film %d" % number)
        job, running = new_id(), new_id()
        model, report = blobs.put(b"model"), blobs.put(b"report")
        for name, state in ((job, "done"), (running, "running")):
            connection.execute(insert(jobs).values(id=name, project=project, kind="train", state=state, plan={"epochs": 5}, created=3.25))
        row = {"id": model, "name": "m", "origin": "trained", "project": project, "job": job, "report": report, "created": 4.0}
        connection.execute(insert(models).values(row))
        connection.execute(insert(users).values(name="ana", password="$argon2id$", role="admin", created=1.0))
        connection.execute(insert(sessions).values(id="5" * 64, user="ana", created=1.0, used=1.0))
        connection.execute(insert(tokens).values(id=new_id(), sha256="6" * 64, user="ana", label="pacs", role="viewer", created=1.0))
        connection.execute(insert(settings).values(name="serving", value=model))
        for act in ("user.add", "project.add"):
            audit_log.append(connection, "ana", act, {"project": project, "share": 0.1})
        upload = {"id": new_id(), "project": project, "class": one, "name": "half.dcm", "bytes": 9, "changed": time.time()}
        connection.execute(insert(uploads).values(upload))
    for name in (job, running):
        for path in ("plan.json", "run/events.jsonl", "run/tensorboard/a", "films/index.csv", "pid"):
            (data / "jobs" / name / path).parent.mkdir(parents=True, exist_ok=True)
            (data / "jobs" / name / path).write_text(f"{name} {path}")
    (data / "jobs" / job / "run" / "link").symlink_to("/etc/passwd")
    return {"project": project, "class": one, "job": job, "running": running, "model": model, "report": report, "upload": str(upload["id"])}


def killed(work: Callable[[], None], after: float) -> bool:
    """Run `work` in a process of its own and end that with SIGKILL after so many seconds; whether the work had ended by then."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
