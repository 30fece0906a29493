"""What a reviewer asks beyond the scores, as frozen values: they become the report's JSON (`evidence`) as they stand.

Every part may be absent (None or empty): a part that could not be made says why in its `reason`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.shortcuts.light import ProbeResult


@dataclass(frozen=True)
class RiskPoint:
    """risk: share of wrong answers when only the surest `coverage` (0..1] of the films are answered, down to probability `threshold`."""

    coverage: float
    threshold: float
    risk: Interval


@dataclass(frozen=True)
class ConformalSets:
    """Sets of labels promised to hold the film's label in `level` of films like the calibration films (split conformal prediction).

    threshold: a label is in the set when its probability is at least this. covered: share of films whose set holds their label.
    single, empty: shares of films whose set has one label, none. mean_size: labels a set, on average.
    """

    level: float
    threshold: float
    covered: Interval
    single: Interval
    empty: Interval
    mean_size: Interval


@dataclass(frozen=True)
class Abstention:
    """What is gained by leaving the least certain films unanswered. area: mean risk over all coverages (AURC)."""

    curve: tuple[RiskPoint, ...]
    area: Interval
    conformal: ConformalSets | None = None


@dataclass(frozen=True)
class Subgroup:
    """Scores of the films that share one value of an attribute: "sex", "age", "view", "source".

    hidden: fewer than 20 films, so that no score is shown and all three are undefined.
    """

    attribute: str
    value: str
    n_films: int
    n_patients: int
    accuracy: Interval
    balanced_accuracy: Interval
    macro_auc: Interval
    hidden: bool = False


@dataclass(frozen=True)
class ExternalSet:
    """Scores on a set from elsewhere: one row a set, never pooled. refused: share of its films that the gate refused."""

    name: str
    sha256: str
    n_films: int
    n_patients: int
    accuracy: Interval
    balanced_accuracy: Interval
    macro_auc: Interval
    refused: Interval
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GapRow:
    """One score ("accuracy", "balanced_accuracy", "macro_auc") of the same head, cross-validated by film and by patient.

    difference: by film less by patient, so that above 0 a split by film flatters; its interval is over the same draws of patients for both.
    """

    score: str
    by_film: Interval
    by_patient: Interval
    difference: Interval


@dataclass(frozen=True)
class LeakageGap:
    """How much a split by film would flatter: the same kind of head on the same features, every film judged out of fold, twice."""

    rows: tuple[GapRow, ...]
    folds: int
    head: str
    n_films: int
    n_patients: int
    reason: str = ""


@dataclass(frozen=True)
class Suspect:
    """A film whose dataset label is probably wrong. Out of fold: self_confidence, probability of its label; probability, of `suggested`."""

    index: int
    name: str
    truth: str
    suggested: str
    self_confidence: float
    probability: float


@dataclass(frozen=True)
class LabelErrors:
    """Probable label errors by confident learning (Northcutt, Jiang, Chuang 2021), the most probable first.

    joint[i][j]: estimated films of dataset label i whose true label is j, scaled so that each row sums to the label's films.
    found: how many films were flagged; `suspects` holds the first of them.
    """

    suspects: tuple[Suspect, ...]
    found: int
    joint: tuple[tuple[float, ...], ...]
    n_films: int
    n_patients: int
    reason: str = ""


@dataclass(frozen=True)
class Neighbour:
    """A training film near to another in the model's features. similarity: cosine, -1..1, of the standardised features."""

    name: str
    label: str
    similarity: float


@dataclass(frozen=True)
class ValueCounts:
    """How often each value of an attribute ("sex", "view", "source", "age", "split") occurs in each class.

    counts: value ("" is unknown) -> class -> films; ages are bands of years, "2-5".
    """

    attribute: str
    counts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class DataFacts:
    """What the films of an evaluation are. films, patients: of each class. widths, heights: class -> (lowest, median, highest), pixels.

    films_per_patient: (median, highest).
    """

    films: Mapping[str, int]
    patients: Mapping[str, int]
    films_per_patient: tuple[float, int]
    widths: Mapping[str, tuple[int, float, int]]
    heights: Mapping[str, tuple[int, float, int]]
    attributes: tuple[ValueCounts, ...]
    layout: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaskedScore:
    """The finished model on films of which a part is hidden: "whole film", "only lungs", "without lungs", "only border", "only corners".

    same_answer: share of films answered as when whole. chance: accuracy of always giving the commonest label.
    """

    name: str
    accuracy: Interval
    balanced_accuracy: Interval
    same_answer: Interval
    chance: float


@dataclass(frozen=True)
class LungEnergy:
    """inside: share of the positive heatmap energy in the lungs, mean over films of a label ("" for all). area: lungs' share of film."""

    label: str
    inside: Interval
    area: Interval


@dataclass(frozen=True)
class ModelAudit:
    """The shortcut audit with the model's own backbone (`deephealth evaluate --audit`).

    probes: heads of the same kind trained and tested, by patient, on each input. identity: probes that guess not the label but the source,
    or whether a film was for training or test. left_out: films on which no plausible lungs were found. masks: "given" or "lung finder".
    """

    verdict: str
    sentence: str
    probes: tuple[ProbeResult, ...]
    identity: tuple[ProbeResult, ...]
    masked: tuple[MaskedScore, ...]
    lung_energy: tuple[LungEnergy, ...]
    n_films: int
    n_patients: int
    left_out: int = 0
    masks: str = ""
    reason: str = ""


@dataclass(frozen=True)
class GateSet:
    """How the gate treated one set of pictures. chest: they are chest films, and refusing is the error. refused: share refused.

    unread: how many more there were that could not be read, so that no gate saw them.
    """

    name: str
    chest: bool
    refused: Interval
    unread: int = 0


@dataclass(frozen=True)
class Evidence:
    """All that stands behind the scores. neighbours: name of a film among the errors -> the training films nearest to it."""

    data: DataFacts | None = None
    abstention: Abstention | None = None
    subgroups: tuple[Subgroup, ...] = ()
    external: tuple[ExternalSet, ...] = ()
    leakage_gap: LeakageGap | None = None
    label_errors: LabelErrors | None = None
    neighbours: Mapping[str, tuple[Neighbour, ...]] = field(default_factory=lambda: MappingProxyType({}))
    model_audit: ModelAudit | None = None
    gate: tuple[GateSet, ...] = ()
