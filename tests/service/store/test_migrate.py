from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select, text

from deephealth.errors import UsageError
from deephealth.service.store import migrate
from deephealth.service.store.database import Database, _engine
from deephealth.service.store.tables import classes, projects


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = _engine(database_url)
    yield engine
    engine.dispose()


def test_the_versions_one_by_one_lead_to_the_tables(engine: Engine) -> None:
    with migrate.changing(engine) as connection:
        migrate.upgrade(connection)
        assert migrate.differences(connection) == [], 'run: python -m deephealth.service.store.migrate new "what changed"'
        assert migrate.version(connection) == migrate.newest()


def test_a_new_database_has_the_tables_and_the_newest_version(database: Database) -> None:
    with database.read() as connection:
        assert migrate.differences(connection) == []
        assert migrate.version(connection) == migrate.newest()


def test_the_versions_are_numbered_without_a_gap() -> None:
    assert migrate.versions() == [f"{number:04}" for number in range(1, len(migrate.versions()) + 1)]


def test_an_upgrade_keeps_every_row_and_what_refers_to_it(engine: Engine, future: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.prepare(engine)
    with engine.begin() as connection:
        connection.execute(insert(projects).values(id="p", name="Tórax", salt="s", settings={}, created=1.0, changed=1.0))
        connection.execute(insert(classes).values(id="c", project="p", name="n", place=0))
    monkeypatch.setattr(migrate, "FOLDER", future)
    migrate.prepare(engine)
    with engine.begin() as connection:
        assert migrate.version(connection) == migrate.newest()
        assert connection.execute(text("SELECT id, name, note FROM projects")).one() == ("p", "Tórax", "none")
        assert connection.scalar(select(func.count()).select_from(classes)) == 1
        connection.execute(projects.delete())
        assert connection.scalar(select(func.count()).select_from(classes)) == 0, "references are enforced again after an upgrade"


def test_an_upgrade_that_fails_changes_nothing(engine: Engine, future: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.prepare(engine)
    with engine.begin() as connection:
        connection.execute(insert(projects).values(id="p", name="n", salt="s", settings={}, created=1.0, changed=1.0))
    broken = max((future / "versions").glob("r*.py"))
    broken.write_text(broken.read_text() + "\n    raise RuntimeError('half')\n")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="half"):
        patched.setattr(migrate, "FOLDER", future)
        migrate.prepare(engine)
    with engine.begin() as connection:
        assert migrate.version(connection) == migrate.newest()
        assert migrate.differences(connection) == []
        assert connection.scalar(select(func.count()).select_from(projects)) == 1


def test_a_database_of_a_newer_version_is_refused_in_a_sentence(engine: Engine, future: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "FOLDER", future)
        migrate.prepare(engine)
    with pytest.raises(UsageError, match=f"knows only up to {migrate.newest()}; update Deep Health"):
        Database(engine.url.render_as_string(hide_password=False))


def test_there_is_nothing_to_write_when_the_tables_are_as_the_versions_say() -> None:
    assert migrate.write_next("nothing") is None
    done = subprocess.run([sys.executable, "-m", migrate.__name__], capture_output=True, text=True, check=False)
    assert (done.returncode, "usage" in done.stderr) == (2, True)


def test_a_start_without_an_upgrade_does_not_import_alembic(tmp_path: Path) -> None:
    code = "import sys; from deephealth.service.store import database; database.Database(sys.argv[1]); print('alembic' in sys.modules)"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, f"sqlite:///{tmp_path}/a.sqlite3"], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"
