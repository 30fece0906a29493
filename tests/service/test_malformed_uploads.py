"""Some 230 hostile uploads to `deephealth serve` as it runs: each gets a sentence, the service stays up, nothing is left anywhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psutil
import pytest

import deephealth
from deephealth.images.phantom import draw_phantom
from deephealth.images.phantom_dicom import dicom_bytes
from deephealth.service.answering.pictures import png

pytestmark = pytest.mark.slow
WELL = png(draw_phantom("normal", seed=8, size=200).pixels)


@dataclass
class Served:
    """A service in a process of its own. most_mb: the largest resident size of it and its workers together so far."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    folder: Path
    most_mb: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Note the memory in use until `ended`."""
        service = psutil.Process(self.process.pid)
        while not self.ended.wait(0.05):
            used = 0
            for process in [service, *service.children(recursive=True)]:
                try:
                    used += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue  # a worker that has just been replaced
            self.most_mb = max(self.most_mb, used / 1e6)

    @property
    def log(self) -> str:
        """Everything that was written to standard output and error so far."""
        return (self.folder / "log").read_text("utf-8", "replace")


@pytest.fixture(scope="module")
def hostile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deephealth_tests_hostile", Path(__file__).parent / "hostile.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    for name in ("here", "tmp", "data"):
        (folder / name).mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "HOME": str(folder / "here"), "PYTHONDEVMODE": ""}
    command = [sys.executable, "-m", "deephealth.cli.main", "serve", "--port", "0", "--data-dir", str(folder / "data"), "--workers", "1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder / "here", env=environment)
    try:
        url = address(process, folder / "log")
        with httpx.Client(base_url=url, timeout=120) as client:
            made = Served(process, client, folder)
            watcher = threading.Thread(target=made.watch)
            watcher.start()
            try:
                yield made
            finally:
                made.ended.set()
                watcher.join()
    finally:
        process.terminate()
        process.wait(20)


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found.group()
        assert process.poll() is None, log.read_text()
        threading.Event().wait(0.1)
    raise AssertionError("the service did not start")


def answered_well(upload: Any, answer: httpx.Response) -> bool:
    """A problem, or an answer that says of each film that it cannot be read; where the film itself is sound, its answer."""
    if answer.status_code == 200 and answer.headers["content-type"] == "image/png":
        return bool(upload.sound)
    if answer.status_code == 200:
        return bool(upload.sound) or all(film["error"] and film["reason"] for film in answer.json()["predictions"])
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json" and problem["status"] == answer.status_code
    return 400 <= answer.status_code < 500 and len(problem["detail"]) > 20


@pytest.mark.parametrize("path", ["/api/v1/predictions", "/api/v1/previews", "films"])
def test_every_upload_gets_a_sentence_and_the_service_stays(served: Served, hostile: ModuleType, path: str) -> None:
    uploads = hostile.uploads()
    assert len(uploads) >= 200 and len({upload.label for upload in uploads}) == len(uploads)
    if path == "/api/v1/previews":
        uploads = uploads[::3]  # the same form, the same decoders
    if path == "films":
        project = served.client.post("/api/v1/projects", json={"name": "hostile", "classes": ["normal"]}).json()
        path = f"/api/v1/projects/{project['id']}/films?class={project['classes'][0]['id']}"
    failed = {}
    for upload in uploads:
        answer = served.client.post(path, content=upload.body, headers={b"Content-Type": upload.content_type})
        if path.startswith("/api/v1/projects") and answer.status_code == 200:
            added = answer.json()
            well = upload.sound or (not added["films"] and all(problem["reason"] for problem in added["problems"]))
        else:
            well = answered_well(upload, answer)
        if not well:
            failed[upload.label] = f"{answer.status_code} {answer.text[:300]}"
        assert "set-cookie" not in answer.headers
    assert not failed
    assert served.process.poll() is None
    good = served.client.post("/api/v1/predictions", files={"file": ("film.png", WELL)})
    assert good.status_code == 200 and not good.json()["predictions"][0]["error"]


@pytest.mark.parametrize("path", ["/api/v1/projects/archive", "/api/v1/models"])
def test_what_is_no_saved_project_and_no_model_gets_a_sentence(served: Served, hostile: ModuleType, path: str) -> None:
    files = [upload.file for upload in hostile.uploads()[::3] if upload.file is not None]
    model = (Path(deephealth.__file__).parent / "data" / "deephealth-small.onnx").read_bytes()
    damaged = [model[: len(model) * tenth // 10] for tenth in range(1, 10)]
    damaged += [model[:place] + b"\xff" * 8 + model[place + 8 :] for place in (0, 9)]
    answers = [served.client.post(path, content=file) for file in (*files, *damaged)]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.status_code for answer in answers} <= {400, 413, 415, 422}
    assert served.client.get("/readyz").status_code == 200


def test_nothing_is_written_outside_its_folder_and_nothing_is_left_within(served: Served, hostile: ModuleType) -> None:
    assert [path for path in served.folder.rglob("*") if hostile.MARKER in path.name] == []
    assert [path for place in ("/tmp", "/", str(Path.cwd())) for path in Path(place).glob(f"*{hostile.MARKER}*")] == []
    assert sorted(path.name for path in served.folder.iterdir()) == ["data", "here", "log", "tmp"]
    for place in ("tmp", "data/incoming", "data/uploads"):
        assert [path for path in (served.folder / place).rglob("*") if path.is_file()] == [], place
    assert list((served.folder / "here").rglob("*")) == []


def test_a_patient_is_named_in_no_log(served: Served) -> None:
    name = "ZZDOE"
    film = dicom_bytes(draw_phantom("viral", seed=6, size=160), seed=1, patient=1, film=1).replace(b"PHANTOM^0001", b"ZZDOE^JANE  ")
    for sent in (
        film,
        film.replace(b"20260101", b"ZZDOEZZD"),
        film[:-100],
        film.replace(b"DS", b"ZZ"),
    ):  # a library may quote what it cannot read
        for path in ("/api/v1/predictions", "/api/v1/previews", f"/api/v1/predictions?model={name}", f"/api/v1/{name}"):
            served.client.post(path, files={"file": (f"{name}.dcm", sent)}, data={name: f"{name} JANE"}, headers={"X-Name": name})
    project = served.client.post("/api/v1/projects", json={"name": name, "classes": [name, f"{name} 2"]}).json()
    place = f"/api/v1/projects/{project['id']}"
    served.client.post(f"{place}/films?class={project['classes'][0]['id']}&name={name}", files={"file": (f"{name}.dcm", film)})
    for method, path in (("GET", f"{place}?name={name}"), ("PATCH", f"/api/v1/projects/{name}"), ("GET", f"/{name}.dcm"), (name, "/")):
        served.client.request(method, path, json={"name": name, name: name})
    served.client.post("/api/v1/session", json={"name": name, "password": name})
    served.client.post(f"{place}/jobs", json={"kind": "train"})
    assert name not in served.log
    assert name not in served.client.get("/api/v1/audit-log?limit=1000").text


def test_memory_stays_bounded(served: Served) -> None:
    assert 100 < served.most_mb < 450


def test_the_log_names_nothing_that_was_sent(served: Served, hostile: ModuleType) -> None:
    log = served.log
    assert "POST /api/v1/predictions 4" in log and "Traceback" not in log and " 500 " not in log
    for sent in (hostile.MARKER, "film.png", "a.png", "PHANTOM", "alert("):
        assert sent not in log
