"""What several areas of the API send: an estimate, a problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Sent(BaseModel):
    """Base of what the API sends: frozen, every field always there."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Estimate(Sent):
    """A value with its 95 % interval and what it was measured on; null where undefined."""

    value: float | None
    low: float | None
    high: float | None
    films: int
    patients: int

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Estimate:
        """From an estimate or interval in JSON, as a model's record and a report hold it."""
        return cls(
            value=found.get("value"),
            low=found.get("low"),
            high=found.get("high"),
            films=found.get("n_films", 0),
            patients=found.get("n_patients", 0),
        )


class Problem(Sent):
    """RFC 9457, media type application/problem+json. `code` is for programs, `detail` a sentence in the language asked for."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["film.jpg is cut short, expected a whole JPEG; copy or export it again."])
    code: str = Field(examples=["unreadable"])
    about: str = Field(default="", examples=["film.jpg"])


_REASONS = {
    400: "the request is damaged or empty",
    401: "sign in first",
    403: "this account may not do that",
    404: "there is no such thing",
    409: "it is in a state that does not allow this",
    413: "too large",
    415: "not the kind of body that is expected here",
    422: "understood, but cannot be used",
    429: "too many requests; come again after Retry-After seconds",
    503: "busy; come again after Retry-After seconds",
    507: "the disk or the quota is full",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that may answer with these problems."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _REASONS[status], "model": Problem, "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }


# Of every endpoint: what the layers around it may answer, such as 401, 403, 408, 421, 429 and 503.
ANY_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "a problem",
        "model": Problem,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
