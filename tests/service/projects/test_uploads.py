"""Uploads in pieces: gone on with after anything, verified, never mixed up."""

from __future__ import annotations

import hashlib
import io
import socket
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from deephealth.service.store import uploads


def _begin(project: Any, name: str, data: bytes, **more: Any) -> dict[str, Any]:
    body = {"project": project.id, "class": project.classes["normal"], "name": name, "bytes": len(data), **more}
    answer = project.client.post("/api/v1/uploads", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _send(project: Any, upload: str, offset: int, piece: bytes) -> httpx.Response:
    return project.client.patch(f"/api/v1/uploads/{upload}", content=piece, headers={"Upload-Offset": str(offset)})


def test_a_film_in_three_pieces(project: Any, film: Any, service: Any) -> None:
    data = film("normal", 1)
    upload = _begin(project, "big.png", data, sha256=hashlib.sha256(data).hexdigest())
    assert _send(project, upload["id"], 0, data[:100]).json()["offset"] == 100
    assert project.client.get(f"/api/v1/uploads/{upload['id']}").json() == {**upload, "offset": 100}
    assert _send(project, upload["id"], 100, data[100:1000]).headers["upload-offset"] == "1000"
    done = _send(project, upload["id"], 1000, data[1000:]).json()
    assert [entry["name"] for entry in done["added"]["films"]] == ["big.png"] and done["offset"] == len(data)
    assert project.client.get(f"/api/v1/uploads/{upload['id']}").json() == done
    assert not uploads.part(service.services.config.data, upload["id"]).exists()


def test_another_offset_is_told_the_true_one(project: Any, film: Any) -> None:
    data = film("normal", 1)
    upload = _begin(project, "big.png", data)["id"]
    _send(project, upload, 0, data[:100])
    for wrong in (0, 99, 101):
        answer = _send(project, upload, wrong, b"x")
        assert answer.status_code == 409 and answer.headers["upload-offset"] == "100"
    assert _send(project, upload, 100, data[100:]).json()["added"]["problems"] == []


def test_the_last_piece_sent_twice_adds_one_film(project: Any, film: Any) -> None:
    """Its first answer was lost on the way."""
    data = film("normal", 1)
    upload = _begin(project, "big.png", data)["id"]
    first = _send(project, upload, 0, data).json()
    assert project.client.get(f"/api/v1/uploads/{upload}").json() == first
    assert _send(project, upload, len(data), b"").json() == first and len(project.films()) == 1


def test_what_arrived_of_a_piece_that_was_cut_off_is_kept(project: Any, film: Any, service: Any) -> None:
    data = film("normal", 1)
    upload = _begin(project, "big.png", data)["id"]
    host, port = service.url.removeprefix("http://").split(":")
    part = uploads.part(service.services.config.data, upload)
    with socket.create_connection((host, int(port))) as line:
        head = f"PATCH /api/v1/uploads/{upload} HTTP/1.1\r\nHost: {host}\r\nUpload-Offset: 0\r\nContent-Length: {len(data)}\r\n\r\n"
        line.sendall(head.encode() + data[:500])
        _until(lambda: uploads.size(part) == 500)
        assert _send(project, upload, 500, data[500:]).json()["code"] == "processing"
    answers: list[httpx.Response] = []
    _until(lambda: answers.append(_send(project, upload, 500, data[500:])) or answers[-1].status_code != 503)
    assert [entry["name"] for entry in answers[-1].json()["added"]["films"]] == ["big.png"]


def _until(reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if reached():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


def test_an_upload_goes_on_after_a_restart(start_service: Any, film: Any, tmp_path: Path) -> None:
    data = film("normal", 1)
    first = start_service()
    made = first.client.post("/api/v1/projects", json={"name": "Films", "classes": ["normal"]}).json()
    body = {"project": made["id"], "class": made["classes"][0]["id"], "name": "big.png", "bytes": len(data)}
    upload = first.client.post("/api/v1/uploads", json=body).json()["id"]
    first.client.patch(f"/api/v1/uploads/{upload}", content=data[:300], headers={"Upload-Offset": "0"})
    first.stop()
    second = start_service()
    assert second.client.get(f"/api/v1/uploads/{upload}").json()["offset"] == 300
    done = second.client.patch(f"/api/v1/uploads/{upload}", content=data[300:], headers={"Upload-Offset": "300"}).json()
    assert len(done["added"]["films"]) == 1


@pytest.mark.slow
def test_an_upload_goes_on_after_kill_9_in_the_middle_of_a_piece(film: Any, start_process: Any, tmp_path: Path) -> None:
    data = film("normal", 1)
    process, client = start_process()
    made = client.post("/api/v1/projects", json={"name": "Films", "classes": ["normal"]}).json()
    body = {"project": made["id"], "class": made["classes"][0]["id"], "name": "big.png", "bytes": len(data)}
    upload = client.post("/api/v1/uploads", json=body).json()["id"]
    client.patch(f"/api/v1/uploads/{upload}", content=data[:300], headers={"Upload-Offset": "0"})
    part = uploads.part(tmp_path / "data", upload)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
        head = f"PATCH /api/v1/uploads/{upload} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpload-Offset: 300\r\nContent-Length: 400\r\n\r\n"
        line.sendall(head.encode() + data[300:500])
        _until(lambda: uploads.size(part) == 500)
        process.kill()
        process.wait()
    _, client = start_process()
    assert client.get(f"/api/v1/uploads/{upload}").json()["offset"] == 500
    done = client.patch(f"/api/v1/uploads/{upload}", content=data[500:], headers={"Upload-Offset": "500"}).json()
    assert done["added"]["problems"] == [] and len(done["added"]["films"]) == 1


def test_a_file_whose_bytes_were_all_there_before_a_kill_is_finished(project: Any, film: Any, service: Any) -> None:
    data = film("normal", 1)
    upload = _begin(project, "big.png", data)["id"]
    path = uploads.part(service.services.config.data, upload)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert project.client.get(f"/api/v1/uploads/{upload}").json()["added"] is None
    assert len(_send(project, upload, len(data), b"").json()["added"]["films"]) == 1


def test_a_damaged_file_is_refused_and_sent_again(project: Any, film: Any) -> None:
    data = film("normal", 1)
    upload = _begin(project, "big.png", data, sha256=hashlib.sha256(data).hexdigest())["id"]
    answer = _send(project, upload, 0, data[:-1] + b"x")
    assert answer.status_code == 422 and answer.json()["code"] == "checksum" and answer.json()["about"] == "big.png"
    assert _send(project, upload, 0, data).json()["added"]["films"][0]["name"] == "big.png"


def test_more_than_was_promised_or_allowed_is_refused(project: Any, film: Any) -> None:
    data = film("normal", 1)
    upload = _begin(project, "big.png", data)["id"]
    assert _send(project, upload, 0, data + b"x").status_code == 413
    body = {"project": project.id, "class": project.classes["normal"], "name": "x", "bytes": 301_000_000}
    assert project.client.post("/api/v1/uploads", json=body).status_code == 413


def test_two_uploads_of_one_name_are_two_films(project: Any, film: Any) -> None:
    one, two = film("normal", 1), film("normal", 2)
    a, b = (_begin(project, "film.png", data)["id"] for data in (one, two))
    _send(project, a, 0, one[:50])
    _send(project, b, 0, two)
    _send(project, a, 50, one[50:])
    assert len({entry["sha256"] for entry in project.films()}) == 2


def test_an_archive_in_pieces_is_unpacked(project: Any, film: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for patient in range(1, 4):
            archive.writestr(f"{patient}.png", film("normal", patient))
    data = buffer.getvalue()
    upload = _begin(project, "drop.zip", data)["id"]
    _send(project, upload, 0, data[:1000])
    added = _send(project, upload, 1000, data[1000:]).json()["added"]
    assert [entry["name"] for entry in added["films"]] == ["1.png", "2.png", "3.png"]


@pytest.mark.parametrize("upload", ["0123456789abcdef", "..%2F..%2Fetc", "x"])
def test_an_unknown_upload_is_none(project: Any, upload: str) -> None:
    assert project.client.get(f"/api/v1/uploads/{upload}").status_code in (404, 405, 422)
    assert _send(project, upload, 0, b"x").status_code in (404, 405, 422)
