from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.blobs import Blobs

OLD = 1_000_000_000.0


def files(blobs: Blobs) -> list[str]:
    return sorted(path.name for path in blobs.folder.rglob("*") if path.is_file())


def test_bytes_and_streams_are_kept_under_their_hash(blobs: Blobs) -> None:
    data = os.urandom(3_000_000)
    name = hashlib.sha256(data).hexdigest()
    assert blobs.put(io.BytesIO(data)) == name
    assert blobs.put(data) == name
    with blobs.open(name) as file:
        assert file.read() == data
    assert files(blobs) == [name]
    assert list(blobs.names()) == [name]
    assert blobs.intact(name)
    blobs.delete(name)
    blobs.delete(name)
    assert files(blobs) == []
    assert not blobs.intact(name)
    with pytest.raises(FileNotFoundError):
        blobs.open(name)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 62 + "/a", "a" * 65])
def test_only_a_hash_is_a_name(blobs: Blobs, name: str) -> None:
    for use in (blobs.open, blobs.delete, blobs.intact, blobs.path):
        with pytest.raises(ValueError, match="SHA-256"):
            use(name)


def test_bytes_that_changed_on_the_disk_are_not_intact(blobs: Blobs) -> None:
    name = blobs.put(b"film")
    blobs.path(name).write_bytes(b"fiLm")
    assert not blobs.intact(name)


def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs) -> None:
    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionError
            return super().read(10)

    with pytest.raises(ConnectionError):
        blobs.put(Breaks(b"x" * 100))
    assert files(blobs) == []


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(blobs: Blobs, stream: bool) -> None:
    data = os.urandom(200_000)
    with no_file_over(100_000), pytest.raises(ServiceProblem) as caught:
        blobs.put(io.BytesIO(data) if stream else data)
    assert (caught.value.status, caught.value.code) == (507, "storage-full")
    assert files(blobs) == []
    assert blobs.intact(blobs.put(data))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_file_system_without_space_keeps_what_it_has(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        blobs = Blobs(small / "blobs")
        first = blobs.put(os.urandom(700_000))
        with pytest.raises(ServiceProblem, match="full"):
            blobs.put(os.urandom(700_000))
        assert files(blobs) == [first]
        assert blobs.intact(first)
    finally:
        subprocess.run(["umount", small], check=True)


def test_threads_that_put_the_same_bytes_agree(blobs: Blobs) -> None:
    data = os.urandom(500_000)
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(blobs.put(io.BytesIO(data)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) == {hashlib.sha256(data).hexdigest()}
    assert files(blobs) == sorted(set(names))


_CHILD = """
import os, sys
from pathlib import Path
from deephealth.service.store.blobs import Blobs
class Slow:
    def read(self, size):
        print("read", flush=True)
        return os.urandom(1000)
Blobs(Path(sys.argv[1])).put(Slow())
"""


def test_what_a_killed_process_had_begun_is_tidied_and_what_a_living_one_writes_is_not(blobs: Blobs) -> None:
    def old() -> None:
        for path in (blobs.folder / "incoming").iterdir():
            os.utime(path, (OLD, OLD))

    with subprocess.Popen([sys.executable, "-c", _CHILD, str(blobs.folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGSTOP)
        old()
        assert blobs.tidy() == 0
        child.kill()
        child.wait()
    assert blobs.tidy() == 1
    assert files(blobs) == []


def aged(blobs: Blobs, data: bytes) -> str:
    name = blobs.put(data)
    os.utime(blobs.path(name), (OLD, OLD))
    return name


def test_only_old_bytes_that_nothing_names_are_collected(blobs: Blobs) -> None:
    named, unnamed, new = aged(blobs, b"named"), aged(blobs, b"unnamed"), blobs.put(b"new")
    assert blobs.collect(lambda: {named}, time.time() - 60) == (1, 7)
    assert files(blobs) == sorted([named, new])
    assert unnamed not in blobs.names()


def test_bytes_put_again_while_they_would_be_collected_stay(blobs: Blobs) -> None:
    name = aged(blobs, b"film")

    def put_again() -> set[str]:
        assert blobs.put(b"film") == name
        return set()

    assert blobs.collect(put_again, time.time() - 60) == (0, 0)
    assert blobs.intact(name)


def test_nothing_is_collected_while_somebody_keeps_it(blobs: Blobs) -> None:
    name = aged(blobs, b"film")
    with blobs.keeping():
        assert blobs.collect(set, time.time() - 60) == (0, 0)
        blobs.put(b"another")
    assert blobs.intact(name)
    assert blobs.collect(set, time.time() - 60) == (1, 4)
