"""The folder of one job: what it was asked, the films it works on, and what it wrote.

JOB/plan.json       what was asked; written before the job is started
JOB/films/          index.csv and one link a film, named by the film's identifier: what is written names no user's file
JOB/run/            what the work writes, events.jsonl among it; of a training a run folder of `pipeline`
JOB/outcome.json    how it ended; written last, so its presence means that the job is over
JOB/pid             the process that works here
JOB/cancel          a wish that it stop

Who works here holds the folder's lock, which the system lets go of however the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deephealth.settings import atomic


@dataclass(frozen=True)
class ArtefactFile:
    """A file that a finished job may offer: where it lies in the job's folder, how it is called when downloaded, and its type."""

    path: str
    name: str
    media: str


ARTEFACTS: Mapping[str, ArtefactFile] = MappingProxyType(
    {
        "onnx": ArtefactFile("run/model.onnx", "model.onnx", "application/octet-stream"),
        "report-html": ArtefactFile("run/report.html", "report.html", "text/html; charset=utf-8"),
        "report-json": ArtefactFile("run/report.json", "report.json", "application/json"),
        "split": ArtefactFile("run/split.csv", "split.csv", "text/csv; charset=utf-8"),
        "events": ArtefactFile("run/events.jsonl", "events.jsonl", "application/x-ndjson"),
        "plan": ArtefactFile("run/plan.json", "plan.json", "application/json"),
        "answers": ArtefactFile("run/answers.json", "answers.json", "application/json"),
        "errors": ArtefactFile("run/errors.csv", "errors.csv", "text/csv; charset=utf-8"),
    }
)


@dataclass(frozen=True)
class JobFolder:
    """The folder of the job `job` below the service's `data` folder."""

    data: Path
    job: str

    @property
    def path(self) -> Path:
        """The folder."""
        return self.data / "jobs" / self.job

    @property
    def films(self) -> Path:
        """The films, as a data set."""
        return self.path / "films"

    @property
    def run(self) -> Path:
        """What the work writes."""
        return self.path / "run"

    @property
    def events(self) -> Path:
        """Everything that happened, one JSON object a line."""
        return self.run / "events.jsonl"

    def plan(self) -> dict[str, Any]:
        """What was asked."""
        return _read(self.path / "plan.json") or {}

    def outcome(self) -> dict[str, Any] | None:
        """How the job ended: {"state", "problem": {"code", "en", "es"} or None}; None while it has not."""
        return _read(self.path / "outcome.json")

    def results(self) -> dict[str, Any] | None:
        """What a training found, for the page; None where there is none."""
        return _read(self.run / "results.json")

    def end(self, outcome: Mapping[str, Any]) -> None:
        """Write how the job ended."""
        atomic.write_json(self.path / "outcome.json", dict(outcome))

    def wish_to_stop(self) -> None:
        """Note that the job shall stop, also when the service is started again in between."""
        self.path.mkdir(parents=True, exist_ok=True)
        atomic.write_text(self.path / "cancel", "")

    @property
    def stopping(self) -> bool:
        """Whether somebody wished it to stop."""
        return (self.path / "cancel").exists()

    @property
    def pid(self) -> int | None:
        """The process that works here, while `held`."""
        try:
            return int((self.path / "pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def hold(self) -> int | None:
        """The folder's lock as a file descriptor, to be handed on or closed; None when a living process holds it."""
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def tidy(self) -> None:
        """Remove what a kill left half-written and what only the work needed: links to films, films drawn. For who holds the lock."""
        for part in self.path.rglob(".*.part"):
            part.unlink(missing_ok=True)
        for name in ("films", "drawn", "models"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / "pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
