from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import insert

from deephealth.cli.main import main
from deephealth.service.config import ServiceConfig
from deephealth.service.store import folder
from deephealth.service.store.folder import Store, opened
from deephealth.service.store.tables import films, projects, settings


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with one project, in the folder that the setting names."""
    monkeypatch.setenv("DEEPHEALTH_DATA_DIR", str(tmp_path / "data"))
    with opened(ServiceConfig(tmp_path / "data"), new=True) as store, store.database.begin() as connection:
        connection.execute(insert(projects).values(id="p", name="Tórax", salt="s", settings={}, created=1, changed=1))
        connection.execute(insert(settings).values(name="serving", value=store.blobs.put(b"model")))
    return store


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_backup_comes_back(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, new = tmp_path / "backup.zip", tmp_path / "new"
    assert run("backup", file, "-q") == 0
    assert "1 projects, 0 films" in capsys.readouterr().out
    assert run("restore", file, "--check") == 0
    shown = capsys.readouterr()
    assert "is whole" in shown.out
    assert "checking: 100%" in shown.err
    assert not new.exists()
    assert run("restore", file, "--data-dir", new, "-q") == 0
    assert "sign in again" in capsys.readouterr().out
    assert run("data", "check", "--data-dir", new, "-q") == 0
    assert new.stat().st_mode & 0o077 == 0
    assert run("restore", file, "--data-dir", new, "-q") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run("restore", file, "--data-dir", new, "-q", "--overwrite") == 0


def test_nothing_is_restored_while_a_service_runs(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "backup.zip"
    with folder.in_use(store.data), folder.in_use(store.data):
        assert run("backup", file, "-q") == 0
        assert run("restore", file, "--overwrite", "-q") == 2
        assert "stop it first" in capsys.readouterr().err
    with folder.replacing(store.data):
        assert run("data", "usage") == 0
        with pytest.raises(Exception, match="being restored"), folder.in_use(store.data):
            pass
    assert run("restore", file, "--overwrite", "-q") == 0


def test_usage_and_clean_tell_what_is_there(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "usage") == 0
    shown = capsys.readouterr().out
    assert "deephealth.sqlite3" in shown
    assert "of 8000 MB (setting quota_mb)" in shown
    assert run("data", "clean") == 0
    assert capsys.readouterr().out == "removed for good: 0 rows, 0 files (0.0 MB), 0 job folders\n"


def test_a_missing_film_is_told_by_check_and_by_backup(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(ServiceConfig(store.data)) as again, again.database.begin() as connection:
        film = {"id": "f", "project": "p", "blob": "a" * 64, "thumbnail": "a" * 64, "kind": "png", "name": "n", "width": 1, "height": 1}
        connection.exec_driver_sql("INSERT INTO classes (id, project, name, place) VALUES ('c', 'p', 'n', 0)")
        connection.execute(insert(films).values(film | {"class": "c", "phash": "0", "facts": {}, "added": 1.0}))
    assert run("data", "check", "-q") == 1
    assert f"missing or changed: {'a' * 64}" in capsys.readouterr().err
    assert run("backup", tmp_path / "b.zip", "-q") == 1
    assert "1 missing or changed" in capsys.readouterr().err
    assert run("restore", tmp_path / "b.zip", "--check", "-q") == 0


@pytest.mark.parametrize(
    "words",
    [("backup", "FILE"), ("data", "usage"), ("data", "clean"), ("data", "check")],
)
def test_a_folder_without_a_service_is_a_sentence_and_stays_as_it_is(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    for folder_ in ("other", "absent"):
        assert run(*(str(tmp_path / "b.zip") if word == "FILE" else word for word in words), "--data-dir", tmp_path / folder_) == 2
        assert "holds nothing of the service" in capsys.readouterr().err
    assert list((tmp_path / "other").iterdir()) == []
    assert not (tmp_path / "absent").exists()


def test_what_is_no_backup_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 no")
    assert run("restore", tmp_path / "b.zip", "--data-dir", tmp_path / "new") == 3
    assert "no whole backup" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert run("restore", tmp_path / "absent.zip", "--data-dir", tmp_path / "new") == 1


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("deephealth.service")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert run("data", "usage") == 2
    assert "deephealth[serve]" in capsys.readouterr().err
