from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from deephealth.images.phantom import draw_phantom
from deephealth.model.file import shipped_model_path
from deephealth.service.answering.process import Worker
from deephealth.service.answering.results import CannotAnswer
from deephealth.service.answering.tasks import png


@pytest.fixture(scope="module")
def film() -> bytes:
    return png(draw_phantom("normal", seed=3, size=200).pixels)


def test_an_answer_is_the_predictors(service: Any, film: bytes) -> None:
    from deephealth.inference.predictor import load_model

    answer = service.services.pool.answer_now(shipped_model_path(), film, "a.png")
    expected = load_model(threads=1).predict(film)
    assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert (answer.label, answer.refused, answer.kind) == (expected.label, expected.refused, "png")
    assert answer.sha256 == hashlib.sha256(film).hexdigest()
    assert [len(answer.heatmap), len(answer.heatmap["normal"])] == [3, expected.heatmap.shape[1]]


def test_what_is_no_film_is_said_in_a_sentence(service: Any) -> None:
    with pytest.raises(CannotAnswer, match=r"^a.png is a PDF document, expected") as caught:
        service.services.pool.answer_now(shipped_model_path(), b"%PDF-1.4", "a.png")
    assert caught.value.code == "unreadable"


def test_a_worker_that_is_killed_loses_no_request(service: Any, film: bytes) -> None:
    pool = service.services.pool
    pool.answer_now(shipped_model_path(), film, "a.png")
    before = pool.restarts
    for worker in list(pool._workers):
        os.kill(worker._process.pid, signal.SIGKILL)
    assert pool.answer_now(shipped_model_path(), film, "a.png").kind == "png"
    assert pool.restarts > before


def test_a_film_that_takes_too_long_is_refused_and_the_next_answered(start_service: Any, film: bytes) -> None:
    pool = start_service(worker_seconds=1.0).services.pool
    pool.answer_now(shipped_model_path(), film, "a.png")
    (worker,) = pool._workers
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(CannotAnswer, match=r"a.png took more than 1 s") as caught:
        pool.answer_now(shipped_model_path(), film, "a.png")
    assert caught.value.code == "timeout"
    assert pool.answer_now(shipped_model_path(), film, "b.png").kind == "png"
    assert pool.restarts == 1


def test_no_worker_outlives_the_service(start_service: Any) -> None:
    started = start_service(workers=2)
    assert started.client.get("/").status_code in (200, 404)
    processes = [worker._process for worker in started.services.pool._workers]
    started.stop()
    time.sleep(0)
    assert [process.poll() is not None for process in processes] == [True, True]


def test_a_film_is_inspected_for_a_project(service: Any) -> None:
    from deephealth.datasets.duplicates import perceptual_hash
    from deephealth.images.phantom_dicom import dicom_bytes
    from deephealth.images.read import read_film
    from deephealth.inference.predictor import load_model

    data = dicom_bytes(draw_phantom("normal", seed=2, size=400), seed=2, patient=1, film=1)
    film = read_film(data)
    found = service.services.pool.inspect(data, "a.dcm", "salt")
    assert (found.kind, found.kind_kept, found.width, found.height) == ("dicom", "png", film.width, film.height)
    assert bytes.fromhex(found.phash) == perceptual_hash(film.pixels).tobytes()
    assert found.patient and found.patient != film.tags["patient_id"] and found.sex == film.tags["sex"]
    expected = load_model(threads=1).predict(film)
    assert found.novelty == pytest.approx(expected.novelty, rel=1e-5) and found.reason == expected.reason
    assert max(read_size(found.thumbnail)) == 160 and found.film.startswith(b"\x89PNG")


def read_size(webp: bytes) -> tuple[int, int]:
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(webp)).size


def test_a_film_that_needs_too_much_memory_is_refused_and_the_next_answered(start_service: Any, film: bytes) -> None:
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (8000, 8000)).save(buffer, "PNG", compress_level=1)
    pool = start_service(worker_memory_mb=300).services.pool
    with pytest.raises(CannotAnswer, match="needs more memory") as caught:
        pool.answer_now(shipped_model_path(), buffer.getvalue(), "large.png")
    assert caught.value.code == "too-large"
    assert pool.answer_now(shipped_model_path(), film, "a.png").kind == "png"


def test_a_worker_grown_by_a_large_film_is_replaced(start_service: Any, film: bytes) -> None:
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("L", (8000, 8000)).save(buffer, "PNG", compress_level=1)
    pool = start_service().services.pool
    pool.answer_now(shipped_model_path(), film, "a.png")
    (before,) = [worker._process.pid for worker in pool._workers]
    assert pool.answer_now(shipped_model_path(), buffer.getvalue(), "large.png").width == 8000
    assert pool.answer_now(shipped_model_path(), film, "a.png").kind == "png"
    assert [worker._process.pid for worker in pool._workers] != [before] and pool.restarts == 0


def test_a_worker_is_told_nothing_that_it_does_not_need(start_service: Any, monkeypatch: pytest.MonkeyPatch, film: bytes) -> None:
    monkeypatch.setenv("DEEPHEALTH_DATABASE_FOR_TESTS", "postgresql://ana:secret@host/films")
    monkeypatch.setenv("DEEPHEALTH_MAX_PIXELS", "30000")
    pool = start_service().services.pool
    with pytest.raises(CannotAnswer, match="over the limit of 30,000"):
        pool.answer_now(shipped_model_path(), film, "a.png")
    (worker,) = pool._workers
    assert b"secret" not in Path(f"/proc/{worker._process.pid}/environ").read_bytes()


def test_a_film_that_ends_every_worker_is_refused_and_the_others_answered(
    start_service: Any, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, ask = start_service(workers=2).services.pool, Worker.ask

    async def hostile(self: Any, header: Any, body: Any) -> Any:
        if header.get("name") == "hostile.png":
            os.kill(self._process.pid, signal.SIGKILL)
        return await ask(self, header, body)

    monkeypatch.setattr(Worker, "ask", hostile)
    with pytest.raises(CannotAnswer, match=r"^hostile.png could not be read: the program that read it ended") as caught:
        pool.answer_now(shipped_model_path(), film, "hostile.png")
    assert caught.value.code == "unreadable" and pool.restarts == 3
    assert pool.answer_now(shipped_model_path(), film, "a.png").kind == "png"
