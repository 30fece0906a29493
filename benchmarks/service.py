"""The service under load: one core for server and worker together, the clients on another, all on loopback."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options

TITLE = "service: one core, films of 1 megapixel: answers at 1, 4 and 50 clients, memory, start"
ONE_CLIENT, FOUR_CLIENTS, MEMORY, READY = Bar("at most", 2.5), Bar("at most", 10.0), Bar("at most", 450), Bar("at most", 2.0)
_COMMAND = "deephealth serve --workers 1 --threads 1 --requests-per-minute 0"
_PATH = "/api/v1/predictions"


@dataclass(frozen=True)
class _Film:
    """A film as a request's body, and what tells its answer from another's."""

    data: bytes
    name: str
    sha256: str

    @property
    def body(self) -> bytes:
        head = f'--film\r\nContent-Disposition: form-data; name="file"; filename="{self.name}"\r\n\r\n'
        return head.encode() + self.data + b"\r\n--film--\r\n"


@dataclass
class _Tally:
    """What the clients saw: seconds of each answer, how often each status, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    mixed: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def run(options: Options) -> Iterator[Figure]:
    """Start the service on the first processor and ask it from the others."""
    cores = sorted(os.sched_getaffinity(0))
    films = _films(options)
    floor_before = _floor(options, films, cores[0])
    with _serving(options, cores[0]) as (process, address, ready):
        os.sched_setaffinity(0, set(cores[1:]) or set(cores))
        try:
            yield _ready(ready)
            tally = _Tally()
            _ask(address, films, tally, clients=1, requests=options.sized(50, 3))
            yield from _latencies(options, films, address, floor_before, cores[0])
            yield _crowd(options, films, address)
            yield _memory(options, films, address, process)
        finally:
            os.sched_setaffinity(0, set(cores))


def _ready(seconds: float) -> Figure:
    return Figure("service ready (/readyz) after", seconds, seconds, seconds, "s", "1 start", _COMMAND, READY)


def _latencies(options: Options, films: Sequence[_Film], address: str, before: float, core: int) -> Iterator[Figure]:
    found = {}
    for clients, requests in ((1, options.sized(400, 4)), (4, options.sized(150, 2))):
        tally = _Tally()
        _ask(address, films, tally, clients=clients, requests=requests)
        if set(tally.statuses) != {200} or tally.lost or tally.mixed:
            raise RuntimeError(f"{clients} clients: {dict(tally.statuses)}, {tally.lost} lost, {tally.mixed} mixed up")
        found[clients] = sorted(tally.seconds)
    floor = (before + _floor(options, films, core)) / 2
    for clients, bar in ((1, ONE_CLIENT), (4, FOUR_CLIENTS)):
        seconds = found[clients]
        p95 = seconds[int(0.95 * len(seconds))] / floor
        yield Figure(
            f"service, {clients} client{'s' * (clients > 1)}: 95th percentile of an answer, against bare decode + bare run on that core",
            p95,
            p95,
            p95,
            "x",
            f"{len(seconds)} requests over {len(films)} films",
            _COMMAND,
            bar,
            notes=(
                f"Floor {1000 * floor:.1f} ms (median, before and after); median {1000 * statistics.median(seconds):.1f} ms, "
                f"95th percentile {1000 * p95 * floor:.1f} ms, largest {1000 * seconds[-1]:.1f} ms.",
            ),
        )


def _crowd(options: Options, films: Sequence[_Film], address: str) -> Figure:
    tally, seconds = _Tally(), options.sized(60, 2)
    deadline = time.monotonic() + seconds
    _ask(address, films, tally, clients=50, requests=10**9, going_on=lambda: time.monotonic() < deadline)
    bad = tally.lost + tally.mixed + sum(count for status, count in tally.statuses.items() if status not in (200, 429, 503))
    ordered = sorted(tally.seconds)
    return Figure(
        f"service, 50 clients for {seconds} s: requests lost, mixed up or answered otherwise than by 200, 429 or 503",
        bad,
        bad,
        bad,
        "requests",
        f"{sum(tally.statuses.values()) + tally.lost} requests",
        _COMMAND,
        Bar("at most", 0),
        notes=(
            f"Statuses {dict(tally.statuses)}; {tally.statuses[200] / seconds:.0f} answers a second; "
            f"median {statistics.median(ordered):.2f} s, 95th percentile {ordered[int(0.95 * len(ordered))]:.2f} s.",
            "Each answer's SHA-256 and name are those of the film sent, and its probabilities those of every other answer to that film.",
        ),
    )


def _memory(options: Options, films: Sequence[_Film], address: str, process: int) -> Figure:
    count = options.sized(2000, 8)
    tally, start = _Tally(), _resident(process)
    _ask(address, films, tally, clients=2, requests=count // 2)
    after = _resident(process)
    parts = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in after.items())
    total, before = sum(after.values()) / 1e6, sum(start.values()) / 1e6
    return Figure(
        f"service: memory of server and worker after {count} requests more",
        total,
        total,
        total,
        "MB",
        f"{count} requests",
        _COMMAND,
        MEMORY,
        notes=(f"Resident, shared pages counted in each: {parts} MB; before these requests {before:.0f} MB together.",),
    )


def _films(options: Options) -> list[_Film]:
    """Films of one megapixel, JPEG."""
    paths, _ = materials.large_films(options.work, options.sized(24, 2))
    films = []
    for place, path in enumerate(paths):
        with Image.open(path) as picture:
            grey = picture.convert("L")
            share = (1_000_000 / (grey.width * grey.height)) ** 0.5
            buffer = io.BytesIO()
            grey.resize((round(grey.width * share), round(grey.height * share)), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=92)
        films.append(_Film(buffer.getvalue(), f"film-{place}.jpeg", hashlib.sha256(buffer.getvalue()).hexdigest()))
    return films


def _floor(options: Options, films: Sequence[_Film], core: int) -> float:
    """Median seconds of a bare decode and a bare run of the network, in a process of its own on that core."""
    folder = options.work / "floor"
    folder.mkdir(exist_ok=True)
    for film in films:
        (folder / film.name).write_bytes(film.data)
    command = [sys.executable, "-m", "benchmarks.worker", "floor", str(core), str(options.model), str(folder)]
    done = subprocess.run(command, cwd=materials.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


@contextmanager
def _serving(options: Options, core: int) -> Iterator[tuple[int, str, float]]:
    """The service's process, its address, and how many seconds it took to be ready."""
    arguments = ["serve", "--port", "0", "--data-dir", str(options.work / "data"), "--workers", "1", "--requests-per-minute", "0"]
    command = [sys.executable, "-m", "benchmarks.worker", "serve", str(core), *arguments, "--threads", "1"]
    with open(options.work / "service.log", "wb") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=materials.ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r"http://([\d.:]+)", process.stdout.readline())
            if not found:
                raise RuntimeError(f"the service did not start: {(options.work / 'service.log').read_text()}")
            while not _is_ready(found[1]):
                time.sleep(0.01)
            yield process.pid, found[1], time.perf_counter() - start
        finally:
            process.terminate()
            process.wait(timeout=30)


def _is_ready(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _ask(
    address: str, films: Sequence[_Film], tally: _Tally, *, clients: int, requests: int, going_on: Callable[[], bool] = lambda: True
) -> None:
    """Let `clients` threads ask one film after the other, `requests` each, on a connection of their own."""
    threads = [threading.Thread(target=_client, args=(address, films, tally, place, requests, going_on)) for place in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _client(address: str, films: Sequence[_Film], tally: _Tally, place: int, requests: int, going_on: Callable[[], bool]) -> None:
    connection = http.client.HTTPConnection(address, timeout=120)
    headers = {"Content-Type": "multipart/form-data; boundary=film"}
    for number in range(requests):
        if not going_on():
            break
        film = films[(place * 7 + number) % len(films)]
        start = time.perf_counter()
        try:
            connection.request("POST", _PATH, film.body, headers)
            reply = connection.getresponse()
            status, body = reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            with tally.lock:
                tally.lost += 1
            continue
        _count(tally, film, status, body, time.perf_counter() - start)
        if status in (429, 503):
            time.sleep(float(reply.headers.get("Retry-After", "1")))
    connection.close()


def _count(tally: _Tally, film: _Film, status: int, body: bytes, seconds: float) -> None:
    with tally.lock:
        tally.statuses[status] += 1
        if status != 200:
            return
        tally.seconds.append(seconds)
        (found,) = json.loads(body)["predictions"]
        same = json.dumps(found["probabilities"])
        if found["sha256"] != film.sha256 or found["file"] != film.name or tally.answers.setdefault(film.name, same) != same:
            tally.mixed += 1


def _resident(process: int) -> dict[str, int]:
    """Bytes resident of the service's process and of each of its children."""
    found = {"server": _pages(process)}
    for place, child in enumerate(Path(f"/proc/{process}/task/{process}/children").read_text().split()):
        found[f"worker {place + 1}"] = _pages(int(child))
    return found


def _pages(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
