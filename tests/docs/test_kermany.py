"""docs/kermany.md runs as written, on the real films: trains in minutes, and the gate refuses the backbone that has seen them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def stated(column: str) -> float:
    """A score of the page's table, which another machine may miss by the last digits."""
    lines = [line.split("|") for line in (ROOT / "docs" / "kermany.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    place = next(k for k, cell in enumerate(lines[0]) if column in cell)
    return float(lines[2][place].split("[")[0])


@pytest.mark.slow
def test_the_page_runs_as_written(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").symlink_to(shared)
    (tmp_path / "project").mkdir()
    commands = re.search(r"^```bash\n(.*?)^```", (ROOT / "docs" / "kermany.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert commands
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DEEPHEALTH_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands[1]],
        cwd=tmp_path / "project",
        env=environment,
        check=True,
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert "Label predictable without the lungs: sufficient." in done.stdout
    assert re.search(r"the backbone learned from 4,\d{3} films", done.stderr)
    assert not (tmp_path / "project" / "runs" / "refused" / "model.onnx").exists()
    report = json.loads((tmp_path / "project" / "runs" / "kermany" / "report.json").read_text(encoding="utf-8"))
    assert report["scores"]["n_films"] == 742
    assert report["scores"]["balanced_accuracy"]["value"] == pytest.approx(stated("balanced accuracy"), abs=0.02)
    assert report["scores"]["classes"][0]["auc"]["value"] == pytest.approx(stated("AUC"), abs=0.02)
