"""What becomes of a job's outcome: a model registered, drawn films added, and the end noted, all in one transaction."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from deephealth.service.jobs.folder import JobFolder
from deephealth.service.store import films, jobs, projects
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.models import register_model


def finish(database: Database, blobs: Blobs, row: Row[Any], folder: JobFolder, outcome: dict[str, Any]) -> None:
    """Note how a job ended and keep what it made. Done again after a kill in between, it gives the same."""
    done = outcome["state"] == "done"
    drawn = _kept_films(blobs, folder) if done and row.kind == "example" else []
    with database.begin() as connection:
        model = _register(connection, blobs, row, folder) if done and row.kind == "train" else None
        if drawn:
            _add_films(connection, row.project, drawn)
        jobs.end(connection, row.id, outcome["state"], problem=outcome["problem"], model=model or row.plan.get("model"))
    if model is not None:
        _share(blobs.path(model), folder.run / "model.onnx")
    folder.tidy()


def _register(connection: Connection, blobs: Blobs, row: Row[Any], folder: JobFolder) -> str:
    return register_model(
        connection,
        blobs,
        folder.run / "model.onnx",
        name=row.plan["name"],
        origin="trained",
        project=row.project,
        job=row.id,
        report=folder.run / "report.html",
        evaluation=folder.run / "report.json",
        classroom=bool(row.plan.get("synthetic")),
    )


def _share(kept: Path, made: Path) -> None:
    """Make the job's file a second name of the same bytes, so that they are on the disk once; where that cannot be, they stay twice."""
    beside = made.with_suffix(".link")
    with contextlib.suppress(OSError):
        beside.unlink(missing_ok=True)
        beside.hardlink_to(kept)
        beside.replace(made)


def _kept_films(blobs: Blobs, folder: JobFolder) -> list[dict[str, Any]]:
    """The rows of the films that an example drew, whose bytes are kept now."""
    rows = []
    for entry in json.loads((folder.run / "films.json").read_bytes()):
        found = entry["found"]
        rows.append(
            {
                "id": projects.new_id(),
                "label": entry["label"],
                "blob": blobs.put(Path(entry["film"]).read_bytes()),
                "thumbnail": blobs.put(Path(entry["thumbnail"]).read_bytes()),
                "kind": found["kind_kept"],
                "name": entry["name"],
                "width": found["width"],
                "height": found["height"],
                "patient": entry["patient"],
                "phash": found["phash"],
                "facts": {name: found[name] for name in ("novelty", "refused", "reason")} | {"synthetic": True},
            }
        )
    return rows


def _add_films(connection: Connection, project: str, rows: list[dict[str, Any]]) -> None:
    """The films into the classes of their labels; those of a class that a person deleted meanwhile are left out."""
    classes = {entry.name: entry.id for entry in projects.classes_of(connection, project) if entry.deleted is None}
    films.add(connection, project, [{**row, "class": classes[label]} for row in rows if (label := row.pop("label")) in classes])
