"""Errors as application/problem+json (RFC 9457): a stable code for programs, one sentence for people in their language."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse


class ServiceProblem(Exception):
    """An answer that is an error. sentences: (English, Spanish), each one sentence: found, expected, what to do."""

    def __init__(
        self, status: int, code: str, sentences: tuple[str, str], *, about: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(sentences[0])
        self.status, self.code, self.sentences, self.about, self.headers = status, code, sentences, about, headers


def respond(problem: ServiceProblem, language: str) -> JSONResponse:
    """The problem as a response in `language`."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.sentences[1 if language == "es" else 0],
        "code": problem.code,
        **({"about": problem.about} if problem.about else {}),
    }
    return JSONResponse(body, status_code=problem.status, headers=dict(problem.headers or {}), media_type="application/problem+json")


async def handle(request: Request, error: Exception) -> JSONResponse:
    """The exception handler for ServiceProblem."""
    from deephealth.service.context import language

    assert isinstance(error, ServiceProblem)
    return respond(error, language(request))
