"""The store holds: killed with SIGKILL at moments drawn by chance, written by two processes at once, on a disk that is full."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import delete, func, select

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.check import check
from deephealth.service.store.cleaning import clean
from deephealth.service.store.database import Database
from deephealth.service.store.tables import films, projects


def write_for_ever(url: str, data: Path, rows: ModuleType, report: int) -> None:
    """Projects with films, some taken away again; one byte to `report` for each film whose transaction was committed."""
    database, blobs = Database(url), Blobs(data / "blobs")
    while True:
        with database.begin() as connection:
            place = rows.add_project(connection)
        for number in range(6):
            with database.begin() as connection:
                rows.add_film(connection, blobs, *place, os.urandom(random.randrange(1, 60_000)))
            os.write(report, b"f")
            if number == 5:
                with database.begin() as connection:
                    connection.execute(delete(projects).where(projects.c.id == place[0]))
                os.write(report, b"d" * 6)


def counted(reported: bytes) -> int:
    return reported.count(b"f") - reported.count(b"d")


@pytest.mark.slow
def test_twenty_kills_lose_nothing_that_was_committed(database_url: str, data: Path, blobs: Blobs, rows: ModuleType) -> None:
    chance, committed, between = random.Random(time.time_ns()), 0, 0
    for _ in range(10):  # 20 with both databases
        out, report = os.pipe()
        rows.killed(lambda report=report: write_for_ever(database_url, data, rows, report), chance.uniform(0.05, 0.5))
        os.close(report)
        with os.fdopen(out, "rb") as reported:
            committed += counted(reported.read())
        database = Database(database_url)
        with database.read() as connection:
            there = connection.scalar(select(func.count()).select_from(films)) or 0
        # At most one act was committed whose report the kill forestalled: a film put, or a project's six removed.
        assert there - committed in (0, 1, -6)
        committed, between = there, between + (there > 0)
        assert check(database, blobs).whole
        database.close()
    assert between, "no kill fell into the work itself"
    database = Database(database_url)
    for path in (data / "blobs" / "incoming").iterdir():
        os.utime(path, (1, 1))
    clean(database, blobs, data, 30, now=time.time() + 7200)
    assert check(database, blobs).whole
    with database.read() as connection:
        named = set(connection.scalars(select(films.c.blob))) | set(connection.scalars(select(films.c.thumbnail)))
    assert {path.name for path in (data / "blobs").rglob("*") if path.is_file()} == named
    database.close()


@pytest.mark.slow
def test_two_processes_write_at_once(database_url: str, data: Path, blobs: Blobs, rows: ModuleType) -> None:
    Database(database_url).close()
    out, report = os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            write_for_ever(database_url, data, rows, report)
        children.append(child)
    time.sleep(2)
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
    os.close(report)
    with os.fdopen(out, "rb") as reported:
        committed = counted(reported.read())
    database = Database(database_url)
    with database.read() as connection:
        there = connection.scalar(select(func.count()).select_from(films)) or 0
    assert there - committed in (0, 1, 2, -6, -5, -12)
    assert check(database, blobs).whole
    database.close()


def test_a_disk_that_fills_up_stops_new_films_only(small: Path, rows: ModuleType) -> None:
    database, blobs = Database(f"sqlite:///{small}/d.sqlite3"), Blobs(small / "blobs")
    (small / "of another program").write_bytes(bytes(300_000))
    with database.begin() as connection:
        place = rows.add_project(connection)
    kept = 0
    with pytest.raises(ServiceProblem) as caught:
        for _ in range(1000):
            with database.begin() as connection:
                rows.add_film(connection, blobs, *place, os.urandom(20_000))
            kept += 1
    assert (caught.value.status, caught.value.code) == (507, "storage-full")
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(films)) == kept > 10
    assert check(database, blobs).whole

    database.close()  # and a restart on the full disk
    database = Database(f"sqlite:///{small}/d.sqlite3")
    assert check(database, blobs).whole
    (small / "of another program").unlink()
    with database.begin() as connection:
        connection.execute(delete(projects))
    clean(database, blobs, small, 30, now=time.time() + 7200)
    assert list(blobs.names()) == []
    with database.begin() as connection:
        rows.add_film(connection, blobs, *rows.add_project(connection), os.urandom(200_000))
    assert check(database, blobs).whole
    database.close()


def test_rows_that_fill_the_disk_are_told_too(small: Path, rows: ModuleType) -> None:
    database = Database(f"sqlite:///{small}/d.sqlite3")
    with pytest.raises(ServiceProblem) as caught:
        for _ in range(10_000):
            with database.begin() as connection:
                rows.add_project(connection, "x" * 200)
    assert caught.value.code == "storage-full"
    database.close()
    assert sqlite3.connect(small / "d.sqlite3").execute("PRAGMA integrity_check").fetchone() == ("ok",)
