"""One call that puts every layer of protection around the application."""

from __future__ import annotations

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from deephealth.service.config import ServiceConfig
from deephealth.service.security.bodies import Bodies, Drain
from deephealth.service.security.failures import Failures, add_handlers
from deephealth.service.security.guard import unguarded
from deephealth.service.security.headers import Headers
from deephealth.service.security.identity import Identity
from deephealth.service.security.limits import RateLimit
from deephealth.service.security.origin import Origin


def protect(app: FastAPI, config: ServiceConfig) -> None:
    """Put the layers around `app`; to be called once all its routes are there. RuntimeError when a route states no role.

    From the outside in: the client's true address, the headers of every answer, answers before the body is read, errors, hosts and origins,
    body limits, who asks, how often.
    """
    missing = unguarded(app)
    if missing:
        raise RuntimeError(
            f"These routes state no role: {', '.join(missing)}; give them dependencies=[viewer] (security/guard.py), or more."
        )
    add_handlers(app)
    # The one added last is the outermost.
    app.add_middleware(RateLimit, config=config)
    app.add_middleware(Identity, config=config)
    app.add_middleware(Bodies, config=config)
    app.add_middleware(Origin, config=config)
    app.add_middleware(Failures)
    app.add_middleware(Drain)
    app.add_middleware(Headers)
    if config.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(config.trusted_proxies))
