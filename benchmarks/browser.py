"""Answers in the browser only: time, memory, and what the page's own thread feels of a large film; real Chromium, real service."""

from __future__ import annotations

import json
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil
from PIL import Image

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options, Skipped

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

TITLE = "browser: a large film answered in the page, by ONNX Runtime in WebAssembly"
_CHROMIUM = Path("/usr/bin/chromium")
_COMMAND = "python -m benchmarks browser"
_TRACED = ["toplevel", "__metadata"]
_DONE = re.compile(r"Answered (?:on this device )?in ([\d,]+) ms")


def run(options: Options) -> Iterator[Figure | Skipped]:
    """Turn the switch on and open large films one by one."""
    reason = _missing()
    if reason:
        yield Skipped("a film answered in the page", reason)
        return
    originals, what = materials.large_films(options.work, options.sized(8, 2))
    films = [_enlarged(path, options.work) for path in originals]
    with _service(options.work / "browser") as url, _page(url) as (page, requests):
        page.goto(url)
        page.get_by_role("switch").wait_for()
        page.wait_for_timeout(1000)
        first = _weight(requests)
        started = time.perf_counter()
        page.get_by_role("switch").check()
        page.get_by_text("Ready; it works").wait_for(timeout=60000)
        ready = time.perf_counter() - started
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        switched = _weight(requests)
        empty = _memory()
        times, tasks = _answers(page, films)
        memory = _memory()
        page.reload()
        page.get_by_role("switch").uncheck()
        _, without = _answers(page, films)
    yield _figure(
        f"one of the {what}, enlarged to 4 megapixels, answered in the page, decoding included",
        times[1:],
        "ms",
        f"The first film, which also warms the thread up, took {times[0]:.0f} ms.",
        f"From the switch to a ready model, runtime and model fetched from loopback: {ready:.2f} s.",
        f"Fetched before the switch is turned on: {first / 1e3:.0f} kB; by it: {switched / 1e6:.1f} MB (gzip where the service packs).",
        f"The browser's process of page and threads takes, with the model ready, {empty:.0f} MB, after {len(films)} films {memory:.0f} MB.",
    )
    yield _figure(
        "longest task of the page's own thread while such films are opened and answered, processor time",
        [max(tasks, default=0.0)],
        "ms",
        f"In all {sum(tasks) / len(films):.0f} ms a film, of {len(films)}.",
        f"The same films answered by the service: longest {max(without, default=0):.0f} ms, {sum(without) / len(films):.0f} ms a film.",
        "Decoding and answering are in other threads; drawing is in this one, and here on a processor instead of a graphics card.",
        bar=Bar("at most", 50),
    )


def _figure(what: str, values: list[float], unit: str, *notes: str, bar: Bar | None = None) -> Figure:
    return Figure(what, statistics.median(values), min(values), max(values), unit, f"{len(values)}", _COMMAND, bar, notes)


def _enlarged(path: Path, work: Path) -> Path:
    """The film at 2,310 x 1,732 pixels, JPEG."""
    enlarged = work / f"enlarged-{path.stem}.jpg"
    with Image.open(path) as film:
        film.convert("L").resize((2310, 1732), Image.Resampling.BICUBIC).save(enlarged, quality=92)
    return enlarged


def _answers(page: Page, films: list[Path]) -> tuple[list[float], list[float]]:
    """Milliseconds of each film, and of each task of the page's own thread: processor time, which a busy machine does not lengthen."""
    browser = cast("Browser", page.context.browser)
    browser.start_tracing(page=page, categories=_TRACED)
    times = [_answer(page, film) for film in films]
    events = json.loads(browser.stop_tracing())["traceEvents"]
    threads = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"}
    own = [event for event in events if threads.get((event["pid"], event["tid"])) == "CrRendererMain" and "tdur" in event]
    return times, [event["tdur"] / 1000 for event in own]


def _answer(page: Page, film: Path) -> float:
    """Milliseconds that the page says it took."""
    page.locator("input[type=file]").first.set_input_files(film)
    page.get_by_text(film.name, exact=True).first.wait_for()
    said = page.get_by_text(_DONE)
    said.wait_for()
    found = _DONE.search(said.inner_text())
    return float(found[1].replace(",", "")) if found else float("nan")


def _weight(requests: list[Request]) -> float:
    """Bytes that came for these requests of the page and its threads; the service worker takes its own from the browser's store."""
    weight = sum(float(request.sizes()["responseBodySize"]) for request in requests if request.service_worker is None)
    requests.clear()
    return weight


def _memory() -> float:
    """Megabytes of the process that holds the page and its threads, shared pages by their share."""
    renderers = [child for child in psutil.Process().children(recursive=True) if "--type=renderer" in child.cmdline()]
    return max(float(renderer.memory_full_info().pss) for renderer in renderers) / 1e6


def _missing() -> str:
    from deephealth.service import page

    if not (page.FOLDER / "index.html").is_file():
        return "the page is not built (make page)"
    return "" if _CHROMIUM.exists() else "Chromium is absent"


@contextmanager
def _service(data: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "deephealth", "serve", "--port", str(port), "--data-dir", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                json.load(urllib.request.urlopen(f"{url}/readyz", timeout=5))
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _page(url: str) -> Iterator[tuple[Page, list[Request]]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=arguments)
        context = browser.new_context(base_url=url, locale="en-GB")
        page = context.new_page()
        requests: list[Request] = []
        context.on("requestfinished", lambda request: requests.extend([request]))
        yield page, requests
        browser.close()
