"""`deephealth user` and `deephealth audit-log`."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest

from deephealth.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPHEALTH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "password").write_text("correct horse\nand what follows is a note\n")
    return tmp_path


def test_an_account_from_beginning_to_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    password = ["--password-file", str(folder / "password")]
    assert main(["user", "list"]) == 0 and "user add NAME" in capsys.readouterr().err
    assert main(["user", "add", "Ana", "--role", "admin", *password]) == 0
    assert main(["user", "add", "eva", *password]) == 0
    assert main(["user", "role", "eva", "editor"]) == 0
    assert main(["user", "disable", "eva"]) == 0
    capsys.readouterr()
    assert main(["user", "list"]) == 0
    ana, eva = capsys.readouterr().out.splitlines()
    assert ana.split()[:2] == ["ana", "admin"] and eva.split()[:3] == ["eva", "editor", "disabled"]
    assert main(["user", "enable", "eva"]) == 0 and main(["user", "password", "eva", *password]) == 0
    assert main(["user", "remove", "eva"]) == 0 and main(["user", "remove", "eva"]) == 2
    assert main(["user", "remove", "ana"]) == 2
    assert "only user who can administer" in capsys.readouterr().err


def test_the_password_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["user", "add", "ana", "--password-file", "-"]) == 2
    assert "5 characters" in capsys.readouterr().err
    assert main(["user", "add", "ana"]) == 2
    assert "no terminal" in capsys.readouterr().err


def test_the_audit_log_is_shown_and_proved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["user", "add", "ana", "--role", "admin", "--password-file", str(folder / "password")])
    main(["user", "role", "ana", "admin"])
    capsys.readouterr()
    assert main(["audit-log", "show", "--last", "1"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert (entry["number"], entry["action"], entry["about"]) == (2, "user.change", {"user": "ana", "role": "admin"})
    assert entry["user"].startswith("command line")
    assert main(["audit-log", "verify"]) == 0
    head = capsys.readouterr().out.split()[-1]
    assert main(["audit-log", "verify", "--head", head]) == 0
    with sqlite3.connect(folder / "data" / "deephealth.sqlite3") as file:
        file.execute("DELETE FROM audit_log WHERE number = 2")
    file.close()
    assert main(["audit-log", "verify"]) == 1
    assert "entry 1 is the last" in capsys.readouterr().out
