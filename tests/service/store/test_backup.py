from __future__ import annotations

import json
import os
import random
import stat
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from deephealth.errors import InputError, UsageError
from deephealth.service.store import audit_log, migrate
from deephealth.service.store.backup import Manifest, write_backup
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.check import check
from deephealth.service.store.database import Database
from deephealth.service.store.restore import Archive, restore
from deephealth.service.store.tables import films, metadata, projects, settings


@pytest.fixture
def backup(database: Database, blobs: Blobs, data: Path, rows: ModuleType, tmp_path: Path) -> Path:
    """A backup of a small store, from either database."""
    rows.fill(database, blobs, data)
    write_backup(database, blobs, data, tmp_path / "backup.zip")
    return tmp_path / "backup.zip"


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Database, Blobs, Path]]:
    """Another, empty store on either database."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    url = f"sqlite:///{folder}/d.sqlite3" if request.param == "sqlite" else request.getfixturevalue("second_postgres_url")
    database = Database(url)
    yield database, Blobs(folder / "blobs"), folder
    database.close()


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows but those that do not travel, and but the note in the audit log that they did."""
    with database.read() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()]
            for table in metadata.sorted_tables
            if table.name not in ("sessions", "uploads")
        }
        found["audit_log"] = [row for row in found["audit_log"] if row["action"] != "data.restore"]
        found["settings"] = [row for row in found["settings"] if row["name"] != "audit-log"]
        return found


def bring(path: Path, elsewhere: tuple[Database, Blobs, Path], **how: bool) -> None:
    archive = Archive(path)
    try:
        archive.verify()
        restore(archive, *elsewhere, who="command line, root", **how)
    finally:
        archive.close()


def test_what_comes_back_is_what_was_there_from_either_database_to_either(
    backup: Path, database: Database, blobs: Blobs, data: Path, elsewhere: tuple[Database, Blobs, Path]
) -> None:
    bring(backup, elsewhere)
    restored, its_blobs, its_data = elsewhere
    assert everything(restored) == everything(database)
    assert sorted(its_blobs.names()) == sorted(blobs.names())
    assert check(restored, its_blobs).whole
    with restored.read() as connection:
        assert migrate.differences(connection) == []
    with restored.read() as connection:
        log = audit_log.verify(connection)
        assert (log.problem, log.entries) == ("", 3)
        assert audit_log.entries(connection)[-1]["user"] == "command line, root"
    written = sorted(str(path.relative_to(its_data / "jobs")) for path in (its_data / "jobs").rglob("*") if path.is_file())
    with restored.read() as connection:
        done = connection.execute(select(metadata.tables["jobs"].c.id).where(metadata.tables["jobs"].c.state == "done")).scalar_one()
    assert written == [f"{done}/plan.json", f"{done}/run/events.jsonl", f"{done}/run/tensorboard/a"]
    assert (its_data / "jobs" / done / "plan.json").read_bytes() == (data / "jobs" / done / "plan.json").read_bytes()


def test_sessions_and_half_uploads_stay_behind_and_only_the_owner_reads_it(backup: Path) -> None:
    with zipfile.ZipFile(backup) as archive:
        names = archive.namelist()
        everything_in_it = b"".join(archive.read(name) for name in names)
    assert {"rows/sessions.jsonl", "rows/uploads.jsonl"}.isdisjoint(names)
    assert b"5" * 64 not in everything_in_it
    assert b"half.dcm" not in everything_in_it
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_store_that_holds_something_is_not_replaced_unasked(
    backup: Path, elsewhere: tuple[Database, Blobs, Path], database: Database, rows: ModuleType
) -> None:
    with elsewhere[0].begin() as connection:
        rows.add_project(connection, "mine")
    with pytest.raises(UsageError, match=r"\(1 projects\)"):
        bring(backup, elsewhere)
    with elsewhere[0].read() as connection:
        assert connection.scalar(select(projects.c.name)) == "mine"
    bring(backup, elsewhere, overwrite=True)
    assert everything(elsewhere[0]) == everything(database)


def test_the_rows_are_those_of_one_moment_while_the_service_writes(database: Database, blobs: Blobs, data: Path, tmp_path: Path) -> None:
    """Two rows always sum to 0; a backup that mixed two moments would hold another sum."""
    with database.begin() as connection:
        connection.execute(insert(settings), [{"name": "a", "value": 0}, {"name": "z", "value": 0}])

    def interfere(_progress: object) -> None:
        with database.begin() as connection:
            for name, step in (("a", 1), ("z", -1)):
                value = connection.scalar(select(settings.c.value).where(settings.c.name == name))
                connection.execute(update(settings).where(settings.c.name == name).values(value=(value or 0) + step))

    name = blobs.put(b"film")
    with database.begin() as connection:
        connection.execute(insert(settings).values(name="film", value=name))
    for number in range(3):
        write_backup(database, blobs, data, tmp_path / "b.zip", interfere)
        archive = Archive(tmp_path / "b.zip")
        found = {row["name"]: row["value"] for row in archive.rows("settings")}
        archive.close()
        assert (found["a"], found["z"]) == (number, -number)


def test_a_film_that_is_absent_or_damaged_is_named_and_the_rest_comes_back(
    database: Database, blobs: Blobs, data: Path, rows: ModuleType, tmp_path: Path, elsewhere: tuple[Database, Blobs, Path]
) -> None:
    there = rows.fill(database, blobs, data)
    blobs.delete(there["model"])
    blobs.path(there["report"]).write_bytes(b"changed")
    manifest = write_backup(database, blobs, data, tmp_path / "b.zip")
    assert set(manifest.missing) == {there["model"], there["report"]}
    bring(tmp_path / "b.zip", elsewhere)
    assert set(check(elsewhere[0], elsewhere[1]).missing) == {there["model"], there["report"]}


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    backup: Path, elsewhere: tuple[Database, Blobs, Path], future: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "FOLDER", future)
    bring(backup, elsewhere)
    with elsewhere[0].read() as connection:
        assert migrate.version(connection) == migrate.newest()
        assert connection.exec_driver_sql("SELECT name, note FROM projects").one() == ("Tórax", "none")
        assert connection.scalar(select(func.count()).select_from(films)) == 5


def rewrite(path: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None], *, compress: bool = False, seal: bool = True) -> Path:
    """The archive with other contents, its manifest sealed again as one who forges it would."""
    import hashlib

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
        manifest = json.loads(archive.read("manifest.json"))
    change(members, manifest)
    forged = path.with_name("forged.zip")
    with zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        written = json.dumps(manifest).encode()
        archive.writestr("manifest.json", written)
        archive.comment = b"deephealth backup, manifest " + hashlib.sha256(written).hexdigest().encode() * seal
    return forged


def entry(content: bytes) -> list[Any]:
    import hashlib

    return [len(content), hashlib.sha256(content).hexdigest()]


@pytest.mark.parametrize(
    "name",
    ["../evil", "jobs/0123456789abcdef/../../evil", "/etc/evil", "jobs/0123456789abcdef/./a", "blobs/../evil", "jobs/x/a", "rows/../a",
     "jobs/0123456789abcdef/a\\..\\b", "other", "jobs/0123456789abcdef/..", "jobs/0123456789abcdef/run/\x01"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(plain_backup: Path, name: str) -> None:
    def add(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        members[name] = b"x"
        manifest["files"][name] = entry(b"x")

    with pytest.raises(InputError, match="no whole backup"):
        Archive(rewrite(plain_backup, add))


def drop_a_row(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    members["rows/films.jsonl"] = members["rows/films.jsonl"].split(b"\n", 1)[1]


def lose_a_file(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    del members["rows/films.jsonl"]


def add_a_file(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    members["blobs/" + "0" * 64] = b""


def newer_format(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["format"] = 2


def nothing(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "how"),
    [(drop_a_row, {}), (lose_a_file, {}), (add_a_file, {}), (newer_format, {}), (nothing, {"compress": True}), (nothing, {"seal": False})],
)
def test_what_is_not_as_the_manifest_says_is_refused(plain_backup: Path, change: Any, how: dict[str, bool]) -> None:
    with pytest.raises(InputError, match="no whole backup"):
        Archive(rewrite(plain_backup, change, **how))


def test_a_version_to_come_is_told(plain_backup: Path) -> None:
    with pytest.raises(InputError, match="version 0999 of the tables"):
        Archive(rewrite(plain_backup, lambda _members, manifest: manifest.update(tables="0999")))


def test_every_byte_of_the_archive_is_guarded(plain_backup: Path, tmp_path: Path) -> None:
    whole = plain_backup.read_bytes()
    chance = random.Random(3)
    caught = 0
    for _ in range(60):
        place = chance.randrange(len(whole))
        damaged = tmp_path / "damaged.zip"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            archive = Archive(damaged)
            archive.verify()
        except InputError:
            caught += 1
        else:  # a field without weight, such as a member's time of day
            contents = [archive.open(name).read() for name in archive.manifest.files]
            genuine = Archive(plain_backup)
            assert contents == [genuine.open(name).read() for name in genuine.manifest.files]
    assert caught > 40
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        damaged.write_bytes(whole[:size])
        with pytest.raises(InputError, match="no whole backup"):
            Archive(damaged)


@pytest.mark.parametrize(
    "line", [b"{}", b"[1]", b"nonsense", b'{"name": "a", "value": 1, "other": 2}', b'{"name": "a", "value": 1}\n{"name": "a", "value": 2}']
)
def test_rows_that_do_not_fit_change_nothing(plain_backup: Path, elsewhere: tuple[Database, Blobs, Path], line: bytes) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        members["rows/settings.jsonl"] = line + b"\n"
        manifest["files"]["rows/settings.jsonl"] = entry(line + b"\n")

    with elsewhere[0].begin() as connection:
        connection.execute(insert(settings).values(name="mine", value=1))
    with pytest.raises(InputError, match="rows that do not fit"):
        bring(rewrite(plain_backup, change), elsewhere, overwrite=True)
    with elsewhere[0].begin() as connection:
        assert connection.execute(select(settings)).all() == [("mine", 1)]
        assert migrate.differences(connection) == []


@pytest.fixture
def plain_backup(tmp_path: Path, rows: ModuleType) -> Path:
    """A backup from SQLite."""
    folder = tmp_path / "plain"
    folder.mkdir()
    database, blobs = Database(f"sqlite:///{folder}/d.sqlite3"), Blobs(folder / "blobs")
    rows.fill(database, blobs, folder)
    write_backup(database, blobs, folder, tmp_path / "plain.zip")
    database.close()
    return tmp_path / "plain.zip"


def test_what_a_killed_backup_left_is_swept_by_the_next(plain_backup: Path, tmp_path: Path) -> None:
    old, new = tmp_path / ".plain.zip.0000.part", tmp_path / ".plain.zip.1111.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    database = Database(f"sqlite:///{tmp_path}/plain/d.sqlite3")
    assert isinstance(write_backup(database, Blobs(tmp_path / "plain" / "blobs"), tmp_path / "plain", plain_backup), Manifest)
    database.close()
    assert (old.exists(), new.exists()) == (False, True)


def many(connection: Connection, blobs: Blobs, rows: ModuleType, number: int) -> None:
    project, one = rows.add_project(connection)
    for film in range(number):
        rows.add_film(connection, blobs, project, one, os.urandom(2000) + bytes([film]))
    for entry in range(50):
        audit_log.append(connection, "ana", "project.add", {"project": entry})


def again_and_again(data: Path, path: Path) -> None:
    database = Database(f"sqlite:///{data}/d.sqlite3")
    while True:
        write_backup(database, Blobs(data / "blobs"), data, path)


def restored(path: Path, data: Path) -> None:
    data.mkdir(exist_ok=True)
    database = Database(f"sqlite:///{data}/d.sqlite3")
    bring(path, (database, Blobs(data / "blobs"), data), overwrite=True)
    database.close()


@pytest.mark.slow
def test_a_backup_killed_at_any_moment_leaves_the_old_one_or_a_new_one(tmp_path: Path, rows: ModuleType) -> None:
    data, chance = tmp_path / "data", random.Random(time.time_ns())
    data.mkdir()
    database, blobs = Database(f"sqlite:///{data}/d.sqlite3"), Blobs(data / "blobs")
    with database.begin() as connection:
        many(connection, blobs, rows, 30)
    write_backup(database, blobs, data, tmp_path / "b.zip")
    for _ in range(5):
        rows.killed(lambda: again_and_again(data, tmp_path / "b.zip"), chance.uniform(0, 0.3))
        archive = Archive(tmp_path / "b.zip")
        archive.verify()
        archive.close()
    database.close()


@pytest.mark.slow
def test_a_restore_killed_at_any_moment_leaves_the_old_rows_or_the_new_ones(tmp_path: Path, rows: ModuleType) -> None:
    data, other, chance = tmp_path / "data", tmp_path / "other", random.Random(time.time_ns())
    data.mkdir()
    other.mkdir()
    database, blobs = Database(f"sqlite:///{data}/d.sqlite3"), Blobs(data / "blobs")
    with database.begin() as connection:
        many(connection, blobs, rows, 30)
    write_backup(database, blobs, data, tmp_path / "b.zip")
    new = everything(database)
    target, its_blobs = Database(f"sqlite:///{other}/d.sqlite3"), Blobs(other / "blobs")
    with target.begin() as connection:
        rows.add_film(connection, its_blobs, *rows.add_project(connection, "mine"), b"mine")
    old, ended = everything(target), []
    begun = time.monotonic()
    restored(tmp_path / "b.zip", tmp_path / "whole")
    longest = time.monotonic() - begun
    for _ in range(8):
        ended.append(rows.killed(lambda: restored(tmp_path / "b.zip", other), chance.uniform(0, longest)))
        assert everything(target) in ([new] if any(ended) else [old, new])
        assert check(target, its_blobs).whole
    assert not all(ended), "no kill fell into the work itself"
    for one in (database, target):
        one.close()
