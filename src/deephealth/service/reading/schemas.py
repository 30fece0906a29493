"""What predictions look like, as frontend/src/lib/types.ts has them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deephealth.service.schemas import Estimate, Sent


class Verdict(Sent):
    """A frozen decision rule applied to one film. probability: summed over the positive labels."""

    name: str = Field(examples=["specificity 0.95"])
    positive: list[str]
    threshold: float
    probability: float
    verdict: Literal["positive", "negative"]
    sensitivity: Estimate
    specificity: Estimate


class Conformal(Sent):
    """The labels that a set promised to hold the right one (for a share `level` of films) would name; empty: none probable enough."""

    level: float
    labels: list[str]


class Reliability(Sent):
    """How often answers with a probability between low and high were right on the model's own test films."""

    low: float
    high: float
    correct: Estimate


class Heatmap(Sent):
    """Each label's evidence by place, in logits; the grid's cells cover the film evenly. links: label -> a transparent PNG."""

    grid: tuple[int, int]
    scale: float
    values: dict[str, list[list[float]]]
    links: dict[str, str]


class Timings(Sent):
    """Milliseconds: decoding, running the model, and all of it with the waiting."""

    read: float
    run: float
    total: float


class Prediction(Sent):
    """The answer to one film. A refused film carries its probabilities all the same; an unreadable one has error."""

    file: str = Field(examples=["film.jpg"])
    sha256: str
    width: int
    height: int
    kind: str = Field(examples=["jpeg"])
    label: str = Field(examples=["normal"])
    probabilities: dict[str, float] = Field(examples=[{"normal": 0.9131, "bacterial": 0.0201, "viral": 0.0668}])
    novelty: float | None
    novelty_threshold: float | None
    refused: bool
    reason: str
    reason_code: str
    error: bool
    conformal: Conformal | None
    uncertain: bool
    operating_points: list[Verdict]
    reliability: Reliability | None
    heatmap: Heatmap | None
    warnings: list[str]
    model: str
    timings_ms: Timings


class AnsweringModel(Sent):
    """The model that answered."""

    id: str
    name: str
    labels: list[str]


class Total(Sent):
    """Milliseconds from the first byte of the request to the answer."""

    total: float


class Answers(Sent):
    """The answers to the films of one request, in the order they were sent."""

    model: AnsweringModel
    predictions: list[Prediction]
    timings_ms: Total


class Example(Sent):
    """A synthetic film to try the classroom model with."""

    id: str
    label: str
    href: str
    thumbnail: str = Field(description="a small PNG of it, as a data: address")


class Examples(Sent):
    """All of them; empty where there is no classroom model."""

    examples: list[Example]


class User(Sent):
    """Who is signed in."""

    name: str
    role: Literal["viewer", "editor", "admin"]


class Limits(Sent):
    """Sizes in bytes and pixels."""

    file_bytes: int
    request_bytes: int
    pixels: int
    chunk_bytes: int
    quota_bytes: int
    used_bytes: int


class About(Sent):
    """What this service is and allows."""

    version: str
    access: Literal["local", "accounts", "open"]
    user: User | None
    limits: Limits
    serving: str
    classroom: str | None
