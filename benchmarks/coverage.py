"""Do the report's 95 % intervals hold the truth in 95 of 100 sets? Films of a population whose every score is known are drawn and scored.

A population has three classes and patients of 1 to 30 films. Every film has three numbers: the distance `apart` on its own class, plus
unit noise of which the part `alike` is common to the films of a patient. The probabilities are the exact ones of that model, sharpened by
`sure` (1 is calibrated). Scores of the population come from 300,000 independent films; the estimands are named in docs/numbers.md.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Bar, Figure, Options, Skipped
from deephealth.evaluation import metrics
from deephealth.evaluation.calibration import OperatingPoint, softmax
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Evaluation

TITLE = "share of sets whose 95 % interval holds the population's score"
BAR = Bar("at least", 93.0)
CLASSES = ("normal", "bacterial", "viral")
# In the population asked about, one film in ten is not normal.
ASKED = {"normal": 0.9, "bacterial": 0.06, "viral": 0.04}
SETS, DRAWS, FILMS = 250, 300, 300_000
_UNKNOWN = Interval(None, None, None, 0, 0)
POINT = OperatingPoint("not normal at 0.6", CLASSES[1:], CLASSES[:1], 0.6, _UNKNOWN, _UNKNOWN)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """A kind of set. shares: of the classes among patients; films: mean of a patient's films (geometric, 30 at most)."""

    name: str
    patients: int
    films: float
    shares: tuple[float, float, float] = (234 / 624, 242 / 624, 148 / 624)
    apart: float = 2.0
    alike: float = 0.5
    sure: float = 1.0


SETTINGS = (
    Setting("test set", 390, 1.6, sure=1.4),
    Setting("calibrated", 390, 1.6),
    Setting("many films each", 130, 5.0, sure=1.4),
    Setting("nearly perfect", 390, 1.6, apart=4.0),
    Setting("120 films", 75, 1.6, sure=1.4),
    Setting("40 films", 25, 1.6, sure=1.4),
    Setting("21 films", 21, 1.0, sure=1.4),
)


@dataclass(frozen=True, eq=False)
class Films:
    """probabilities [n, 3], labels [n], patients [n]."""

    probabilities: Floats
    labels: Ints
    patients: Ints


@dataclass(frozen=True, eq=False)
class Population:
    """The true scores by name; confidences [n], rising, and the running sums [n + 1, 2] of confidence less correct and of confidence."""

    scores: Mapping[str, float]
    confidence: Floats
    sums: Floats

    def gap(self, low: float, high: float) -> tuple[float, float]:
        """Mean of confidence less share correct, and mean confidence, of the films with low <= confidence < high; NaN where none is."""
        start, end = np.searchsorted(self.confidence, [low, high])
        if start == end:
            return math.nan, math.nan
        gap, confidence = (self.sums[end] - self.sums[start]) / (end - start)
        return float(gap), float(confidence)


@dataclass(frozen=True)
class Covered:
    """One score in one setting: sets with an interval, sets where it held the truth, lay above it and lay below it, and its mean width."""

    sets: int
    held: int
    above: int
    below: int
    width: float

    @property
    def share(self) -> float:
        """Coverage, 0..1."""
        return self.held / self.sets if self.sets else math.nan


def draw(setting: Setting, rng: np.random.Generator) -> Films:
    """A set of films of the population of `setting`."""
    sizes = np.minimum(30, rng.geometric(1 / setting.films, setting.patients))
    patients = np.repeat(np.arange(setting.patients), sizes)
    labels = rng.choice(3, setting.patients, p=setting.shares)[patients]
    return _films(setting, labels, patients, rng.normal(size=(setting.patients, 3))[patients], rng)


def _films(setting: Setting, labels: Ints, patients: Ints, common: Floats, rng: np.random.Generator) -> Films:
    own = rng.normal(size=common.shape)
    numbers = setting.apart * np.eye(3)[labels] + math.sqrt(setting.alike) * common + math.sqrt(1 - setting.alike) * own
    return Films(softmax(setting.sure * (setting.apart * numbers + np.log(setting.shares))), labels, patients)


@functools.cache
def population(setting: Setting, films: int = FILMS) -> Population:
    """The scores of `films` independent films, by the project's own metrics (which are tested against scikit-learn)."""
    rng = np.random.default_rng(20)
    labels = rng.choice(3, films, p=setting.shares)
    drawn = _films(setting, labels, np.arange(films), rng.normal(size=(films, 3)), rng)
    p, y = drawn.probabilities, drawn.labels
    answers, confidence = p.argmax(1), p.max(1)
    matrix = metrics.confusion_matrix(y, answers, 3)
    asked = np.array([ASKED[label] for label in CLASSES])
    scores = {
        "accuracy": metrics.accuracy(matrix),
        "balanced accuracy": metrics.balanced_accuracy(matrix),
        "macro AUC": metrics.macro_auc(p, y),
        "Brier": metrics.brier(p, y),
        "log loss": metrics.log_loss(p, y),
    }
    for c, label in enumerate(CLASSES):
        rows = {
            "sensitivity": metrics.sensitivity(matrix)[c],
            "specificity": metrics.specificity(matrix)[c],
            "PPV": metrics.ppv(matrix)[c],
            "NPV": metrics.npv(matrix)[c],
            "PPV at a prevalence": metrics.ppv(matrix, asked)[c],
            "NPV at a prevalence": metrics.npv(matrix, asked)[c],
            "AUC": metrics.auc(p[:, c], y == c),
            "average precision": metrics.average_precision(p[:, c], y == c),
        }
        scores |= {f"{name}: {label}": value for name, value in rows.items()}
    yes = metrics.confusion_matrix(y != 0, p[:, 1:].sum(1) >= POINT.threshold, 2)
    sick = [asked[0], 1 - asked[0]]
    scores |= {
        "sensitivity: point": metrics.sensitivity(yes)[1],
        "specificity: point": metrics.specificity(yes)[1],
        "PPV at a prevalence: point": metrics.ppv(yes, sick)[1],
        "NPV at a prevalence: point": metrics.npv(yes, sick)[1],
    }
    order = np.argsort(confidence)
    sums = np.cumsum(np.stack([confidence - (answers == y), confidence], axis=1)[order], axis=0)
    return Population({name: float(value) for name, value in scores.items()}, confidence[order], np.insert(sums, 0, 0.0, axis=0))


def intervals(evaluation: Evaluation) -> dict[str, Interval]:
    """Every interval of a report whose truth is one number, by the names of `Population.scores`."""
    scores = evaluation.scores
    found = {
        "accuracy": scores.accuracy,
        "balanced accuracy": scores.balanced_accuracy,
        "macro AUC": scores.macro_auc,
        "Brier": scores.brier,
        "log loss": scores.log_loss,
    }
    for entry in [*scores.classes, *evaluation.operating_points]:
        label = getattr(entry, "label", "point")
        rows = {
            "sensitivity": entry.sensitivity,
            "specificity": entry.specificity,
            "PPV at a prevalence": entry.ppv_at_prevalence or _UNKNOWN,
            "NPV at a prevalence": entry.npv_at_prevalence or _UNKNOWN,
        }
        if label != "point":
            rows |= {"PPV": entry.ppv, "NPV": entry.npv, "AUC": entry.auc, "average precision": entry.average_precision}
        found |= {f"{name}: {label}": interval for name, interval in rows.items()}
    return found


def calibration(evaluation: Evaluation, films: Films, truth: Population) -> list[tuple[str, Interval, float]]:
    """ECE and reliability bins with their truths: those of the population over the very bins of this set."""
    confidence = films.probabilities.max(1)
    found = []
    edges = _edges(confidence, max(2, min(15, len(confidence) // 20)))
    weights = np.histogram(confidence, edges)[0] / len(confidence)
    found.append(("ECE", evaluation.scores.ece, float(weights @ [abs(truth.gap(*pair)[0]) for pair in itertools.pairwise(edges)])))
    edges = _edges(confidence, max(2, min(10, len(confidence) // 20)))
    for entry, (low, high) in zip(evaluation.reliability, itertools.pairwise(edges), strict=True):
        gap, mean = truth.gap(low, high)
        found.append(("reliability bin", entry.correct, mean - gap))
    return found


def _edges(confidence: Floats, bins: int) -> list[float]:
    """Where the set's equal-mass bins begin and end: half way between neighbours."""
    value = np.sort(confidence)
    cuts = np.nonzero(np.diff(metrics.equal_mass_bins(value, bins)))[0]
    return [0.0, *((value[cuts] + value[cuts + 1]) / 2).tolist(), 1.0 + 1e-9]


def measure(setting: Setting, sets: int, *, draws: int = DRAWS, films: int = FILMS, seed: int = 0) -> dict[str, Covered]:
    """Coverage of every score in `sets` sets; the classes of one score are counted together."""
    truth = population(setting, films)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for number in range(sets):
        drawn = draw(setting, np.random.default_rng([seed, number]))
        found = score_predictions(
            drawn.probabilities,
            drawn.labels,
            [str(patient) for patient in drawn.patients],
            CLASSES,
            operating_points=[POINT],
            prevalence=ASKED,
            draws=draws,
            seed=number,
        )
        each = [(name.split(":")[0], interval, truth.scores[name]) for name, interval in intervals(found).items()]
        for name, interval, true in [*each, *calibration(found, drawn, truth)]:
            if interval.low is not None and interval.high is not None and not math.isnan(true):
                rows.setdefault(name, []).append((true, interval.low, interval.high))
    return {name: _covered(np.array(row)) for name, row in rows.items()}


def _covered(rows: Floats) -> Covered:
    true, low, high = rows.T
    above, below = int((low > true + 1e-12).sum()), int((high < true - 1e-12).sum())
    return Covered(len(rows), len(rows) - above - below, above, below, float((high - low).mean()))


def run(options: Options) -> Iterator[Figure | Skipped]:
    """One figure a setting: the least coverage of its scores, and a table of all."""
    sets, films = options.sized(SETS, 3), options.sized(FILMS, 20_000)
    for setting in SETTINGS:
        found = measure(setting, sets, films=films)
        shares = {name: 100 * entry.share for name, entry in found.items()}
        rows = [(name, *_row(entry, sets)) for name, entry in found.items()]
        facts = dataclasses.asdict(setting)
        yield Figure(
            f"{TITLE}: {setting.name}",
            min(shares.values()),
            min(shares.values()),
            max(shares.values()),
            "%",
            f"{sets} sets, {DRAWS} draws each",
            "score_predictions(probabilities, labels, patients, classes)",
            BAR,
            notes=(
                ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, int | float)) + ".",
                "The figure is the least coverage of any score, the range goes to the greatest.",
            ),
            table=(("score", "coverage %", "its own 95 %", "too high %", "too low %", "width", "intervals"), *rows),
        )


def _row(entry: Covered, sets: int) -> tuple[str, ...]:
    # Classes of one set are not independent of one another: the error is that of the number of sets.
    error = 196 * math.sqrt(max(entry.share * (1 - entry.share), 1e-9) / min(sets, entry.sets))
    low, high = 100 * entry.share - error, min(100.0, 100 * entry.share + error)
    return (
        f"{100 * entry.share:.1f}",
        f"{low:.1f} to {high:.1f}",
        f"{100 * entry.above / entry.sets:.1f}",
        f"{100 * entry.below / entry.sets:.1f}",
        f"{entry.width:.3f}",
        str(entry.sets),
    )
