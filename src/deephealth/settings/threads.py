"""How many threads, decided once; and how much memory this process has taken.

The numeric libraries each start a pool of their own; unless told otherwise they multiply. `limit` is called by the command line
before numpy is first imported, and workers of ours are then the only parallelism.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from deephealth.settings import table

_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available() -> int:
    """Processors this process may run on (respects taskset and cpusets)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def resolve(requested: int | None = None) -> int:
    """The number of threads to use: the request, else the setting, else every processor available."""
    return requested or table.number("threads") or available()


def limit(requested: int | None = None) -> int:
    """Fix the number of threads for this process and every numeric library in it; returns it. Call before importing numpy."""
    count = resolve(requested)
    os.environ["DEEPHEALTH_THREADS"] = str(count)
    for pool in _POOLS:
        os.environ[pool] = str(count)
    return count


def peak_memory_mb() -> float:
    """The most memory this process has held so far, in MB (2**20 bytes).

    From /proc where there is one: `getrusage` on Linux begins with the size of the process that started this one.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
