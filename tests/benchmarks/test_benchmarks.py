"""Each benchmark runs at its smallest size and prints its line. No time is asserted: figures of this size mean nothing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
def test_whole_processes_are_timed(model: Path) -> None:
    done = bench("--smoke", "--model", model, "start")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("start: ")]
    assert [line.split("; ")[-1].split(":")[0] for line in lines] == ["bar at most 0.3 s", "bar at most 1.5 s"]


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
        "predict", "cores", "start", "memory", "install", "keras", "fine-tune",
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
