from __future__ import annotations

import errno
import json
import stat
from pathlib import Path

import pytest

from deephealth.settings import atomic


def test_a_file_takes_its_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    atomic.write_bytes(path, b"one")
    atomic.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [child.name for child in path.parent.iterdir()] == ["a.bin"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    def half() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    with atomic.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"


def test_text_is_utf_8_and_json_ends_in_a_newline(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"name": "pulmón", "n": [1, 2]})
    data = (tmp_path / "a.json").read_bytes()
    assert "pulmón".encode() in data
    assert data.endswith(b"}\n")
    assert json.loads(data) == {"name": "pulmón", "n": [1, 2]}


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_the_file_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    atomic.write_text(tmp_path / "a", "x")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a")}
    assert len(modes) == 1


def test_a_name_that_is_not_utf_8_is_escaped_and_json_stays_json(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"film": "x\udcff.png"})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"film": "x\udcff.png"}


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, atomic.replacing(tmp_path / "answers.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "answers.csv")
    with pytest.raises(OSError, match="answers") as caught, atomic.replacing(tmp_path / "answers.csv") as temporary:
        temporary.mkdir()  # exists already
    assert caught.value.filename == str(tmp_path / "answers.csv")


def test_the_longest_name_a_file_can_have_may_be_written(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / ("ñ" * 127), "whole")
    assert (tmp_path / ("ñ" * 127)).read_text() == "whole"
