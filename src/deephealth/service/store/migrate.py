"""The database's tables, made or brought up to date when the service starts; versions are numbered files in migrations/versions.

python -m deephealth.service.store.migrate new "what changed"     after editing tables.py: writes the next version, to be read and kept
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, text

from deephealth.errors import UsageError
from deephealth.service.store.tables import metadata

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

FOLDER = Path(__file__).parent / "migrations"
READS = "deephealth_reads"  # an execution option: this transaction only reads
_LOCK = 0x64656570  # PostgreSQL's advisory lock of whoever changes tables
_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
_NEW = '''"""{message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {before}


def upgrade() -> None:
    """From {before_words} to {number}."""
    {body}
'''


def prepare(engine: Engine) -> None:
    """Make the tables in an empty database, or upgrade those of an older version; rows stay. One process at a time does it.

    Alembic, slow to import, is needed only for an upgrade. Raises UsageError for a database of a newer Deep Health.
    """
    with reader(engine).begin() as connection:
        if version(connection) == newest():
            return
    with changing(engine) as connection:
        if version(connection) is None:
            create(connection)
        else:
            upgrade(connection)


def reader(engine: Engine) -> Engine:
    """The engine for transactions that see one moment and only read."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READS: True})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """One transaction for changing tables: alone, committed whole or not at all, with the references between rows checked at its end."""
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        if engine.dialect.name == "sqlite":
            # SQLite changes a table by copying and dropping it, which would delete every row that refers to it.
            driver.cursor().execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                yield connection
                if engine.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                    raise RuntimeError(f"{len(broken)} rows would refer to rows that are not there")
        finally:
            connection.invalidate()  # its pragma must not reach the next user


def version(connection: Connection) -> str | None:
    """The number of the version that the database's tables have; None where there are none."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    found = connection.scalar(_VERSION.select())
    return None if found is None else str(found)


def versions() -> list[str]:
    """Every version this program knows, oldest first."""
    return sorted(path.name[1:5] for path in (FOLDER / "versions").glob("r[0-9][0-9][0-9][0-9]_*.py"))


def newest() -> str:
    """The version of tables.py."""
    return versions()[-1]


def create(connection: Connection) -> None:
    """The tables as tables.py has them, in an empty database. A test sees to it that the versions, one by one, lead to the same."""
    metadata.create_all(connection)
    _VERSION.create(connection)
    connection.execute(_VERSION.insert().values(version_num=newest()))


def forget(connection: Connection) -> None:
    """Forget which version the tables have, since they were dropped."""
    _VERSION.drop(connection, checkfirst=True)


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run every version after the database's own, up to `to`, on `connection`, which should be of `changing`.

    Raises UsageError when the database's version is unknown here.
    """
    found = version(connection)
    if found is not None and found not in versions():
        raise UsageError(
            f"The database has version {found} of its tables and this Deep Health knows only up to {newest()}; "
            "update Deep Health, or restore a backup into an empty data folder."
        )
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(FOLDER))

    def steps(revision: Any, _context: object) -> Any:
        return scripts._upgrade_revs(to, revision)  # as Alembic's own command does

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        environment.run_migrations()


def differences(connection: Connection) -> list[str]:
    """What tables.py has otherwise than the database, one line each; empty when they agree."""
    from alembic.autogenerate import compare_metadata

    return [str(found) for found in compare_metadata(_context(connection), metadata)]


def write_next(message: str) -> Path | None:
    """Write the version that leads from the newest one to tables.py; its path, or None when they agree already."""
    from alembic.autogenerate import produce_migrations, render_python_code
    from sqlalchemy import create_engine

    known = versions()
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        if known:
            upgrade(connection)
        context = _context(connection)
        operations = produce_migrations(context, metadata).upgrade_ops
        assert operations is not None
        if operations.is_empty():
            return None
        body = render_python_code(operations, render_as_batch=True, migration_context=context)
    engine.dispose()
    before, number = (known[-1] if known else None), f"{len(known) + 1:04}"
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40]
    path = FOLDER / "versions" / f"r{number}_{slug}.py"
    written = _NEW.format(
        message=message.rstrip("."), number=number, before=f'"{before}"' if before else None, before_words=before or "nothing", body=body
    )
    path.write_text(written, encoding="utf-8")
    return path


def _context(connection: Connection) -> MigrationContext:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection, opts={"target_metadata": metadata, "render_as_batch": True})


def main(arguments: list[str]) -> int:
    """The one command of this module, for who changes tables.py."""
    if len(arguments) != 2 or arguments[0] != "new":
        print('usage: python -m deephealth.service.store.migrate new "what changed"', file=sys.stderr)
        return 2
    path = write_next(arguments[1])
    print(f"{os.path.relpath(path)}: read it, then `ruff check --fix` and `ruff format` it" if path else "tables.py has nothing new")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
