"""Errors become problem+json, each request one line in the log; neither holds a name that a client sent, nor what went wrong inside."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deephealth.service import problems
from deephealth.service.context import language
from deephealth.service.problems import ServiceProblem
from deephealth.service.security.wording import HTTP_SENTENCES, validation_sentences
from deephealth.service.store.space import is_full, storage_full

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_access = logging.getLogger("deephealth.access")
_errors = logging.getLogger("deephealth.errors")


class Failures:
    """Answers what an endpoint or a layer raised, and notes every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except ServiceProblem as problem:
            await problems.respond(problem, language(Request(scope)))(scope, receive, noting)
        except Exception as error:  # whatever it is, the client gets a number and the log the place
            unforeseen = storage_full() if is_full(error) else internal(error)
            if status:
                raise _Broken(unforeseen.sentences[0]) from None  # half an answer is out already: the connection has to break
            await problems.respond(unforeseen, language(Request(scope)))(scope, receive, noting)
        finally:
            milliseconds = 1000 * (time.perf_counter() - began)
            client = scope["client"][0] if scope.get("client") else "-"
            method = scope["method"] if scope["method"] in _METHODS else "-"  # which a client may invent too
            _access.info("%s %s %s %d %.0f ms", client, method, template(scope), status, milliseconds)


class _Broken(Exception):
    """An error after the answer had begun; its cause is in the log already."""


def internal(error: BaseException) -> ServiceProblem:
    """Note where `error` arose under a number, without its message, which may hold a name; the 500 that tells the number."""
    number = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames[-12:]))
    _errors.error("%s: %s at %s", number, type(error).__name__, where)
    return ServiceProblem(
        500,
        "internal",
        (f"Something went wrong inside the service, noted as {number}; try again, and tell that number if it stays.",
         f"Algo falló dentro del servicio y quedó anotado como {number}; inténtelo de nuevo y, si persiste, indique ese número."),
    )  # fmt: skip


def template(scope: Scope) -> str:
    """The pattern of the route that took the request, such as /api/v1/projects/{project}; "-" for none. Nothing of it is the client's."""
    return str(getattr(scope.get("route"), "path", "-"))


def add_handlers(app: FastAPI) -> None:
    """Make problem+json of what FastAPI and Starlette raise themselves: unknown addresses, wrong methods, and input that does not fit."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, sentences = HTTP_SENTENCES.get(error.status_code, HTTP_SENTENCES[400])
    return problems.respond(ServiceProblem(error.status_code, code, sentences, headers=error.headers), language(request))


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found: Sequence[Any] = error.errors()
    about, sentences = validation_sentences(found[0])
    return problems.respond(ServiceProblem(422, "invalid", sentences, about=about), language(request))
