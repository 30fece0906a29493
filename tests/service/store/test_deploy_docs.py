"""The commands of docs/deploy.md that need no root run as written, one after the other; the Spanish page has the same ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    found = BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    return [(kind, re.sub(r"\s+#.*", "", text)) for kind, text in found]


def test_both_languages_have_the_same_commands() -> None:
    assert blocks("deploy.md") == blocks("deploy.es.md")


def test_every_command_of_ours_is_one_that_the_program_has() -> None:
    from deephealth.cli.main import build_parser

    for kind, text in blocks("deploy.md"):
        for line in text.splitlines() if kind in ("sh", "bash") else ():
            if line.startswith("deephealth "):
                build_parser().parse_args(line.split()[1:])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from deephealth.cli.main import main

    monkeypatch.setenv("DEEPHEALTH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "password").write_text("correct horse battery staple\n")
    assert main(["user", "add", "ana", "--role", "admin", "--password-file", str(tmp_path / "password")]) == 0
    yield tmp_path / "data"


@pytest.mark.slow
def test_the_commands_run_as_written(data: Path, tmp_path: Path, postgres_url: str) -> None:
    commands = "\n".join(text for kind, text in blocks("deploy.md") if kind == "bash")
    real = commands.replace("postgresql:///deephealth?host=/run/postgresql", postgres_url)
    assert real != commands
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DEEPHEALTH_CACHE_DIR": str(tmp_path / "c")}
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", real], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "The service answers" in done.stdout
    assert "ana" in done.stdout
