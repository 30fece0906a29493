"""Who asks: found before a byte of the body is read, so that nobody's upload is ever taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from deephealth.service.config import ServiceConfig
from deephealth.service.security.acts import acting
from deephealth.service.security.guard import ROLES, User, not_signed_in, public
from deephealth.service.security.sessions import cookie
from deephealth.service.store import accounts

if TYPE_CHECKING:
    from deephealth.service.store.database import Database

# Without accounts: on this machine alone, one may do everything; where others can reach the service, what concerns it as a whole is left
# to whoever can use its command line.
_WITHOUT_ACCOUNTS = {"local": User("local", "admin"), "open": User("anyone", "editor")}


class Identity:
    """Puts the user into scope["state"]["user"]; None, where anyone may ask, for nobody. 401 elsewhere."""

    def __init__(self, app: ASGIApp, config: ServiceConfig) -> None:
        self.app, self.config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            user = await self._who(scope)
            scope.setdefault("state", {})["user"] = user
            acting.set(user.name if user else "")
            if user is None and not public(scope["method"], scope["path"]):
                raise not_signed_in()
        await self.app(scope, receive, send)

    async def _who(self, scope: Scope) -> User | None:
        if self.config.access != "accounts":
            return _WITHOUT_ACCOUNTS[self.config.access]
        scheme, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await anyio.to_thread.run_sync(_token_user, scope["app"].state.services.database, secret.strip())
        held = cookie(scope)
        return await anyio.to_thread.run_sync(_session_user, scope["app"].state.services.database, held) if held else None


def _session_user(database: Database, secret: str) -> User | None:
    with database.read() as connection:
        row = accounts.session_user(connection, secret)
    if row and accounts.worth_noting(row["idle"]):
        with database.begin() as connection:
            accounts.touch_session(connection, secret)
    return User(row["name"], row["role"], "session") if row else None


def _token_user(database: Database, secret: str) -> User | None:
    with database.read() as connection:
        row = accounts.token_user(connection, secret)
    if row and accounts.worth_noting(row["idle"]):
        with database.begin() as connection:
            accounts.touch_token(connection, row["id"])
    return User(row["name"], min(row["role"], row["token_role"], key=ROLES.index), "token") if row else None
