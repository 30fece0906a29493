"""Endpoints: signing in and out, users, tokens, and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from deephealth.service.context import Parts
from deephealth.service.problems import ServiceProblem
from deephealth.service.schemas import problems
from deephealth.service.security import schemas, sessions
from deephealth.service.security.guard import Me, User, admin, allows, viewer
from deephealth.service.security.limits import address
from deephealth.service.security.sign_in import change_password, sign_in
from deephealth.service.store import accounts, audit_log
from deephealth.service.times import iso, iso_or_none

router = APIRouter(prefix="/api/v1", tags=["accounts"])


@router.post("/session", responses=problems(401, 409, 422, 429))
def open_session(asked: schemas.SignIn, parts: Parts, request: Request, response: Response) -> schemas.Who:
    """Sign in: the answer sets the session's cookie."""
    if parts.config.access != "accounts":
        raise _no_accounts()
    user, secret = sign_in(parts.database, parts.accounts, asked.name, asked.password, address(request.scope))
    sessions.set_cookie(response, secret, secure=sessions.secure(request.scope, parts.config))
    return schemas.Who(name=user.name, role=user.role)


@router.delete("/session", status_code=204, dependencies=[viewer])
def close_session(parts: Parts, me: Me, request: Request, response: Response, everywhere: bool = False) -> None:
    """Sign out; with everywhere=true on every device."""
    secret = sessions.cookie(request.scope)
    with parts.database.begin() as connection:
        if everywhere:
            accounts.end_sessions(connection, me.name)
        elif secret:
            accounts.end_session(connection, secret)
        audit_log.append(connection, me.name, "session.close", {"everywhere": everywhere})
    sessions.forget_cookie(response)


@router.put("/session/password", status_code=204, dependencies=[viewer], responses=problems(401, 403, 409, 422, 429))
def new_password(asked: schemas.NewPassword, parts: Parts, me: Me, response: Response) -> None:
    """Change one's own password; every session ends, this one too."""
    _only_signed_in(me)
    change_password(parts.database, parts.accounts, me, asked.current, asked.new)
    sessions.forget_cookie(response)


@router.get("/users", dependencies=[admin])
def list_users(parts: Parts) -> schemas.AccountList:
    """Every user."""
    with parts.database.read() as connection:
        return schemas.AccountList(users=[_account(row) for row in accounts.all_users(connection)])


@router.post("/users", status_code=201, dependencies=[admin], responses=problems(409, 422))
def add_user(asked: schemas.NewAccount, parts: Parts, me: Me) -> schemas.Account:
    """Add a user."""
    hashed = parts.accounts.passwords.hash(asked.password)
    with parts.database.begin() as connection:
        accounts.add_user(connection, asked.name, hashed, asked.role)
        row = accounts.the_user(connection, asked.name)
        audit_log.append(connection, me.name, "user.add", {"user": row["name"], "role": asked.role})
        return _account({**row, "seen": None})


@router.patch("/users/{name}", dependencies=[admin], responses=problems(404, 409, 422))
def change_user(name: str, asked: schemas.AccountChange, parts: Parts, me: Me) -> schemas.Account:
    """Change a user's role or password, disable or enable them."""
    hashed = parts.accounts.passwords.hash(asked.password) if asked.password else None
    with parts.database.begin() as connection:
        accounts.change_user(connection, name, role=asked.role, disabled=asked.disabled, hashed=hashed)
        changed = asked.model_dump(exclude_none=True, exclude={"password"}) | ({"password": True} if hashed else {})
        row = accounts.the_user(connection, name)
        audit_log.append(connection, me.name, "user.change", {"user": row["name"], **changed})
        return _account({"seen": None, **next(user for user in accounts.all_users(connection) if user["name"] == row["name"])})


@router.delete("/users/{name}", status_code=204, dependencies=[admin], responses=problems(404, 409))
def remove_user(name: str, parts: Parts, me: Me) -> None:
    """Remove a user with their sessions and tokens."""
    with parts.database.begin() as connection:
        row = accounts.the_user(connection, name)
        accounts.remove_user(connection, name)
        audit_log.append(connection, me.name, "user.remove", {"user": row["name"]})


@router.get("/tokens", dependencies=[viewer])
def list_tokens(parts: Parts, me: Me) -> schemas.TokenList:
    """One's own tokens."""
    with parts.database.read() as connection:
        return schemas.TokenList(tokens=[_token(row) for row in accounts.tokens_of(connection, me.name)])


@router.post("/tokens", status_code=201, dependencies=[viewer], responses=problems(403, 409, 422))
def add_token(asked: schemas.NewToken, parts: Parts, me: Me) -> schemas.MadeToken:
    """Make a token for a program; its secret is told this once."""
    _only_signed_in(me)
    if not allows(me.role, asked.role):
        raise ServiceProblem(
            403,
            "role",
            (f"A token's role is at most your own, {me.role}; choose that or a lesser one.",
             f"El rol de un token es como máximo el suyo, {me.role}; elija ese u otro inferior."),
            about="role",
        )  # fmt: skip
    with parts.database.begin() as connection:
        row, secret = accounts.add_token(connection, me.name, asked.label, asked.role)
        audit_log.append(connection, me.name, "token.add", {"token": row["id"], "role": asked.role})
    return schemas.MadeToken(token=secret, **_token(row).model_dump())


@router.delete("/tokens/{identifier}", status_code=204, dependencies=[viewer], responses=problems(404))
def remove_token(identifier: str, parts: Parts, me: Me) -> None:
    """Revoke one of one's own tokens."""
    with parts.database.begin() as connection:
        if not accounts.remove_token(connection, me.name, identifier):
            raise ServiceProblem(
                404,
                "no-such-token",
                ("You have no token of that number; the list shows those you have.",
                 "No tiene ningún token con ese número; la lista muestra los que tiene."),
            )  # fmt: skip
        audit_log.append(connection, me.name, "token.remove", {"token": identifier})


@router.get("/audit-log", dependencies=[admin])
def show_audit_log(
    parts: Parts, after: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> schemas.AuditLog:
    """Entries after the number `after`, or the newest ones; and whether the whole log is as it was written."""
    with parts.database.read() as connection:
        found = audit_log.entries(connection, after=after, limit=limit)
        verdict = audit_log.verify(connection)
    shown = [schemas.AuditEntry(**{**entry, "time": iso(entry["time"])}) for entry in found]
    return schemas.AuditLog(entries=shown, intact=verdict.intact, problem=verdict.problem)


def _only_signed_in(me: User) -> None:
    if me.by == "access":
        raise _no_accounts()
    if me.by == "token":
        raise ServiceProblem(
            403,
            "token-not-enough",
            ("A token cannot make tokens or change the password; sign in with the password for that.",
             "Un token no puede crear tokens ni cambiar la contraseña; para eso inicie sesión con la contraseña."),
        )  # fmt: skip


def _no_accounts() -> ServiceProblem:
    return ServiceProblem(
        409,
        "no-accounts",
        ("This service runs without accounts; whoever runs it can start it with --accounts.",
         "Este servicio funciona sin cuentas; quien lo administra puede iniciarlo con --accounts."),
    )  # fmt: skip


def _account(row: accounts.Row) -> schemas.Account:
    seen = row["seen"]
    return schemas.Account(
        name=row["name"],
        role=row["role"],
        created=iso(row["created"]),
        disabled=row["disabled"],
        seen=iso_or_none(seen),
    )


def _token(row: accounts.Row) -> schemas.Token:
    used = row["used"]
    return schemas.Token(id=row["id"], label=row["label"], role=row["role"], created=iso(row["created"]), used=iso_or_none(used))
