"""One worker: python -m deephealth.service.answering.worker MEMORY_MB THREADS, with a socket for standard input.

It takes one task at a time, and ends when the service does. What a task may take is limited by the system, not by good will: memory, no
file written, no core dump, no new rights.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from typing import TYPE_CHECKING

from deephealth.errors import DeepHealthError, FilmTooLarge, ModelFileError
from deephealth.service.answering import frames
from deephealth.service.answering.results import CannotAnswer

if TYPE_CHECKING:
    from deephealth.service.answering.tasks import Tasks

_GROWN = 320 * 2**20  # bytes: the libraries keep what a large film took, so a worker that has seen one is replaced
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main(memory_mb: int, threads: int) -> None:
    """Take tasks until the service closes the socket."""
    _limit(memory_mb)
    from deephealth.service.answering.tasks import Tasks

    tasks = Tasks(threads)
    gc.freeze()  # what is imported stays: looking through it for garbage would hold answers up by milliseconds
    with socket.socket(fileno=os.dup(0)) as channel:
        frames.send(channel, {"ready": True})
        with contextlib.suppress(frames.FrameError, ConnectionError):
            while True:
                header, body = frames.receive(channel)
                number = header.pop("number")
                reply, data = _attempt(tasks, header, body)
                del body
                tired = reply.pop("tired", False) or _resident() > _GROWN
                frames.send(channel, {**reply, "number": number, "tired": tired}, data)
                del data


def _attempt(tasks: Tasks, header: frames.Header, body: bytes) -> tuple[frames.Header, bytes]:
    """The reply to one task, or why there is none."""
    name = str(header.get("name", "The file"))
    try:
        result: tuple[frames.Header, bytes] = getattr(tasks, header.pop("do").replace("-", "_"))(body=body, **header)
        return result
    except Exception as error:  # one film, however broken, must not end the worker of the next
        return _problem(error, name), b""


def _problem(error: Exception, name: str) -> frames.Header:
    """What went wrong, as a code and a sentence. tired: this worker may have come to harm, and is to be replaced."""
    code, sentence, tired = "unreadable", str(error), False
    if isinstance(error, CannotAnswer):
        code = error.code
    elif isinstance(error, FilmTooLarge):
        code, tired = "too-large", isinstance(error.__cause__, MemoryError)
    elif isinstance(error, MemoryError) or (isinstance(error, DeepHealthError) and "alloc" in sentence):  # in ONNX Runtime's words
        code, sentence, tired = "too-large", f"{name} needs more memory than one film may take; shrink it.", True
    elif isinstance(error, ModelFileError):
        code = "model"
    elif not isinstance(error, DeepHealthError):
        sentence, tired = f"{name} could not be read ({type(error).__name__}); it may be damaged, export it again.", True
    return {"problem": {"code": code, "sentence": sentence}, "tired": tired}


def _resident() -> int:
    """Bytes of memory that this process holds."""
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
    return 0  # no /proc on this system


def _limit(memory_mb: int) -> None:
    """Bind this process: memory it may write to, no file, no core dump; it is ended with the service that started it."""
    most = memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which then ends its workers
    with contextlib.suppress(OSError, AttributeError):
        system = ctypes.CDLL(None)
        system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
