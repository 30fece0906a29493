"""Films sent in one request, listed by pages, moved, hidden and brought back."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest


def test_films_of_one_name_never_collide(project: Any, film: Any) -> None:
    added = project.send("normal", ("film.png", film("normal", 1)), ("film.png", film("normal", 2)))
    assert [entry["name"] for entry in added["films"]] == ["film.png", "film.png"] and added["problems"] == []
    assert len({entry["id"] for entry in added["films"]}) == len({entry["sha256"] for entry in added["films"]}) == 2


def test_one_unreadable_file_stops_no_other(project: Any, film: Any) -> None:
    added = project.send("normal", ("a.png", film("normal", 1)), ("b.dcm", b"not a film"), ("c.png", film("normal", 2)))
    assert [entry["name"] for entry in added["films"]] == ["a.png", "c.png"]
    (problem,) = added["problems"]
    assert problem["name"] == "b.dcm" and problem["code"] == "unreadable" and problem["reason"].startswith("b.dcm is ")


def test_a_zip_is_unpacked_and_leads_nowhere(project: Any, film: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../etc/one.png", film("normal", 1))
        archive.writestr("folder/two.png", film("normal", 2))
        archive.writestr("folder/notes.pdf", b"%PDF-1.4")
    added = project.send("normal", ("drop.zip", buffer.getvalue()))
    assert [entry["name"] for entry in added["films"]] == ["etc/one.png", "folder/two.png"]
    assert [entry["name"] for entry in added["problems"]] == ["folder/notes.pdf"]


@pytest.mark.parametrize("data", [b"PK\x03\x04 and no more", b""], ids=["broken zip", "empty"])
def test_a_file_without_films_is_a_problem(project: Any, data: bytes) -> None:
    added = project.send("normal", ("drop.zip", data))
    assert added["films"] == [] and len(added["problems"]) == 1 and "drop.zip" in added["problems"][0]["reason"]


def test_a_repeated_post_adds_nothing(project: Any, film: Any) -> None:
    key = {"Idempotency-Key": "0123456789abcdef"}
    first = project.send("normal", ("a.png", film("normal", 1)), **key)
    assert project.send("normal", ("a.png", film("normal", 1)), **key) == first
    assert len(project.films()) == 1


def test_pages_hold_every_film_once_in_the_order_they_came(project: Any, film: Any) -> None:
    sent = project.send("normal", *[(f"{patient}.png", film("normal", patient)) for patient in range(1, 6)])["films"]
    found: list[str] = []
    after = ""
    while after is not None:
        page = project.client.get(f"{project.base}/films", params={"after": after, "limit": 2}).json()
        found += [entry["id"] for entry in page["films"]]
        after = page["next"]
    assert found == [entry["id"] for entry in sent]
    assert project.client.get(f"{project.base}/films", params={"after": "x"}).status_code == 422


def test_many_are_hidden_and_brought_back(project: Any, film: Any) -> None:
    ids = [entry["id"] for entry in project.send("normal", ("a.png", film("normal", 1)), ("b.png", film("normal", 2)))["films"]]
    assert all(entry["deleted"] for entry in project.change(films=ids, deleted=True).json()["films"])
    assert project.films() == [] and [entry["id"] for entry in project.films(deleted=True)] == ids
    project.change(films=ids, deleted=False)
    assert [entry["id"] for entry in project.films()] == ids


def test_films_move_to_a_class_of_the_project_only(project: Any, film: Any) -> None:
    (sent,) = project.send("normal", ("a.png", film("normal", 1)))["films"]
    moved = project.change(**{"films": [sent["id"]], "class": project.classes["viral"]}).json()["films"]
    assert [entry["class"] for entry in moved] == [project.classes["viral"]]
    assert project.change(**{"films": [sent["id"]], "class": "0" * 16}).status_code == 404
    assert project.change(films=["0" * 16], deleted=True).status_code == 404


def test_films_of_a_hidden_class_are_out_of_sight(project: Any, film: Any) -> None:
    project.send("normal", ("a.png", film("normal", 1)))
    address = f"{project.base}/classes/{project.classes['normal']}"
    project.client.patch(address, json={"deleted": True})
    assert project.films() == [] and project.client.get(project.base).json()["films"] == 0
    project.client.patch(address, json={"deleted": False})
    assert len(project.films()) == 1


def test_patients_are_numbers_that_a_person_may_change(project: Any, film: Any) -> None:
    """person7_virus_1 and person7_virus_2 are one patient by their names."""
    sent = project.send(
        "viral", ("person7_virus_1.png", film("viral", 1)), ("person7_virus_2.png", film("viral", 2)), ("x.png", film("viral", 3))
    )["films"]
    assert [entry["patient"] for entry in sent] == ["1", "1", None]
    assert project.change(films=[sent[2]["id"]], patient="1").json()["films"][0]["patient"] == "1"
    assert project.change(films=[sent[2]["id"]], patient="bed 4").json()["films"][0]["patient"] == "2"
    assert project.change(films=[sent[2]["id"]], patient=None).json()["films"][0]["patient"] is None


def test_pictures_may_be_kept_for_good(project: Any, film: Any) -> None:
    (sent,) = project.send("normal", ("a.png", film("normal", 1)))["films"]
    for address, kind in ((sent["image"], "image/png"), (sent["thumbnail"], "image/webp")):
        answer = project.client.get(address)
        assert answer.status_code == 200 and answer.headers["content-type"] == kind and "immutable" in answer.headers["cache-control"]
        assert project.client.get(address, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
