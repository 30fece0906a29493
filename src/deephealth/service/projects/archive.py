"""A project as one file: project.json, the films under numbers, and the model if there is one. Nothing in it names a file or a patient.

project.json    {"deephealth": 1, "name", "settings", "classes": [names], "films": [{"file", "class", "patient", "synthetic"}], "model"}
                class: number of the class; patient: a number or null; model: null or {"file", "sha256", "name", "synthetic"}
films/000001.png ...
model.onnx
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Row

from deephealth.service.context import Services
from deephealth.service.jobs.plan import films_to_learn
from deephealth.service.jobs.schemas import TrainSettings
from deephealth.service.problems import ServiceProblem
from deephealth.service.projects.schemas import ClassName, Name
from deephealth.service.store import films, jobs, projects
from deephealth.service.store.models import find_model

FORMAT = 1
MOST_FILMS = 20_000
_MOST_JSON = 16_000_000  # bytes of project.json
_MOST_TIMES = 4  # films are compressed already: what unpacks to more than this is no archive of ours
_PIECE = 1 << 20
_SUFFIX = {"jpeg": ".jpg", "png": ".png"}
_FILM_NAME = "^films/[0-9]{6}\\.(jpg|png)$"


class ArchivedFilm(BaseModel):
    """A film in project.json."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)
    file: str = Field(pattern=_FILM_NAME)
    class_: int = Field(ge=0, validation_alias="class", serialization_alias="class")
    patient: int | None = Field(default=None, ge=1)
    synthetic: bool = False


class ArchivedModel(BaseModel):
    """The model in project.json."""

    model_config = ConfigDict(extra="ignore")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    name: Name
    synthetic: bool = False


class ArchivedProject(BaseModel):
    """project.json."""

    model_config = ConfigDict(extra="ignore")
    deephealth: int
    name: Name
    settings: TrainSettings
    classes: list[ClassName] = Field(max_length=100)
    films: list[ArchivedFilm] = Field(max_length=MOST_FILMS)
    model: ArchivedModel | None = None


@dataclass(frozen=True)
class Packed:
    """What an archive is made of: its description, and where the bytes of each member lie."""

    description: ArchivedProject
    members: tuple[tuple[str, Path], ...]

    def stream(self) -> Iterator[bytes]:
        """The archive, piece by piece: it is never whole in memory or on disk."""
        out = _Passing()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("project.json", self.description.model_dump_json(by_alias=True, indent=1))
            for name, path in self.members:
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member, path.open("rb") as file:
                    while piece := file.read(_PIECE):
                        member.write(piece)
                        yield out.taken()
                yield out.taken()
        yield out.taken()


def pack(parts: Services, project: str) -> Packed:
    """What the archive of a project holds. ServiceProblem 404."""
    with parts.database.read() as connection:
        row = projects.get(connection, project)
        classes = [entry for entry in projects.classes_of(connection, project) if entry.deleted is None]
        numbers = films.patient_numbers(connection, project)
        found = films_to_learn(connection, project)
        trained = jobs.last_trained(connection, project)
        model = find_model(connection, trained.model) if trained and trained.model else None
    place = {entry.id: number for number, entry in enumerate(classes)}
    members = [(f"films/{number:06}{_SUFFIX[film.kind]}", parts.blobs.path(film.blob)) for number, film in enumerate(found, start=1)]
    listed = [_archived(film, name, place, numbers) for film, (name, _) in zip(found, members, strict=True)]
    kept = ArchivedModel(sha256=model.id, name=model.name, synthetic=model.classroom) if model else None
    if kept:
        members.append(("model.onnx", parts.blobs.path(kept.sha256)))
    description = ArchivedProject(
        deephealth=FORMAT,
        name=row.name,
        settings=TrainSettings(**row.settings),
        classes=[entry.name for entry in classes],
        films=listed,
        model=kept,
    )
    return Packed(description, tuple(members))


def opened(path: Path) -> tuple[zipfile.ZipFile, ArchivedProject]:
    """An archive that somebody sent, its directory and description checked; close it. ServiceProblem 422 for anything else."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _no_archive() from error
    try:
        return archive, _description(archive, path.stat().st_size)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        archive.close()
        raise _no_archive() from error
    except ServiceProblem:
        archive.close()
        raise


def member(archive: zipfile.ZipFile, name: str, most: int) -> bytes | None:
    """The bytes of a member of at most `most` bytes; None when it is absent, damaged or larger."""
    try:
        with archive.open(name) as file:
            data = file.read(most + 1)
    except (KeyError, zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, EOFError):
        return None
    return data if len(data) <= most else None


def _description(archive: zipfile.ZipFile, size: int) -> ArchivedProject:
    infos = archive.infolist()
    if len(infos) > MOST_FILMS + 2 or sum(info.file_size for info in infos) > _MOST_TIMES * size + _MOST_JSON:
        raise _no_archive()
    data = member(archive, "project.json", _MOST_JSON)
    if data is None:
        raise _no_archive()
    try:
        found = ArchivedProject.model_validate_json(data)
    except ValidationError as error:
        raise _no_archive() from error
    names = [film.file for film in found.films]
    if len(set(names)) != len(names) or any(film.class_ >= len(found.classes) for film in found.films):
        raise _no_archive()
    if found.deephealth > FORMAT:
        raise ServiceProblem(422, "newer-archive", _NEWER)
    return found


def _archived(film: Row[Any], name: str, place: dict[str, int], numbers: dict[str, str]) -> ArchivedFilm:
    patient = int(numbers[film.patient]) if film.patient else None
    return ArchivedFilm(file=name, class_=place[film._mapping["class"]], patient=patient, synthetic=bool(film.facts.get("synthetic")))


class _Passing(io.RawIOBase):
    """A file that only gives on what is written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._place += len(self._pieces[-1])
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def file_name(name: str) -> str:
    """A project's name as that of a file, in plain letters."""
    return (re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:60] or "project") + ".deephealth.zip"


def _no_archive() -> ServiceProblem:
    return ServiceProblem(422, "no-archive", _NO_ARCHIVE)


_NO_ARCHIVE = (
    "The file is no project of Deep Health, or it is damaged; choose one that was saved with 'Save project'.",
    "El archivo no es un proyecto de Deep Health o está dañado; elija uno guardado con «Guardar proyecto».",
)
_NEWER = (
    "The project was saved by a newer Deep Health than this service runs; update the service.",
    "El proyecto se guardó con una versión de Deep Health más reciente que la de este servicio; actualice el servicio.",
)
