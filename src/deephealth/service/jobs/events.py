"""The events of a job as server-sent events: each line of its file is one, numbered from 1, so that a client goes on where it was.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from deephealth.evaluation.wording import Language
from deephealth.service.context import Services
from deephealth.service.jobs.folder import JobFolder
from deephealth.service.store import jobs

_LOOK_EVERY = 0.2  # seconds
_HEARTBEAT = 15.0
_MOST_BYTES = 262_144  # read at once


async def stream(parts: Services, job: str, after: int, language: Language) -> AsyncIterator[bytes]:
    """The events behind number `after` as they come, "JobEnded" last; ends early when the service does."""
    path = JobFolder(parts.config.data, job).events
    place, number = 0, 0
    spoken = time.monotonic()
    while not parts.supervisor.stopping.is_set():
        # The state is read before the file: what a job writes before it ends is then in what is read after.
        row = await asyncio.to_thread(_row, parts, job)
        lines, place = await asyncio.to_thread(_lines, path, place)
        for line in lines:
            number += 1
            if number > after:
                yield _event(number, line)
        if lines:
            spoken = time.monotonic()
            continue
        if row.state in jobs.ENDED:
            yield _ended(number + 1, row, language)
            return
        if time.monotonic() - spoken > _HEARTBEAT:
            spoken = time.monotonic()
            yield b": still there\n\n"
        await asyncio.sleep(_LOOK_EVERY)


def _row(parts: Services, job: str) -> Row[Any]:
    with parts.database.read() as connection:
        return jobs.get(connection, job)


def _lines(path: Path, place: int) -> tuple[list[bytes], int]:
    """The whole lines behind byte `place`, and where the next one begins."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return [], place
    whole = data.rfind(b"\n") + 1
    return data[:whole].splitlines(), place + whole


def _event(number: int, line: bytes) -> bytes:
    try:
        kind = str(json.loads(line)["event"])
    except (ValueError, KeyError, TypeError):
        return b"id: %d\n: a line that is no event\n\n" % number
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode("ascii", "replace"), line)


def _ended(number: int, row: Row[Any], language: Language) -> bytes:
    problem = row.problem or {}
    data = {
        "event": "JobEnded",
        "time": row.ended,
        "state": row.state,
        "problem": problem.get(language, ""),
        "problem_code": problem.get("code", ""),
        "model": row.model,
    }
    return _event(number, json.dumps(data, ensure_ascii=False).encode())
