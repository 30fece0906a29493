"""The README's commands and Python lines run as they are written, one after the other, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")) if kind == language]


@pytest.mark.slow
def test_the_main_path_runs_as_written(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DEEPHEALTH_CACHE_DIR": str(tmp_path / "cache")}
    commands = next(text for text in blocks("bash") if "deephealth phantom" in text)
    subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=environment, check=True, timeout=400)
    for made in ("run/model.onnx", "run/report.html", "run/report.json", "run/split.csv", "run/events.jsonl", "report.html", "answers.csv"):
        assert (tmp_path / made).stat().st_size > 0, made
    assert len(list((tmp_path / "maps").glob("*.png"))) == 60
    lines = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, env=environment, check=True, timeout=400, capture_output=True, text=True
    )
    assert "probes" in done.stdout
    moving = next(text for text in blocks("bash") if "model export" in text)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", moving], cwd=tmp_path, env=environment, check=True, timeout=400, capture_output=True, text=True
    )
    assert "it answers as certified" in done.stdout
    _page_answers_as_written(tmp_path, environment)


def _page_answers_as_written(folder: Path, environment: dict[str, str]) -> None:
    """The block of the page: its first line serves, its second asks; on a free port, since 8000 may be taken."""
    port = free_port()
    serve, ask = next(text for text in blocks("bash") if "deephealth serve" in text).strip().splitlines()
    serve = serve.split("#")[0].strip() + f" --port {port}"
    environment = {**environment, "DEEPHEALTH_DATA_DIR": str(folder / "page")}
    with subprocess.Popen(serve.split(), cwd=folder, env=environment) as service:
        try:
            wait = f"curl --silent --fail --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:{port}/readyz"
            subprocess.run(wait.split(), check=True, timeout=120, capture_output=True)
            ask = ask.replace("8000", str(port)).replace("curl", "curl --silent --fail")
            done = subprocess.run(["bash", "-c", ask], cwd=folder, check=True, timeout=60, capture_output=True, text=True)
            (prediction,) = json.loads(done.stdout)["predictions"]
            assert set(prediction["probabilities"]) == {"normal", "bacterial", "viral"}
        finally:
            service.terminate()
    assert service.returncode == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_make_run_and_make_test_are_the_only_set_up_commands() -> None:
    first = blocks("bash")[0]
    assert [line.split("#")[0].strip() for line in first.strip().splitlines()] == ["make run", "make test"]


def test_the_docs_are_current() -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "check_docs.py"], cwd=ROOT, check=True, timeout=60)
