"""Request bodies: capped before and while they are read, not waited for without end, and drained when nobody reads them."""

from __future__ import annotations

import asyncio
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deephealth.service.config import ServiceConfig
from deephealth.service.problems import ServiceProblem

_MB = 1_000_000
_SMALL = 1 * _MB  # JSON and forms, which are held in memory whole
_FILES = re.compile(r"/api/v1/(predictions|previews|models|projects/archive|projects/[^/]+/films)/?")
_CHUNK = re.compile(r"/api/v1/uploads/[^/]+/?")
_SILENCE_SECONDS = 20.0
_SLOW_AFTER_SECONDS, _SLOWEST = 30.0, 1024.0  # bytes a second; a film over the worst mobile link is ten times as fast
_DRAIN_SECONDS, _DRAIN_BYTES = 3.0, 32 * _MB


class Bodies:
    """Refuses bodies too large (413), too slow (408), or more than the service holds at once (503); bounds what is in flight."""

    def __init__(self, app: ASGIApp, config: ServiceConfig) -> None:
        self.app, self.config = app, config
        self.in_flight, self.most_in_flight = 0, 2 * config.request_mb * _MB

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(self, receive, cap(self.config, scope["method"], scope["path"], headers.get("content-type", "")))
        if "content-length" in headers and "transfer-encoding" in headers:
            raise _two_lengths()
        body.expect(headers.get("content-length", ""))
        started = False

        async def unless_refused(message: Message) -> None:
            # What the endpoint makes of a body cut short is not the answer: the reason it was cut is.
            nonlocal started
            if body.refused is None or started:
                started = True
                await send(message)

        try:
            await self.app(scope, body.receive, unless_refused)
        finally:
            self.in_flight -= body.bytes
            if body.refused is not None and not started:
                raise body.refused


class _Body:
    """One request's body as it comes in. refused: why it was cut short."""

    def __init__(self, bodies: Bodies, receive: Receive, most: int) -> None:
        self.bodies, self.more, self.most = bodies, receive, most
        self.bytes, self.began, self.complete = 0, time.monotonic(), False
        self.refused: ServiceProblem | None = None

    def expect(self, length: str) -> None:
        """ServiceProblem 413 when the header Content-Length promises too much."""
        if length.isdigit() and int(length[:20]) > self.most:
            raise _too_large(self.most)

    async def receive(self) -> Message:
        """The next message; raises once the body is refused."""
        if self.complete:
            return await self.more()  # an endpoint that streams waits here for its client to go away
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                message = await self.more()
        except TimeoutError:
            raise self._refuse(_too_slow()) from None
        size = len(message.get("body", b""))
        self.bytes += size
        self.bodies.in_flight += size
        self.complete = not message.get("more_body", False)
        seconds = time.monotonic() - self.began
        if self.bytes > self.most:
            raise self._refuse(_too_large(self.most))
        if seconds > _SLOW_AFTER_SECONDS and self.bytes < seconds * _SLOWEST and not self.complete:
            raise self._refuse(_too_slow())
        if self.bodies.in_flight > self.bodies.most_in_flight:
            raise self._refuse(_busy())
        return message

    def _refuse(self, problem: ServiceProblem) -> ServiceProblem:
        self.refused = problem
        return problem


def cap(config: ServiceConfig, method: str, path: str, content_type: str) -> int:
    """The most bytes that the body of such a request may have."""
    in_memory = content_type.partition(";")[0].strip().lower() in {"application/json", "application/x-www-form-urlencoded"}
    if in_memory:
        return _SMALL
    if method == "POST" and _FILES.fullmatch(path):
        return config.request_mb * _MB
    return config.chunk_mb * _MB if method == "PATCH" and _CHUNK.fullmatch(path) else _SMALL


class Drain:
    """When an answer is ready before the body is read, reads on for a while, or the client would see a broken connection instead."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers({})
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        unread = True

        async def reading() -> Message:
            nonlocal unread
            message = await receive()
            unread = bool(message.get("more_body", False))
            return message

        async def draining(message: Message) -> None:
            if not unread:
                await send(message)
            elif message["type"] == "http.response.start":
                await send({**message, "headers": [*message.get("headers", []), (b"connection", b"close")]})
            elif message.get("more_body", False):
                await send(message)
            else:
                await send({**message, "more_body": True})
                await _drain(reading)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(scope, reading, draining)


async def _drain(receive: Receive) -> None:
    drained = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            more = True
            while more and drained < _DRAIN_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                more = bool(message.get("more_body", False))
    except TimeoutError:
        pass  # a client that waits for us to read first has its answer already


def _too_large(most: int) -> ServiceProblem:
    return ServiceProblem(
        413,
        "too-large",
        (f"The request is larger than the {most // _MB} MB that this address takes; send fewer or smaller files at once.",
         f"La petición supera los {most // _MB} MB que admite esta dirección; envíe menos archivos o archivos más pequeños."),
    )  # fmt: skip


def _two_lengths() -> ServiceProblem:
    # A proxy in front may believe the other one, and take what follows for a request of its own.
    return ServiceProblem(
        400,
        "bad-request",
        ("The request states its length twice, by Content-Length and by Transfer-Encoding; state it once.",
         "La petición indica su longitud dos veces, con Content-Length y con Transfer-Encoding; indíquela una sola vez."),
        headers={"Connection": "close"},
    )  # fmt: skip


def _too_slow() -> ServiceProblem:
    return ServiceProblem(
        408,
        "too-slow",
        ("The rest of the request did not arrive in time; check the connection and send it again.",
         "El resto de la petición no llegó a tiempo; revise la conexión y envíela de nuevo."),
    )  # fmt: skip


def _busy() -> ServiceProblem:
    return ServiceProblem(
        503,
        "busy",
        ("The service is taking as many uploads as it can hold; wait 2 s and send it again.",
         "El servicio está recibiendo todas las cargas que puede; espere 2 s y envíela de nuevo."),
        headers={"Retry-After": "2"},
    )  # fmt: skip
