"""The Teach page, as a teacher uses it: films into classes, warnings, training, evidence, files; in a real browser on a real service."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.slow


def _project(page: Page, name: str = "New project") -> None:
    """Begin a project from the list."""
    page.get_by_role("button", name=name).click()
    page.get_by_role("heading", name="Films", exact=True).wait_for()


def _drop(page: Page, target: Locator, *paths: Path) -> None:
    """Files and folders dropped from the desktop, as the browser itself makes the event."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + box["width"] / 2, "y": box["y"] + 8, "data": data})
    session.detach()


def _card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def _films(page: Page, name: str) -> Locator:
    return page.get_by_role("listbox", name=f"Films of {name}").get_by_role("option")


def _counts(page: Page, name: str, count: int) -> None:
    expect(_card(page, name).locator(".count")).to_have_text(f"{count:,} films", timeout=120_000)


@pytest.fixture
def folders(phantoms: Path, tmp_path: Path) -> Path:
    """Twelve films of each of two classes, with masks and a list beside them as phantom sets have."""
    out = tmp_path / "dropped"
    for name in ("normal", "viral"):
        (out / name).mkdir(parents=True)
        for film in sorted((phantoms / name).glob("*.png"))[:12]:
            shutil.copy(film, out / name)
    (out / "_masks" / "viral").mkdir(parents=True)
    shutil.copy(next((phantoms / "viral").glob("*.png")), out / "_masks" / "viral" / "mask.png")
    (out / "index.csv").write_text("path,label\n")
    return out


def test_dropped_folders_become_classes_and_can_be_taken_back(page_in, folders: Path) -> None:
    page = page_in(path="/teach")
    _project(page)
    _drop(page, page.get_by_role("button", name="Add a class"), folders)
    _counts(page, "No pneumonia", 12)
    _counts(page, "Viral", 12)
    assert page.get_by_role("article").count() == 4  # and the two empty ones of a new project; none for masks
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("article")).to_have_count(2)
