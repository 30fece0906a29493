"""The two databases every test of the store runs on: SQLite in a folder, and a real PostgreSQL on a socket of its own."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Column, MetaData, String, create_engine, text

from deephealth.service.store import migrate
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.tables import metadata


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL cluster, made for this session and removed after it; its databases are named behind `/`."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    folder = Path(tempfile.mkdtemp(prefix="deephealth-pg-"))  # short: a socket's path may have 107 letters
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*user, programs / program, *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60)

    run("initdb", "--pgdata", "data", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync")
    run("pg_ctl", "--pgdata=data", "--wait", "--log=log", f"--options=-c fsync=off -c listen_addresses= -k {folder}", "start")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "--pgdata=data", "--mode=immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def _empty(postgres: str) -> Iterator[str]:
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    name = f"test_{secrets.token_hex(6)}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with _empty(postgres) as url:
        yield url


@pytest.fixture
def second_postgres_url(postgres: str) -> Iterator[str]:
    """The address of another empty PostgreSQL database."""
    with _empty(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deephealth.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with its tables, of either kind."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def blobs(data: Path) -> Blobs:
    """The blobs of the data folder."""
    return Blobs(data / "blobs")


@pytest.fixture(scope="session")
def rows() -> ModuleType:
    """The module rows.py beside this file: a small store to test with."""
    spec = importlib.util.spec_from_file_location("deephealth_tests_rows", Path(__file__).parent / "rows.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Deep Health to come: projects have a note, and its version was written by the command that writes versions."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    changed = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["projects"].append_column(Column("note", String(100), nullable=False, server_default="none"))
    changed.tables["projects"].c["name"].type = String(300)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "metadata", changed)
        patched.setattr(migrate, "FOLDER", folder)
        path = migrate.write_next("Projects have notes!")
    assert path is not None
    assert path.name == f"r{len(migrate.versions()) + 1:04}_projects_have_notes.py"
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
