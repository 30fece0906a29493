from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deephealth.errors import UsageError
from deephealth.settings import threads

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def test_the_request_comes_before_the_setting_and_the_setting_before_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPHEALTH_THREADS", raising=False)
    assert threads.resolve() == threads.available() >= 1
    monkeypatch.setenv("DEEPHEALTH_THREADS", "3")
    assert threads.resolve() == 3
    assert threads.resolve(5) == 5


@pytest.mark.parametrize("value", ["many", "-1", "2.5", ""])
def test_a_setting_that_is_no_number_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DEEPHEALTH_THREADS", value)
    with pytest.raises(UsageError, match="DEEPHEALTH_THREADS"):
        threads.resolve()


def test_the_limit_reaches_every_numeric_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPHEALTH_THREADS", *POOLS):
        monkeypatch.setenv(name, "7")
    assert threads.limit(2) == 2
    assert {os.environ[name] for name in ("DEEPHEALTH_THREADS", *POOLS)} == {"2"}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no processor affinity")
def test_the_processors_this_process_may_run_on_are_counted() -> None:
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{one}]); from deephealth.settings import threads; print(threads.available())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_limiting_imports_no_numeric_library() -> None:
    code = "import sys; from deephealth.settings import threads; threads.limit(1); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
