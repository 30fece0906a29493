"""Requests that another site makes a browser send: refused. By the host they name (DNS rebinding) and by where they come from (CSRF)."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from deephealth.service.config import ServiceConfig
from deephealth.service.problems import ServiceProblem
from deephealth.service.security.guard import SAFE_METHODS
from deephealth.service.security.sessions import cookie

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Origin:
    """Lets a request through when it names a host of ours and, from a browser, comes from our own page."""

    def __init__(self, app: ASGIApp, config: ServiceConfig) -> None:
        self.app = app
        self.hosts = Hosts(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if headers.getlist("host")[1:] or not self.hosts.ours(headers.get("host", "")):
                raise _not_our_host()
            refuse_other_sites(scope["method"], scope["path"], headers, cookie(scope) is not None)
        await self.app(scope, receive, send)


class Hosts:
    """The names this service answers to.

    A page of another site can point its own name at our address, but not choose an address or a name of ours as its host: so addresses
    are safe where the service may be reached by them, and names must be known.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self.local = config.access == "local"
        own = {socket.gethostname().lower()}
        self.names = (
            _LOOPBACK | ({name.lower() for name in config.trusted_hosts}) | (set() if self.local else own | {f"{n}.local" for n in own})
        )

    def ours(self, host: str) -> bool:
        """Whether the header Host (name or address, with or without a port) is one of ours."""
        name = hostname(host)
        if name in self.names or "*" in self.names:
            return True
        if any(name.endswith(pattern[1:]) for pattern in self.names if pattern.startswith("*.")):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self.local


def hostname(host: str) -> str:
    """The name or address in a Host header or the host part of an address, in lower case without port and brackets; "" for nonsense."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return "" if parts.path or parts.query or parts.fragment or "@" in host else (parts.hostname or "").rstrip(".")


def refuse_other_sites(method: str, path: str, headers: Headers, with_cookie: bool) -> None:
    """ServiceProblem 403 for what a page of another site, or a forged form, made the browser send.

    A program (curl, a script) sends neither Sec-Fetch-Site nor Origin and is let through: it carries no one else's cookie.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    looking = method in SAFE_METHODS and (not path.startswith("/api/") or headers.get("sec-fetch-mode") == "navigate")
    if site is not None and site not in {"same-origin", "none"} and not looking:
        raise _cross_site()
    if method in SAFE_METHODS:
        return
    if origin is not None and _host_of(origin) != headers.get("host", "").lower():
        raise _cross_site()
    if with_cookie and "authorization" not in headers and "x-deephealth" not in headers:
        raise _cross_site()


def _host_of(origin: str) -> str:
    return urlsplit(origin).netloc.lower() if origin.startswith(("http://", "https://")) else ""


def _not_our_host() -> ServiceProblem:
    return ServiceProblem(
        421,
        "unknown-host",
        ("This service does not answer to the host that the request names; use its own address, or name the host with --name.",
         "Este servicio no responde al nombre de equipo de la petición; use su propia dirección o autorice el nombre con --name."),
        headers={"Connection": "close"},
    )  # fmt: skip


def _cross_site() -> ServiceProblem:
    return ServiceProblem(
        403,
        "cross-site",
        ("The request comes from another site, or lacks the header X-Deephealth; open the service's own page and try there.",
         "La petición viene de otro sitio o no lleva la cabecera X-Deephealth; abra la página del propio servicio e inténtelo allí."),
    )  # fmt: skip
