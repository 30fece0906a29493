"""How long a person waits who types a command: whole processes, from start to end, with the files already in the system's cache."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options

TITLE = "start: `deephealth --help`, and `deephealth predict` of one film"
HELP_BAR = Bar("at most", 0.3)
PREDICT_BAR = Bar("at most", 1.5)


def run(options: Options) -> Iterator[Figure]:
    """Seven processes of each; one before, not counted, brings the files into memory."""
    (film, *_), what = materials.large_films(options.work, 1)
    yield _figure("`deephealth --help`", ["--help"], HELP_BAR, "deephealth --help", options)
    arguments = ["predict", str(film), "--quiet", "--model", str(options.model)]
    yield _figure(
        "`deephealth predict` of one film", arguments, PREDICT_BAR, "deephealth predict FILM --quiet", options, f"One of the {what}."
    )


def _figure(what: str, arguments: Sequence[str], bar: Bar, command: str, options: Options, *notes: str) -> Figure:
    measured = [_process(arguments) for _ in range(options.sized(8, 2))][1:]
    clock = [seconds for seconds, _ in measured]
    cpu = statistics.median(seconds for _, seconds in measured)
    return Figure(
        f"{what}, process start to end",
        statistics.median(clock),
        min(clock),
        max(clock),
        "s",
        f"{len(clock)} processes",
        command,
        bar,
        notes=(*notes, f"Processor time {cpu:.2f} s."),
    )


def _process(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds on the clock and on the processors. A film that the model refuses (exit code 3) is an answer too."""
    before, start = _children(), time.perf_counter()
    code = subprocess.run([str(_program()), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
    clock = time.perf_counter() - start
    if code not in (0, 3):
        raise RuntimeError(f"deephealth {' '.join(arguments)} ended with exit code {code}")
    return clock, _children() - before


def _program() -> Path:
    """The command beside this Python."""
    return Path(sys.executable).parent / ("deephealth.exe" if os.name == "nt" else "deephealth")


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
