"""Jobs over HTTP: started, watched, cancelled; what they made; what a training found."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import FileResponse, StreamingResponse

from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.ids import PathId, QueryId
from deephealth.service.jobs import plan, results, schemas, views
from deephealth.service.jobs.events import stream
from deephealth.service.jobs.folder import ARTEFACTS, JobFolder
from deephealth.service.models import registry
from deephealth.service.problems import ServiceProblem
from deephealth.service.schemas import problems
from deephealth.service.security.acts import note
from deephealth.service.security.guard import viewer_or_editor
from deephealth.service.security.headers import REPORT_CONTENT_SECURITY
from deephealth.service.store import jobs, projects

router = APIRouter(prefix="/api/v1", tags=["jobs"], dependencies=[viewer_or_editor], responses=problems(404, 422, 503, 507))


@router.post("/projects/{project}/jobs", status_code=202)
def start_training(project: PathId, new: schemas.NewTraining, parts: Parts, language: InLanguage) -> schemas.Job:
    """Train on the films of a project as they are now; without `settings` as the project says, else the project keeps them."""
    with parts.database.begin() as connection:
        row = projects.get(connection, project)
        settings = new.settings or schemas.TrainSettings(**row.settings)
        if new.settings is not None:
            projects.change(connection, project, settings=settings.model_dump())
    asked = {"settings": settings.model_dump(), "allow_leakage": new.allow_leakage, "name": row.name, "language": language}
    return _queued(parts, plan.queue(parts, "train", project, asked), language)


@router.post("/jobs", status_code=202)
def start_job(new: schemas.NewJob, parts: Parts, language: InLanguage) -> schemas.Job:
    """Evaluate a model on a project's films, or compare it with another on them."""
    if (new.kind == "compare") != (new.other is not None):
        raise ServiceProblem(422, "other-model", _OTHER, about="other")
    wanted = [new.model] if new.other is None else [new.model, new.other]
    files = {f"{name}.onnx": registry.path_of(parts, registry.find(parts, model)) for name, model in zip("ab", wanted, strict=False)}
    asked = {"model": new.model, "other": new.other, "language": language}
    return _queued(parts, plan.queue(parts, new.kind, new.project, asked, files), language)


@router.get("/jobs")
def list_jobs(
    parts: Parts, language: InLanguage, project: QueryId = None, state: Annotated[list[schemas.JobState] | None, Query()] = None
) -> schemas.Jobs:
    """Jobs, newest first."""
    with parts.database.read() as connection:
        rows = jobs.listed(connection, project=project, states=state or ())
    return schemas.Jobs(jobs=[views.job_view(parts, row, language) for row in rows])


@router.get("/jobs/{job}")
def get_job(job: PathId, parts: Parts, language: InLanguage) -> schemas.Job:
    """One job."""
    with parts.database.read() as connection:
        return views.job_view(parts, jobs.get(connection, job), language)


@router.post("/jobs/{job}/cancel")
def cancel(job: PathId, parts: Parts, language: InLanguage) -> schemas.Job:
    """Stop a job; one that has ended stays as it is."""
    with parts.database.begin() as connection:
        row = jobs.get(connection, job)
        note(connection, "job.cancel", job=row.id)
    parts.supervisor.cancel(row)
    return views.job_view(parts, row, language)


@router.get("/jobs/{job}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def follow(
    job: PathId,
    parts: Parts,
    language: InLanguage,
    after: Annotated[int, Query(ge=0)] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Everything that happens in a job, from the first event or behind one, as server-sent events; "JobEnded" is the last."""
    await asyncio.to_thread(get_job, job, parts, language)  # 404 is an answer, not a stream
    known = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(parts, job, known, language), media_type="text/event-stream", headers=headers)


@router.get("/jobs/{job}/artefacts/{kind}", response_class=Response)
def artefact(job: PathId, kind: str, parts: Parts) -> Response:
    """A file that a job made."""
    with parts.database.read() as connection:
        row = jobs.get(connection, job)
    known = ARTEFACTS.get(kind)
    path = JobFolder(parts.config.data, row.id).path / known.path if known else None
    if known is None or path is None or row.state != "done" or not path.is_file():
        raise ServiceProblem(404, "no-artefact", _NO_ARTEFACT)
    inline = known.media.startswith("text/html")
    headers = {"Cache-Control": "private, no-cache", **({"Content-Security-Policy": REPORT_CONTENT_SECURITY} if inline else {})}
    disposition = "inline" if inline else "attachment"
    return FileResponse(path, media_type=known.media, filename=known.name, content_disposition_type=disposition, headers=headers)


@router.get("/projects/{project}/results")
def get_results(project: PathId, parts: Parts, language: InLanguage) -> schemas.Results:
    """What the last finished training of a project gave; 404 when there is none."""
    with parts.database.read() as connection:
        projects.get(connection, project)
        row = jobs.last_trained(connection, project)
    found = JobFolder(parts.config.data, row.id).results() if row else None
    if row is None or found is None:
        raise ServiceProblem(404, "no-results", _NO_RESULTS)
    shown: dict[str, Any] = results.in_language(found, language)
    made = views.artefacts(JobFolder(parts.config.data, row.id))
    return schemas.Results(job=row.id, model=row.model, report=f"/api/v1/jobs/{row.id}/artefacts/report-html", artefacts=made, **shown)


def _queued(parts: Services, job: str, language: Any) -> schemas.Job:
    parts.supervisor.wake()
    with parts.database.read() as connection:
        return views.job_view(parts, jobs.get(connection, job), language)


_OTHER = (
    "A comparison needs a second model in 'other', and an evaluation none; correct the request.",
    "Una comparación necesita un segundo modelo en «other», y una evaluación ninguno; corrija la petición.",
)
_NO_ARTEFACT = (
    "The job has no such file; choose one that the job lists once it is done.",
    "El trabajo no tiene ese archivo; elija uno de los que muestra cuando ha terminado.",
)
_NO_RESULTS = (
    "The project has no finished training; press Train first.",
    "El proyecto no tiene ningún entrenamiento terminado; pulse primero Entrenar.",
)
