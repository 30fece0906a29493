"""Fixtures that every test may use."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Machines are shared and noisy: how long an example takes says nothing about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Keras reads its backend when it is first imported, which TensorBoard's reader does by way of TensorFlow; in this process it is torch.
os.environ["KERAS_BACKEND"] = "torch"
# Where the system's Node.js is too old, `make test` has installed another beside the project.
if (_NODE := Path(__file__).parents[1] / ".venv-node" / "path").is_dir():
    os.environ["PATH"] = f"{_NODE}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("DEEPHEALTH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def in_chromium() -> Callable[[Callable[[Browser], Any]], Any]:
    """Call a function with Debian's Chromium, in a thread of its own: the page's tests may have left a loop running in this one."""

    def call(ask: Callable[[Browser], Any]) -> Any:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
            found = ask(browser)
            browser.close()
        return found

    def elsewhere(ask: Callable[[Browser], Any]) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(call, ask).result()

    return elsewhere


@pytest.fixture
def serve_folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that a web server on this machine offers, and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real films, weights and exports beside the project; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("DEEPHEALTH_SHARED", Path(__file__).parents[2] / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the real films of ../shared, and {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean phantom set of 40 films a class, two films a patient; made once a worker, never to be changed by a test."""
    from deephealth.images.phantom_set import write_phantoms

    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "films", per_class=40, seed=11, size=192)


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module tests/model/tiny.py: backbones, heads and whole model files small enough to check by hand."""
    spec = importlib.util.spec_from_file_location("deephealth_tests_tiny", Path(__file__).parent / "model" / "tiny.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
