"""The wheel that a user installs holds all that the program needs: the model that ships, the page, the database's migrations."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, _ROOT], check=True, capture_output=True
    )
    (wheel,) = out.glob("deephealth-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_every_source_and_data_file_is_in_the_wheel(members: set[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "src/deephealth"], cwd=_ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert {name.removeprefix("src/") for name in listed} <= members


def test_the_built_page_is_in_the_wheel(members: set[str]) -> None:
    page = {name.removeprefix("deephealth/service/page/") for name in members if name.startswith("deephealth/service/page/")}
    assert "index.html" in page
    assert any(name.startswith("assets/") and name.endswith(".js") for name in page)
