"""The frame of every page: rail, language, theme, focus, being offline, wrong addresses, signing in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow


def test_language_follows_the_browser_and_then_the_reader(page_in: Any) -> None:
    page = page_in("es", path="/help")
    expect(page).to_have_title("Ayuda · Deep Health")
    assert page.locator("html").get_attribute("lang") == "es"
    page.get_by_role("button", name="English").click()
    expect(page).to_have_title("Help · Deep Health")
    page.reload()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def test_read_is_dark_and_the_rest_light_until_the_reader_chooses(page_in: Any) -> None:
    page = page_in()
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-theme", "dark")
    page.get_by_role("link", name="Help", exact=True).click()
    expect(theme).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(theme).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(theme).to_have_attribute("data-theme", "dark")


def test_going_elsewhere_moves_the_focus_to_the_heading_and_back_goes_back(page_in: Any) -> None:
    page = page_in(path="/help")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page).to_have_title("Models · Deep Health")
    page.go_back()
    expect(page).to_have_title("Help · Deep Health")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_the_first_tab_stop_skips_the_rail(page_in: Any) -> None:
    page = page_in(path="/models")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_every_page_says_that_it_is_no_medical_device_and_leads_to_the_limits(page_in: Any) -> None:
    page = page_in("es", 390)
    page.get_by_role("link", name="No es un producto sanitario").click()
    expect(page.locator("#limits")).to_be_in_viewport()


def test_a_wrong_address_says_so_and_offers_a_way_on(page_in: Any, troubles: Any) -> None:
    troubles.expect("404: GET .*/teech")
    page = page_in(path="/teech")
    expect(page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
    page.get_by_role("link", name="Read a film").click()
    expect(page).to_have_title("Read · Deep Health")


def test_a_service_that_goes_away_is_told_and_found_again(page_in: Any, start_page_service: Any, troubles: Any) -> None:
    troubles.expect("ERR_CONNECTION_REFUSED")
    service = start_page_service()
    page = page_in(path="/models", service=service)
    service.stop()
    page.get_by_label("Show archived").check()
    expect(page.get_by_text("The service does not answer. Is it running?")).to_be_visible()
    service.start()
    expect(page.get_by_text("The service does not answer. Is it running?")).to_be_hidden(timeout=20000)


def test_a_file_dropped_beside_everything_does_not_take_the_page_away(page_in: Any) -> None:
    page = page_in(path="/help")
    prevented = page.evaluate(
        """() => {
          const transfer = new DataTransfer()
          transfer.items.add(new File(['x'], 'film.png'))
          return ['dragover', 'drop'].map((kind) =>
            !document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true })))
        }"""
    )
    assert prevented == [True, True]


def test_first_load_is_light_and_from_here_only(page_in: Any, browser: Any, page_service: Any) -> None:
    """Under 300 kB as they travel, without the wasm; `troubles` sees to it that no other host is asked."""
    page: Page = page_in()
    expect(page.get_by_role("button", name="Synthetic film").last.locator("img")).to_be_visible(timeout=60000)
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
          .filter((entry) => !entry.name.endsWith('.wasm'))
          .map((entry) => [entry.name, entry.transferSize])"""
    )
    total = sum(size for _, size in sizes)
    assert 10_000 < total < 300_000, sizes


def test_reduced_motion_is_obeyed(page_in: Any) -> None:
    page = page_in(path="/help")
    page.evaluate("() => { document.startViewTransition = () => { throw new Error('moved') } }")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page).to_have_title("Models · Deep Health")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_rail_is_a_bar_at_the_foot_of_narrow_pages(page_in: Any, width: int) -> None:
    page = page_in(width=width, path="/help")
    box = page.get_by_role("navigation", name="Pages").bounding_box()
    assert box and (box["y"] > 700 if width == 390 else box["x"] == 0 and box["height"] == 900)
