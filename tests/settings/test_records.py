from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephealth.settings.records import RecordTable, record_key

VALUES = 5


def key(number: int, view: int = 0) -> bytes:
    return record_key(f"{number:064x}", view)


def values(number: int) -> np.ndarray:
    return np.arange(VALUES, dtype=np.float32) + number / 7


def fill(path: Path, numbers: range) -> None:
    with RecordTable.opened(path, np.float32, VALUES) as table:
        for number in numbers:
            table.append(key(number), values(number))


def content(path: Path) -> dict[bytes, np.ndarray]:
    with RecordTable.opened(path, np.float32, VALUES) as table:
        stored = table.read()
        return {found: stored["values"][row].copy() for found, row in table.rows.items()}


def test_records_come_back_after_the_table_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.rec"
    fill(path, range(100))
    found = content(path)
    assert list(found) == [key(number) for number in range(100)]
    for number in range(100):
        np.testing.assert_array_equal(found[key(number)], values(number))


def test_a_key_is_the_film_and_the_view(tmp_path: Path) -> None:
    path = tmp_path / "t.rec"
    with RecordTable.opened(path, np.float32, VALUES) as table:
        for view in (0, 1, 256):
            table.append(key(3, view), values(view))
    found = content(path)
    assert len(found) == 3
    np.testing.assert_array_equal(found[key(3, 256)], values(256))


def test_keys_that_end_in_zeros_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.rec"
    keys = [record_key("ab" + "00" * 31), record_key("ab" + "00" * 31, 1), record_key("00" * 32), record_key("ab00" + "00" * 29 + "01")]
    with RecordTable.opened(path, np.float32, VALUES) as table:
        for number, one in enumerate(keys):
            table.append(one, values(number))
    assert list(content(path)) == keys


def test_appending_a_key_again_keeps_the_first(tmp_path: Path) -> None:
    path = tmp_path / "t.rec"
    with RecordTable.opened(path, np.float32, VALUES) as table:
        table.append(key(1), values(1))
        table.append(key(1), values(2))
    np.testing.assert_array_equal(content(path)[key(1)], values(1))


def test_a_flushed_record_can_be_read_while_the_table_is_open(tmp_path: Path) -> None:
    with RecordTable.opened(tmp_path / "t.rec", np.float32, VALUES) as table:
        assert len(table.read()) == 0
        table.append(key(1), values(1))
        table.flush()
        stored = table.read()
        np.testing.assert_array_equal(stored["values"][table.rows[key(1)]], values(1))
        assert isinstance(stored, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            stored["values"][0] = 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lost=st.integers(0, 4096 + 400), garbage=st.binary(max_size=120))
def test_a_torn_end_costs_the_torn_records_only(tmp_path: Path, lost: int, garbage: bytes) -> None:
    path = tmp_path / "t.rec"
    path.unlink(missing_ok=True)
    fill(path, range(6))
    data = path.read_bytes()
    size = (len(data) - 4096) // 6
    kept = data[: max(0, len(data) - lost)]
    path.write_bytes(kept + (garbage if len(kept) >= 4096 else b""))
    whole = max(0, len(kept) - 4096) // size
    assert list(content(path)) == [key(number) for number in range(whole)]
    fill(path, range(8))
    assert list(content(path)) == [key(number) for number in range(8)]


def test_a_record_of_flipped_bits_at_the_end_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "t.rec"
    fill(path, range(3))
    data = bytearray(path.read_bytes())
    data[-10] ^= 4
    path.write_bytes(data)
    assert list(content(path)) == [key(0), key(1)]


def test_a_table_of_another_form_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.rec"
    fill(path, range(3))
    with RecordTable.opened(path, np.uint8, 7) as table:
        assert not table.rows
        table.append(key(1), np.arange(7, dtype=np.uint8))
    with RecordTable.opened(path, np.uint8, 7) as table:
        np.testing.assert_array_equal(table.read()["values"][0], np.arange(7))


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "t.rec"
    entered = threading.Event()

    def second() -> None:
        with RecordTable.opened(path, np.float32, VALUES) as table:
            assert list(table.rows) == [key(1)]
            table.append(key(2), values(2))
            entered.set()

    with RecordTable.opened(path, np.float32, VALUES) as table:
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.2)
        table.append(key(1), values(1))
    waiting.join(10)
    assert entered.is_set()
    assert list(content(path)) == [key(1), key(2)]


def test_a_killed_writer_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from deephealth.settings.records import RecordTable, record_key
with RecordTable.opened(Path(sys.argv[1]), np.float32, 5) as table:
    for number in range(100_000):
        table.append(record_key(f"{number:064x}"), np.arange(5, dtype=np.float32) + number / 7)
        table.flush()
        print(number, flush=True)
"""
    path = tmp_path / "t.rec"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(300):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        last = [int(line) for line in child.stdout.read().splitlines()[:-1] if line]
    found = content(path)
    assert len(found) > max(last, default=299)
    assert list(found) == [key(number) for number in range(len(found))]
    for number, stored in enumerate(found.values()):
        np.testing.assert_allclose(stored, values(number), rtol=1e-6)
