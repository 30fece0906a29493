"""Signing in: a password checked as slowly for names that do not exist, and only so often for one name and one address."""

from __future__ import annotations

from dataclasses import dataclass, field

from deephealth.service.problems import ServiceProblem
from deephealth.service.security.guard import User
from deephealth.service.security.limits import Buckets, too_often
from deephealth.service.security.passwords import Passwords
from deephealth.service.store import accounts, audit_log
from deephealth.service.store.database import Database


@dataclass
class Accounts:
    """What signing in needs beside the database: the one hasher, and who has tried how often.

    A name bears 8 wrong passwords at once and one more a minute, an address 30 and one more each 10 seconds: a class that signs in together
    from one address is not held up, and a dictionary of passwords takes years.
    """

    passwords: Passwords = field(default_factory=Passwords)
    by_name: Buckets = field(default_factory=lambda: Buckets(8, 1 / 60))
    by_address: Buckets = field(default_factory=lambda: Buckets(30, 1 / 10))


def sign_in(database: Database, desk: Accounts, name: str, password: str, address: str) -> tuple[User, str]:
    """The user and the secret of a new session. ServiceProblem 401 for a wrong name or password, 429 after too many."""
    key = name.strip().lower()[:60]
    wait = max(desk.by_address.take(address), desk.by_name.take(key))
    if wait:
        raise too_often(wait)
    with database.read() as connection:
        row = accounts.find_user(connection, name)
    right = desk.passwords.right(password, row["password"] if row else None)
    if row is None or row["disabled"] or not right:
        with database.begin() as connection:
            # What was typed as a name may be a password: only a user's name is written down.
            audit_log.append(connection, row["name"] if row else "", "session.refuse", {"address": address})
        raise _wrong()
    desk.by_address.give_back(address)
    desk.by_name.give_back(key)
    renewed = desk.passwords.hash(password) if desk.passwords.outdated(row["password"]) else None
    with database.begin() as connection:
        if renewed:
            accounts.change_user(connection, row["name"], hashed=renewed)
        secret = accounts.open_session(connection, row["name"])
        audit_log.append(connection, row["name"], "session.open", {"address": address})
    return User(row["name"], row["role"], "session"), secret


def change_password(database: Database, desk: Accounts, user: User, current: str, new: str) -> None:
    """Give `user`, who knows the current password, a new one, and end all their sessions. ServiceProblem 401, 422 or 429."""
    wait = desk.by_name.take(user.name)
    if wait:
        raise too_often(wait)
    with database.read() as connection:
        row = accounts.the_user(connection, user.name)
    if not desk.passwords.right(current, row["password"]):
        raise _wrong()
    desk.by_name.give_back(user.name)
    hashed = desk.passwords.hash(new)
    with database.begin() as connection:
        accounts.change_user(connection, user.name, hashed=hashed)
        audit_log.append(connection, user.name, "user.password", {"user": user.name})


def _wrong() -> ServiceProblem:
    return ServiceProblem(
        401,
        "wrong-password",
        ("The name or the password is not right; check both and try again.",
         "El nombre o la contraseña no son correctos; revise ambos e inténtelo de nuevo."),
        about="password",
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
