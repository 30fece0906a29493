from __future__ import annotations

import builtins
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import create_engine, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from deephealth.errors import DeepHealthError, MissingExtra, UsageError
from deephealth.service.problems import ServiceProblem
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.tables import classes, films, projects, settings, uploads


def project(**values: Any) -> dict[str, Any]:
    return {"id": "0" * 16, "name": "Tórax", "salt": "s", "settings": {}, "created": 1.0, "changed": 1.0, **values}


def test_a_block_that_ends_is_kept_and_one_that_raises_leaves_nothing(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(insert(projects).values(project()))

    def fail() -> None:
        with database.begin() as connection:
            connection.execute(update(projects).values(name="other"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.read() as connection:
        assert connection.scalar(select(projects.c.name)) == "Tórax"


def test_rows_come_back_as_they_went(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(insert(projects).values(project(settings={"epochs": 50, "names": ["ñ", None, 0.1]}, created=1764138460.123456)))
    with database.read() as connection:
        row = connection.execute(select(projects)).one()
    assert row.settings == {"epochs": 50, "names": ["ñ", None, 0.1]}
    assert row.created == 1764138460.123456
    assert row.deleted is None


def test_what_is_no_number_is_refused_by_both(database: Database) -> None:
    with pytest.raises((StatementError, ValueError), match="JSON compliant"), database.begin() as connection:
        connection.execute(insert(projects).values(project(settings={"novelty": float("nan")})))


def test_none_in_a_json_column_is_null(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(insert(projects).values(project()))
        connection.execute(insert(classes).values(id="c", project="0" * 16, name="n", place=0))
        connection.execute(
            insert(uploads).values(id="u", project="0" * 16, **{"class": "c"}, name="f", bytes=2**40, added=None, changed=1.0)
        )
        assert connection.scalar(select(func.count()).select_from(uploads).where(uploads.c.added.is_(None))) == 1


def test_what_belongs_to_a_project_goes_with_it_and_nothing_belongs_to_none(database: Database, blobs: Blobs, rows: ModuleType) -> None:
    with database.begin() as connection:
        place = rows.add_project(connection)
        rows.add_film(connection, blobs, *place, b"film")
        connection.execute(projects.delete())
        assert connection.scalar(select(func.count()).select_from(films)) == 0
    with pytest.raises(IntegrityError), database.begin() as connection:
        rows.add_film(connection, blobs, *place, b"film")


def test_an_error_does_not_tell_what_was_written(database: Database, blobs: Blobs, rows: ModuleType) -> None:
    with pytest.raises(IntegrityError) as caught, database.begin() as connection:
        rows.add_film(connection, blobs, "absent", "absent", b"film")
    assert "niño" not in str(caught.value)


def test_a_reader_sees_one_moment_and_cannot_write(database: Database) -> None:
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(projects)) == 0
        with database.begin() as other:
            other.execute(insert(projects).values(project()))
        assert connection.scalar(select(func.count()).select_from(projects)) == 0
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(projects)) == 1


def count_up(database: Database, times: int) -> None:
    for _ in range(times):
        with database.begin() as connection:
            found = connection.scalar(select(settings.c.value).where(settings.c.name == "n").with_for_update())
            connection.execute(update(settings).where(settings.c.name == "n").values(value=found + 1))


_CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_database import count_up
from deephealth.service.store.database import Database
count_up(Database(sys.argv[2]), 50)
"""


def test_threads_and_processes_that_read_and_then_write_lose_nothing(database: Database, database_url: str) -> None:
    with database.begin() as connection:
        connection.execute(insert(settings).values(name="n", value=0))
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(Path(__file__).parent), database_url])
    threads = [threading.Thread(target=count_up, args=(database, 50)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert child.wait(60) == 0
    with database.read() as connection:
        assert connection.scalar(select(settings.c.value)) == 200


def test_several_may_start_at_once_on_an_empty_database(database_url: str) -> None:
    together = threading.Barrier(8)

    def start(_number: int) -> bool:
        together.wait()
        Database(database_url).close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(start, range(8)))


def test_sqlite_is_in_wal_mode_and_syncs_every_commit(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with database.read() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]
    database.close()
    assert pragmas == ["wal", 2, 1]


def test_a_full_disk_is_a_sentence_and_the_database_goes_on(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with pytest.raises(ServiceProblem) as caught, database.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=40")
        connection.execute(insert(settings).values(name="n", value="x" * 500_000))
    assert (caught.value.status, caught.value.code) == (507, "storage-full")
    with database.begin() as connection:
        connection.execute(insert(settings).values(name="small", value=1))
    database.close()


def test_a_database_that_another_program_holds_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deephealth.service.store.database._BUSY_SECONDS", 0.1)
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    other = sqlite3.connect(tmp_path / "a.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceProblem) as caught, database.begin():
        pass
    other.close()
    database.close()
    assert (caught.value.status, caught.value.code) == (503, "storage-busy")
    assert caught.value.headers == {"Retry-After": "2"}


def test_begin_within_begin_is_told_instead_of_waiting_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deephealth.service.store.database._BUSY_SECONDS", 0.1)
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with database.begin(), pytest.raises(ServiceProblem, match="busy"), database.begin():
        pass
    database.close()


def test_a_postgresql_that_goes_away_is_told_and_found_again(postgres: str, postgres_url: str) -> None:
    database, other = Database(postgres_url), create_engine(postgres)
    door = Path(parse_qs(urlsplit(postgres).query)["host"][0]) / ".s.PGSQL.5432"
    with other.connect() as beside:
        door.rename(door.with_suffix(".away"))
        try:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            beside.execute(text(end), {"name": urlsplit(postgres_url).path[1:]})
            for use in (database.read, database.begin):
                with pytest.raises(ServiceProblem) as caught, use() as connection:
                    connection.execute(select(projects))
                assert (caught.value.status, caught.value.code) == (503, "storage-unreachable")
        finally:
            door.with_suffix(".away").rename(door)
    with database.begin() as connection:
        connection.execute(insert(projects).values(project()))
    with pytest.raises(ServiceProblem, match="does not answer"), database.begin() as connection:
        connection.execute(update(projects).values(name="half"))
        mine = connection.scalar(text("SELECT pg_backend_pid()"))
        with other.connect() as beside:
            beside.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
        connection.execute(select(projects))
    with database.read() as connection:
        assert connection.scalar(select(projects.c.name)) == "Tórax"
    database.close()
    other.dispose()


@pytest.mark.parametrize("url", ["mysql://localhost/a", "nonsense", "sqlite://"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="DEEPHEALTH_DATABASE"):
        Database(url)


def test_a_database_out_of_reach_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(DeepHealthError, match="cannot be used") as caught:
        Database(f"postgresql://someone:secret@/none?host={tmp_path}")
    assert "secret" not in str(caught.value)
    with pytest.raises(DeepHealthError, match="unable to open"):
        Database(f"sqlite:///{tmp_path / 'absent' / 'a.sqlite3'}")
    (tmp_path / "film.jpg").write_bytes(b"\xff\xd8" * 2000)
    with pytest.raises(DeepHealthError, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'film.jpg'}")


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "psycopg":
            raise ModuleNotFoundError(name="psycopg")
        return genuine(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match="postgres"):
        Database("postgresql://localhost/a")
