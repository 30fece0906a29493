"""Files that become films of a project: each is looked at in a worker, and only what names nobody is kept.

One file that is no film never stops the others: it becomes a problem with a sentence. All films of one request are added in one
transaction, together with the note of what became of it, so that a repetition finds it done or not begun.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from deephealth.datasets.sources.fields import patient_in_name
from deephealth.evaluation.wording import Language, Words
from deephealth.images.codecs import printable
from deephealth.service.answering.results import CannotAnswer, Inspected
from deephealth.service.context import Services
from deephealth.service.projects import schemas, views
from deephealth.service.security import acts
from deephealth.service.store import films, projects
from deephealth.service.store.space import told_when_full

Note = Callable[[Connection, dict[str, Any]], None]
_MOST_MEMBERS = 10_000
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Sent:
    """A file as it came: in memory (`data`) or at `path`, for a film of a zip archive with its name there. problem: why it is no film."""

    name: str
    data: bytes | memoryview = b""
    path: Path | None = None
    member: str = ""
    problem: CannotAnswer | None = field(default=None, compare=False)

    def inspect(self, parts: Services, salt: str) -> Inspected:
        """Have a worker look at it. CannotAnswer when it is no film."""
        if self.problem is not None:
            raise self.problem
        if self.path is not None:
            return parts.pool.inspect_file(self.path, self.name, salt, self.member)
        return parts.pool.inspect(self.data, self.name, salt)


def shown_name(name: str) -> str:
    """A file's name as it is kept: printable, without folders of the client's disk that lead out, at most 400 letters."""
    steps = [step for step in printable(name).replace("\\", "/").split("/") if step not in ("", ".", "..")]
    return "/".join(steps)[-400:] or "film"


def is_zip(first: bytes) -> bool:
    """Whether a file that begins so is a zip archive."""
    return first[:4] in _ZIP


def unpacked(parts: Services, archive: Path, name: str) -> list[Sent]:
    """The films in a zip archive at `archive`, which the user called `name`."""
    try:
        members = parts.pool.members_now(archive, name)
    except CannotAnswer as error:
        return [Sent(name, problem=error)]
    if len(members) > _MOST_MEMBERS:
        sentence = f"{name} holds more than {_MOST_MEMBERS:,} films, the limit for one archive; split it."
        return [Sent(name, problem=CannotAnswer("too-many-films", sentence))]
    return [
        Sent(shown_name(member.name.removeprefix(f"{name}/")), path=archive, member=member.member)
        if not member.problem
        else Sent(shown_name(member.name), problem=CannotAnswer("unreadable", member.problem))
        for member in members
    ]


def add(parts: Services, project: str, class_id: str, files: Sequence[Sent], note: Note | None = None) -> dict[str, Any]:
    """Make films of `files`; {"films": identifiers, "problems": [{"name", "reason", "code"}]}, reasons in English.

    note: called in the same transaction with that value. ServiceProblem 404 when project or class is none, 507 when the disk is full.
    """
    with parts.database.read() as connection:
        salt = projects.get(connection, project).salt
        projects.get_class(connection, project, class_id)
    rows: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    for sent, found in _looked_at(parts, files, salt):
        if isinstance(found, CannotAnswer):
            problems.append({"name": sent.name, "reason": found.sentence, "code": found.code})
        else:
            rows.append({**found, "class": class_id})
    added = {"films": [row["id"] for row in rows], "problems": problems}
    with parts.database.begin() as connection:
        films.add(connection, project, rows)
        kept = acts.some(row["blob"] for row in rows)
        acts.note(connection, "films.add", project=project, class_id=class_id, films=kept, refused=len(problems))
        if note is not None:
            note(connection, added)
    return added


def added_view(connection: Connection, project: str, added: dict[str, Any], language: Language) -> schemas.Added:
    """What became of files, as the API shows it."""
    words = Words(language)
    rows = films.by_id(connection, project, added["films"])
    problems = [
        schemas.NotAdded(name=problem["name"], reason=words.reason(problem["reason"]), code=problem["code"])
        for problem in added["problems"]
    ]
    return schemas.Added(films=views.film_views(connection, project, rows, language), problems=problems)


def patient_key(patient: str, salt: str) -> str:
    """16 hexadecimal digits for what names a patient, other ones in every project."""
    return hashlib.blake2b(patient.encode("utf-8", "replace"), key=salt.encode(), digest_size=8).hexdigest()


def film_row(parts: Services, name: str, found: Inspected, salt: str, **facts: Any) -> dict[str, Any]:
    """The row of a film that was looked at, whose bytes and thumbnail are kept now. facts: more to be noted of it."""
    named = patient_in_name(name)
    parts.quota.require(len(found.film) + len(found.thumbnail))
    with told_when_full():
        blob, thumbnail = parts.blobs.put(found.film), parts.blobs.put(found.thumbnail)
    return {
        "id": projects.new_id(),
        "blob": blob,
        "thumbnail": thumbnail,
        "kind": found.kind_kept,
        "name": name,
        "width": found.width,
        "height": found.height,
        "patient": found.patient or (patient_key(named[0], salt) if named else None),
        "phash": found.phash,
        "facts": {
            "novelty": found.novelty,
            "refused": found.refused,
            "reason": found.reason,
            "age": found.age_years,
            "sex": found.sex,
            "view": found.view,
            **facts,
        },
    }


def _looked_at(parts: Services, files: Sequence[Sent], salt: str) -> Iterator[tuple[Sent, dict[str, Any] | CannotAnswer]]:
    def look(sent: Sent) -> dict[str, Any] | CannotAnswer:
        try:
            return film_row(parts, sent.name, sent.inspect(parts, salt), salt)
        except CannotAnswer as error:
            return error

    with ThreadPoolExecutor(parts.config.workers, thread_name_prefix="inspect") as pool:
        yield from zip(files, pool.map(look, files), strict=True)
