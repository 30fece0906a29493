"""Chromium as a peer: the report opens without network or script, from a telephone to a wall, in the dark and on paper."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deephealth import train

pytestmark = pytest.mark.slow
_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--proxy-server=127.0.0.1:9",  # nothing answers there: whatever the page asked of the network would be missing
    "--remote-debugging-pipe",
]


class Chromium:
    """A browser with one page, spoken to in the Chrome DevTools Protocol over a pair of pipes."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._writer = os.pipe()
        self._reader, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        command = f'exec chromium "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "chromium", *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest, self._number, self.events = b"", 0, list[dict[str, Any]]()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._reader, 1 << 20)
            assert read, "the browser ended"
            self._rest += read
        line, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(line))

    def open(self, page: Path, *, width: int, dark: bool = False, media: str = "screen") -> None:
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, script: str) -> Any:
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press_enter(self) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)

    def close(self) -> None:
        os.close(self._writer)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._reader)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module", params=["en", "es"])
def report(request: pytest.FixtureRequest, phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(phantoms, tmp_path_factory.mktemp("report") / "run", language=request.param, threads=2).folder.html


def test_the_page_is_whole_in_its_language_and_asks_for_nothing(browser: Chromium, report: Path) -> None:
    browser.open(report, width=1280)
    text = browser.value("document.body.innerText")
    language = browser.value("document.documentElement.lang")
    assert ("No es un producto sanitario" if language == "es" else "Not a medical device") in text
    assert browser.value("document.scripts.length") == 0
    assert browser.value("document.querySelectorAll('svg').length") >= 5
    assert browser.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    asked = [event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    assert asked[0] == report.as_uri() and all(url.startswith("data:") for url in asked[1:])


def test_the_console_stays_empty(browser: Chromium, report: Path) -> None:
    browser.open(report, width=1280)
    browser.value("document.body.offsetHeight")
    said = [
        event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    ]
    assert not said


@pytest.mark.parametrize("width", [390, 768, 1280, 2560])
def test_nothing_spills_over_the_side(browser: Chromium, report: Path, width: int) -> None:
    browser.open(report, width=width)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width
    sticking_out = """[...document.querySelectorAll('main *')].filter(element => !element.closest('.scroll, svg, .command'))
        .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5).map(element => element.outerHTML.slice(0, 90))"""
    assert browser.value(sticking_out) == []


_SHOWN = "[...document.querySelectorAll('.panel')].filter(panel => panel.offsetParent).map(panel => panel.id)"


def test_a_click_on_a_number_opens_its_films(browser: Chromium, report: Path) -> None:
    browser.open(report, width=1280)
    assert browser.value(_SHOWN) == []
    corner = """(() => { const link = document.querySelector('.matrix a'); link.scrollIntoView({block: 'center'});
        const cell = link.closest('td').getBoundingClientRect(); return [link.hash.slice(1), cell.right - 6, cell.bottom - 6]; })()"""
    panel, x, y = browser.value(corner)
    browser.click(x, y)
    assert browser.value(_SHOWN) == [panel]
    films = f"document.querySelectorAll('#{panel} img')"
    assert browser.value(f"{films}.length") >= 1
    assert browser.value(f"[...{films}].every(image => image.naturalWidth > 50 && image.alt)")
    assert 0 <= browser.value(f"document.getElementById('{panel}').getBoundingClientRect().top") < 200
    browser.value(f"document.querySelector('#{panel} .close').focus()")
    browser.press_enter()
    assert browser.value(_SHOWN) == []


def test_the_keyboard_opens_them_too(browser: Chromium, report: Path) -> None:
    browser.open(report, width=1280)
    panel = browser.value(
        "(() => { const links = document.querySelectorAll('.matrix a'); links[1].focus(); return links[1].hash.slice(1); })()"
    )
    browser.press_enter()
    assert browser.value(_SHOWN) == [panel]


_CONTRAST = """(() => {
  const parse = text => { const found = text.match(/[\\d.]+/g).map(Number); return [...found.slice(0, 3), found[3] ?? 1]; };
  const linear = value => value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => { const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, [r, g, b, a]) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a)), [255, 255, 255]); };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('title, desc, style, .hidden')) continue;
    const style = getComputedStyle(element), colour = parse(element.closest('svg') ? style.fill : style.color).slice(0, 3);
    const [a, b] = [light(colour), light(behind(element.closest('svg')?.parentElement ?? element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push([walker.currentNode.data.trim().slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return poor; })()"""


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_stands_out_from_its_ground(browser: Chromium, report: Path, dark: bool) -> None:
    """WCAG 2.2 AA: a contrast of 4.5 to 1 for text, in both colour schemes."""
    browser.open(report, width=1280, dark=dark)
    assert browser.value("getComputedStyle(document.body).backgroundColor") == ("rgb(18, 23, 28)" if dark else "rgb(255, 255, 255)")
    assert browser.value(_CONTRAST) == []


def test_it_prints_open_light_and_without_links_to_press(browser: Chromium, report: Path) -> None:
    browser.open(report, width=718, dark=True, media="print")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.value("document.querySelector('nav').offsetHeight") == 0
    assert browser.value("[...document.querySelectorAll('.card .more')].every(interval => interval.offsetHeight > 0)")
    assert browser.value("[...document.querySelectorAll('details:not(.more) table')].every(table => table.checkVisibility())")
    pdf = base64.b64decode(browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
    assert pdf.startswith(b"%PDF") and 5 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page/") + pdf.count(b"/Type /Page ") <= 40
