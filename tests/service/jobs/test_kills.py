"""Service and job killed at any moment: the work goes on or is noted as interrupted, and the model is the one it would have been."""

from __future__ import annotations

import contextlib
import io
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deephealth.images.phantom import draw_phantom
from deephealth.service.config import ServiceConfig
from deephealth.service.jobs import plan
from deephealth.service.jobs.folder import JobFolder
from deephealth.service.jobs.schemas import TrainSettings
from deephealth.service.jobs.supervisor import MOST_ATTEMPTS, Supervisor
from deephealth.service.store import films, jobs, projects
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.quota import Quota

_SERVICE = """
import sys, time
from pathlib import Path
from deephealth.service.config import ServiceConfig
from deephealth.service.jobs.supervisor import Supervisor
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
config = ServiceConfig(Path(sys.argv[1]))
Supervisor(config, Database(config.database_url), Blobs(config.data / "blobs")).start()
print("looking after jobs", flush=True)
time.sleep(3600)
"""
_SETTINGS = TrainSettings(head="logistic").model_dump()


@dataclass
class House:
    """A data folder with a project in it, and a process that looks after its jobs."""

    config: ServiceConfig
    database: Database
    blobs: Blobs
    project: str = ""
    service: subprocess.Popen[str] | None = None
    started: list[str] = field(default_factory=list)

    def begin(self) -> None:
        command = [sys.executable, "-c", _SERVICE, str(self.config.data)]
        self.service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.service.stdout is not None and self.service.stdout.readline() == "looking after jobs\n"

    def kill_service(self) -> None:
        if self.service is not None:
            self.service.kill()
            self.service.wait()
            assert self.service.stdout is not None
            self.service.stdout.close()
            self.service = None

    def kill_job(self, job: str) -> None:
        if (pid := JobFolder(self.config.data, job).pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def train(self) -> str:
        parts: Any = SimpleNamespace(config=self.config, database=self.database, blobs=self.blobs, quota=Quota(self.config.data, 0))
        asked = {"settings": _SETTINGS, "allow_leakage": False, "name": "Films", "language": "en"}
        self.started.append(plan.queue(parts, "train", self.project, asked))
        return self.started[-1]

    def row(self, job: str) -> Any:
        with self.database.read() as connection:
            return jobs.get(connection, job)

    def wait(self, job: str, seconds: float = 90) -> Any:
        until = time.monotonic() + seconds
        while (row := self.row(job)).state not in jobs.ENDED:
            assert time.monotonic() < until, f"the job is still {row.state}"
            time.sleep(0.05)
        return row


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = ServiceConfig(tmp_path / "data", job_threads=1)
    config.data.mkdir()
    found = House(config, Database(config.database_url), Blobs(config.data / "blobs"))
    _fill(found)
    try:
        yield found
    finally:
        found.kill_service()
        for job in found.started:
            if (lock := JobFolder(config.data, job).hold()) is None:
                found.kill_job(job)
            else:
                os.close(lock)
        found.database.close()


def _fill(house: House) -> None:
    """Two classes of eight small films, two of a patient."""
    with house.database.begin() as connection:
        house.project = projects.create(connection, "Films", ("normal", "viral"))
        for entry in projects.classes_of(connection, house.project):
            rows = [_row(house, entry.id, entry.name, number // 2, number % 2) for number in range(8)]
            films.add(connection, house.project, rows)


def _row(house: House, class_id: str, label: str, patient: int, number: int) -> dict[str, Any]:
    pixels = draw_phantom(label, seed=3, patient=patient, film=number, size=96).pixels
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(buffer, "PNG")
    blob = house.blobs.put(buffer.getvalue())
    known = {"blob": blob, "thumbnail": blob, "kind": "png", "name": "film.png", "width": 96, "height": 96, "phash": "0" * 64, "facts": {}}
    return {"id": secrets.token_hex(8), "class": class_id, "patient": f"{label}{patient}", **known}


@pytest.mark.slow
def test_twenty_kills_change_nothing(house: House) -> None:
    rng = random.Random(20)
    house.begin()
    undisturbed = house.wait(house.train())
    assert undisturbed.state == "done", undisturbed.problem
    length = undisturbed.ended - undisturbed.started
    job, states = house.train(), []
    for number in range(20):
        time.sleep(rng.uniform(0, length / 5))
        target = ("service", "job", "both")[number % 3]
        if target != "service":
            house.kill_job(job)
        if target != "job":
            house.kill_service()
            time.sleep(rng.uniform(0, 0.3))
            house.begin()
        if (row := house.row(job)).state in jobs.ENDED:
            states.append(row.state)
            job = house.train()
    states.append(house.wait(job).state)
    print(f"undisturbed {length:.1f} s; 20 kills over {len(states)} jobs: {states}")
    assert set(states) <= {"done", "interrupted"} and "done" in states
    for started in house.started:
        row, folder = house.row(started), JobFolder(house.config.data, started)
        assert row.model == (undisturbed.model if row.state == "done" else None)
        assert row.problem is None if row.state == "done" else row.problem["code"] == "interrupted"
        _tidied(folder)  # after the end is noted; what a kill in between leaves, the next service removes
        assert not list(folder.path.rglob("*.part"))
    assert house.blobs.path(undisturbed.model).is_file()


def _tidied(folder: JobFolder, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while folder.films.exists():
        assert time.monotonic() < until, "the links to the films are still there"
        time.sleep(0.05)


@pytest.mark.slow
def test_what_a_kill_left_of_an_ended_job_goes_with_the_next_start(house: House) -> None:
    house.begin()
    job = house.train()
    house.wait(job)
    folder = JobFolder(house.config.data, job)
    _tidied(folder)
    house.kill_service()
    folder.films.mkdir()
    house.begin()
    _tidied(folder)


@pytest.mark.slow
def test_a_job_that_always_dies_is_noted_as_interrupted_with_a_sentence(house: House) -> None:
    supervisor = Supervisor(house.config, house.database, house.blobs)
    job = house.train()
    folder = JobFolder(house.config.data, job)
    for _ in range(MOST_ATTEMPTS):
        supervisor.look()
        while folder.pid is None:
            time.sleep(0.01)
        house.kill_job(job)
        while (lock := folder.hold()) is None:
            time.sleep(0.01)
        os.close(lock)
    supervisor.look()
    row = house.row(job)
    assert row.state == "interrupted" and row.attempts == MOST_ATTEMPTS and f"{MOST_ATTEMPTS} times" in row.problem["en"]


def test_a_wish_to_stop_outlives_the_service(house: House) -> None:
    first = Supervisor(house.config, house.database, house.blobs)
    job = house.train()
    first.look()
    first.cancel(house.row(job))  # and is killed before it looks again
    second = Supervisor(house.config, house.database, house.blobs)
    until = time.monotonic() + 30
    while house.row(job).state == "running" and time.monotonic() < until:
        second.look()
        first._processes[job].poll()
        time.sleep(0.02)
    assert house.row(job).state == "cancelled"


@pytest.mark.slow
def test_ending_the_service_ends_its_jobs_which_go_on_with_the_next(house: House) -> None:
    first = Supervisor(house.config, house.database, house.blobs)
    first.start()
    job = house.train()
    first.wake()
    while JobFolder(house.config.data, job).pid is None:
        time.sleep(0.01)
    first.stop()
    lock = JobFolder(house.config.data, job).hold()
    assert lock is not None
    os.close(lock)
    assert house.row(job).state == "running" and house.row(job).attempts == 0
    house.begin()
    assert house.wait(job).state == "done"
