"""Projects and classes: made, renamed, hidden and brought back."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def project(service: Any) -> dict[str, Any]:
    made = service.client.post("/api/v1/projects", json={"name": "Films", "classes": ["normal", "bacterial"]})
    assert made.status_code == 201, made.text
    return dict(made.json())


def test_a_new_project_has_its_classes_and_the_default_settings(project: dict[str, Any]) -> None:
    assert [entry["name"] for entry in project["classes"]] == ["normal", "bacterial"]
    assert project["settings"] == {
        "head": "dense", "epochs": 50, "batch": 16, "learning_rate": 0.001, "views": 1, "balance": True, "split_by": "patient", "seed": 0,
    }  # fmt: skip
    assert project["films"] == 0 and project["model"] is None and project["job"] is None


def test_a_deleted_project_leaves_the_list_and_comes_back(service: Any, project: dict[str, Any]) -> None:
    address = f"/api/v1/projects/{project['id']}"
    assert service.client.delete(address).status_code == 204
    assert project["id"] not in _listed(service, False) and project["id"] in _listed(service, True)
    assert service.client.patch(address, json={"deleted": False}).json()["deleted"] is False
    assert _listed(service, False)[project["id"]]["classes"] == 2 and project["id"] not in _listed(service, True)


def _listed(service: Any, deleted: bool) -> dict[str, Any]:
    found = service.client.get("/api/v1/projects", params={"deleted": deleted}).json()["projects"]
    return {entry["id"]: entry for entry in found}


def test_settings_and_name_are_kept(service: Any, project: dict[str, Any]) -> None:
    settings = {**project["settings"], "epochs": 7, "head": "logistic"}
    service.client.patch(f"/api/v1/projects/{project['id']}", json={"name": " Other\u0007  name ", "settings": settings})
    found = service.client.get(f"/api/v1/projects/{project['id']}").json()
    assert found["name"] == "Other name" and found["settings"] == settings


@pytest.mark.parametrize("name", ["NORMAL", "healthy", " normal "])
def test_a_class_that_means_the_same_is_refused(service: Any, project: dict[str, Any], name: str) -> None:
    """Both would train as one label."""
    answer = service.client.post(f"/api/v1/projects/{project['id']}/classes", json={"name": name}, headers={"Accept-Language": "es"})
    assert answer.status_code == 409 and answer.json()["code"] == "class-exists" and answer.json()["about"] == "name"
    assert "Ya hay una clase" in answer.json()["detail"]


def test_a_hidden_class_frees_its_name_and_cannot_come_back_beside_it(service: Any, project: dict[str, Any]) -> None:
    base = f"/api/v1/projects/{project['id']}/classes"
    first = project["classes"][0]["id"]
    assert service.client.patch(f"{base}/{first}", json={"deleted": True}).json()["deleted"] is True
    assert service.client.post(base, json={"name": "normal"}).status_code == 201
    assert service.client.patch(f"{base}/{first}", json={"deleted": False}).status_code == 409


def test_warnings_say_what_a_class_needs(service: Any, project: dict[str, Any]) -> None:
    found = service.client.get(f"/api/v1/projects/{project['id']}").json()["warnings"]
    assert [warning["code"] for warning in found] == ["one-class", "class-too-small", "class-too-small"]
    assert found[1]["class"] == project["classes"][0]["id"] and "3 patients" in found[1]["text"]


def test_what_is_absent_is_a_problem_in_both_languages(service: Any) -> None:
    for tongue, words in (("en", "no such project"), ("es", "No existe ese proyecto")):
        answer = service.client.get("/api/v1/projects/0123456789abcdef", headers={"Accept-Language": tongue})
        assert answer.status_code == 404 and words in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
