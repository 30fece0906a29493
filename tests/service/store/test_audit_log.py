"""The audit log: nothing can be changed, removed or moved unnoticed, and many writers keep one chain."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from deephealth.service.store import audit_log
from deephealth.service.store.database import Database
from deephealth.service.store.tables import audit_log as table
from deephealth.service.store.tables import settings


def write(database: Database, entries: int) -> str:
    for number in range(entries):
        with database.begin() as connection:
            audit_log.append(connection, "ana", "project.delete", {"project": f"{number:016x}", "films": number, "share": 0.1})
    with database.read() as connection:
        return audit_log.verify(connection).head


def verdict(database: Database, noted: str = "") -> audit_log.Verdict:
    with database.read() as connection:
        return audit_log.verify(connection, noted=noted)


def test_a_log_that_nobody_touched_is_intact(database: Database) -> None:
    assert verdict(database) == audit_log.Verdict(0, "", f"0:{'0' * 64}")
    head = write(database, 5)
    assert verdict(database) == audit_log.Verdict(5, "", head) and head.startswith("5:")
    with database.read() as connection:
        assert [entry["number"] for entry in audit_log.entries(connection, limit=2)] == [4, 5]
        assert [entry["number"] for entry in audit_log.entries(connection, after=1, limit=2)] == [2, 3]


def swap(connection: Connection) -> None:
    two, three = (connection.execute(select(table).where(table.c.number == number)).mappings().one() for number in (2, 3))
    connection.execute(delete(table).where(table.c.number.in_((2, 3))))
    connection.execute(insert(table), [{**two, "number": 3}, {**three, "number": 2}])


def reseal(connection: Connection) -> None:
    """What a clumsy forger does: change an entry and compute its own seal again."""
    entry = dict(connection.execute(select(table).where(table.c.number == 3)).mappings().one()) | {"user": "eva"}
    connection.execute(update(table).where(table.c.number == 3).values(user="eva", sha256=audit_log._seal(entry["previous"], entry)))


TAMPERING: dict[str, tuple[Callable[[Connection], object], str]] = {
    "user": (lambda connection: connection.execute(update(table).where(table.c.number == 2).values(user="eva")), "entry 2 is not as"),
    "time": (lambda connection: connection.execute(update(table).where(table.c.number == 2).values(time=1.0)), "entry 2 is not as"),
    "about": (
        lambda connection: connection.execute(update(table).where(table.c.number == 2).values(about={"films": 9})),
        "entry 2 is not as",
    ),
    "seal": (lambda connection: connection.execute(update(table).where(table.c.number == 5).values(sha256="0" * 64)), "entry 5 is not as"),
    "resealed": (reseal, "entry 4 is not as"),
    "first removed": (lambda connection: connection.execute(delete(table).where(table.c.number == 1)), "entry 1 is missing"),
    "one removed": (lambda connection: connection.execute(delete(table).where(table.c.number == 3)), "entry 3 is missing"),
    "last removed": (lambda connection: connection.execute(delete(table).where(table.c.number == 5)), "entry 4 is the last"),
    "all removed": (lambda connection: connection.execute(delete(table)), "entry 0 is the last"),
    "reordered": (swap, "entry 2 is not as"),
    "one inserted": (
        lambda connection: connection.execute(
            insert(table).values(number=6, time=1.0, user="x", action="y", about={}, previous="0" * 64, sha256="0" * 64)
        ),
        "entry 6 is not as",
    ),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_by_sql_is_found(database: Database, kind: str) -> None:
    write(database, 5)
    tamper, sentence = TAMPERING[kind]
    with database.begin() as connection:
        tamper(connection)
    assert sentence in verdict(database).problem and not verdict(database).intact


def test_a_whole_chain_forged_anew_is_found_by_a_head_noted_before(database: Database) -> None:
    head = write(database, 5)
    with database.begin() as connection:
        connection.execute(delete(table))
        connection.execute(delete(settings).where(settings.c.name == "audit-log"))
    write(database, 6)
    assert verdict(database).intact
    assert "replaced or cut" in verdict(database, head).problem


def test_a_head_noted_before_stays_in_the_chain_as_it_grows(database: Database) -> None:
    head = write(database, 2)
    write(database, 2)
    assert verdict(database, head).intact


def test_an_act_undone_leaves_no_entry(database: Database) -> None:
    write(database, 1)
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        audit_log.append(connection, "ana", "project.delete", {})
        raise ZeroDivisionError
    assert verdict(database).entries == 1 and verdict(database).intact


def test_many_writers_keep_one_chain(database_url: str) -> None:
    # Each with connections of its own, as several processes or replicas have; the very first entry is raced for too.
    databases = [Database(database_url) for _ in range(4)]
    threads = [threading.Thread(target=write, args=(database, 10)) for database in databases for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdict(databases[0]) == audit_log.Verdict(80, "", verdict(databases[1]).head)
    for database in databases:
        database.close()


def test_tampering_in_the_file_itself_is_found(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'log.sqlite3'}")
    write(database, 3)
    database.close()
    with sqlite3.connect(tmp_path / "log.sqlite3") as file:
        file.execute("UPDATE audit_log SET about = replace(about, '0000000000000001', '0000000000000009')")
    file.close()
    database = Database(f"sqlite:///{tmp_path / 'log.sqlite3'}")
    with database.read() as connection:
        assert connection.execute(text("select count(*) from audit_log")).scalar_one() == 3
    assert "entry 2" in verdict(database).problem
    database.close()
