"""Does it transfer: heads on the frozen features of our backbone against heads on ImageNet's, from few films, on four questions.

Each draw takes whole patients for the head and judges it on the films of all other patients. All backbones get the same draws and the
same head, the package's logistic one, so a difference is paired by draw; its interval is Student's over the draws. The draws share their
films, so it speaks of other draws from these films, not of films from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.datasets.sources import open_dataset
from deephealth.evaluation.metrics import Floats, Ints, auc, macro_auc
from deephealth.features.backbones import Backbone, load_backbone
from deephealth.features.extract import extract_features
from deephealth.training.heads import Examples, fit_head, softmax
from deephealth.training.recipe import HeadSettings
from studies.shipped.films import Children, adults
from studies.shipped.runs import Runs

SEEDS = 10
STRENGTH = 0.03  # the package's own where no validation films choose it
OURS = "ours"
WEIGHTS = {
    "mobilenet_v2_0.35_224": "mobilenet_v2_0.35_224_imagenet/mobilenet_v2_0.35_224_notop_bn.pth",
    "mobilenet_v2_1.0_224": "mobilenet_v2_1.0_224_imagenet",
}


@dataclass(frozen=True, eq=False)
class Task:
    """One question: films with their labels and patients, and how many a class heads are fitted on."""

    films: tuple[Film, ...]
    classes: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def labels(self) -> Ints:
        """The class number of each film, int [n]."""
        return np.array([self.classes.index(film.label) for film in self.films])

    @property
    def metric(self) -> str:
        """What heads are judged by."""
        return "AUC" if len(self.classes) == 2 else "macro AUC"


def measure(children: Children, runs: Runs, data: Path, threads: int, *, weights: Path | None = None) -> dict[str, Any]:
    """The section "transfer": each task's learning curves, and in how many tasks ours has the higher mean at every size."""
    backbones = {OURS: load_backbone(str(runs.fold(0))), **imagenet(weights or data.parent / "weights")}
    found = {name: curves(task, backbones, threads) for name, task in tasks(children, data).items()}
    return {**found, "won": sum(always_ahead(task) for task in found.values()), "of": len(found)}


def imagenet(weights: Path) -> dict[str, Backbone]:
    """The two MobileNetV2 backbones, whose weights know photographs and no film."""
    found = {}
    for name, place in WEIGHTS.items():
        path = weights / place
        found[name] = load_backbone(str(path if path.is_file() else next(path.glob("*.pth"))))
    return found


def tasks(children: Children, data: Path) -> dict[str, Task]:
    """The four questions. The children are those of fold 0, which fold 0's backbone has never seen."""
    grown = adults(data)
    covid = open_dataset(data / "cohen-covid-chestxray")
    return {
        "children: normal, bacterial, viral": Task(children.tested(0), children.index.classes, (20, 50, 200)),
        "Shenzhen: normal, tuberculosis": Task(grown["Shenzhen"].films, ("normal", "ill"), (20, 50, 100)),
        "NIH: no finding, pneumonia": Task(grown["NIH"].films, ("normal", "ill"), (20, 50, 100)),
        "covid-chestxray: other, COVID-19": Task(covid.films, ("other", "covid-19"), (20, 50)),
    }


def curves(task: Task, backbones: Mapping[str, Backbone], threads: int) -> dict[str, Any]:
    """Scores of one task by size and backbone, and what ours gains over the better of the others."""
    features, kept = features_of(task.films, backbones, threads)
    task = Task(kept, task.classes, task.sizes)
    sizes = {}
    for size in task.sizes:
        scores = {name: np.array([score(task, x, size, seed) for seed in range(SEEDS)]) for name, x in features.items()}
        best = max((name for name in scores if name != OURS), key=lambda name: float(scores[name].mean()))
        gain = student(scores[OURS] - scores[best])
        sizes[str(size)] = {**{name: spread(values) for name, values in scores.items()}, "gain": {**gain, "over": best}}
    patients = len({film.patient for film in task.films})
    return {"films": len(task.films), "patients": patients, "metric": task.metric, "draws": SEEDS, "sizes": sizes}


def features_of(
    films: Sequence[Film], backbones: Mapping[str, Backbone], threads: int
) -> tuple[dict[str, NDArray[np.float32]], tuple[Film, ...]]:
    """Features float32 [n, d] by each backbone of the films that can be read, and those films."""
    tables = {name: extract_features(films, backbone, threads=threads) for name, backbone in backbones.items()}
    names = set(tables[OURS].names)
    kept = tuple(film for film in films if film.name in names)
    return {name: np.asarray(table.features[:, 0]) for name, table in tables.items()}, kept


def score(task: Task, features: NDArray[np.float32], size: int, seed: int) -> float:
    """(Macro) AUC, on the films of all other patients, of a head fitted on `size` films a class."""
    learn, judge = draw(task, size, np.random.default_rng(seed))
    y = task.labels
    settings = HeadSettings(kind="logistic", strength=STRENGTH)
    head = fit_head(Examples(features[learn], y[learn]), classes=len(task.classes), settings=settings, seed=seed)
    p = softmax(head.logits(features[judge]))
    return float(auc(p[:, 1], y[judge] == 1)) if len(task.classes) == 2 else float(macro_auc(p, y[judge]))


def draw(task: Task, size: int, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Rows of `size` films a class, of patients in a random order, and rows of all films of the other patients."""
    y, patients = task.labels, np.array([film.patient for film in task.films])
    place = {patient: k for k, patient in enumerate(random.permutation(np.unique(patients)))}
    order = np.argsort([place[patient] for patient in patients], kind="stable")
    learn = np.concatenate([order[y[order] == c][:size] for c in range(len(task.classes))])
    judge = np.flatnonzero(~np.isin(patients, patients[learn]))
    return learn, judge


def spread(values: Floats) -> dict[str, float]:
    """Mean, lowest and highest of the draws."""
    return {"mean": round(float(values.mean()), 4), "lowest": round(float(values.min()), 4), "highest": round(float(values.max()), 4)}


def student(differences: Floats) -> dict[str, float]:
    """The mean of paired differences and Student's 95 % interval of it."""
    from scipy.stats import t

    mean, n = float(differences.mean()), len(differences)
    reach = float(t.ppf(0.975, n - 1)) * float(differences.std(ddof=1)) / n**0.5
    return {"value": round(mean, 4), "low": round(mean - reach, 4), "high": round(mean + reach, 4)}


def always_ahead(task: Mapping[str, Any]) -> bool:
    """Whether ours has the higher mean at every size."""
    return all(size["gain"]["value"] > 0 for size in task["sizes"].values())
