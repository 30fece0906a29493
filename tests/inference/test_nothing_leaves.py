"""Libraries that report home, or leave files about, are told not to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ANSWER = """
import numpy as np
from deephealth.model.file import Model, shipped_model_path
Model.load(shipped_model_path(), threads=1).run(np.full((64, 64), 127, np.uint8))
"""


def test_onnx_runtime_reports_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    # As outside of any continuous integration, where ONNX Runtime is silent by itself.
    quiet = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    for place in ("home", "tmp"):
        (tmp_path / place).mkdir()
    environment |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", ANSWER], env=environment, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
