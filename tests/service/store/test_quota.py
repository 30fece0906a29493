from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from deephealth.service.problems import ServiceProblem
from deephealth.service.store import quota
from deephealth.service.store.quota import Quota, sizes

MEGA = 1_000_000


def write(path: Path, megabytes: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(int(megabytes * MEGA)))
    return path


def test_everything_below_the_folder_counts_once(tmp_path: Path) -> None:
    film = write(tmp_path / "blobs" / "ab" / "abc", 1)
    write(tmp_path / "deephealth.sqlite3", 0.5)
    (tmp_path / "jobs" / "1" / "films").mkdir(parents=True)
    os.link(film, tmp_path / "jobs" / "1" / "films" / "x")
    (tmp_path / "jobs" / "1" / "films" / "y").symlink_to(film)
    found = sizes(tmp_path)
    assert set(found) == {"blobs", "deephealth.sqlite3", "jobs"}
    assert sum(found.values()) == pytest.approx(1.5 * MEGA, abs=20_000)


def test_what_is_over_the_quota_is_refused_in_both_languages(tmp_path: Path) -> None:
    write(tmp_path / "blobs" / "a", 2)
    room = Quota(tmp_path, 3 * MEGA)
    room.require(MEGA // 2)
    with pytest.raises(ServiceProblem) as caught:
        room.require(MEGA)
    assert (caught.value.status, caught.value.code) == (507, "quota")
    assert "2 of 3 MB" in caught.value.sentences[0]
    assert "2 de 3 MB" in caught.value.sentences[1]


def test_what_was_promised_counts_until_the_files_are_counted_anew(tmp_path: Path) -> None:
    room = Quota(tmp_path, 10 * MEGA)
    room.require(9 * MEGA)
    with pytest.raises(ServiceProblem):
        room.require(2 * MEGA)
    room.forget()
    assert room.used() == 0
    room.require(2 * MEGA)


def test_without_a_quota_the_disk_is_the_limit(tmp_path: Path) -> None:
    room = Quota(tmp_path, 0)
    room.require(MEGA)
    with pytest.raises(ServiceProblem) as caught:
        room.require(shutil.disk_usage(tmp_path).free)
    assert caught.value.code == "storage-full"


def test_files_are_not_counted_at_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def count(data: Path) -> dict[str, int]:
        counted.append(data)
        return {"blobs": 5}

    monkeypatch.setattr(quota, "sizes", count)
    room = Quota(tmp_path, 100 * MEGA)
    for _ in range(100):
        room.require(1)
    assert room.used() == 105
    assert len(counted) == 1


def test_looking_ahead_promises_nothing(tmp_path: Path) -> None:
    room = Quota(tmp_path, 10 * MEGA)
    for _ in range(5):
        room.require(9 * MEGA, promise=False)
    assert room.used() == 0
    with pytest.raises(ServiceProblem):
        room.require(11 * MEGA, promise=False)
