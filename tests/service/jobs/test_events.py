"""Events of a job: whole lines only, and nobody who follows holds the service up."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from deephealth.service.jobs import events


def test_only_whole_lines_are_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert events._lines(path, 0) == ([], 0)
    path.write_bytes(b'{"event": "Note"}\n{"event": "St')
    lines, place = events._lines(path, 0)
    assert lines == [b'{"event": "Note"}'] and events._lines(path, place) == ([], place)
    with path.open("ab") as file:
        file.write(b'epDone"}\n')
    assert events._lines(path, place)[0] == [b'{"event": "StepDone"}']


def test_a_line_that_is_no_event_keeps_its_number_and_is_no_message() -> None:
    assert events._event(7, b'{"event": "Note", "text": "x"}').startswith(b"id: 7\nevent: Note\ndata: {")
    assert b"data:" not in events._event(8, b"no json")


@pytest.mark.slow
def test_a_service_that_ends_lets_go_of_who_follows_a_job_and_ends_the_job(start_process: Any) -> None:
    process, client = start_process()
    started = client.post("/api/v1/projects/examples", json={"kind": "clean", "per_class": 200}).json()["job"]
    seen: list[str] = []

    def follow() -> None:
        with httpx.stream("GET", f"{client.base_url}/api/v1/jobs/{started['id']}/events".replace("//api", "/api"), timeout=60) as answer:
            for line in answer.iter_lines():
                seen.append(line)  # one by one, for the other thread to see

    follower = threading.Thread(target=follow)
    follower.start()
    until = time.monotonic() + 60
    while client.get(f"/api/v1/jobs/{started['id']}").json()["progress"] is None and time.monotonic() < until:
        time.sleep(0.1)
    while not any("RunStarted" in line for line in seen) and time.monotonic() < until:  # the follower may have come late on a busy machine
        time.sleep(0.1)
    process.terminate()
    assert process.wait(timeout=30) == 0
    follower.join(timeout=30)
    assert not follower.is_alive() and any("RunStarted" in line for line in seen) and not any("JobEnded" in line for line in seen)
    _, client = start_process()
    assert client.get(f"/api/v1/jobs/{started['id']}").json()["state"] == "running"
    client.post(f"/api/v1/jobs/{started['id']}/cancel")
    while client.get(f"/api/v1/jobs/{started['id']}").json()["state"] == "running" and time.monotonic() < until + 60:
        time.sleep(0.1)
    assert client.get(f"/api/v1/jobs/{started['id']}").json()["state"] == "cancelled"
