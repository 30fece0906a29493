"""Acts go into the audit log: one line in the transaction of the act itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection

from deephealth.service.store import audit_log

# Set by the layer `Identity` for each request; it follows the request into threads, so that nobody has to pass the user on.
acting: ContextVar[str] = ContextVar("acting", default="service")


def note(connection: Connection, action: str, **about: Any) -> None:
    """Write that the one who asks did `action` ("project.delete"). about: identifiers, hashes, counts, no names of things."""
    audit_log.append(connection, acting.get(), action, about)


def some(identifiers: Iterable[str]) -> dict[str, object]:
    """How many there are and the first hundred: an entry is not to grow with a data set."""
    found = list(identifiers)
    return {"number": len(found), "first": found[:100]}
