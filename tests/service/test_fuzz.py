"""The API as its own description says: schemathesis for a while; for five minutes with `python tools/fuzz_api.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_request_is_a_server_error_and_every_answer_is_as_described(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("fuzz_api", Path(__file__).parents[2] / "tools" / "fuzz_api.py")
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    code, printed = tool.fuzz(40, tmp_path)
    assert code == 0, printed
    assert "1 failed" not in printed and "passed" in printed
