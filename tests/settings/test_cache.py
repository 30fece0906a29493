from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.settings import cache, table
from deephealth.settings.records import RecordTable, record_key

MEGABYTE = 1_000_000


def make_table(kind: str, name: str, *, megabytes: float = 1, age: float = 0) -> Path:
    path = table.cache_dir() / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * int(megabytes * MEGABYTE))
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


def limit(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    monkeypatch.setenv("DEEPHEALTH_CACHE_LIMIT_MB", str(megabytes))


def test_usage_of_a_cache_that_is_not_there() -> None:
    assert cache.usage() == {"features": 0, "facts": 0, "copies": 0}
    assert cache.clear() == 0
    assert cache.enforce_limit() == 0


def test_usage_and_clearing_by_kind() -> None:
    features, facts = make_table("features", "a.rec", megabytes=3), make_table("facts", "films-1.records")
    used = cache.usage()
    assert 3 * MEGABYTE <= used["features"] < 3.1 * MEGABYTE
    assert MEGABYTE <= used["facts"] < 1.1 * MEGABYTE
    assert cache.clear("features") == used["features"]
    assert (features.exists(), facts.exists()) == (False, True)
    assert cache.clear() == used["facts"]
    assert cache.usage() == {"features": 0, "facts": 0, "copies": 0}


def test_an_unknown_kind_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'films'"):
        cache.clear("films")


def test_what_is_no_table_is_never_removed(tmp_path: Path) -> None:
    strange = [table.cache_dir() / "features" / "letter.txt", table.cache_dir() / "photos" / "a.rec", table.cache_dir() / "b.rec"]
    for path in strange:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    target = tmp_path / "kept.rec"
    target.write_text("mine")
    (table.cache_dir() / "features" / "link.rec").symlink_to(target)
    cache.clear()
    assert all(path.exists() for path in [*strange, target])


def test_the_tables_used_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ages = (("facts", 300), ("features", 200), ("features", 100))
    old, middle, new = (make_table(kind, f"{age}.rec", megabytes=4, age=age) for kind, age in ages)
    limit(monkeypatch, 9)
    assert cache.enforce_limit() >= 4 * MEGABYTE
    assert [path.exists() for path in (old, middle, new)] == [False, True, True]
    cache.mark_used(middle)
    limit(monkeypatch, 5)
    cache.enforce_limit()
    assert [path.exists() for path in (old, middle, new)] == [False, True, False]


def test_below_the_limit_nothing_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [make_table("features", f"{age}.rec", age=age) for age in range(3)]
    limit(monkeypatch, 4)
    assert cache.enforce_limit() == 0
    assert all(path.exists() for path in paths)


def test_what_is_to_be_kept_stays_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, other = make_table("features", "kept.rec", age=900), make_table("features", "other.rec")
    limit(monkeypatch, 0)
    cache.enforce_limit(keep=[kept])
    assert (kept.exists(), other.exists()) == (True, False)


def test_a_table_in_use_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    path = table.cache_dir() / "features" / "busy.rec"
    limit(monkeypatch, 0)
    with RecordTable.opened(path, np.float32, 3) as records:
        records.append(record_key("00" * 32), np.ones(3, np.float32))
        assert cache.clear() == 0
        assert cache.enforce_limit() == 0
        records.append(record_key("11" * 32), np.ones(3, np.float32))
    with RecordTable.opened(path, np.float32, 3) as records:
        assert len(records.rows) == 2
    assert cache.clear() > 0
    assert not path.exists()


def test_marking_a_table_that_is_gone_is_no_error(tmp_path: Path) -> None:
    cache.mark_used(tmp_path / "gone.rec")
