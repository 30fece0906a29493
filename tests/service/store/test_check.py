from __future__ import annotations

from pathlib import Path
from types import ModuleType

from deephealth.service.store.blobs import Blobs
from deephealth.service.store.check import check
from deephealth.service.store.database import Database


def test_a_store_that_is_whole(database: Database, blobs: Blobs, data: Path, rows: ModuleType) -> None:
    rows.fill(database, blobs, data)
    found = check(database, blobs)
    assert (found.whole, found.files) == (True, 12)


def test_what_is_absent_or_changed_is_named(database: Database, blobs: Blobs, data: Path, rows: ModuleType) -> None:
    there = rows.fill(database, blobs, data)
    blobs.delete(there["model"])
    blobs.path(there["report"]).write_bytes(b"changed")
    found = check(database, blobs)
    assert set(found.missing) == {there["model"], there["report"]}
    assert not found.whole


def test_a_row_that_refers_to_none_is_told(tmp_path: Path, blobs: Blobs) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with database.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("INSERT INTO classes (id, project, name, place) VALUES ('c', 'absent', 'n', 0)")
    assert check(database, blobs).database == ("a row of classes refers to a row that is not there",)
    database.close()
