"""What the endpoints of accounts take and give, as in frontend/src/lib/types.ts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from deephealth.service.security.guard import Role

Name = Annotated[str, Field(min_length=1, max_length=60, examples=["rosa"])]
Password = Annotated[str, Field(min_length=1, max_length=200, examples=["correct horse battery"])]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(_Model):
    """A name and its password."""

    name: Name
    password: Password


class Who(BaseModel):
    """Who is signed in."""

    name: str
    role: Role


class NewPassword(_Model):
    """The password held so far, and the one to come."""

    current: Password
    new: Password


class NewAccount(_Model):
    """A user to add."""

    name: Name
    password: Password
    role: Role


class AccountChange(_Model):
    """What is to change; what is left out stays."""

    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = None


class Account(BaseModel):
    """A user. seen: the last use of an open session."""

    name: str
    role: Role
    created: str
    disabled: bool
    seen: str | None


class AccountList(BaseModel):
    """Every user, by name."""

    users: list[Account]


class NewToken(_Model):
    """A token to make: for a program, with a role at most the user's own."""

    label: str = Field(min_length=1, max_length=100, examples=["PACS bridge"])
    role: Role


class Token(BaseModel):
    """A token; the secret itself is told once, when it is made."""

    id: str
    label: str
    role: Role
    created: str
    used: str | None


class MadeToken(Token):
    """A token just made, with its secret."""

    token: str


class TokenList(BaseModel):
    """The tokens of the one who asks, newest first."""

    tokens: list[Token]


class AuditEntry(BaseModel):
    """Who did what and when."""

    number: int
    time: str
    user: str
    action: str
    about: dict[str, Any]
    sha256: str


class AuditLog(BaseModel):
    """Entries in order. intact: no entry of the whole log was changed, removed or moved; problem: the first that was."""

    entries: list[AuditEntry]
    intact: bool
    problem: str
