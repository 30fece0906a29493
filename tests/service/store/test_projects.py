"""Projects, films, uploads and jobs as rows, on both databases."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from deephealth.service.problems import ServiceProblem
from deephealth.service.store import films, jobs, projects, uploads
from deephealth.service.store.database import Database


def _film(class_id: str, patient: str | None = None, **more: Any) -> dict[str, Any]:
    blob = secrets.token_hex(32)
    row = {"id": secrets.token_hex(8), "class": class_id, "blob": blob, "thumbnail": blob, "kind": "png", "name": "film.png"}
    return {**row, "width": 1, "height": 2, "patient": patient, "phash": "0f" * 32, "facts": {}, **more}


def _filled(database: Database, count: int) -> tuple[str, list[str], list[str]]:
    """A project of two classes, `count` films in the first; its identifier, those of its classes and films."""
    with database.begin() as connection:
        project = projects.create(connection, "Films", ("normal", "viral"))
        classes = [row.id for row in projects.classes_of(connection, project)]
        rows = [_film(classes[0], f"p{number // 2}") for number in range(count)]
        films.add(connection, project, rows)
    return project, classes, [row["id"] for row in rows]


def test_films_are_counted_where_they_are_in_sight(database: Database) -> None:
    project, classes, ids = _filled(database, 3)
    with database.begin() as connection:
        films.change(connection, project, ids[:1], deleted=1.0)
        films.change(connection, project, ids[1:2], **{"class": classes[1]})
        assert [row.films for row in projects.classes_of(connection, project)] == [1, 1]
        (listed,) = projects.listed(connection, deleted=False)
        assert (listed.films, listed.classes) == (2, 2)
        projects.change_class(connection, project, classes[1], deleted=True)
        (listed,) = projects.listed(connection, deleted=False)
        assert (listed.films, listed.classes) == (1, 1)
        assert films.known(connection, project).ids == (ids[2],)


def test_pages_go_through_all_films_once(database: Database) -> None:
    project, _, ids = _filled(database, 5)
    found: list[str] = []
    after: str | None = ""
    with database.read() as connection:
        while after is not None:
            rows, after = films.page(connection, project, after=after, limit=2)
            found += [row.id for row in rows]
    assert found == ids


@pytest.mark.parametrize("after", ["x", "~", "1.0e~0"])
def test_a_cursor_of_somebody_else_is_refused(database: Database, after: str) -> None:
    project, _, _ = _filled(database, 0)
    with database.read() as connection, pytest.raises(ServiceProblem) as caught:
        films.page(connection, project, after=after)
    assert caught.value.code == "bad-cursor"


def test_a_thousand_films_change_at_once_or_not_at_all(database: Database) -> None:
    project, classes, ids = _filled(database, 1000)
    with database.begin() as connection:
        assert len(films.change(connection, project, ids, **{"class": classes[1]})) == 1000
    with pytest.raises(ServiceProblem), database.begin() as connection:
        films.change(connection, project, [*ids, "0" * 16], **{"class": classes[0]})
    with database.read() as connection:
        assert [row.films for row in projects.classes_of(connection, project)] == [0, 1000]


def test_patients_are_numbered_as_their_films_came(database: Database) -> None:
    project, classes, ids = _filled(database, 4)
    with database.begin() as connection:
        films.add(connection, project, [_film(classes[1], "a"), _film(classes[1])])
        films.change(connection, project, ids[:2], deleted=1.0)
        assert films.patient_numbers(connection, project) == {"p0": "1", "p1": "2", "a": "3"}


def test_perceptual_hashes_come_back_as_they_were(database: Database) -> None:
    project, classes, _ = _filled(database, 0)
    phash = bytes(range(32))
    with database.begin() as connection:
        films.add(connection, project, [_film(classes[0], phash=phash.hex())])
        assert films.known(connection, project).phash.tobytes() == phash


def test_what_has_ended_stays_as_it_is(database: Database) -> None:
    project, _, _ = _filled(database, 0)
    with database.begin() as connection:
        jobs.create(connection, "0" * 16, "train", project, {"name": "x"})
        assert [row.id for row in jobs.unfinished(connection)] == ["0" * 16]
        jobs.end(connection, "0" * 16, "done", model="f" * 64)
        jobs.end(connection, "0" * 16, "failed", problem={"code": "x", "en": "", "es": ""})
        row = jobs.get(connection, "0" * 16)
        assert (row.state, row.model, row.problem) == ("done", "f" * 64, None) and jobs.unfinished(connection) == []
        trained = jobs.last_trained(connection, project)
        assert trained is not None and trained.id == row.id
        assert jobs.last_of_projects(connection, [project])[project].id == row.id


def test_an_upload_is_noted_with_its_films(database: Database) -> None:
    project, classes, _ = _filled(database, 0)
    added = {"films": ["a"], "problems": []}
    with database.begin() as connection:
        values = {"project": project, "class": classes[0], "name": "x", "bytes": 2**40, "sha256": None}
        upload = uploads.create(connection, values)
        assert uploads.get(connection, upload).added is None and uploads.get(connection, upload).bytes == 2**40
        uploads.finish(connection, upload, added)
        uploads.note(connection, "1" * 16, project, classes[0], added)
        assert uploads.get(connection, upload).added == uploads.get(connection, "1" * 16).added == added


def test_a_class_that_means_the_same_is_refused_on_its_return_too(database: Database) -> None:
    project, classes, _ = _filled(database, 0)
    with database.begin() as connection:
        projects.change_class(connection, project, classes[0], deleted=True)
        projects.add_class(connection, project, "Healthy")
        with pytest.raises(ServiceProblem) as caught:
            projects.change_class(connection, project, classes[0], deleted=False)
    assert caught.value.status == 409
