"""What models look like, as frontend/src/lib/types.ts has them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deephealth.service.schemas import Estimate, Sent


class Lamp(Sent):
    """One look at the evidence: a state and a sentence in the language asked for."""

    state: Literal["good", "warning", "bad", "unknown"]
    text: str


class Lamps(Sent):
    """Leakage across the split, shortcuts to the labels, calibration of the probabilities."""

    leakage: Lamp
    shortcut: Lamp
    calibration: Lamp


class Artefact(Sent):
    """A file to download."""

    name: str = Field(examples=["model.onnx"])
    kind: str = Field(examples=["onnx"])
    bytes: int
    href: str


class Headline(Sent):
    """The score that stands for the model: `metric` as the record names it."""

    metric: str = Field(examples=["balanced_accuracy"])
    estimate: Estimate


class ModelSummary(Sent):
    """A model at a glance."""

    id: str
    name: str
    labels: list[str]
    created: str | None
    origin: Literal["shipped", "trained", "imported"]
    project: str | None
    classroom: bool
    serving: bool
    archived: bool
    films: int
    patients: int
    headline: Headline | None
    lamps: Lamps
    artefacts: list[Artefact]


class Models(Sent):
    """All models, newest first, the one that ships last."""

    models: list[ModelSummary]


class OperatingPoint(Sent):
    """A frozen decision rule."""

    name: str
    positive: list[str]
    threshold: float
    sensitivity: Estimate
    specificity: Estimate


class ModelDetail(ModelSummary):
    """All that is known of a model. record: as in the file, without hashes of films and golden films."""

    card: str
    size: int
    grid: int
    licence: str
    limits: list[str]
    metrics: dict[str, dict[str, Estimate]]
    operating_points: list[OperatingPoint]
    record: dict[str, Any]


class ModelChange(BaseModel):
    """What to change; what is absent stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"serving": True}, {"archived": True}, {"name": "children, v2"}]}
    )

    serving: Literal[True] | None = None
    archived: bool | None = None
    name: str | None = Field(default=None, min_length=1, max_length=200)


class Verified(Sent):
    """How far the model's answers to its golden films are from those in its file."""

    ok: bool
    largest_difference: float
    films: int
    text: str
