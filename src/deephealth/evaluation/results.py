"""What an evaluation found: frozen values that become the report's JSON (data/report.schema.json) as they stand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from deephealth.datasets.index import Problem as Problem
from deephealth.evaluation.calibration import OperatingPoint
from deephealth.evaluation.evidence import Evidence
from deephealth.evaluation.intervals import Interval

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class EvaluationContext:
    """What the scores belong to; every field may be left empty, and the report says that it was not given.

    leakage: JSON of the leakage check: `leaks` (bool), `counts` (kind -> number of findings), `sentence`; None when it was not made.
    audit: JSON of the shortcut audit (`AuditReport.to_json`); None when it was not made.
    notes: sentences for the top of the report, such as that leakage was allowed by the user.
    problems: films that could not be read or were left out, with reasons; they are in no score.
    versions: program -> version. command: what was typed, with file names in place of paths, to make the report again.
    limits: known limits of the model, from its record. licence: of the model file.
    """

    model_name: str = ""
    model_sha256: str = ""
    data_name: str = ""
    data_sha256: str = ""
    split_name: str = "test"
    split_sha256: str = ""
    split_by: str = ""
    seed: int | None = None
    temperature: float | None = None
    leakage: Mapping[str, Any] | None = None
    audit: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    command: str = ""
    limits: tuple[str, ...] = ()
    licence: str = ""


@dataclass(frozen=True)
class ClassScores:
    """One class against the rest. PPV and NPV at the share of the class in these films, and at `prevalence` where one is given."""

    label: str
    n_films: int
    n_patients: int
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    auc: Interval
    average_precision: Interval
    prevalence: float | None = None
    ppv_at_prevalence: Interval | None = None
    npv_at_prevalence: Interval | None = None


@dataclass(frozen=True)
class Scores:
    """Scores of one set of films. confusion[i][j]: films of class i answered with class j. Brier 0..2, log loss in nats, ECE 0..1."""

    n_films: int
    n_patients: int
    accuracy: Interval
    balanced_accuracy: Interval
    macro_auc: Interval
    brier: Interval
    log_loss: Interval
    ece: Interval
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassScores, ...]


@dataclass(frozen=True)
class AppliedPoint:
    """An operating point frozen in the model, applied to these films. `chosen` holds what it reached where it was chosen."""

    chosen: OperatingPoint
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    prevalence: float | None = None
    ppv_at_prevalence: Interval | None = None
    npv_at_prevalence: Interval | None = None


@dataclass(frozen=True)
class Curve:
    """A curve of one class against the rest: x and y (ROC: false positive rate, sensitivity; precision-recall: recall, precision)."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class ReliabilityBin:
    """Films of similar confidence: their mean confidence, and the share of right answers."""

    confidence: float
    correct: Interval


@dataclass(frozen=True)
class Case:
    """One film worth a look; `index` is its place among the films scored, `probability` that of the answer."""

    index: int
    name: str
    truth: str
    answer: str
    probability: float
    novelty: float | None = None


@dataclass(frozen=True)
class Limit:
    """Something that cannot be concluded from these films: a code of `wording.LIMITS`, and the values its sentence needs."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """All that the report shows. `scores` are of every film, `accepted` of those the gate did not refuse (None when none was refused).

    before_temperature: ECE of the same answers before the temperature was applied, where the logits were given.
    """

    classes: tuple[str, ...]
    scores: Scores
    accepted: Scores | None
    refused: tuple[Case, ...]
    operating_points: tuple[AppliedPoint, ...]
    roc: tuple[Curve, ...]
    precision_recall: tuple[Curve, ...]
    reliability: tuple[ReliabilityBin, ...]
    before_temperature: Interval | None
    errors: tuple[Case, ...]
    limits: tuple[Limit, ...]
    context: EvaluationContext
    evidence: Evidence = field(default_factory=Evidence)

    def to_json(self, *, names: bool = True) -> dict[str, Any]:
        """The evaluation as JSON values, NaN as null; with `names` False no film's name is in it."""
        data: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **plain(self)}
        if data["context"]["leakage"] is not None:
            # Its findings name films and patients; the counts say enough here.
            data["context"]["leakage"].pop("findings", None)
        if not names:
            _strip_names(data)
        return data


def _strip_names(data: dict[str, Any]) -> None:
    """Take every film's name out of an evaluation's JSON; neighbours then stand under the numbers (`index`) of the errors."""
    evidence = data["evidence"]
    number = {case["name"]: str(case["index"]) for case in data["errors"]}
    evidence["neighbours"] = {number.get(name, str(place)): near for place, (name, near) in enumerate(evidence["neighbours"].items())}
    for problem in data["context"]["problems"]:
        problem["reason"] = _without_name(problem["reason"], problem["name"])
    named = [*data["errors"], *data["refused"], *data["context"]["problems"]]
    named += [film for near in evidence["neighbours"].values() for film in near]
    named += evidence["label_errors"]["suspects"] if evidence["label_errors"] else []
    for case in named:
        case["name"] = ""


def _without_name(reason: str, name: str) -> str:
    """A reason that may quote the film's name, or its last part, with "the film" in its place."""
    for part in (name, name.rpartition("/")[2]):
        reason = reason.replace(part, "the film") if part else reason
    return reason


def plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON values; NaN and infinity become null."""
    if dataclasses.is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
