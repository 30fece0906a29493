"""Run the service until it is told to stop: models taken in first, one line to say where it listens, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from deephealth.errors import DeepHealthError, ModelFileError, UsageError
from deephealth.service.answering.pool import Pool
from deephealth.service.answering.results import CannotAnswer
from deephealth.service.app import create_app
from deephealth.service.config import Access, ServiceConfig
from deephealth.service.models.registry import shipped
from deephealth.service.security.listening import Tls, check, server_options
from deephealth.service.store import accounts, folder
from deephealth.service.store.models import register_model

_GRACE_SECONDS = 5


def who_may_use_it(config: ServiceConfig, *, accounts_wanted: bool, open_to_all: bool) -> Access:
    """Accounts as soon as there is one, or where they are asked for; UsageError when they are and there is none."""
    if open_to_all:
        return "open"
    with folder.opened(config, new=True) as store, store.database.read() as connection:
        some = bool(accounts.all_users(connection))
    if accounts_wanted and not some:
        raise UsageError("There is no account yet, so nobody could sign in; make one first: deephealth user add NAME --role admin")
    return "accounts" if some else "local"


def take_in(config: ServiceConfig, files: Sequence[Path], *, classroom: bool) -> None:
    """Register model files, with the report beside each where there is one. ModelFileError for one that is not usable."""
    if files:
        with folder.in_use(config.data), folder.opened(config, new=True) as store:
            asyncio.run(_take_in(config, store, files, classroom))


async def _take_in(config: ServiceConfig, store: folder.Store, files: Sequence[Path], classroom: bool) -> None:
    pool = Pool(config)
    await pool.start()
    try:
        for path in files:
            facts = await pool.check(path.resolve())
            if facts["sha256"] != shipped().id:
                _register(store, path, facts["record"]["name"], classroom)
    except CannotAnswer as error:
        raise ModelFileError(error.sentence) from error
    finally:
        await pool.stop()


def _register(store: folder.Store, path: Path, name: str, classroom: bool) -> None:
    report, evaluation = _beside(path, "report.html"), _beside(path, "report.json")
    with store.database.begin() as connection:
        register_model(
            connection, store.blobs, path, name=name, origin="imported", classroom=classroom, report=report, evaluation=evaluation
        )


def _beside(path: Path, name: str) -> Path | None:
    """The file of that name in the same folder, as `deephealth train` leaves them."""
    found = path.with_name(name)
    return found if found.is_file() else None


def run(config: ServiceConfig, host: str, port: int, tls: Tls | None = None, *, listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. listening: told the address when the service answers. UsageError when it must not listen there."""
    for notice in check(config, host, tls):
        listening(notice)
    with bound(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"{'https' if tls else 'http'}://{shown}:{listener.getsockname()[1]}"
        options = {**server_options(tls), "log_level": "warning"}
        settings = uvicorn.Config(create_app(config), lifespan="on", timeout_graceful_shutdown=_GRACE_SECONDS, **options)
        server = Server(settings, lambda: listening(f"Deep Health listens on {address} (data in {config.data}); Ctrl-C ends it."))
        server.run(sockets=[listener])
        if not server.started:
            raise DeepHealthError("The service did not start; the reason stands above.")


class Server(uvicorn.Server):
    """uvicorn's server, which says when it answers and takes SIGTERM and SIGINT as a wish to end, not as a failure."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; whoever follows a job is let go first, for a connection that never ends would hold everything up."""
        self.config.app.state.services.supervisor.stopping.set()  # type: ignore[union-attr]
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals that end the service, until the block does; not raised again afterwards."""
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on host and port (0: any free one). DeepHealthError when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)[0]
        # The protocol is named, or asyncio does not know TCP when it sees it and leaves its delay on: 40 ms for every answer.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_listener(host, port, error) from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(256)
        except OSError as error:
            raise _no_listener(host, port, error) from error
        yield listener


def _no_listener(host: str, port: int, error: OSError) -> DeepHealthError:
    return DeepHealthError(f"{host} port {port} cannot be listened on ({error.strerror or error}); give another --host or --port.")
