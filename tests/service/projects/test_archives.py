"""A project saved as one file and opened elsewhere; files that are none."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from deephealth.service.projects import archive


def _saved(project: Any) -> bytes:
    answer = project.client.get(f"{project.base}/archive")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    return bytes(answer.content)


def _open(client: Any, data: bytes) -> Any:
    return client.post("/api/v1/projects/archive", content=data)


@pytest.fixture
def filled(project: Any, film: Any) -> Any:
    """Films of two patients, one known by the files' names; settings that are not the usual."""
    project.send("normal", ("person7_virus_1.png", film("normal", 1)), ("person7_virus_2.png", film("normal", 2, 1, "JPEG")))
    project.send("viral", ("Mustermann Erika.png", film("viral", 3)))
    project.client.patch(project.base, json={"name": "Ward 4", "settings": {"head": "logistic", "epochs": 7}})
    return project


def test_what_is_saved_and_opened_is_the_same_project(filled: Any) -> None:
    opened = _open(filled.client, _saved(filled))
    assert opened.status_code == 201, opened.text
    was, now = filled.client.get(filled.base).json(), opened.json()
    assert now["id"] != was["id"] and (now["name"], now["settings"]) == (was["name"], was["settings"])
    assert [(entry["name"], entry["films"]) for entry in now["classes"]] == [(entry["name"], entry["films"]) for entry in was["classes"]]
    films = filled.client.get(f"/api/v1/projects/{now['id']}/films").json()["films"]
    kept = ("sha256", "width", "height", "patient")
    assert [[entry[key] for key in kept] for entry in films] == [[entry[key] for key in kept] for entry in filled.films()]
    assert [entry["name"] for entry in films] == ["000001.png", "000002.jpg", "000003.png"]


def test_the_file_names_nobody(filled: Any) -> None:
    data = _saved(filled)
    with zipfile.ZipFile(io.BytesIO(data)) as saved:
        assert saved.testzip() is None
        assert sorted(saved.namelist()) == ["films/000001.png", "films/000002.jpg", "films/000003.png", "project.json"]
        everything = b"".join(saved.read(name) for name in saved.namelist())
    for name in (b"person7", b"Mustermann", b"Erika"):
        assert name not in data and name not in everything


def test_hidden_films_stay_behind(filled: Any) -> None:
    filled.change(films=[filled.films()[0]["id"]], deleted=True)
    with zipfile.ZipFile(io.BytesIO(_saved(filled))) as saved:
        assert len(json.loads(saved.read("project.json"))["films"]) == 2


def _zipped(description: dict[str, Any], **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("project.json", json.dumps(description))
        for name, data in members.items():
            made.writestr(name, data)
    return buffer.getvalue()


_GOOD: dict[str, Any] = {"deephealth": 1, "name": "x", "settings": {}, "classes": ["a", "b"], "films": []}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"not an archive",
        _zipped({}),
        _zipped({**_GOOD, "films": [{"file": "../../etc/passwd", "class": 0}]}),
        _zipped({**_GOOD, "films": [{"file": "films/000001.png", "class": 2}]}),
        _zipped({**_GOOD, "films": [{"file": "films/000001.png", "class": 0}] * 2}),
        _zipped({**_GOOD, "films": [{"file": "films/000001.png", "class": 0}]}, **{"films/000001.png": b"\x00" * 80_000_000}),
        _zipped({**_GOOD, "films": [{"file": "films/000001.png", "class": 0}]}, **{"films/000001.png": b"no film"}),
        _zipped({**_GOOD, "films": [{"file": "films/000001.png", "class": 0}]}),
        _zipped({**_GOOD, "deephealth": 2}),
        _zipped({**_GOOD, "settings": {"epochs": 10**9}}),
        _zipped({**_GOOD, "classes": ["normal", "healthy"]}),
    ],
    ids=["empty", "cut", "text", "bare", "path", "class", "twice", "bomb", "no film", "absent", "newer", "settings", "one class"],
)
def test_a_file_that_is_none_makes_no_project(service: Any, data: bytes) -> None:
    before = len(service.client.get("/api/v1/projects").json()["projects"])
    answer = _open(service.client, data)
    assert answer.status_code in (409, 422) and answer.json()["detail"]
    assert len(service.client.get("/api/v1/projects").json()["projects"]) == before
    assert not list((service.services.config.data / "uploads").glob("*.part"))


def test_a_bad_model_is_left_out(service: Any, film: Any) -> None:
    described = {**_GOOD, "films": [{"file": "films/000001.png", "class": 0}], "model": {"sha256": "0" * 64, "name": "m"}}
    data = _zipped(described, **{"films/000001.png": film("normal", 1), "model.onnx": b"no model"})
    opened = _open(service.client, data)
    assert opened.status_code == 201 and opened.json()["model"] is None and opened.json()["films"] == 1


def test_a_large_project_is_never_whole_in_memory(tmp_path: Any) -> None:
    """Ten members of 8 MB come in pieces of at most 1 MB and a little."""
    big = tmp_path / "film"
    big.write_bytes(bytes(8_000_000))
    described = archive.ArchivedProject(**_GOOD)
    pieces = [len(piece) for piece in archive.Packed(described, tuple((f"films/{n:06}.png", big) for n in range(10))).stream()]
    assert sum(pieces) > 80_000_000 and max(pieces) < 1_100_000


@pytest.mark.parametrize(("name", "file"), [("Ward 4: ä/../x", "ward-4-x.deephealth.zip"), ("儿童", "project.deephealth.zip")])
def test_a_project_has_a_plain_file_name(name: str, file: str) -> None:
    assert archive.file_name(name) == file
