"""Every route states its role, and the role is kept to."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI

from deephealth.service.app import create_app
from deephealth.service.config import ServiceConfig
from deephealth.service.security import guard
from deephealth.service.security.protect import protect

# Whatever is added here answers anyone who can reach the service.
ANYONE = {
    "GET /openapi.json", "HEAD /openapi.json", "GET /docs", "GET /docs.css", "GET /healthz", "GET /readyz", "GET /api/v1/about",
    "POST /api/v1/session", "GET /{name:path}", "HEAD /{name:path}",
}  # fmt: skip


def test_every_route_states_a_role_or_is_meant_for_anyone(tmp_path: Path) -> None:
    routes = list(guard.routes(create_app(ServiceConfig(tmp_path))))
    assert len([path for _, path, _ in routes if path.startswith("/api/v1/")]) > 15  # the walk finds the routers' routes
    assert {f"{method} {path}" for method, path, role in routes if role is None} <= ANYONE


def test_what_concerns_the_service_as_a_whole_is_left_to_admins(tmp_path: Path) -> None:
    for method, path, role in guard.routes(create_app(ServiceConfig(tmp_path))):
        if path.startswith(("/api/v1/users", "/api/v1/audit-log")):
            assert role == "admin", f"{method} {path}"


def test_viewers_change_nothing_but_their_own_session(tmp_path: Path) -> None:
    own = ("/api/v1/session", "/api/v1/tokens", "/api/v1/predictions", "/api/v1/previews", "/api/v1/models/{id}/verify")
    for method, path, role in guard.routes(create_app(ServiceConfig(tmp_path))):
        if method not in guard.SAFE_METHODS and not path.startswith(own):
            assert role in {"editor", "admin"}, f"{method} {path}"


def test_a_service_with_a_route_without_a_role_does_not_start(tmp_path: Path) -> None:
    app, router = FastAPI(), APIRouter()
    router.add_api_route("/api/v1/anything", lambda: {}, methods=["GET"])
    app.include_router(router)
    with pytest.raises(RuntimeError, match="GET /api/v1/anything"):
        protect(app, ServiceConfig(tmp_path))


def test_roles_contain_one_another() -> None:
    assert [guard.allows("editor", role) for role in guard.ROLES] == [True, True, False]
