"""Every page in both languages, both themes, three widths: nothing serious for axe, cut off or untranslated, and nothing that jumps."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.slow

_PAGES = {"read": "/", "teach": "/teach", "models": "/models", "compare": "/models/compare", "help": "/help", "accounts": "/accounts"}
# What a reader of the page should never see: a key of a dictionary, a name left unfilled, or a value that is none.
_UNTRANSLATED = re.compile(r"\{\w+\}|\bundefined\b|\bNaN\b|\[object |(?<![\w./@-])[a-z]+_[a-z]+(?:_[a-z]+)*(?![\w./@-])")


def settled(page: Page) -> None:
    """Wait until what was asked for has come."""
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("width", [390, 1280, 2560])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_page(page_in: Any, axe: Any, shoot: Callable[..., Path], language: str, theme: str, width: int) -> None:
    page = page_in(language, width, theme, "/help")
    for name, path in _PAGES.items():
        page.goto(path)
        page.locator("main h1, main h2").first.wait_for()
        settled(page)
        shoot(page, f"{name}-{language}-{theme}-{width}", full=True)
        axe(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
        assert page.evaluate("window.shifted") < 0.05, f"{name} jumps while it loads"
        said = page.locator("body").inner_text()
        assert not (found := _UNTRANSLATED.findall(said)), f"{name}: {found}"
        assert page.locator("html").get_attribute("lang") == language
        assert page.title().endswith(" · Deep Health")


@pytest.mark.parametrize("path", ["/", "/teach", "/models", "/help"])
def test_the_keyboard_reaches_everything_and_always_shows_where_it_is(page_in: Any, path: str) -> None:
    """Walk the page with Tab: each stop is visible, has a name, and is outlined; no stop holds the keyboard."""
    page = page_in(path=path)
    settled(page)
    stops: list[str] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const element = document.activeElement
              if (!element || element === document.body) return null
              const box = element.getBoundingClientRect()
              const style = getComputedStyle(element)
              const marked = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none'
              const name = element.getAttribute('aria-label') || element.labels?.[0]?.textContent || element.textContent || element.title
              element.dataset.stop ??= String(document.querySelectorAll('[data-stop]').length)
              const seen = box.width > 0 && box.height > 0
              return { id: element.dataset.stop, what: element.outerHTML.slice(0, 120), seen, marked, named: !!name?.trim() }
            }"""
        )
        if stop is None or stop["id"] in stops:
            break
        assert stop["seen"], stop
        assert stop["marked"], stop
        assert stop["named"], stop
        stops.append(stop["id"])
    else:
        pytest.fail("the keyboard never came round")
    assert len(stops) > 8


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_name_without_spaces_breaks_nothing(page_in: Any, page_service: Any, language: str) -> None:
    model = next(one for one in page_service.client.get("/api/v1/models").json()["models"] if one["classroom"])
    headers = {"X-Deephealth": "1"}
    page_service.client.patch(f"/api/v1/models/{model['id']}", json={"name": "n" * 180}, headers=headers).raise_for_status()
    try:
        for width in (390, 1280):
            page = page_in(language, width, path="/models")
            settled(page)
            for path in ("/models", f"/models/{model['id']}", f"/models/compare?a={model['id']}"):
                page.goto(path)
                settled(page)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} at {width}"
    finally:
        page_service.client.patch(f"/api/v1/models/{model['id']}", json={"name": "Classroom"}, headers=headers)
