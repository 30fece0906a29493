"""What the API of projects takes and gives, as frontend/src/lib/types.ts has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deephealth.service.jobs.schemas import Job, TrainSettings


def _printable(text: str) -> str:
    """One line without control characters and surrounding space."""
    cleaned = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if not cleaned:
        raise ValueError("a name needs at least one letter")
    return cleaned


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
ClassName = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_printable)]
Id = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class Warning(BaseModel):
    """Something that a person should look at. `film`: the other film; `class`: the class it is about."""

    model_config = ConfigDict(populate_by_name=True)
    code: str
    text: str
    film: str | None = None
    class_: str | None = Field(default=None, validation_alias="class", serialization_alias="class")


class ProjectClass(BaseModel):
    """A class of a project."""

    id: str
    name: str
    films: int
    deleted: bool


class _ProjectHead(BaseModel):
    id: str
    name: str
    created: str
    changed: str
    films: int
    deleted: bool
    job: Job | None


class ProjectSummary(_ProjectHead):
    """A project in the list; `job`: the last one."""

    classes: int


class Project(_ProjectHead):
    """A project with its classes; `model`: of the last finished training."""

    classes: list[ProjectClass]
    settings: TrainSettings
    warnings: list[Warning]
    model: str | None


class Projects(BaseModel):
    """The list of projects."""

    projects: list[ProjectSummary]


class NewProject(BaseModel):
    """What a project is made from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Children's films", "classes": ["normal", "bacterial", "viral"]}]})
    name: Name
    classes: list[ClassName] = Field(default=[], max_length=100)


class ProjectChange(BaseModel):
    """What of a project may change; `deleted` false brings it back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Another name"}, {"deleted": False}]})
    name: Name | None = None
    settings: TrainSettings | None = None
    deleted: bool | None = None


class NewClass(BaseModel):
    """A class to be added."""

    name: ClassName


class ClassChange(BaseModel):
    """What of a class may change."""

    name: ClassName | None = None
    deleted: bool | None = None


class NewExample(BaseModel):
    """An example project of synthetic films: `kind` says which shortcut is planted."""

    kind: Literal["clean", "corner-marker", "border", "size"]
    per_class: int = Field(default=60, ge=6, le=500)


class ExampleStarted(BaseModel):
    """An example project, and the job that draws its films."""

    project: Project
    job: Job


class ProjectFilm(BaseModel):
    """A film of a project. `patient`: a number within the project, never a name."""

    model_config = ConfigDict(populate_by_name=True)
    id: str
    name: str
    class_: str = Field(validation_alias="class", serialization_alias="class")
    sha256: str
    width: int
    height: int
    patient: str | None
    added: str
    deleted: bool
    warnings: list[Warning]
    thumbnail: str
    image: str


class Films(BaseModel):
    """A page of films; `next`: what to give as `after` for the next page."""

    films: list[ProjectFilm]
    next: str | None = None


class ChangedFilms(BaseModel):
    """The films as they are after a change."""

    films: list[ProjectFilm]


class FilmsChange(BaseModel):
    """Films to move, hide, bring back or give to a patient: a number of the project, or any new key; null: unknown."""

    model_config = ConfigDict(
        populate_by_name=True, json_schema_extra={"examples": [{"films": ["0123456789abcdef"], "class": "fedcba9876543210"}]}
    )
    films: list[Id] = Field(min_length=1, max_length=20_000)
    class_: Id | None = Field(default=None, validation_alias="class", serialization_alias="class")
    deleted: bool | None = None
    patient: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class NotAdded(BaseModel):
    """A file that did not become a film, and why."""

    name: str
    reason: str
    code: str


class Added(BaseModel):
    """What became of the files sent."""

    films: list[ProjectFilm]
    problems: list[NotAdded]


class NewUpload(BaseModel):
    """A file that will come in pieces. sha256: of the whole file, to be verified."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [{"project": "0123456789abcdef", "class": "fedcba9876543210", "name": "film.dcm", "bytes": 2_000_000}]
        },
    )
    project: Id
    class_: Id = Field(validation_alias="class", serialization_alias="class")
    name: str = Field(min_length=1, max_length=400)
    bytes: int = Field(ge=1)
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Upload(BaseModel):
    """How far an upload is; `added`: what became of it when all bytes were there."""

    id: str
    offset: int
    bytes: int
    added: Added | None


JsonObject = dict[str, Any]
