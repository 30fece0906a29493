"""What the API of jobs takes and gives, as frontend/src/lib/types.ts has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

JobKind = Literal["train", "evaluate", "compare", "example"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
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


class Artefact(BaseModel):
    """A file that can be downloaded."""

    name: str
    kind: str
    bytes: int
    href: str


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
