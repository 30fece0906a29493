"""POST /api/v1/predictions: films in, answers out. Nothing of a film is kept."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from deephealth.evaluation.wording import Language, Words
from deephealth.service.answering.results import Answer, CannotAnswer
from deephealth.service.context import InLanguage, Parts, Services
from deephealth.service.forms import Form, Part, received
from deephealth.service.models import registry
from deephealth.service.problems import ServiceProblem
from deephealth.service.reading.answers import Judge, judge_of
from deephealth.service.reading.schemas import AnsweringModel, Answers, Prediction, Total
from deephealth.service.schemas import problems
from deephealth.service.security.guard import viewer
from deephealth.service.store.space import told_when_full

router = APIRouter(prefix="/api/v1", tags=["read"], dependencies=[viewer])

_AHEAD = 2  # films of one request in work for each worker, so that a batch does not keep single films waiting
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
            }
        }
    },
}

Ask = Callable[[bool], Awaitable[Answer]]


@dataclass(frozen=True)
class _Film:
    """One film to be answered: how to call it, and how to ask about it (patient: wait, however long the line)."""

    name: str
    ask: Ask


@router.post(
    "/predictions",
    openapi_extra={"requestBody": _BODY},
    responses=problems(400, 404, 413, 415, 422, 429, 503, 507),
    summary="Answer films",
)
async def predict(
    request: Request,
    parts: Parts,
    speaks: InLanguage,
    model: Annotated[str, Query(description="identifier of the model; default: the one that serves", max_length=64)] = "",
) -> Answers:
    """Probabilities, verdicts and heatmaps for one film or many (JPEG, PNG, TIFF, BMP, DICOM, or zip archives of them).

    A film that is refused by the gate is an answer, with `refused` and a reason; so is one among several that cannot be read. A request
    whose only film cannot be read is a problem, 422. Films are not kept.
    """
    start = time.perf_counter()
    config = parts.config
    async with received(request, config.data / "incoming", config.request_mb * 1_000_000, config.films_per_request) as form:
        chosen = await run_in_threadpool(registry.find, parts, model)
        try:
            judge = await judge_of(parts, chosen)
        except CannotAnswer as error:
            raise _model_unusable(error) from error
        async with _films(form, parts, registry.path_of(parts, chosen)) as films:
            if len(films) > config.films_per_request:
                raise _too_many(config.films_per_request)
            predictions = await _answer_all(films, judge, speaks, parts)
    total = Total(total=round(1000 * (time.perf_counter() - start), 2))
    return Answers(model=AnsweringModel(id=chosen.id, name=chosen.name, labels=judge.labels), predictions=predictions, timings_ms=total)


@asynccontextmanager
async def _films(form: Form, parts: Services, model: Path) -> AsyncIterator[list[_Film]]:
    """Every film of the form, archives unpacked, in the order sent; usable until the block ends."""
    uploaded = [part for part in form.parts if part.field == "file"]
    if not uploaded:
        raise _no_film()
    async with AsyncExitStack() as stack:
        films: list[_Film] = []
        for part in uploaded:
            if bytes(form.data(part)[:4]) in (b"PK\x03\x04", b"PK\x05\x06"):
                films += await stack.enter_async_context(_unpacked(form, part, parts, model))
            else:
                films.append(_Film(part.name, _single(form, part, parts, model)))
        yield films


def _single(form: Form, part: Part, parts: Services, model: Path) -> Ask:
    return lambda patient: parts.pool.answer(model, form.data(part), part.name or "film", patient=patient)


@asynccontextmanager
async def _unpacked(form: Form, part: Part, parts: Services, model: Path) -> AsyncIterator[list[_Film]]:
    """The films of a zip archive: listed and unpacked by workers, one film at a time, from a file that goes when the block ends."""
    with tempfile.NamedTemporaryFile(dir=parts.config.data / "incoming", suffix=".zip") as file:
        await run_in_threadpool(_copy, form.data(part), file.name)
        archive, name = Path(file.name), part.name or "archive.zip"
        try:
            members = await parts.pool.members(archive, name)
        except CannotAnswer as error:
            yield [_Film(name, _failing(error))]
            return
        yield [
            _Film(
                member.name,
                _failing(CannotAnswer("unreadable", member.problem))
                if member.problem
                else lambda patient, member=member: parts.pool.answer_member(model, archive, member, patient=patient),  # type: ignore[misc]
            )
            for member in members
        ]


def _failing(error: CannotAnswer) -> Ask:
    async def fail(_patient: bool) -> Answer:
        raise error

    return fail


def _copy(data: memoryview, path: str) -> None:
    with told_when_full(), Path(path).open("wb") as file:
        file.write(data)


async def _answer_all(films: Sequence[_Film], judge: Judge, speaks: Language, parts: Services) -> list[Prediction]:
    """The answers in order, a few films in work at a time. A film that cannot be read is an answer among others, alone it is a problem."""
    room = asyncio.Semaphore(_AHEAD * parts.config.workers)

    async def one(place: int, film: _Film) -> Prediction:
        async with room:
            start = time.perf_counter()
            try:
                answer = await film.ask(place > 0)
            except CannotAnswer as error:
                parts.metrics.films.labels("unreadable").inc()
                if len(films) == 1:
                    raise _cannot(error, film.name) from error
                return judge.unreadable(error, film.name, 1000 * (time.perf_counter() - start), speaks)
            parts.metrics.films.labels("refused" if answer.refused else "answered").inc()
            return judge.prediction(answer, film.name, 1000 * (time.perf_counter() - start), speaks)

    tasks = [asyncio.create_task(one(place, film)) for place, film in enumerate(films)]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)  # no film is in work any more when its bytes go
        raise


def _cannot(error: CannotAnswer, name: str) -> ServiceProblem:
    sentences = (error.sentence, Words("es").reason(error.sentence))
    return ServiceProblem(413 if error.code == "too-large" else 422, error.code, sentences, about=name)


def _model_unusable(error: CannotAnswer) -> ServiceProblem:
    return ServiceProblem(422, "model", (error.sentence, Words("es").reason(error.sentence)))


def _no_film() -> ServiceProblem:
    return ServiceProblem(
        400,
        "no-film",
        (
            "The request holds no film, expected at least one in the field file; add one.",
            "La petición no contiene ninguna radiografía; se esperaba al menos una en el campo file.",
        ),
    )


def _too_many(most: int) -> ServiceProblem:
    return ServiceProblem(
        413,
        "too-many-films",
        (
            f"The archives hold more than {most} films, the limit for one request; send fewer at a time.",
            f"Los archivos comprimidos contienen más de {most} radiografías, el límite por petición; envíe menos a la vez.",
        ),
    )
