"""Users, their sessions and their tokens: plain functions on a connection. Secrets are kept as SHA-256 only."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.tables import sessions, tokens, users

IDLE_SECONDS = 4 * 3600.0
LONGEST_SECONDS = 24 * 3600
_SESSIONS_EACH = 20  # more than a person's devices; a script that signs in again and again pushes out its own
_TOKENS_EACH = 50
_TOUCH_SECONDS = 60.0  # use is noted to the minute: a write for every thumbnail would be a waste
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,59}")

Row = Mapping[str, Any]


def clean_name(name: str) -> str:
    """`name` as it is kept, in lower case. ServiceProblem 422 when it cannot be a user's name."""
    lower = name.strip().lower()
    if not _NAME.fullmatch(lower):
        raise ServiceProblem(
            422,
            "user-name",
            ("A user's name has 1 to 60 letters a-z, digits and . _ @ -, and begins with a letter or digit; choose another.",
             "El nombre de usuario tiene de 1 a 60 letras a-z, cifras y . _ @ -, y empieza por letra o cifra; elija otro."),
            about="name",
        )  # fmt: skip
    return lower


def all_users(connection: Connection) -> list[Row]:
    """Every user with `seen`, the last use of an open session (None: none), by name; without the passwords' hashes."""
    seen = select(func.max(sessions.c.used)).where(sessions.c.user == users.c.name).scalar_subquery().label("seen")
    columns = (users.c.name, users.c.role, users.c.created, users.c.disabled, seen)
    return [dict(row) for row in connection.execute(select(*columns).order_by(users.c.name)).mappings()]


def find_user(connection: Connection, name: str) -> Row | None:
    """The user's row, with the password's hash; None when there is none."""
    row = connection.execute(select(users).where(users.c.name == name.strip().lower())).mappings().first()
    return dict(row) if row else None


def the_user(connection: Connection, name: str) -> Row:
    """The user's row. ServiceProblem 404 when there is none."""
    found = find_user(connection, name)
    if found is None:
        raise ServiceProblem(
            404,
            "no-such-user",
            ("There is no user of that name; the list of users shows the names.",
             "No hay ningún usuario con ese nombre; la lista de usuarios muestra los nombres."),
        )  # fmt: skip
    return found


def add_user(connection: Connection, name: str, hashed: str, role: str) -> None:
    """Add a user. ServiceProblem 409 when the name is taken."""
    name = clean_name(name)
    if find_user(connection, name):
        raise ServiceProblem(
            409,
            "name-taken",
            ("There is a user of that name already; choose another name.", "Ya hay un usuario con ese nombre; elija otro."),
            about="name",
        )
    connection.execute(insert(users).values(name=name, password=hashed, role=role, created=time.time(), disabled=False))


def change_user(
    connection: Connection, name: str, *, role: str | None = None, disabled: bool | None = None, hashed: str | None = None
) -> None:
    """Change what is not None. A new password or being disabled ends every session of the user; disabled, the tokens are dead too.

    ServiceProblem 404 for no such user, 409 when nobody would be left to administer the service.
    """
    found = the_user(connection, name)
    changes: dict[str, Any] = {}
    if role is not None and role != found["role"]:
        changes["role"] = role
    if disabled is not None:
        changes["disabled"] = disabled
    if hashed is not None:
        changes["password"] = hashed
    if changes.get("disabled") or changes.get("role", "admin") != "admin":
        _keep_an_admin(connection, found)
    if changes:
        connection.execute(update(users).where(users.c.name == found["name"]).values(**changes))
    if disabled or hashed is not None:
        end_sessions(connection, found["name"])


def remove_user(connection: Connection, name: str) -> None:
    """Remove a user with their sessions and tokens. ServiceProblem 404 for no such user, 409 for the last who administers."""
    found = the_user(connection, name)
    _keep_an_admin(connection, found)
    connection.execute(delete(users).where(users.c.name == found["name"]))


def _keep_an_admin(connection: Connection, leaving: Row) -> None:
    others = select(func.count()).where(users.c.role == "admin", ~users.c.disabled, users.c.name != leaving["name"])
    if leaving["role"] == "admin" and not leaving["disabled"] and not connection.execute(others).scalar_one():
        raise ServiceProblem(
            409,
            "last-admin",
            ("This is the only user who can administer the service; make another one admin first.",
             "Es el único usuario que puede administrar el servicio; antes haga administrador a otro."),
        )  # fmt: skip


# ---- sessions


def open_session(connection: Connection, user: str) -> str:
    """The secret of a new session of `user`; expired ones go, and the oldest beyond a person's number of devices."""
    now = time.time()
    connection.execute(delete(sessions).where((sessions.c.used < now - IDLE_SECONDS) | (sessions.c.created < now - LONGEST_SECONDS)))
    newest = select(sessions.c.id).where(sessions.c.user == user).order_by(sessions.c.created.desc()).limit(_SESSIONS_EACH - 1)
    kept = [row.id for row in connection.execute(newest)]
    connection.execute(delete(sessions).where(sessions.c.user == user, sessions.c.id.not_in(kept)))
    secret = secrets.token_urlsafe(32)
    connection.execute(insert(sessions).values(id=_sha256(secret), user=user, created=now, used=now))
    return secret


def session_user(connection: Connection, secret: str) -> Row | None:
    """{name, role, idle} of the session's user; None when it has expired, never was, or its user is disabled. idle: seconds unused."""
    now = time.time()
    query = (
        select(users.c.name, users.c.role, (now - sessions.c.used).label("idle"))
        .join(sessions, sessions.c.user == users.c.name)
        .where(sessions.c.id == _sha256(secret), ~users.c.disabled)
        .where(sessions.c.used > now - IDLE_SECONDS, sessions.c.created > now - LONGEST_SECONDS)
    )
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def touch_session(connection: Connection, secret: str) -> None:
    """Note that the session is used now."""
    connection.execute(update(sessions).where(sessions.c.id == _sha256(secret)).values(used=time.time()))


def worth_noting(idle: float | None) -> bool:
    """Whether use after `idle` seconds (None: first use) is to be written down."""
    return idle is None or idle > _TOUCH_SECONDS


def end_session(connection: Connection, secret: str) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.id == _sha256(secret)))


def end_sessions(connection: Connection, user: str) -> None:
    """Sign `user` out everywhere."""
    connection.execute(delete(sessions).where(sessions.c.user == user))


# ---- tokens


def add_token(connection: Connection, user: str, label: str, role: str) -> tuple[Row, str]:
    """A new token of `user`: its row and its secret, which is nowhere kept. ServiceProblem 409 when the user has too many."""
    if connection.execute(select(func.count()).where(tokens.c.user == user)).scalar_one() >= _TOKENS_EACH:
        raise ServiceProblem(
            409,
            "too-many-tokens",
            (f"You have {_TOKENS_EACH} tokens already; revoke one that is no longer used.",
             f"Ya tiene {_TOKENS_EACH} tokens; revoque uno que no use."),
        )  # fmt: skip
    secret = f"dh_{secrets.token_urlsafe(32)}"
    row = {"id": secrets.token_hex(8), "user": user, "label": label, "role": role, "created": time.time(), "used": None}
    connection.execute(insert(tokens).values(sha256=_sha256(secret), **row))
    return row, secret


def tokens_of(connection: Connection, user: str) -> list[Row]:
    """The tokens of `user`, newest first, without their hashes."""
    columns = (tokens.c.id, tokens.c.label, tokens.c.role, tokens.c.created, tokens.c.used)
    query = select(*columns).where(tokens.c.user == user).order_by(tokens.c.created.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def token_user(connection: Connection, secret: str) -> Row | None:
    """{id, name, role, token_role, idle} of the token's user; None when there is no such token or its user is disabled."""
    query = (
        select(tokens.c.id, users.c.name, users.c.role, tokens.c.role.label("token_role"), (time.time() - tokens.c.used).label("idle"))
        .join(users, tokens.c.user == users.c.name)
        .where(tokens.c.sha256 == _sha256(secret), ~users.c.disabled)
    )
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def touch_token(connection: Connection, identifier: str) -> None:
    """Note that the token is used now."""
    connection.execute(update(tokens).where(tokens.c.id == identifier).values(used=time.time()))


def remove_token(connection: Connection, user: str, identifier: str) -> bool:
    """Revoke the token of `user`; whether there was one."""
    return connection.execute(delete(tokens).where(tokens.c.id == identifier, tokens.c.user == user)).rowcount > 0


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
