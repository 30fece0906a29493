"""What a comparison of two models found: frozen values that become its JSON (data/comparison.schema.json) as they stand.

Every difference is B - A.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from deephealth.evaluation.comparison.delong import AucTest
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Limit, Problem, plain

SCHEMA_VERSION = 1
Winner = Literal["A", "B", ""]


@dataclass(frozen=True)
class Difference:
    """One score of both models and the difference B - A.

    score: balanced_accuracy, accuracy, macro_auc, auc, sensitivity, specificity, brier, log_loss or ece; subject: the class or, for
    sensitivity and specificity, the operating point; positive: the labels that the point counts as positive.
    """

    score: str
    a: Interval
    b: Interval
    difference: Interval
    higher_is_better: bool = True
    subject: str = ""
    positive: tuple[str, ...] = ()


@dataclass(frozen=True)
class McNemar:
    """Exact test of equal accuracy where every patient has one film: films that only A, and only B, answers rightly; two-sided p."""

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class ClassMoves:
    """Films of one class by who answers them rightly."""

    label: str
    n_films: int
    n_patients: int
    both: int
    only_a: int
    only_b: int
    neither: int


@dataclass(frozen=True)
class PointMoves:
    """An operating point that both models have, each with its own threshold: films moved up (A no, B yes) and down.

    nri: net reclassification index, (up - down) / n among positive films plus (down - up) / n among negative ones (Pencina 2008); with
    two categories it is the gain in sensitivity plus the gain in specificity, here given apart as well.
    """

    name: str
    positive: tuple[str, ...]
    n_positive: int
    up_positive: int
    down_positive: int
    n_negative: int
    up_negative: int
    down_negative: int
    nri_positive: Interval
    nri_negative: Interval
    nri: Interval


@dataclass(frozen=True)
class Disagreement:
    """A film and both answers; distance: half the sum of the probabilities' differences, 0 to 1. index: its place among films scored."""

    index: int
    name: str
    truth: str
    answer_a: str
    probability_a: float
    answer_b: str
    probability_b: float
    distance: float


@dataclass(frozen=True)
class Refused:
    """Films, among those scored, that a model's gate would refuse."""

    only_a: int = 0
    only_b: int = 0
    both: int = 0


@dataclass(frozen=True)
class Verdict:
    """What may be said. code: better, undecided, seen (a model learned from the films), same (one model given twice) or unknown.

    winner: "A" or "B" only where code is better. needed_patients: patients like these with which the difference seen would be found in
    80 % of studies, None where there is none. margin and not_worse: whether B is not worse than A by more than the margin, None where it
    was not asked or cannot be said.
    """

    code: Literal["better", "undecided", "seen", "same", "unknown"]
    winner: Winner = ""
    needed_patients: int | None = None
    margin: float | None = None
    not_worse: bool | None = None


@dataclass(frozen=True)
class ModelFacts:
    """One of the two models, and how many of the films it has learned from."""

    name: str = ""
    sha256: str = ""
    labels: tuple[str, ...] = ()
    seen: int = 0


@dataclass(frozen=True)
class ComparisonContext:
    """What the comparison belongs to. left_out: films left out because A or B learned from them; other_labels: films whose label not both
    models know; problems: films that could not be read."""

    model_a: ModelFacts = field(default_factory=ModelFacts)
    model_b: ModelFacts = field(default_factory=ModelFacts)
    data_name: str = ""
    data_sha256: str = ""
    left_out: int = 0
    seen_included: int = 0
    other_labels: int = 0
    seed: int = 0
    draws: int = 0
    problems: tuple[Problem, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Comparison:
    """All that a comparison shows. primary: balanced accuracy, which alone decides; differences: the other scores, descriptive."""

    classes: tuple[str, ...]
    n_films: int
    n_patients: int
    verdict: Verdict
    primary: Difference
    differences: tuple[Difference, ...]
    auc_tests: tuple[AucTest, ...]
    mcnemar: McNemar | None
    kappa: Interval
    moves: tuple[ClassMoves, ...]
    points: tuple[PointMoves, ...]
    refused: Refused
    most_different: tuple[Disagreement, ...]
    limits: tuple[Limit, ...]
    context: ComparisonContext = field(default_factory=ComparisonContext)

    def to_json(self, *, names: bool = True) -> dict[str, Any]:
        """The comparison as JSON values, what is undefined as null; with `names` False no film's name is in it."""
        data: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **plain(self)}
        if not names:
            for film in data["most_different"]:
                film["name"] = ""
            for problem in data["context"]["problems"]:
                problem.update(name="", reason=_without(problem["reason"], problem["name"]))
        return data


def _without(reason: str, name: str) -> str:
    """The reason without the film's name, which most of them begin with."""
    for known in (name, name.rsplit("/", 1)[-1]):
        reason = reason.replace(known, "film") if known else reason
    return reason


def comparison_schema() -> dict[str, Any]:
    """The published JSON schema of a comparison."""
    from importlib.resources import files

    return dict(json.loads(files("deephealth").joinpath("data/comparison.schema.json").read_text(encoding="utf-8")))
