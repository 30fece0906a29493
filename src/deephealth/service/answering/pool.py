"""The pool of worker processes: who has a film to read asks here, and waits in a line of bounded length.

A worker that dies, overruns its time or has done its share is replaced; nobody else's film is lost with it. The line is first come, first
served. Who comes when it is full is told to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deephealth.service.answering import frames
from deephealth.service.answering.process import Worker
from deephealth.service.answering.results import Answer, CannotAnswer, Facts, Inspected, Member
from deephealth.service.config import ServiceConfig
from deephealth.service.problems import ServiceProblem

T = TypeVar("T")
Body = bytes | memoryview
_START_SECONDS = 60.0
_FACTS_KEPT = 64
_ATTEMPTS = 3
_MOST_FILMS = 1000  # of one worker: what a decoder's library leaks is given back then
_DIED = "could not be read: the program that read it ended; it may be damaged, export it again."


class Pool:
    """Worker processes that read films and run models.

    For endpoints that run in threads (`def`): `inspect`, `answer_now`, `describe_now`, `preview_now`; for those of the event loop
    (`async def`) the same without `_now`, `inspect_soon`. All raise CannotAnswer for a film, archive or model that cannot be dealt with,
    and ServiceProblem 503 with Retry-After when more than `config.queue` callers wait already, unless `patient`.

    `services.pool.inspect(data: bytes, name: str, salt: str) -> Inspected` looks at one film for a project; see `Inspected`.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        self.restarts = 0  # workers that died or were ended for overrunning
        self.waiting = 0
        self.warm: Path | None = None  # the model that a new worker loads before its first film
        self._workers: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._facts: OrderedDict[Path, Facts] = OrderedDict()
        self._stopped = False

    async def start(self) -> None:
        """Start the workers without waiting for them. Called once, in the service's event loop."""
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        for _ in range(self.config.workers):
            self._in_background(self._add_worker())

    async def stop(self) -> None:
        """End every worker."""
        self._stopped = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in list(self._workers):
            await self._end(worker)

    # ---- what can be asked -------------------------------------------------------------------------------------------------------

    async def answer(self, model: Path, film: Body, name: str, *, patient: bool = False) -> Answer:
        """What the model file at `model` answers to one film, a file's bytes."""
        reply, _ = await self._call({"do": "answer", "model": str(model), "name": name}, film, patient=patient)
        return Answer(**reply)

    def answer_now(self, model: Path, film: Body, name: str) -> Answer:
        """As `answer`, from a thread."""
        return self._now(self.answer(model, film, name))

    async def members(self, archive: Path, name: str) -> list[Member]:
        """The films in a zip archive."""
        reply, _ = await self._call({"do": "members", "archive": str(archive), "name": name})
        return [Member(**member) for member in reply["members"]]

    def members_now(self, archive: Path, name: str) -> list[Member]:
        """As `members`, from a thread."""
        return self._now(self.members(archive, name))

    async def answer_member(self, model: Path, archive: Path, member: Member, *, patient: bool = False) -> Answer:
        """What the model answers to one film of a zip archive."""
        wanted = {"do": "answer-member", "model": str(model), "archive": str(archive), "member": member.member, "name": member.name}
        reply, _ = await self._call(wanted, patient=patient)
        return Answer(**reply)

    async def inspect_soon(self, data: Body, name: str, salt: str, *, patient: bool = False) -> Inspected:
        """As `inspect`, from the event loop."""
        return _inspected(*await self._call({"do": "inspect", "name": name, "salt": salt}, data, patient=patient))

    def inspect(self, data: Body, name: str, salt: str) -> Inspected:
        """Look at one film for a project and take out of it all that names a person. Blocks; call from a thread, never in the event loop.

        data: the file's bytes; name: how sentences call it; salt: the project's, for the patient's key. CannotAnswer when it is no film.
        """
        return self._now(self.inspect_soon(data, name, salt, patient=True))

    def inspect_file(self, path: Path, name: str, salt: str, member: str = "") -> Inspected:
        """As `inspect`, for a film in a file or, by its name there, in a zip archive: the service itself never holds its bytes."""
        wanted = {"do": "inspect-file", "path": str(path), "member": member, "name": name, "salt": salt}
        return _inspected(*self._now(self._call(wanted, patient=True)))

    async def preview(self, film: Body, name: str) -> bytes:
        """An 8-bit grey PNG of a film, for a browser that cannot decode it."""
        _, body = await self._call({"do": "preview", "name": name}, film)
        return body

    async def describe(self, model: Path) -> Facts:
        """What a model file says of itself, once it has been loaded and checked. CannotAnswer("model") for one that is not usable.

        Kept in memory by its path: `model` is named by its content, or is a part of the package.
        """
        if model not in self._facts:
            self._facts[model], _ = await self._call({"do": "describe", "model": str(model)}, patient=True)
            while len(self._facts) > _FACTS_KEPT:
                self._facts.popitem(last=False)
        self._facts.move_to_end(model)
        return self._facts[model]

    async def check(self, model: Path) -> Facts:
        """As `describe`, after running the model once, for a file from elsewhere; nothing is kept in memory."""
        reply, _ = await self._call({"do": "check", "model": str(model)})
        return reply

    def describe_now(self, model: Path) -> Facts:
        """As `describe`, from a thread."""
        return self._now(self.describe(model))

    async def verify(self, model: Path) -> Facts:
        """Ask the model its golden films again: ok, largest_difference, films, sentence."""
        reply, _ = await self._call({"do": "verify", "model": str(model)})
        return reply

    async def draw_map(self, rows: list[list[float]], width: int, height: int) -> bytes:
        """A transparent PNG of a heatmap whose cells hold shares 0..1 of full evidence."""
        _, body = await self._call({"do": "draw-map", "rows": rows, "width": width, "height": height})
        return body

    async def draw_phantoms(self, films: Sequence[tuple[str, int]], size: int) -> list[bytes]:
        """Synthetic films, each of a label and a seed, as PNG."""
        header, body = await self._call({"do": "draw-phantoms", "films": films, "size": size})
        ends = list(itertools.accumulate(header["lengths"]))
        return [body[end - length : end] for end, length in zip(ends, header["lengths"], strict=True)]

    async def alive(self) -> bool:
        """Whether a worker answers, or is busy with a film."""
        if any(worker.up for worker in self._workers) and self._idle.empty():
            return True
        with contextlib.suppress(CannotAnswer, TimeoutError):
            await asyncio.wait_for(self._call({"do": "nothing"}, patient=True), 2.0)
            return True
        return False

    # ---- how it is done ----------------------------------------------------------------------------------------------------------

    def _now(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    async def _call(self, header: frames.Header, body: Body = b"", *, patient: bool = False) -> tuple[frames.Header, bytes]:
        """One task for one worker; tried again when the worker ends, which need not be its fault, until three have ended with it."""
        name = str(header.get("name", "The file"))
        for _ in range(_ATTEMPTS):
            worker = await self._wait(patient)
            reply = await self._ask(worker, header, body, name)
            if reply is not None:
                return _checked(reply)
            patient = True
        raise CannotAnswer("unreadable", f"{name} {_DIED}")

    async def _wait(self, patient: bool) -> Worker:
        if not patient and self.waiting >= self.config.queue:
            raise busy()
        self.waiting += 1
        try:
            return await self._idle.get()
        finally:
            self.waiting -= 1

    async def _ask(self, worker: Worker, header: frames.Header, body: Body, name: str) -> tuple[frames.Header, bytes] | None:
        """The reply, or None when the worker has ended."""
        well = False
        try:
            reply = await asyncio.wait_for(worker.ask(header, body), self.config.worker_seconds)
            well = True
        except TimeoutError:
            seconds = f"{self.config.worker_seconds:g}"
            raise CannotAnswer(
                "timeout", f"{name} took more than {seconds} s, the limit for one film; shrink or export it again."
            ) from None
        except (frames.FrameError, OSError):
            return None
        finally:
            self._give_back(worker, well)
        return reply

    def _give_back(self, worker: Worker, well: bool) -> None:
        if well and worker.served < _MOST_FILMS and not worker.tired:
            self._idle.put_nowait(worker)
            return
        self.restarts += not well
        self._in_background(self._replace(worker))

    async def _replace(self, worker: Worker) -> None:
        await self._end(worker)
        await self._add_worker()

    async def _add_worker(self) -> None:
        pause = 0.5
        while not self._stopped:
            worker = Worker(self.config)
            self._workers.add(worker)
            try:
                await asyncio.wait_for(worker.ready(self.warm), _START_SECONDS)
            except (TimeoutError, frames.FrameError, OSError):
                await self._end(worker)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 30.0)
            else:
                self._idle.put_nowait(worker)
                return

    async def _end(self, worker: Worker) -> None:
        self._workers.discard(worker)
        await asyncio.to_thread(worker.end)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def busy() -> ServiceProblem:
    """The answer to who comes when the line is full."""
    return ServiceProblem(
        503,
        "busy",
        (
            "Too many films are waiting for an answer; send this one again in a few seconds.",
            "Hay demasiadas radiografías en espera; vuelva a enviar esta dentro de unos segundos.",
        ),
        headers={"Retry-After": "2"},
    )


def _inspected(reply: frames.Header, body: bytes) -> Inspected:
    film = reply.pop("film_bytes")
    return Inspected(film=body[:film], thumbnail=body[film:], **reply)


def _checked(reply: tuple[frames.Header, bytes]) -> tuple[frames.Header, bytes]:
    header, _ = reply
    if problem := header.get("problem"):
        raise CannotAnswer(str(problem["code"]), str(problem["sentence"]))
    return reply
