"""Work of a heavy package in a process of its own, so that its memory, threads and log lines never are the caller's.

The other side is a module with `answer(request) -> dict` that ends in `if __name__ == "__main__": own_process.serve(answer)`: it reads one
JSON object from standard input and writes one to the file it is told. What crosses is JSON and the paths of files, never pickle.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deephealth import errors
from deephealth.errors import DeepHealthError, MissingExtra

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0"}


def run(
    module: str,
    request: Mapping[str, Any],
    *,
    needs: Sequence[str] = (),
    extra: str = "tensorflow",
    environment: Mapping[str, str] | None = None,
    seconds: float = 3600,
) -> dict[str, Any]:
    """What `module` answers to `request`, both JSON-able; the module runs in a Python process of its own.

    needs: packages without which MissingExtra names `extra`, before anything is started. environment: added to this process's. Raises the
    DeepHealthError the module raised, of the same class, and DeepHealthError with the last line it wrote when it fell over or took longer
    than `seconds`.
    """
    for package in needs:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"This work, done by {package},", extra)
    with tempfile.TemporaryDirectory(prefix="deephealth-") as folder:
        place = Path(folder) / "answer.json"
        command = [sys.executable, "-m", module, str(place)]
        settings = {**os.environ, **_QUIET, **(environment or {})}
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and one of our own modules
                command, input=json.dumps(request), text=True, capture_output=True, env=settings, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DeepHealthError(f"{module} took longer than {seconds:.0f} s and was stopped; give it a smaller model.") from error
        if not place.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
            raise DeepHealthError(f"{module} ended early with code {done.returncode} ({last}); please report it with the model's name.")
        answer: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    if "error" in answer:
        raise _raised(answer["error"])
    return answer


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The other side: answer the one request on standard input into the file named by the first argument."""
    request = json.load(sys.stdin)
    try:
        result = answer(request)
    except DeepHealthError as error:
        result = {"error": {"kind": type(error).__name__, "message": str(error)}}
    Path(sys.argv[1]).write_text(json.dumps(result), encoding="utf-8")


def _raised(told: Mapping[str, str]) -> DeepHealthError:
    kind = getattr(errors, told["kind"], DeepHealthError)
    raised = DeepHealthError(told["message"]) if kind is MissingExtra else kind(told["message"])
    return raised if isinstance(raised, DeepHealthError) else DeepHealthError(told["message"])
