from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

from deephealth.cli.main import main
from deephealth.model.verify import add_goldens


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deephealth", "serve", "--port", "0", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    process = start("--data-dir", str(tmp_path))
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    with urllib.request.urlopen(found[0] + "/healthz") as reply:
        assert reply.status == 200
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in errors


def test_others_may_not_reach_it_without_accounts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path)]) == 2
    assert "accounts" in capsys.readouterr().err
    assert main(["serve", "--accounts", "--port", "0", "--data-dir", str(tmp_path)]) == 2
    assert "no account yet" in capsys.readouterr().err


def test_a_port_in_use_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["serve", "--port", str(other.getsockname()[1]), "--data-dir", str(tmp_path)]) == 1
    assert "cannot be listened on" in capsys.readouterr().err


def test_answers_are_sent_without_the_delay_of_tcp() -> None:
    from deephealth.service.run import bound

    with bound("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP  # what asyncio looks at before it turns the delay off


def test_check_answers_one_example_of_the_classroom(tmp_path: Path, tiny: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(add_goldens(tiny.model_bytes(name="classroom")))
    assert main(["serve", "--check", "--classroom", str(model), "--data-dir", str(tmp_path / "data"), "--workers", "1"]) == 0
    assert capsys.readouterr().out.startswith("The service answers: classroom says normal ")


def test_what_is_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.onnx").write_bytes(b"abc")
    assert main(["serve", "--check", "--model", str(tmp_path / "model.onnx"), "--data-dir", str(tmp_path / "data")]) == 3
    assert "model.onnx is not a usable ONNX file" in capsys.readouterr().err
