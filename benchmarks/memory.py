"""Largest memory of `deephealth train` with a head on features: the whole run in one process, from the scan to the report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options

TITLE = "largest memory of `deephealth train` on 4,000 films of 224 px, one thread"
BAR = Bar("at most", 700)
_MB = 1e6


def run(options: Options) -> Iterator[Figure]:
    """Train once in a process of its own, with an empty cache."""
    data, what = materials.training_set(options.work, options.sized(4000, 60))
    backbone = materials.imagenet_weights() or options.model
    arguments = ["train", str(data), "--out", str(options.work / "run"), "--backbone", str(backbone)]
    arguments += ["--threads", "1", "--quiet", "--allow-leakage", "--overwrite"]
    start = time.perf_counter()
    peak = _peak(arguments, options.work / "cache") / _MB
    seconds = time.perf_counter() - start
    shutil.rmtree(data)
    yield Figure(
        TITLE,
        peak,
        peak,
        peak,
        "MB",
        "1 run",
        f"deephealth train DATA --out RUN --backbone {backbone.name} --threads 1",
        BAR,
        notes=(
            f"VmHWM of the process, mapped files included; {seconds:.0f} s from start to report; {what}.",
            "The leakage gate is told to let the films pass (--allow-leakage): what is measured does not depend on it.",
        ),
    )


def _peak(arguments: list[str], cache: Path) -> int:
    """Bytes."""
    environment = {**os.environ, "DEEPHEALTH_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "benchmarks.worker", "peak", *arguments]
    done = subprocess.run(command, cwd=materials.ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    code, peak = done.stdout.split()[-2:]
    if code != "0":
        raise RuntimeError(f"deephealth {' '.join(arguments)} ended with {code}: {done.stdout}")
    return int(peak)
