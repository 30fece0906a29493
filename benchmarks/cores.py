"""Features of a folder of films on two processors against one, each run a process of its own that is bound to its processors."""

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
    one, two = [], []
    for _ in range(options.sized(5, 1)):
        two.append(_seconds(films, options, processors[:2]))
        one.append(_seconds(films, options, processors[:1]))
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
        notes=(f"{len(films) / statistics.median(two):.1f} films/s on two, {len(films) / statistics.median(one):.1f} on one; {what}.",),
    )


def _seconds(films: Sequence[Path], options: Options, processors: Sequence[int]) -> float:
    task = {"films": [str(film) for film in films], "model": str(options.model), "processors": list(processors)}
    command = [sys.executable, "-m", "benchmarks.worker", "extract", json.dumps(task)]
    done = subprocess.run(command, cwd=materials.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])
