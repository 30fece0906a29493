"""The page on comparing models: its commands and its Python lines run as they are written, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "compare.md"


@pytest.mark.slow
def test_the_page_runs_as_written(tmp_path: Path) -> None:
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DEEPHEALTH_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks["bash"]],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert "A: first   B: second" in done.stdout
    assert "learned from were left out for both" in done.stdout
    assert (tmp_path / "comparison.html").stat().st_size > 0 and (tmp_path / "comparison.json").stat().st_size > 0
    lines = subprocess.run(
        [sys.executable, "-c", blocks["python"]], cwd=tmp_path, env=environment, check=True, timeout=100, capture_output=True, text=True
    )
    assert re.match(r"(better [AB]|undecided ) Interval\(value=", lines.stdout)
