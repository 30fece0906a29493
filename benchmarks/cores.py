"""Features of a folder of films on two processors against one, each run a process of its own that is bound to its processors.

Beside it, the same for processes that share nothing: where other programs are busy, the system may give two processors' worth of work
no more time than one's (Linux shares the machine by session), and then no program at all could be faster on two.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options, Skipped

TITLE = "features of a folder: 2 processors against 1"
BAR = Bar("at least", 1.8)


def run(options: Options) -> Iterator[Figure | Skipped]:
    """Alternate processes with one and two processors; each extracts the features of all films without the cache."""
    if not hasattr(os, "sched_setaffinity"):
        yield Skipped(TITLE, "this system cannot bind a process to a processor")
        return
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        yield Skipped(TITLE, "this process may run on one processor only")
        return
    films, what = materials.film_folder(options.work, options.sized(120, 3))
    one, two, ceilings = [], [], []
    for _ in range(options.sized(5, 1)):
        two.append(_seconds(films, options, processors[:2]))
        one.append(_seconds(films, options, processors[:1]))
        ceilings.append(_ceiling(processors[:2], options.sized(10, 1) / 10))
    ratios = [b / a for a, b in zip(two, one, strict=True)]
    yield Figure(
        TITLE,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        "x",
        f"{len(ratios)} pairs of processes, {len(films)} films each",
        "extract_features(films, backbone, threads=2, cache=False) against threads=1",
        BAR,
        notes=(
            f"{len(films) / statistics.median(two):.1f} films/s on two, {len(films) / statistics.median(one):.1f} on one; {what}.",
            f"Two processes that share nothing were given {statistics.median(ceilings):.2f} x the processor time of one.",
        ),
    )


def _seconds(films: Sequence[Path], options: Options, processors: Sequence[int]) -> float:
    task = {"films": [str(film) for film in films], "model": str(options.model), "processors": list(processors)}
    command = [sys.executable, "-m", "benchmarks.worker", "extract", json.dumps(task)]
    done = subprocess.run(command, cwd=materials.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def _ceiling(processors: Sequence[int], seconds: float) -> float:
    """Processor time that busy processes get, one on each of `processors`, as a multiple of what one alone gets on the first."""
    return sum(_shares(processors, seconds)) / sum(_shares(processors[:1], seconds))


def _shares(processors: Sequence[int], seconds: float) -> list[float]:
    """The share of its processor, 0 to 1, that each of several busy processes gets while all run."""
    command = [sys.executable, "-m", "benchmarks.worker", "spin"]
    started = [
        subprocess.Popen([*command, str(processor), str(seconds)], cwd=materials.ROOT, stdout=subprocess.PIPE, text=True)
        for processor in processors
    ]
    return [float(process.communicate()[0]) for process in started]
