"""The session's cookie: out of reach of scripts and of other sites' requests, and bound to this host where the connection is encrypted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from deephealth.service.config import ServiceConfig
from deephealth.service.store.accounts import LONGEST_SECONDS

_NAME = "deephealth-session"
_SECURE_NAME = f"__Host-{_NAME}"  # a browser takes it only over TLS, for this very host and the path /


def cookie(scope: Scope) -> str | None:
    """The session's secret that the request bears; None when it bears none. Over TLS only the cookie that was set over TLS counts."""
    found = Request(scope).cookies
    return found.get(_SECURE_NAME) or (None if scope["scheme"] == "https" else found.get(_NAME))


def set_cookie(response: Response, secret: str, *, secure: bool) -> None:
    """Give the browser the session's secret."""
    response.set_cookie(
        _SECURE_NAME if secure else _NAME, secret, max_age=LONGEST_SECONDS, path="/", secure=secure, httponly=True, samesite="strict"
    )


def forget_cookie(response: Response) -> None:
    """Take the session's secret from the browser."""
    for name in (_NAME, _SECURE_NAME):
        response.delete_cookie(name, path="/", secure=name == _SECURE_NAME, httponly=True, samesite="strict")


def secure(scope: Scope, config: ServiceConfig) -> bool:
    """Whether the browser's connection is encrypted, as we see it or as the configuration promises for a proxy in front."""
    return scope["scheme"] == "https" or config.secure_cookies
