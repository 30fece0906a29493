"""Jobs as the API shows them: the row, and what the job's folder says of its progress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from deephealth.evaluation.wording import Language
from deephealth.service.context import Services
from deephealth.service.jobs.folder import ARTEFACTS, JobFolder
from deephealth.service.jobs.schemas import Job, JobProgress
from deephealth.service.models.schemas import Artefact
from deephealth.service.times import iso, iso_or_none

_TAIL = 16_384


def job_view(parts: Services, row: Row[Any], language: Language) -> Job:
    """One job; sentences in `language`."""
    folder = JobFolder(parts.config.data, row.id)
    problem = row.problem or {}
    return Job(
        id=row.id,
        kind=row.kind,
        project=row.project,
        state=row.state,
        created=iso(row.created),
        started=iso_or_none(row.started),
        ended=iso_or_none(row.ended),
        problem=problem.get(language, ""),
        problem_code=problem.get("code", ""),
        progress=last_progress(folder.events) if row.state == "running" else None,
        model=row.model,
        artefacts=artefacts(folder) if row.state == "done" else [],
    )


def artefacts(folder: JobFolder) -> list[Artefact]:
    """What can be downloaded of a finished job, each file that is there."""
    found = []
    for kind, artefact in ARTEFACTS.items():
        path = folder.path / artefact.path
        if path.is_file():
            href = f"/api/v1/jobs/{folder.job}/artefacts/{kind}"
            found.append(Artefact(name=artefact.name, kind=kind, bytes=path.stat().st_size, href=href))
    return found


def last_progress(events: Path) -> JobProgress | None:
    """The last progress that the events tell, None when a newer stage began without any."""
    try:
        with events.open("rb") as file:
            file.seek(max(0, events.stat().st_size - _TAIL))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            break  # the first line of the tail may be cut
        if event.get("event") == "Progress":
            return JobProgress(stage=event["stage"], done=event["done"], total=event["total"])
        if event.get("event") == "EpochDone":
            return JobProgress(stage="head", done=event["epoch"], total=event["epochs"])
        if event.get("event") in ("StageStarted", "RunStarted"):
            return JobProgress(stage=event.get("stage", ""), done=0, total=0)
    return None
