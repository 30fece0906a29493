"""The one database: SQLite in WAL mode by default, PostgreSQL by its URL. SQLAlchemy Core only, so that both run the same statements."""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from deephealth.errors import DeepHealthError, MissingExtra, UsageError
from deephealth.service.problems import ServiceProblem
from deephealth.service.store import migrate
from deephealth.service.store.space import storage_full

_BUSY_SECONDS = 15
_BOTH: Mapping[str, Any] = {
    "hide_parameters": True,  # what people wrote is for no log
    "json_serializer": functools.partial(json.dumps, allow_nan=False),  # PostgreSQL takes no NaN, nor does any reader of the API
}
_URL = "expected sqlite:///FILE or postgresql://USER@HOST/NAME; change DEEPHEALTH_DATABASE or unset it."


class Database:
    """Connections to the database at `url`, whose tables are made or brought up to date first. May be shared by threads.

    Raises UsageError for a URL that is none or a database of a newer Deep Health, MissingExtra without psycopg, DeepHealthError when the
    database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._writer = threading.Lock()
        try:
            migrate.prepare(self.engine)
        except DBAPIError as error:
            where = self.engine.url.render_as_string(hide_password=True)
            reason = str(error.orig).strip().splitlines()[0]
            raise DeepHealthError(f"The database {where} cannot be used ({reason}); check that it is there and writable.") from error

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction that may write: committed when the block ends, rolled back when it raises. Never inside another.

        SQLite has one writer at a time: it is chosen when the block begins, so that what was read is still true when it writes.
        ServiceProblem 503 when others hold the database for too long, 507 when the disk is full.
        """
        with self._alone(), _told(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A view of one moment, for reading only; never waits for a writer. ServiceProblem 503 when the database cannot be reached."""
        with _told(), migrate.reader(self.engine).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # SQLite's own waiting polls, and may let one thread starve: threads of one process queue here instead.
        if self.engine.dialect.name != "sqlite":
            yield
            return
        if not self._writer.acquire(timeout=_BUSY_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            self._writer.release()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True, pool_size=10, **_BOTH)
    except ArgumentError as error:
        raise UsageError(f"The database's address is no URL, {_URL}") from error
    except ModuleNotFoundError as error:
        raise MissingExtra("PostgreSQL", "postgres") from error
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise UsageError(f"The database's address begins with {parsed.drivername}, {_URL}")
    engine = create_engine(parsed, pool_size=10, max_overflow=40, **_BOTH)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # `_begin` says when a transaction begins; Python's module would begin late and commit before DDL
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
    _write_ahead(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=16777216"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    # A new file's switch to WAL wants the file alone, and SQLite does not wait for that (its busy timeout does not count here): several
    # services that start at once on an empty folder meet in it, so whoever comes second asks again.
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(migrate.READS) else "BEGIN IMMEDIATE")


@contextmanager
def _told() -> Iterator[None]:
    """A full disk, a database that is busy or out of reach, as sentences; every other error as it is."""
    try:
        yield
    except PoolTimeout as error:
        raise _busy() from error
    except DBAPIError as error:
        name = getattr(error.orig, "sqlite_errorname", "") or getattr(error.orig, "sqlstate", None) or ""
        if name in ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "53100"):
            raise storage_full() from error
        if name.startswith("SQLITE_BUSY") or name in ("40001", "40P01", "55P03"):
            raise _busy() from error
        gone = error.connection_invalidated or (isinstance(error, OperationalError) and not name)  # psycopg has no code for no connection
        if gone or name.startswith(("08", "57P", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR")):
            raise _unreachable() from error
        raise


def _busy() -> ServiceProblem:
    english = "The database is busy with other work and did not take this in time; try again in a moment."
    spanish = "La base de datos está ocupada con otro trabajo y no pudo atender esto a tiempo; vuelva a intentarlo en un momento."
    return ServiceProblem(503, "storage-busy", (english, spanish), headers={"Retry-After": "2"})


def _unreachable() -> ServiceProblem:
    english = "The database does not answer; try again in a moment or ask who runs this service."
    spanish = "La base de datos no responde; vuelva a intentarlo en un momento o pregunte a quien administra este servicio."
    return ServiceProblem(503, "storage-unreachable", (english, spanish), headers={"Retry-After": "5"})
