from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import delete, func, insert, select, update

from deephealth.service.store import cleaning
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.check import check
from deephealth.service.store.cleaning import DAY, Cleaned, Cleaner, clean
from deephealth.service.store.database import Database
from deephealth.service.store.tables import films, jobs, projects, settings, uploads

LATER = 2 * 3600.0


def count(database: Database, table: object) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


def test_nothing_that_a_row_names_is_removed(database: Database, blobs: Blobs, data: Path, rows: ModuleType) -> None:
    rows.fill(database, blobs, data)
    before = sorted(blobs.names())
    assert len(before) == 12
    assert not clean(database, blobs, data, 30, now=time.time() + LATER).anything
    assert sorted(blobs.names()) == before
    assert check(database, blobs).whole


def test_films_deleted_long_ago_go_for_good_and_their_bytes_with_them(
    database: Database, blobs: Blobs, data: Path, rows: ModuleType
) -> None:
    rows.fill(database, blobs, data)
    now = time.time()
    with database.begin() as connection:
        first, second = connection.scalars(select(films.c.id).limit(2))
        connection.execute(update(films).where(films.c.id == first).values(deleted=now - 31 * DAY))
        connection.execute(update(films).where(films.c.id == second).values(deleted=now - 29 * DAY))
    done = clean(database, blobs, data, 30, now=now + LATER)
    assert (done.rows, done.files) == (1, 2)
    assert done.bytes == len(b"film 0" + b"small film 0")
    assert count(database, films) == 4
    assert check(database, blobs).whole


def test_bytes_of_two_films_stay_while_one_of_them_is_there(database: Database, blobs: Blobs, data: Path, rows: ModuleType) -> None:
    with database.begin() as connection:
        project, one = rows.add_project(connection)
        rows.add_film(connection, blobs, project, one, b"same", deleted=1.0)
        rows.add_film(connection, blobs, project, one, b"same")
    assert clean(database, blobs, data, 30, now=time.time() + LATER) == Cleaned(1, 0, 0, 0)
    assert check(database, blobs).whole


def test_a_project_deleted_long_ago_goes_with_its_films_and_jobs_but_its_model_stays(
    database: Database, blobs: Blobs, data: Path, rows: ModuleType
) -> None:
    there = rows.fill(database, blobs, data)
    with database.begin() as connection:
        connection.execute(update(projects).values(deleted=1.0))
    for job in (data / "jobs").iterdir():
        os.utime(job, (1, 1))
    done = clean(database, blobs, data, 30, now=time.time() + LATER)
    assert (count(database, films), count(database, jobs), done.folders) == (0, 0, 2)
    assert list((data / "jobs").iterdir()) == []
    assert sorted(blobs.names()) == sorted([there["model"], there["report"]])


def test_an_upload_that_nobody_goes_on_with_is_removed_with_its_bytes(
    database: Database, blobs: Blobs, data: Path, rows: ModuleType
) -> None:
    upload = rows.fill(database, blobs, data)["upload"]
    (data / "uploads").mkdir()
    mine, stray = data / "uploads" / f"{upload}.part", data / "uploads" / "0123456789abcdef"
    for path in (mine, stray):
        path.write_bytes(b"half")
        os.utime(path, (1, 1))
    clean(database, blobs, data, 30)
    assert (mine.exists(), stray.exists(), count(database, uploads)) == (True, False, 1)
    clean(database, blobs, data, 30, now=time.time() + 1.1 * DAY)
    assert (mine.exists(), count(database, uploads)) == (False, 0)


def test_what_came_in_and_was_never_finished_is_removed(database: Database, blobs: Blobs, data: Path) -> None:
    (data / "incoming").mkdir()
    old, new = data / "incoming" / "tmpold.zip", data / "incoming" / "tmpnew.zip"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    clean(database, blobs, data, 30)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_folder_of_no_job_goes_unless_it_is_new_or_someone_works_there(database: Database, blobs: Blobs, data: Path) -> None:
    new, held, gone = (data / "jobs" / (letter * 16) for letter in "abc")
    for folder in (new, held, gone):
        (folder / "run").mkdir(parents=True)
        (folder / "run" / "model.onnx").write_bytes(b"m")
    for folder in (held, gone):
        os.utime(folder, (1, 1))
    handle = os.open(held, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert clean(database, blobs, data, 30).folders == 1
    assert sorted((data / "jobs").iterdir()) == [new, held]
    os.close(handle)
    assert clean(database, blobs, data, 30).folders == 1


def test_a_hash_within_json_keeps_its_bytes(database: Database, blobs: Blobs, data: Path) -> None:
    name = blobs.put(b"report")
    with database.begin() as connection:
        connection.execute(insert(settings).values(name="n", value={"list": [{"report": f"/api/blobs/{name}?a"}]}))
    clean(database, blobs, data, 30, now=time.time() + LATER)
    assert blobs.intact(name)
    with database.begin() as connection:
        connection.execute(delete(settings))
    clean(database, blobs, data, 30, now=time.time() + LATER)
    assert not blobs.intact(name)


def test_a_link_in_the_place_of_a_job_is_not_followed(database: Database, blobs: Blobs, data: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (data / "jobs").mkdir()
    (data / "jobs" / "link").symlink_to(tmp_path / "precious")
    os.utime(data / "jobs" / "link", (1, 1), follow_symlinks=False)
    clean(database, blobs, data, 30)
    assert (tmp_path / "precious").exists()
    assert list((data / "jobs").iterdir()) == []


def test_the_cleaner_works_soon_and_again_and_survives_a_failure(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(cleaning, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(cleaning, "_EVERY_SECONDS", 0.01)
    done: list[int] = []

    def work() -> Cleaned:
        done.append(1)
        if len(done) == 1:
            raise OSError(5, "no disk")
        return Cleaned(1, 2, 3, 4)

    cleaner = Cleaner(work)
    with caplog.at_level("INFO", logger="deephealth.service"):
        cleaner.start()
        while len(done) < 3:
            time.sleep(0.01)
        cleaner.stop()
    assert "the clean-up failed: OSError" in caplog.text
    assert "removed for good: 1 rows, 2 files (4 bytes), 3 job folders" in caplog.text
