"""The help: every section in both languages, the limits by their address, the way to the API's own pages."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_entry_of_the_contents_leads_to_its_section(page_in: Any, language: str) -> None:
    page = page_in(language, path="/help")
    links = page.locator("nav a[href^='#']")
    assert links.count() >= 10
    for at in range(links.count()):
        link = links.nth(at)
        title = link.inner_text()
        link.click()
        expect(page.get_by_role("heading", level=2, name=title)).to_be_in_viewport()


def test_the_address_of_the_limits_shows_the_limits(page_in: Any) -> None:
    page = page_in("es", 390, path="/help#limits")
    expect(page.get_by_role("heading", name="Para qué no debe usarse")).to_be_in_viewport()


def test_the_description_of_the_api_is_served_from_here(page_in: Any) -> None:
    page = page_in(path="/help")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Every endpoint").click()
    expect(opened.value.get_by_text("/api/v1/predictions").first).to_be_visible()
