"""An append-only table of fixed-size records on disk, memory-mapped for reading.

One file: a header line (JSON: what a record holds), then records of equal size, each ending in a CRC-32 of itself. Appending is the only
write, so after a kill at any moment the file holds every finished record and at most one torn one, which opening cuts off.
Used for film features and film facts. One writer at a time (flock); a second process waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from io import BufferedRandom
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 4096
_KEY_BYTES = 36  # a film's SHA-256 and a view number


def record_key(film_sha256: str, view: int = 0) -> bytes:
    """The key of a record: the film's SHA-256 (hex) and which augmented view of it (0: the film itself)."""
    return bytes.fromhex(film_sha256) + view.to_bytes(4, "little")


class RecordTable:
    """Records of `values` numbers of type `dtype`, by key. Open with `opened`, which takes the lock."""

    def __init__(self, path: Path, dtype: np.dtype, values: int) -> None:
        self.path = path
        self.record = np.dtype([("key", f"V{_KEY_BYTES}"), ("values", dtype, (values,)), ("crc", "<u4")])
        self._header = json.dumps({"format": 1, "dtype": dtype.str, "values": values}).encode().ljust(_HEADER_BYTES - 1) + b"\n"
        self._file = _locked(path)
        self._recover()
        self.rows = {bytes(key): row for row, key in enumerate(self.read()["key"])}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, dtype: np.dtype | type, values: int) -> Iterator[RecordTable]:
        """Open the table at `path` (made if absent) and hold its lock until the block ends."""
        path.parent.mkdir(parents=True, exist_ok=True)
        table = cls(path, np.dtype(dtype), values)
        try:
            yield table
        finally:
            table.close()

    def close(self) -> None:
        """Release the file and its lock."""
        self._file.close()

    def read(self) -> NDArray[np.void]:
        """All whole records, memory-mapped, read-only: a structured array with fields key, values, crc."""
        count = (self.path.stat().st_size - _HEADER_BYTES) // self.record.itemsize
        if count == 0:
            return np.empty(0, dtype=self.record)
        return np.memmap(self.path, dtype=self.record, mode="r", offset=_HEADER_BYTES, shape=(count,))

    def append(self, key: bytes, values: NDArray[np.generic]) -> None:
        """Add one record. A key already present is left as it is."""
        if key in self.rows:
            return
        row = np.zeros(1, dtype=self.record)
        row["key"] = np.void(key)
        row["values"][0] = values
        row["crc"] = zlib.crc32(row.tobytes()[:-4])
        self._file.write(row.tobytes())
        self.rows[key] = len(self.rows)

    def flush(self) -> None:
        """Hand finished records to the system, so that a kill of this process cannot lose them."""
        self._file.flush()

    def _recover(self) -> None:
        size = self.path.stat().st_size
        if size < _HEADER_BYTES or self._read_header() != self._header:
            self._file.truncate(0)
            self._file.write(self._header)
            self._file.flush()
            return
        whole = (size - _HEADER_BYTES) // self.record.itemsize
        while whole and not self._intact(whole - 1):
            whole -= 1
        self._file.truncate(_HEADER_BYTES + whole * self.record.itemsize)

    def _read_header(self) -> bytes:
        self._file.seek(0)
        return self._file.read(_HEADER_BYTES)

    def _intact(self, row: int) -> bool:
        self._file.seek(_HEADER_BYTES + row * self.record.itemsize)
        data = self._file.read(self.record.itemsize)
        return zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")


def _locked(path: Path) -> BufferedRandom:
    """Open `path` and wait for its lock; again when the cache was cleared in between, since the lock would be of a file without a name."""
    while True:
        file = open(path, "a+b")  # noqa: SIM115 - closed by RecordTable.close
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
