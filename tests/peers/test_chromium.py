"""Chromium as a peer: the report opens without network or script, at the width of a desk and of a telephone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from deephealth import train

pytestmark = pytest.mark.slow
_BROWSER = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=127.0.0.1:9",  # nothing answers there: whatever the page asked of the network would be missing
]


@pytest.fixture(scope="module", params=["en", "es"])
def report(request: pytest.FixtureRequest, phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(phantoms, tmp_path_factory.mktemp("report") / "run", language=request.param, threads=2).folder.html


def browse(page: Path, tmp_path: Path, *options: str) -> str:
    command = [*_BROWSER, f"--user-data-dir={tmp_path / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_page_is_whole_and_in_its_language(report: Path, tmp_path: Path) -> None:
    page = browse(report, tmp_path, "--dump-dom")
    language = "es" if 'lang="es"' in page else "en"
    assert ("No es un producto sanitario" if language == "es" else "Not a medical device") in page
    assert "<script" not in page
    assert page.count("<svg") >= 3


@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_spills_over_the_side(report: Path, width: int, tmp_path: Path) -> None:
    """A page wider than the window is drawn cut off; then its right margin is not blank."""
    picture = tmp_path / "page.png"
    browse(report, tmp_path, f"--screenshot={picture}", f"--window-size={width},6000", "--hide-scrollbars")
    image = Image.open(picture).convert("L")
    margin = image.crop((image.width - 8, 0, image.width, image.height))
    assert image.width == width
    assert margin.getextrema()[0] > 200
    assert image.getextrema()[0] < 80
