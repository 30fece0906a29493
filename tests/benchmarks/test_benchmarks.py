"""Each benchmark runs at its smallest size and prints its line. No time is asserted: figures of this size mean nothing."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are no installed package; they are run from the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of three classes around a few random convolutions: what is timed does not matter here."""
    spec = importlib.util.spec_from_file_location("deephealth_tests_tiny", ROOT / "tests" / "model" / "tiny.py")
    assert spec and spec.loader
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny.model_bytes())
    return path


def bench(*arguments: str | Path, shared: str | None = None, strict: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEEPHEALTH_SHARED": shared} if shared else dict(os.environ)
    command = [sys.executable, *(("-W", "error") if strict else ()), "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bar"), [("predict", "at most 1.3 x"), ("cores", "at least 1.8 x"), ("memory", "at most 700 MB")])
def test_a_benchmark_prints_its_line_on_phantom_films(name: str, bar: str, model: Path, tmp_path: Path) -> None:
    done = bench("--smoke", "--model", model, name, shared=str(tmp_path / "absent"))
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"{name}: ")
    assert "skipped" in first or (f"bar {bar}: " in first and ", n = " in first and first.endswith("met"))


@pytest.mark.slow
def test_a_film_answered_in_the_browser_is_timed(model: Path, tmp_path: Path) -> None:
    done = bench("--smoke", "--model", model, "browser", shared=str(tmp_path / "absent"), strict=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("browser: ")]
    assert [line.split("; ")[-1].split(":")[0] for line in lines] == ["for information", "bar at most 50 ms"]


@pytest.mark.slow
def test_changed_copies_are_counted(model: Path, tmp_path: Path) -> None:
    done = bench("--smoke", "--model", model, "leakage", shared=str(tmp_path / "absent"))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("leakage: ")]
    assert [line.split("; ")[-1].split(":")[0] for line in lines] == ["bar at most 60 s", "bar at least 99 %", "bar at most 0 pairs"]
    assert "phantoms (n=6)" in done.stdout


@pytest.mark.slow
def test_whole_processes_are_timed(model: Path) -> None:
    done = bench("--smoke", "--model", model, "start")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("start: ")]
    assert [line.split("; ")[-1].split(":")[0] for line in lines] == ["bar at most 0.3 s", "bar at most 1.5 s"]


@pytest.mark.slow
def test_the_service_is_asked_by_many_at_once(model: Path, tmp_path: Path) -> None:
    done = bench("--smoke", "--model", model, "service", shared=str(tmp_path / "absent"))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("service: ")]
    assert [line.split("; ")[-1].split(":")[0] for line in lines] == [
        "bar at most 2 s", "bar at most 2.5 x", "bar at most 10 x", "bar at most 0 requests", "bar at most 450 MB",
    ]  # fmt: skip
    assert "requests: met" in done.stdout


@pytest.mark.slow
def test_every_package_of_an_environment_is_weighed(model: Path) -> None:
    done = bench("--smoke", "--model", model, "install")
    assert done.returncode == 0, done.stderr
    assert "pydicom finds a decoder for 15 of 15 transfer syntaxes." in done.stdout
    assert any(line.split()[:1] == ["onnxruntime"] for line in done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize(("name", "bar"), [("keras", "at least 3 x"), ("fine-tune", "at most 1.15 x")])
def test_a_benchmark_with_torch_prints_its_line(name: str, bar: str, model: Path) -> None:
    done = bench("--smoke", "--model", model, name, strict=False)  # Keras calls numpy in ways that numpy warns of
    assert done.returncode == 0, done.stderr
    assert f"bar {bar}: " in done.stdout.splitlines()[0]


def test_the_list_names_what_can_be_asked_for() -> None:
    done = bench("--list")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "predict", "cores", "start", "memory", "service", "browser", "leakage", "audit", "install", "keras", "coverage", "fine-tune",
    ]  # fmt: skip


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "no benchmark 'speed'; expected predict, cores," in done.stderr


def test_a_partial_run_is_never_written_to_the_page() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    before = page.read_bytes()
    done = bench("predict", "--write", page)
    assert done.returncode == 2
    assert "whole run" in done.stderr
    assert page.read_bytes() == before


def test_a_page_without_a_place_for_results_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n", encoding="utf-8")
    done = bench("--write", page)
    assert done.returncode == 2
    assert "no place for the results" in done.stderr


def test_pairs_run_in_turn_and_only_after_warming_up() -> None:
    from benchmarks.measure import paired

    calls: list[str] = []
    times = paired(lambda: calls.append("a"), lambda: calls.append("b"), 3, warm=1)
    assert "".join(calls) == "abababab"
    assert len(times.ratios()) == 3
    assert times.ratios() == pytest.approx([1 / ratio for ratio in times.ratios(theirs_over_ours=True)])


@pytest.mark.parametrize(
    ("sense", "value", "verdict"), [("at most", 2.0, "met"), ("at most", 2.01, "not met"), ("at least", 1.9, "not met")]
)
def test_a_figure_on_its_bar_meets_it(sense: Literal["at most", "at least"], value: float, verdict: str) -> None:
    from benchmarks.measure import Bar, Figure

    assert Figure("x", value, value, value, "s", "1", "true", Bar(sense, 2.0)).verdict == verdict


def test_the_share_of_other_programs_leaves_out_our_own_work() -> None:
    from benchmarks.measure import Others

    with Others() as others:
        sum(range(3_000_000))
    assert math.isnan(others.share) or 0 <= others.share <= 1


def test_results_replace_the_results_of_the_last_run_and_nothing_else(tmp_path: Path) -> None:
    from benchmarks.measure import Bar, Figure, Skipped
    from benchmarks.page import BEGIN, END, write

    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nlast words\n", encoding="utf-8")
    figure = Figure(
        "work", 1.234, 1.1, 1.5, "x", "9 pairs", "do it", Bar("at most", 1.3), ("A note.",), (("package", "MB"), ("numpy", "71.4"))
    )
    for _ in range(2):
        write(page, [("a", figure), ("b", Skipped("more work", "one processor only"))], 0.031)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n") and text.endswith(f"{END}\n\nlast words\n")
    assert "old" not in text
    assert text.count("| a | work | 1.23 x (1.10 to 1.50) | at most 1.3 x | met | 9 pairs |") == 1
    assert "| b | more work | skipped: one processor only | | | |" in text
    assert "- `do it`\n- A note.\n" in text
    assert "| package | MB |\n|---|---:|\n| numpy | 71.4 |" in text
    assert "Other programs used 3% of its processors" in text


@pytest.mark.slow
def test_the_audit_gives_its_table_and_its_time(model: Path) -> None:
    done = bench("--smoke", "--model", model, "audit")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("audit: ")]
    assert len(lines) == 14 and "clean phantom sets" in lines[0] and lines[-1].endswith("bar at most 60 s: met")
