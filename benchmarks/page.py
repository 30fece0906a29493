"""The results as lines for a terminal and as tables for docs/benchmarks.md, so that no figure there is typed by hand."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Figure, Skipped

BEGIN = '<!-- results: written by: make bench BENCH="--write docs/benchmarks.md" -->'
END = "<!-- end of results -->"
_PACKAGES = ("numpy", "onnxruntime", "simplejpeg", "torch", "keras")
Result = Figure | Skipped


def lines(name: str, result: Result) -> str:
    """One result for a terminal: what, figure, n, bar and verdict in one line; command and notes below."""
    if isinstance(result, Skipped):
        return f"{name}: {result.what}: skipped, {result.reason}"
    verdict = "for information" if result.bar is None else f"bar {result.held_to}: {result.verdict}"
    head = f"{name}: {result.what}: {result.result}, n = {result.n}; {verdict}"
    rows = ["  ".join([row[0].ljust(24), *(cell.rjust(8) for cell in row[1:])]).rstrip() for row in result.table]
    return "\n    ".join([head, f"$ {result.command}", *result.notes, *rows])


def machine() -> str:
    """The machine and the versions that matter, in one sentence."""
    versions = [f"{name} {version}" for name in _PACKAGES if (version := _version(name))]
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "") if hasattr(platform, "freedesktop_os_release") else ""
    return (
        f"{os.cpu_count()} processors ({processor()}), {_memory()}{system or platform.system()}, Python {platform.python_version()}, "
        + ", ".join(versions)
    )


def processor() -> str:
    """The processor's model as the system names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    numbers = ", ".join(f"{name} {facts[name]}" for name in ("cpu family", "model") if name in facts)
    return f"{facts.get('model name', platform.machine())}, {numbers}" if numbers else facts.get("model name", platform.machine())


def write(page: Path, results: Sequence[tuple[str, Result]], others: float) -> None:
    """Put the results between the marks in `page`; ValueError as `around`."""
    before, after = around(page)
    page.write_text(f"{before}{BEGIN}\n\n{markdown(results, others)}\n{END}{after}", encoding="utf-8")


def around(page: Path) -> tuple[str, str]:
    """What stands before and after the marks in `page`. ValueError when there is no such page or mark."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the results, expected a page with the lines {BEGIN} and {END}")
    return before, after


def markdown(results: Sequence[tuple[str, Result]], others: float) -> str:
    """Machine, one table of all figures, then what was noted and the tables of each."""
    parts = [f"Machine: {machine()}. Other programs used {others:.0%} of its processors during the run.", ""]
    parts += ["| name | what | result | bar | | n |", "|---|---|---|---|---|---|"]
    parts += [_row(name, result) for name, result in results]
    parts.append("")
    for name, result in results:
        if isinstance(result, Figure):
            parts += [f"**{name}**: {result.what}", "", f"- `{result.command}`", *(f"- {note}" for note in result.notes), ""]
            parts += _table(result.table)
    return "\n".join(parts)


def _row(name: str, result: Result) -> str:
    if isinstance(result, Skipped):
        return f"| {name} | {result.what} | skipped: {result.reason} | | | |"
    return f"| {name} | {result.what} | {result.result} | {result.held_to} | {result.verdict} | {result.n} |"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    head, *body = rows
    return [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|", *(f"| {' | '.join(row)} |" for row in body), ""]


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB of memory, "
    except (ValueError, OSError):
        return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
