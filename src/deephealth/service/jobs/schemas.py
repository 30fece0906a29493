"""What the API of jobs takes and gives, as frontend/src/lib/types.ts has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deephealth.service.models.schemas import Artefact
from deephealth.service.schemas import Estimate, Sent

JobKind = Literal["train", "evaluate", "compare", "example"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
LampState = Literal["good", "warning", "bad", "unknown"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TrainSettings(BaseModel):
    """How a project is trained. views: of each film, 1: the film alone. balance: classes count equally, however many films each has."""

    head: Literal["dense", "softmax", "logistic"] = "dense"
    epochs: int = Field(default=50, ge=1, le=1000)
    batch: int = Field(default=16, ge=1, le=4096)
    learning_rate: float = Field(default=0.001, gt=0, le=10)
    views: int = Field(default=1, ge=1, le=20)
    balance: bool = True
    split_by: Literal["patient", "film"] = "patient"
    seed: int = Field(default=0, ge=0, lt=2**31)


class JobProgress(BaseModel):
    """How far the stage is that is running."""

    stage: str
    done: int
    total: int


class Job(BaseModel):
    """Work that takes longer than a request. `problem`: a sentence when it failed; `problem_code`: "leakage" can be allowed."""

    id: str
    kind: JobKind
    project: str | None
    state: JobState
    created: str
    started: str | None
    ended: str | None
    problem: str
    problem_code: str
    progress: JobProgress | None
    model: str | None
    artefacts: list[Artefact]


class Jobs(BaseModel):
    """The list of jobs, newest first."""

    jobs: list[Job]


class NewTraining(BaseModel):
    """A training to be started; without `settings`, the project's own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "train", "settings": {"epochs": 50, "batch": 16}}]})
    kind: Literal["train"] = "train"
    settings: TrainSettings | None = None
    allow_leakage: bool = False


class NewJob(BaseModel):
    """A model to be evaluated on a project's films, or compared with another on them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "evaluate", "model": "0" * 64, "project": "0123456789abcdef"}]})
    kind: Literal["evaluate", "compare"]
    model: Sha256
    other: Sha256 | None = None
    project: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class ClassResult(Sent):
    """One class against the rest, on the test films."""

    label: str
    films: int
    sensitivity: Estimate
    specificity: Estimate
    auc: Estimate


class ConfusionCells(Sent):
    """Rows: the films' label; columns: the answer. films: identifiers of the project's films, by cell."""

    counts: list[list[int]]
    films: list[list[list[str]]]


class Probe(Sent):
    """What one part of the films alone tells of the labels."""

    name: str
    text: str
    score: Estimate


class AuditFound(Sent):
    """The shortcut audit."""

    verdict: str
    state: LampState
    probes: list[Probe]


class LeakageFound(Sent):
    """The leakage check."""

    text: str
    state: LampState


class LabelError(Sent):
    """A film whose label is probably wrong."""

    film: str
    label: str
    suggested: str
    probability: float


class FilmAnswer(Sent):
    """A test film with its answer."""

    film: str
    label: str
    answer: str
    probabilities: dict[str, float]
    refused: bool


class CurvePoint(Sent):
    """Loss and accuracy after an epoch."""

    epoch: int
    loss: float | None
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float | None


class Results(Sent):
    """What the last finished training gave."""

    job: str
    model: str
    verdict: str
    right: int
    films: int
    patients: int
    accuracy: Estimate
    classes: list[ClassResult]
    confusion: ConfusionCells
    audit: AuditFound
    leakage: LeakageFound
    label_errors: list[LabelError]
    answers: list[FilmAnswer]
    curves: list[CurvePoint]
    report: str
    artefacts: list[Artefact]
