"""Who did what and when: entries that are only ever added, each sealed with the hash of the one before.

`append` goes into the transaction of the act itself, so that there is neither an act without its entry nor an entry without its act.
Written are identifiers, hashes and counts, never what a file or a patient is called.

The row `audit-log` of the settings holds the newest entry's number and hash: it makes writers queue, on SQLite and PostgreSQL alike, and
shows when entries are missing from the end. Who can rewrite the whole database can forge a whole chain too; against that, note the head
elsewhere (`deephealth audit-log verify` prints it) and give it to a later `verify --head`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from deephealth.service.store.tables import audit_log, settings

_HEAD = "audit-log"
_START = "0" * 64
_AT_ONCE = 1000

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What `verify` found. problem: one sentence in English; "" when every entry is as it was written.

    head: number and hash of the newest.
    """

    entries: int
    problem: str
    head: str

    @property
    def intact(self) -> bool:
        """Whether every entry is as it was written."""
        return not self.problem


def append(connection: Connection, user: str, action: str, about: Mapping[str, Any] | None = None) -> None:
    """Add an entry to the chain. user: who; action: such as "project.delete"; about: identifiers, hashes and counts, as JSON."""
    previous = _lock_head(connection)
    entry = {"number": previous["number"] + 1, "time": time.time(), "user": user, "action": action, "about": dict(about or {})}
    sealed = _seal(previous["sha256"], entry)
    connection.execute(insert(audit_log).values(**entry, previous=previous["sha256"], sha256=sealed))
    head = {"number": entry["number"], "sha256": sealed}
    connection.execute(update(settings).where(settings.c.name == _HEAD).values(value=head))


def entries(connection: Connection, *, after: int | None = None, limit: int = 200) -> list[Entry]:
    """At most `limit` entries in order: those after the number `after`, or the newest when it is None."""
    if after is None:
        after = max(0, _head(connection)["number"] - limit)
    query = select(audit_log).where(audit_log.c.number > after).order_by(audit_log.c.number).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def verify(connection: Connection, *, noted: str = "") -> Verdict:
    """Whether every entry is as it was written, and none is missing or out of place.

    noted: a head of an earlier `verify`, "NUMBER:HASH".
    """
    number, previous, seen = 0, _START, not noted
    for entry in _all(connection):
        number += 1
        if entry["number"] != number:
            return Verdict(number - 1, f"entry {number} is missing: {entry['number']} follows {number - 1}", "")
        if entry["previous"] != previous or entry["sha256"] != _seal(previous, entry):
            return Verdict(number - 1, f"entry {number} is not as it was written", "")
        previous = entry["sha256"]
        seen = seen or f"{number}:{previous}" == noted
    head = _head(connection)
    if head["number"] != number or head["sha256"] != previous:
        return Verdict(number, f"entry {number} is the last, and the newest written was {head['number']}", "")
    if not seen:
        return Verdict(number, f"the head noted before, {noted}, is not in the chain: the log was replaced or cut", "")
    return Verdict(number, "", f"{number}:{previous}")


def _all(connection: Connection) -> Iterator[Entry]:
    last = -1
    while (
        rows := connection.execute(select(audit_log).where(audit_log.c.number > last).order_by(audit_log.c.number).limit(_AT_ONCE))
        .mappings()
        .all()
    ):
        yield from (dict(row) for row in rows)
        last = rows[-1]["number"]


def _lock_head(connection: Connection) -> Mapping[str, Any]:
    """The newest entry's number and hash, locked until the transaction ends: the next writer waits for this one."""
    lock = update(settings).where(settings.c.name == _HEAD).values(name=_HEAD)
    if not connection.execute(lock).rowcount:
        try:
            with connection.begin_nested():
                connection.execute(insert(settings).values(name=_HEAD, value={"number": 0, "sha256": _START}))
        except IntegrityError:
            connection.execute(lock)  # another writer was the first of all
    return _head(connection)


def _head(connection: Connection) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = connection.execute(select(settings.c.value).where(settings.c.name == _HEAD)).scalar()
    return found or {"number": 0, "sha256": _START}


def _seal(previous: str, entry: Entry) -> str:
    written = [previous, entry["number"], entry["time"], entry["user"], entry["action"], entry["about"]]
    return hashlib.sha256(json.dumps(written, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()
