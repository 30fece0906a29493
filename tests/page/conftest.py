"""The page in a real browser: a service with a classroom model, Chromium, and an eye on everything that should not happen.

`page_in` opens an address in a language, width and theme. Whatever the browser complains of in the meantime (errors in the console, failed
requests, answers of 400 and more, breaches of the content policy, requests to other hosts) fails the test, unless it is told to expect it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

from deephealth.service.config import ServiceConfig
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database
from deephealth.service.store.models import register_model

ROOT = Path(__file__).parents[2]
_CHROMIUM = "/usr/bin/chromium"
_LOCALES = {"en": "en-GB", "es": "es-ES"}
# A process of its own, as for users; the settings are ServiceConfig's.
_SERVE = """
import json, sys, uvicorn
from pathlib import Path
from deephealth.service import page
from deephealth.service.app import create_app
from deephealth.service.config import ServiceConfig
settings = json.loads(sys.argv[1])
page.FOLDER = Path(settings.pop("page", page.FOLDER))
config = ServiceConfig(data=Path(settings.pop("data")), **settings)
uvicorn.run(create_app(config), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


@dataclass
class PageService:
    """A service that runs as a process: its address and data folder, and how to end and begin it again."""

    url: str
    data: Path
    start: Callable[[], None]
    stop: Callable[[], None]
    client: httpx.Client


class StartPageService(Protocol):
    """Start a service with other settings than the usual, such as access="accounts", on `data` or an empty folder."""

    def __call__(self, data: Path | None = None, **settings: Any) -> PageService: ...


@contextlib.contextmanager
def serving(data: Path, **settings: Any) -> Iterator[PageService]:
    """A service on a free port over `data`, until the block ends. page: another folder with a built page."""
    if not (ROOT / "src/deephealth/service/page/index.html").exists():
        pytest.fail("the page is not built: make page")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    given = json.dumps({"requests_per_minute": 0, **settings, "data": str(data)})
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        process = subprocess.Popen([sys.executable, "-c", _SERVE, given, str(port)])
        processes.append(process)
        for _ in range(600):
            assert process.poll() is None, "the service ended; its error is above"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/readyz").status_code < 500:
                    return
            time.sleep(0.05)
        pytest.fail("the service did not become ready in 30 s")

    def stop() -> None:
        for process in processes:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        processes.clear()

    try:
        start()
        with httpx.Client(base_url=url, timeout=60) as client:
            yield PageService(url, data, start, stop, client)
    finally:
        stop()


@pytest.fixture(scope="session")
def classroom_run(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small model trained on the phantoms (model.onnx, report.html, report.json); made once a worker.

    $DEEPHEALTH_CLASSROOM names a folder to keep it in between runs, for those who work on the page.
    """
    from deephealth import train

    kept = os.environ.get("DEEPHEALTH_CLASSROOM")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("classroom") / "run"
    if not (folder / "report.json").exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DEEPHEALTH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
            train(phantoms, folder, threads=1)
    return folder


@pytest.fixture(scope="session")
def prepared_data(classroom_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the classroom model in it; copy it, never serve from it."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    data.mkdir()
    database = Database(ServiceConfig(data).database_url)
    with database.begin() as connection:
        register_model(
            connection,
            Blobs(data / "blobs"),
            classroom_run / "model.onnx",
            name="Classroom",
            origin="trained",
            report=classroom_run / "report.html",
            evaluation=classroom_run / "report.json",
            classroom=True,
        )
    database.close()
    return data


@pytest.fixture(scope="session")
def page_service(prepared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageService]:
    """One service for every test of the page; tests must not count on an empty one."""
    data = tmp_path_factory.mktemp("page") / "data"
    shutil.copytree(prepared_data, data)
    with serving(data) as service:
        yield service


@pytest.fixture(scope="session")
def serve() -> Callable[..., contextlib.AbstractContextManager[PageService]]:
    """`serving`, for fixtures and tests that keep a service as long as they need."""
    return serving


@pytest.fixture
def start_page_service(tmp_path: Path) -> Iterator[StartPageService]:
    """Services of a test's own."""
    with contextlib.ExitStack() as stack:

        def start(data: Path | None = None, **settings: Any) -> PageService:
            return stack.enter_context(serving(data or tmp_path / "data", **settings))

        yield start


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Ends with the last test of this folder: while it runs, no other test of this process could use asyncio."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-device-for-media-stream"]
        chromium = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*arguments, "--use-fake-ui-for-media-stream"])
        yield chromium
        chromium.close()


@dataclass
class Troubles:
    """What the browser complained of, less what a test said it would: `troubles.expect("404")`."""

    found: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Complaints that this regular expression matches are part of the test."""
        self.expected.append(pattern)

    @property
    def left(self) -> list[str]:
        """Complaints that nobody expected."""
        return [one for one in self.found if not any(re.search(pattern, one) for pattern in self.expected)]

    def watch(self, context: BrowserContext, url: str) -> None:
        """Listen to everything in `context`, whose own host is that of `url`."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"error: {error.error}"))
        context.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))
        context.on("response", self._answered)
        context.on("request", lambda request: self._asked(request.url, urlsplit(url).netloc))

    def _console(self, message: ConsoleMessage) -> None:
        # "Failed to load resource" says again, without its address, what `_answered` and `_failed` say.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.found.append(f"console {message.type}: {message.text}")

    def _failed(self, url: str, failure: str) -> None:
        if "ERR_ABORTED" not in failure:  # given up by the page itself
            self.found.append(f"failed: {url} {failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{response.status}: {response.request.method} {response.url}")

    def _asked(self, url: str, host: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != host:
            self.found.append(f"asked another host: {url}")


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    """What the browser complained of; nothing unexpected may be left at the end of a test."""
    seen = Troubles()
    yield seen
    assert not seen.left, "\n".join(seen.left)


class PageIn(Protocol):
    """Open `path` of the page (of `service`, else the shared one) in a language, width and theme ("auto", "light", "dark")."""

    def __call__(
        self,
        language: str = "en",
        width: int = 1280,
        theme: str = "auto",
        path: str = "/",
        *,
        height: int = 900,
        service: PageService | None = None,
        reduced_motion: bool = True,
    ) -> Page: ...


# Summed as Lighthouse does, but never reset: a long visit may not add up either.
_COUNT_SHIFTS = """
window.shifted = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value
}).observe({ type: 'layout-shift', buffered: true })
"""


@pytest.fixture
def page_in(request: pytest.FixtureRequest, browser: Browser, troubles: Troubles) -> Iterator[PageIn]:
    """A way to open pages, each in a fresh browser profile that is closed at the end."""
    opened: list[BrowserContext] = []

    def open_page(
        language: str = "en",
        width: int = 1280,
        theme: str = "auto",
        path: str = "/",
        *,
        height: int = 900,
        service: PageService | None = None,
        reduced_motion: bool = True,
    ) -> Page:
        url = (service or request.getfixturevalue("page_service")).url
        context = browser.new_context(
            base_url=url,
            locale=_LOCALES[language],
            viewport={"width": width, "height": height},
            reduced_motion="reduce" if reduced_motion else "no-preference",
            service_workers="allow",
        )
        opened.append(context)
        context.set_default_timeout(15000)
        context.add_init_script(_COUNT_SHIFTS)
        if theme != "auto":
            context.add_init_script(f"if (origin !== 'null') localStorage.setItem('deephealth.theme', {json.dumps(theme)})")
        troubles.watch(context, url)
        page = context.new_page()
        page.goto(path)
        page.locator("main h1, main h2, main form").first.wait_for()
        return page

    yield open_page
    for context in opened:
        context.close()


class Axe(Protocol):
    """Fail when axe-core finds a serious or critical violation on the page as it is now."""

    def __call__(self, page: Page) -> None: ...


@pytest.fixture(scope="session")
def axe() -> Axe:
    """axe-core, brought in by the debugger, which the page's content policy does not bind; so the policy stays as it is for users."""
    source = ROOT / "frontend/node_modules/axe-core/axe.min.js"
    if not source.exists():
        pytest.fail("axe-core is not installed: make page")
    script = source.read_text()

    def check(page: Page) -> None:
        page.evaluate(script)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        told = [
            f"{one['id']} ({one['impact']}): {one['help']}\n    {node['html'][:200]}\n    {node['failureSummary']}"
            for one in serious
            for node in one["nodes"][:3]
        ]
        assert not serious, f"{page.url}\n" + "\n".join(told)

    return check


def shifted(page: Page) -> float:
    """The cumulative layout shift of the visit so far, without that which follows an input."""
    return float(page.evaluate("window.shifted"))


@pytest.fixture
def shoot(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Save a picture of the page as it is, to be looked at: in $DEEPHEALTH_SCREENSHOTS, else in the test's folder."""
    folder = Path(os.environ.get("DEEPHEALTH_SCREENSHOTS", tmp_path))

    def save(page: Page, name: str, *, full: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        page.screenshot(path=path, full_page=full)
        return path

    return save
