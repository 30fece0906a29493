"""One worker process, as the service sees it: started, asked, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from deephealth.service.answering import frames
from deephealth.service.config import ServiceConfig
from deephealth.settings import threads

_NEEDED = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")
_NEEDED_BEGINNINGS = ("DEEPHEALTH_MAX_", "DEEPHEALTH_CACHE_", "LC_", "PYTHON", "COVERAGE")


class Worker:
    """One worker process and the socket to it. served: tasks so far. up: it has said that it is there. tired: it asks to be replaced."""

    def __init__(self, config: ServiceConfig) -> None:
        self.served = 0
        self.up = False
        self.tired = False
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        count = max(1, threads.resolve(config.threads or None) // config.workers)
        command = [sys.executable, "-m", "deephealth.service.answering.worker", str(config.worker_memory_mb), str(count)]
        with theirs:
            # Its standard input is the socket; what libraries print goes to standard error and can never mix with an answer.
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment())  # noqa: S603

    async def ready(self, model: Path | None) -> None:
        """Returns when the worker has said that it is there, and has loaded `model` (one that is not usable is told with its films)."""
        await frames.next_frame(self._channel)
        if model is not None:
            await self.ask({"do": "warm", "model": str(model)}, b"")
        self.up = True

    async def ask(self, header: frames.Header, body: bytes | memoryview) -> tuple[frames.Header, bytes]:
        """One task and its reply. FrameError when the reply is to another."""
        self.served += 1
        reply, data = await frames.exchange(self._channel, {**header, "number": self.served}, body)
        if reply.pop("number", None) != self.served:
            raise frames.FrameError("an answer to another question")
        self.tired = bool(reply.pop("tired", False))
        return reply, data

    def end(self) -> None:
        """End the process at once."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


def _environment() -> dict[str, str]:
    """What a worker needs of the service's environment; never the database's address, in which a password may stand.

    Numeric libraries start no pools of their own; glibc keeps few arenas, so that memory given back is memory used again.
    """
    kept = {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith(_NEEDED_BEGINNINGS)}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
