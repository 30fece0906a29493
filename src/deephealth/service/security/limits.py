"""How often one client may ask: token buckets of bounded number, for requests and for passwords tried."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from deephealth.service.config import ServiceConfig
from deephealth.service.problems import ServiceProblem
from deephealth.service.security.guard import User

_COSTLY = ("/api/v1/predictions", "/api/v1/previews")
_OTHERS_PER_ANSWER = 10  # a page of 200 thumbnails, or 1,000 films in one drop, is ordinary use


class Buckets:
    """A bucket of `capacity` tokens for each client, which fills by `per_second`. May be shared by threads.

    At most `clients` buckets are kept: the one unused for longest is forgotten, that is, full again.
    """

    def __init__(self, capacity: float, per_second: float, *, clients: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity, self.per_second, self.clients, self.clock = capacity, per_second, clients, clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> tokens, when
        self._lock = threading.Lock()

    def take(self, client: str) -> float:
        """Take one token: 0.0 when there was one, else the seconds until there will be, and nothing is taken."""
        with self._lock:
            tokens = self._filled(client)
            allowed = tokens >= 1
            self._keep(client, tokens - 1 if allowed else tokens)
            return 0.0 if allowed else (1 - tokens) / self.per_second

    def give_back(self, client: str) -> None:
        """Return one token."""
        with self._lock:
            self._keep(client, min(self.capacity, self._filled(client) + 1))

    def _filled(self, client: str) -> float:
        tokens, when = self._held.get(client, (self.capacity, self.clock()))
        return min(self.capacity, tokens + (self.clock() - when) * self.per_second)

    def _keep(self, client: str, tokens: float) -> None:
        self._held[client] = tokens, self.clock()
        self._held.move_to_end(client)
        if len(self._held) > self.clients:
            self._held.popitem(last=False)


class RateLimit:
    """At most config.requests_per_minute films answered for one client, and ten times as many other requests.

    A client is a user where there are accounts, else an address. Where only this machine can ask, nobody is limited.
    """

    def __init__(self, app: ASGIApp, config: ServiceConfig) -> None:
        self.app = app
        per_minute = 0 if config.access == "local" else config.requests_per_minute
        self.costly = Buckets(per_minute, per_minute / 60) if per_minute else None
        self.others = Buckets(per_minute * _OTHERS_PER_ANSWER, per_minute * _OTHERS_PER_ANSWER / 60) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            costly = scope["method"] == "POST" and scope["path"].startswith(_COSTLY)
            buckets = self.costly if costly else self.others
            wait = buckets.take(_client(scope)) if buckets else 0.0
            if wait:
                raise too_often(wait)
        await self.app(scope, receive, send)


def address(scope: Scope) -> str:
    """Whose request it is, as far as limits go: an IPv4 address, the /64 network of an IPv6 one, "" where unknown."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else host


def too_often(wait: float) -> ServiceProblem:
    """The 429 for a client that has to wait `wait` seconds."""
    seconds = max(1, math.ceil(wait))
    return ServiceProblem(
        429,
        "too-often",
        (f"Too many requests from here; wait {seconds} s and try again.",
         f"Demasiadas peticiones desde aquí; espere {seconds} s e inténtelo de nuevo."),
        headers={"Retry-After": str(seconds)},
    )  # fmt: skip


def _client(scope: Scope) -> str:
    user: User | None = scope.get("state", {}).get("user")
    return f"user {user.name}" if user and user.by != "access" else f"address {address(scope)}"
