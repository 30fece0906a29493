"""Roles: every route states the least role that may use it, and a service with a route that states none does not start.

router = APIRouter(dependencies=[editor])          # of every route in the router
@router.get("/users", dependencies=[admin])        # of one route; with both, both are asked for
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts

from deephealth.service.problems import ServiceProblem

Role = Literal["viewer", "editor", "admin"]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ROLES: tuple[Role, ...] = ("viewer", "editor", "admin")

# What anyone may ask for: that the service lives, how one gets in, and the page, which holds nobody's data.
PUBLIC = frozenset({("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/api/v1/about"), ("POST", "/api/v1/session")})
_WITH_ROLE = ("/api/", "/metrics")


def public(method: str, path: str) -> bool:
    """Whether anyone may ask: `PUBLIC`, and what lies outside the API: the page and the API's description, which hold nobody's data."""
    return (method, path) in PUBLIC or (method in {"GET", "HEAD"} and not path.startswith(_WITH_ROLE))


@dataclass(frozen=True)
class User:
    """Who asks. by: "session", "token", or "access" where the service has no accounts."""

    name: str
    role: Role
    by: Literal["session", "token", "access"] = "access"


def allows(held: Role, needed: Role) -> bool:
    """Whether who holds `held` may do what needs `needed`."""
    return ROLES.index(held) >= ROLES.index(needed)


async def current_user(request: Request) -> User:
    """A FastAPI dependency: who asks, as the layer `Identity` found; 401 for nobody."""
    user = await somebody(request)
    if user is None:
        raise not_signed_in()
    return user


async def somebody(request: Request) -> User | None:
    """A FastAPI dependency: who asks; None for nobody, where anyone may ask."""
    user: User | None = getattr(request.state, "user", None)
    return user


def not_signed_in() -> ServiceProblem:
    """The 401 for a request of nobody."""
    return ServiceProblem(
        401,
        "sign-in-first",
        ("This service asks who you are: sign in, or send a token as Authorization: Bearer.",
         "Este servicio necesita saber quién es usted: inicie sesión o envíe un token en Authorization: Bearer."),
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip


Me = Annotated[User, Depends(current_user)]
"""An endpoint's parameter: who asks."""

Someone = Annotated[User | None, Depends(somebody)]
"""An endpoint's parameter: who asks, or None."""


@dataclass(frozen=True)
class Requirement:
    """The least role a route needs, and, where that is more, the least to change anything; as a dependency it lets nobody less in."""

    role: Role
    to_change: Role | None = None

    def needed(self, method: str) -> Role:
        """The least role for a request of that method."""
        return self.role if method in SAFE_METHODS else self.to_change or self.role

    async def __call__(self, request: Request) -> None:
        """401 for nobody, 403 for a lesser role."""
        require(await current_user(request), self.needed(request.method))


def require(user: User, needed: Role) -> None:
    """ServiceProblem 403 when `user` has a lesser role than `needed`: for what only a part of a route's requests may do."""
    if not allows(user.role, needed):
        raise ServiceProblem(
            403,
            "role",
            (f"This needs the role {needed}, and {user.name} has the role {user.role}; ask whoever administers this service.",
             f"Esto requiere el rol {needed} y {user.name} tiene el rol {user.role}; pídalo a quien administra este servicio."),
        )  # fmt: skip


viewer = Depends(Requirement("viewer"))
editor = Depends(Requirement("editor"))
admin = Depends(Requirement("admin"))
viewer_or_editor = Depends(Requirement("viewer", to_change="editor"))


def routes(app: FastAPI) -> Iterator[tuple[str, str, Role | None]]:
    """(method, path, least role) of every route of `app`; the role is None where none is stated."""
    for route in iter_route_contexts(app.routes):
        stated = [dependency.dependency for dependency in getattr(route, "dependencies", None) or []]
        requirements = [requirement for requirement in stated if isinstance(requirement, Requirement)]
        for method in sorted(route.methods or {"*"}):
            yield method, route.path or "", max((one.needed(method) for one in requirements), key=ROLES.index, default=None)


def unguarded(app: FastAPI) -> list[str]:
    """The routes that state no role though not everything below them is public."""
    return [f"{method} {path}" for method, path, role in routes(app) if role is None and not public(method, path)]
