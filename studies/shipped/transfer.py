"""What the backbone is worth to others: heads on its frozen features against heads on those of two networks that learned from photographs.

Four tasks, of which our backbone has seen no film: the children of fold 0, which its model has not learned from, and adults of three
collections. The two MobileNetV2 learned from ImageNet. A head is the package's own logistic head, fitted to a few films of each class; the
strength of its penalty is chosen for every draw and backbone by cross-validation within the films that it is fitted to, since one strength
for all would favour the backbones with about as many features as it was found on (192 and 1,280 here).

A draw picks whole patients, and all films of the others judge. A score's interval is Student's over the draws, and so is that of the gain,
which is paired by draw. All draws are of the same films: the intervals say how much hangs on which of them a user would happen to label,
not how other hospitals' films would fare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import group_films
from deephealth.errors import DatasetError
from deephealth.evaluation.metrics import Floats, Ints, macro_auc
from deephealth.features.backbones import Backbone, load_backbone
from deephealth.features.extract import extract_features
from deephealth.model.heads import Head
from deephealth.training.heads import Examples, fit_head, softmax
from deephealth.training.recipe import HeadSettings
from deephealth.training.scan import look_at
from studies.shipped.films import Children, adults
from studies.shipped.runs import Runs

OURS = "ours"
MOBILENETS = ("mobilenet_v2_0.35_224", "mobilenet_v2_1.0_224")
CHILDREN = ("normal", "bacterial", "viral")
SIZES, CHILDRENS_SIZES = (20, 50, 100), (20, 50, 200)  # films a class to learn from
SEEDS = 10
FEWEST = 10  # patients of each class that must be left to judge; with fewer, chance alone moves an AUC by a tenth
STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
INNER_FOLDS = 3
Features = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Task:
    """Films to be told apart by a head, [n]; patients: a key of each film's, shared by copies; sizes: films a class to learn from."""

    films: tuple[Film, ...]
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def labels(self) -> Ints:
        """The class of each film, int [n]."""
        return np.array([self.classes.index(film.label) for film in self.films])


@dataclass(frozen=True, eq=False)
class Draw:
    """Numbers of the films to learn from, equally many of each class, and of those that judge: all of the other patients."""

    train: Ints
    test: Ints


def measure(children: Children, runs: Runs, threads: int, weights: Path | None = None) -> dict[str, Any]:
    """The section "transfer". weights: the folder of the two MobileNetV2, by default beside the films' folder."""
    networks = backbones(runs, children.data.parent / "weights" if weights is None else weights)
    found = {}
    for name, task in tasks(children, threads).items():
        found[name] = curves(task, {network: features_of(task.films, networks[network], threads) for network in networks})
    return {**found, "won": won(found)}


def backbones(runs: Runs, weights: Path) -> dict[str, Backbone]:
    """Ours, of the model that has not seen fold 0, and the two others. ModelFileError when a file is not there or not the published one."""
    found = {OURS: load_backbone(str(runs.fold(0)))}
    for name in MOBILENETS:
        folder = weights / f"{name}_imagenet"
        path = next(iter(sorted(folder.glob("*.pth"))), folder / "weights.pth")
        found[name] = load_backbone(name, weights=path)
    return found


def tasks(children: Children, threads: int) -> dict[str, Task]:
    """The four tasks by name."""
    sources = adults(children.data)
    names = {film.name for film in children.tested(0)}
    patient = patients_of(children.index, children.facts)
    films = tuple(film for film in children.index.films if film.name in names)
    return {
        "children: normal, bacterial, viral": Task(films, tuple(patient[film.name] for film in films), CHILDREN, CHILDRENS_SIZES),
        "Shenzhen: normal, tuberculosis": task_of(sources["Shenzhen"], threads),
        "NIH: no finding, pneumonia": task_of(sources["NIH"], threads),
        # An experiment only: the licences of these films do not let them train what ships.
        "covid-chestxray: other, COVID-19": task_of(open_dataset(children.data / "cohen-covid-chestxray"), threads),
    }


def task_of(index: DatasetIndex, threads: int) -> Task:
    """The task of telling an index's classes apart, of the films that can be read."""
    index, facts = look_at(index, threads=threads, listener=lambda event: None)
    patient = patients_of(index, facts)
    return Task(index.films, tuple(patient[film.name] for film in index.films), index.classes, SIZES)


def patients_of(index: DatasetIndex, facts: FilmFacts) -> dict[str, str]:
    """A key of each film's patient, by the film's name: one for patients of whom two films are the same picture."""
    return {film.name: key for key, films in group_films(index, facts).items() for film in films}


def features_of(films: Sequence[Film], backbone: Backbone, threads: int) -> Features:
    """Features of films, float32 [n, d], from the cache where they are there. DatasetError when a film has none."""
    table = extract_features(films, backbone, threads=threads)
    if table.problems:
        raise DatasetError(f"{table.problems[0].name} has no features from {backbone.name}: {table.problems[0].reason}")
    return np.array(table.features[:, 0])


def draw(task: Task, size: int, seed: int) -> Draw | None:
    """Patients in an order drawn by `seed`, until every class has `size` films; None when a class is too small for that.

    Films that a patient has beyond what a class needs are used for nothing. A larger size of the same seed adds to the smaller one's films.
    """
    labels, patients = task.labels, np.array(task.patients)
    missing = np.full(len(task.classes), size)
    train: list[int] = []
    chosen: list[str] = []
    for patient in np.random.default_rng(seed).permutation(np.unique(patients)):
        taken = [row for c in np.flatnonzero(missing) for row in np.flatnonzero((patients == patient) & (labels == c))[: missing[c]]]
        if taken:
            missing -= np.bincount(labels[taken], minlength=len(missing))
            train += taken
            chosen.append(patient)
    test = np.flatnonzero(~np.isin(patients, chosen))
    left = [len(np.unique(patients[test][labels[test] == c])) for c in range(len(missing))]
    return None if missing.any() or min(left) < FEWEST else Draw(np.array(train), test)


def fitted(train: Examples, patients: Sequence[str], classes: int) -> Head:
    """The package's logistic head. Its penalty is the one of STRENGTHS with the highest macro AUC on patients held out in turn.

    By cross-entropy, as the package chooses on validation films, weak features of few films would get a penalty that is far too strong.
    """
    fold = inner_folds(train.labels, patients)
    scores = [macro_auc(_held_out(train, fold, classes, strength), train.labels) for strength in STRENGTHS]
    return _head(train, classes, STRENGTHS[int(np.argmax(scores))])


def inner_folds(labels: Ints, patients: Sequence[str]) -> Ints:
    """A fold for each film, int [n]: the patients of each class (that of their first film) in turn, so that no fold has all of a class."""
    first = {patient: labels[row] for row, patient in reversed(list(enumerate(patients)))}
    fold = {}
    for label in np.unique(labels):
        fold.update({patient: k % INNER_FOLDS for k, patient in enumerate(sorted(p for p, c in first.items() if c == label))})
    return np.array([fold[patient] for patient in patients])


def _held_out(examples: Examples, fold: Ints, classes: int, strength: float) -> Floats:
    found = np.zeros((len(examples), classes))
    for k in np.unique(fold):
        train = Examples(examples.features[fold != k], examples.labels[fold != k])
        found[fold == k] = softmax(_head(train, classes, strength).logits(examples.features[fold == k]))
    return found


def _head(train: Examples, classes: int, strength: float) -> Head:
    return fit_head(train, classes=classes, settings=HeadSettings(kind="logistic", strength=strength))


def curves(task: Task, features: Mapping[str, Features]) -> dict[str, Any]:
    """The scores of a task at each size, by backbone."""
    found: dict[str, Any] = {
        "films": len(task.films),
        "patients": len(set(task.patients)),
        "classes": {label: int((task.labels == c).sum()) for c, label in enumerate(task.classes)},
        "metric": "AUC" if len(task.classes) == 2 else "macro AUC",
        "draws": SEEDS,
        "sizes": {},
        "accuracy": {},
        "too few films for": [],
    }
    for size in task.sizes:
        draws = [drawn for seed in range(SEEDS) if (drawn := draw(task, size, seed))]
        if len(draws) < SEEDS:
            found["too few films for"].append(size)
            continue
        scores = {name: np.array([scored(task, x, drawn) for drawn in draws]) for name, x in features.items()}
        for column, metric in enumerate(("sizes", "accuracy")):
            found[metric][str(size)] = compared(task, draws, {name: values[:, column] for name, values in scores.items()})
    return found


def scored(task: Task, features: Features, drawn: Draw) -> tuple[float, float]:
    """Macro AUC (of two classes, the AUC) and accuracy of a head fitted to a draw, on the films that judge."""
    labels, patients = task.labels, np.array(task.patients)
    head = fitted(Examples(features[drawn.train], labels[drawn.train]), patients[drawn.train].tolist(), len(task.classes))
    p, y = softmax(head.logits(features[drawn.test])), labels[drawn.test]
    return macro_auc(p, y), float((p.argmax(axis=1) == y).mean())


def compared(task: Task, draws: Sequence[Draw], scores: Mapping[str, Floats]) -> dict[str, Any]:
    """Each backbone's scores [draws] as a figure, and what ours gains on the better of the others: that with the higher mean.

    films, patients: of those that judge, in the draw that leaves the fewest.
    """
    better = max((name for name in scores if name != OURS), key=lambda name: float(scores[name].mean()))
    judged = {
        "films": min(len(drawn.test) for drawn in draws),
        "patients": min(len({task.patients[row] for row in drawn.test}) for drawn in draws),
    }
    found: dict[str, Any] = {name: over_draws(values, least=0.0) | judged for name, values in scores.items()}
    found["gain"] = {**over_draws(scores[OURS] - scores[better], least=-1.0), **judged, "against": better}
    return found


def over_draws(values: Floats, least: float) -> dict[str, Any]:
    """Mean of a score over draws with Student's 95 % interval, from `least` to 1, and the lowest and highest of them."""
    from scipy.stats import t

    n, mean = len(values), float(values.mean())
    reach = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)
    numbers = {"value": mean, "low": max(least, mean - reach), "high": min(1.0, mean + reach)}
    numbers |= {"lowest": float(values.min()), "highest": float(values.max())}
    return {name: round(number, 4) for name, number in numbers.items()}


def won(found: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Number of tasks in which ours has a higher mean of the task's metric than both others: at every size, at most sizes, and at every
    size with an interval of the gain that is above 0."""
    gains = [[size["gain"] for size in task["sizes"].values()] for task in found.values()]
    ahead = [[gain["value"] > 0 for gain in task] for task in gains]
    return {
        "tasks": len(gains),
        "at every size": sum(bool(task) and all(task) for task in ahead),
        "at most sizes": sum(2 * sum(task) > len(task) for task in ahead),
        "at every size, surely": sum(bool(task) and all(gain["low"] > 0 for gain in task) for task in gains),
    }
