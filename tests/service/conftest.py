"""A whole service on a free port of this machine, and a client of it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import uvicorn

from deephealth.service.app import create_app
from deephealth.service.config import ServiceConfig
from deephealth.service.context import Services
from deephealth.service.security.listening import Tls, server_options


@dataclass
class Running:
    """A service that runs: its address, a client whose paths are relative to it, its parts, and how to end it before its time."""

    url: str
    client: httpx.Client
    services: Services
    stop: Callable[[], None]


class Start(Protocol):
    """Start a service with other settings than the usual: `start_service(workers=2)`. It ends with the test."""

    def __call__(self, **settings: Any) -> Running: ...


@contextmanager
def running(config: ServiceConfig, tls: Tls | None = None) -> Iterator[Running]:
    """The service of `config` on a free port, in a thread, until the block ends."""
    app = create_app(config)
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # as deephealth.service.run does, so that answers are not delayed
    listening.bind(("127.0.0.1", 0))
    url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
    options = {**server_options(tls), "log_config": None}
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", timeout_graceful_shutdown=5, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the service did not end"

    try:
        while not server.started:
            assert thread.is_alive(), "the service did not start; its error is above"
            time.sleep(0.01)
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Running(url, client, app.state.services, stop)
    finally:
        stop()
        listening.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for the tests of a module, which therefore must not count on an empty one."""
    with running(ServiceConfig(tmp_path_factory.mktemp("service"), requests_per_minute=0)) as started:
        yield started


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Start]:
    """Services of a test's own, with its own settings, in one data folder: a second one finds what the first has left."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(**settings: Any) -> Running:
            given = {"data": tmp_path / "data", "requests_per_minute": 0, **settings}
            return stack.enter_context(running(ServiceConfig(**given)))

        yield start


@pytest.fixture(scope="session")
def service_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Running]]:
    """A service of its own with other settings, for as long as a block: `with service_of(access="accounts") as running:`."""

    def start(tls: Tls | None = None, **settings: Any) -> AbstractContextManager[Running]:
        return running(ServiceConfig(**{"data": tmp_path_factory.mktemp("service"), "requests_per_minute": 0, **settings}), tls)

    return start


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], httpx.Client]]]:
    """Services in processes of their own, one after the other in one data folder, for what no thread can undergo, such as kill -9."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start() -> tuple[subprocess.Popen[str], httpx.Client]:
            command = [sys.executable, "-m", "deephealth", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            stack.enter_context(process)  # waits for it and closes its output
            stack.callback(process.terminate)
            assert process.stdout is not None
            address = next(word for line in process.stdout for word in line.split() if word.startswith("http://"))
            return process, stack.enter_context(httpx.Client(base_url=address, timeout=60))

        yield start
