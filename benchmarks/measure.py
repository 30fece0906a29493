"""Figures, bars, and how two ways of doing the same thing are timed so that a busy machine disturbs both alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Sense = Literal["at most", "at least"]


@dataclass(frozen=True)
class Bar:
    """What a figure must not exceed, or must reach."""

    sense: Sense
    value: float

    def met_by(self, value: float) -> bool:
        """Does `value` keep to the bar?"""
        return value <= self.value if self.sense == "at most" else value >= self.value


@dataclass(frozen=True)
class Figure:
    """One result: the median `value` of `n` measurements between `low` and `high`, in `unit` ("x" is a ratio), and what it is held to.

    command: what was timed, as it could be typed. notes: what else was seen, one sentence each. table: rows of a table, its heads first.
    """

    what: str
    value: float
    low: float
    high: float
    unit: str
    n: str
    command: str
    bar: Bar | None = None
    notes: Sequence[str] = ()
    table: Sequence[Sequence[str]] = field(default_factory=tuple)

    @property
    def verdict(self) -> str:
        """met, not met, or for information."""
        if self.bar is None:
            return "for information"
        return "met" if self.bar.met_by(self.value) else "not met"

    @property
    def result(self) -> str:
        """The figure with its range: "1.07 x (1.02 to 1.20)"; one measurement has no range."""
        text = f"{number(self.value)} {self.unit}"
        return text if self.low == self.high else f"{text} ({number(self.low)} to {number(self.high)})"

    @property
    def held_to(self) -> str:
        """The bar in words."""
        return "-" if self.bar is None else f"{self.bar.sense} {self.bar.value:g} {self.unit}"


@dataclass(frozen=True)
class Skipped:
    """A benchmark that cannot be run here, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Options:
    """smoke: the smallest sizes, to show that everything runs (the figures then mean nothing). model: the model file. work: a folder."""

    smoke: bool
    model: Path
    work: Path

    def sized(self, full: int, smoke: int) -> int:
        """How many of something: `smoke` when only trying."""
        return smoke if self.smoke else full


@dataclass(frozen=True)
class Times:
    """Seconds of ours and theirs, pair by pair: on the clock and on the processor (all threads of this process)."""

    ours: list[float]
    theirs: list[float]
    ours_cpu: list[float]
    theirs_cpu: list[float]

    def ratios(self, *, theirs_over_ours: bool = False) -> list[float]:
        """Ours / theirs of each pair, or how many times faster ours is."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [b / a if theirs_over_ours else a / b for a, b in pairs]

    @property
    def cpu_ratio(self) -> float:
        """Median of ours / theirs in processor time, which other programs disturb less than the clock."""
        return statistics.median(a / b for a, b in zip(self.ours_cpu, self.theirs_cpu, strict=True))


def paired(ours: Callable[[], object], theirs: Callable[[], object], repetitions: int, *, warm: int = 1) -> Times:
    """Run A B A B ... `repetitions` times after `warm` pairs that do not count."""
    times = Times([], [], [], [])
    for repetition in range(-warm, repetitions):
        a, a_cpu = timed(ours)
        b, b_cpu = timed(theirs)
        if repetition >= 0:
            times.ours.append(a)
            times.theirs.append(b)
            times.ours_cpu.append(a_cpu)
            times.theirs_cpu.append(b_cpu)
    return times


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and on the processor."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def number(value: float) -> str:
    """Three digits at least: 0.0123, 1.07, 312."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


class Others:
    """How busy other programs kept the machine's processors while a block ran, 0 to 1; NaN where the system does not tell."""

    def __enter__(self) -> Others:
        self._start = _busy_seconds(), _own_seconds(), time.perf_counter()
        self.share = float("nan")
        return self

    def __exit__(self, *_: object) -> None:
        busy, own, clock = self._start
        room = (time.perf_counter() - clock) * (os.cpu_count() or 1)
        self.share = max(0.0, (_busy_seconds() - busy) - (_own_seconds() - own)) / room


def _busy_seconds() -> float:
    """Processor time spent by all programs since the machine started."""
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    except OSError:
        return float("nan")
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in words)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Processor time spent by this process and the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
