"""What the two studies of 2020 share: inputs without lungs, heads trained over many draws, scores that tell what a headline was made of.

A study is a list of steps, from the recipe as it was published to an honest version of it. Each step is trained and asked on several draws
(splits); features are computed once and cached, so a draw costs seconds. Every score pools the answers of all draws and carries a 95 %
interval by bootstrap over patients, all answers on one patient's films staying together.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from _studies_inputs import REGIONS, Features
from numpy.typing import NDArray

from deephealth.cli import common
from deephealth.datasets.duplicates import match_seen
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.errors import DatasetError, LeakageError
from deephealth.evaluation import metrics
from deephealth.evaluation.intervals import Interval, PatientBootstrap, mean_of_perfect_edge, percentiles
from deephealth.evaluation.shortcuts.light import AuditReport, audit_shortcuts
from deephealth.features.backbones import Backbone
from deephealth.settings.progress import Listener, Progress
from deephealth.training.examples import class_numbers
from deephealth.training.heads import Examples, fit_head
from deephealth.training.recipe import HeadSettings

UNKNOWN = Interval(None, None, None, 0, 0)


@dataclass(frozen=True)
class Draw:
    """One training: the films a head learns from, and lists of films that it is then asked about, by name."""

    train: Sequence[Film]
    asked: Mapping[str, Sequence[Film]]


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers on films, one row for each film and draw: names and patients str [n], labels and answers int [n], draw int [n]."""

    films: NDArray[np.str_]
    patients: NDArray[np.str_]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    draw: NDArray[np.int64]
    classes: int

    @property
    def cells(self) -> NDArray[np.float64]:
        """Each row as a one in its cell of the flattened confusion matrix, [n, classes * classes]."""
        return np.eye(self.classes**2)[self.labels * self.classes + self.answers]


def read_index(data: Path, listener: Listener, threads: int) -> tuple[DatasetIndex, FilmFacts]:
    """The films of `data` that can be read, and their facts; those left out are counted aloud."""
    index = open_dataset(data)
    facts = scan_films(index, threads=threads, progress=listener)
    readable = set(facts.names)
    if facts.problems:
        print(
            f"{len(facts.problems)} films cannot be read and are left out; the first: {facts.problems[0].name}: {facts.problems[0].reason}"
        )
    return replace(index, films=tuple(film for film in index.films if film.name in readable)), facts


def keep(index: DatasetIndex, facts: FilmFacts, films: Iterable[Film]) -> tuple[DatasetIndex, FilmFacts]:
    """The index and the facts of some of its films. Raises DatasetError when a class would be left without one."""
    names = {film.name for film in films}
    kept = tuple(film for film in index.films if film.name in names)
    if missing := set(index.classes) - {film.label for film in kept}:
        raise DatasetError(f"No film of the class {min(missing)} is left, expected some of every class; give a larger data set.")
    rows = np.array([row for row, name in enumerate(facts.names) if name in names])
    arrays = {key: getattr(facts, key)[rows] for key in ("width", "height", "file_bytes", "thumbnails", "phash")}
    texts = {key: tuple(getattr(facts, key)[row] for row in rows) for key in ("names", "sha256")}
    return replace(index, films=kept), replace(facts, **texts, **arrays)


def answer(
    draws: Sequence[Draw], features: Features, classes: Sequence[str], settings: HeadSettings, listener: Listener
) -> dict[str, Answers]:
    """Train a head on every draw (draw k with seed k) and ask it: the answers on each list of `Draw.asked`, all draws together."""
    parts: dict[str, list[tuple[Any, ...]]] = {name: [] for name in draws[0].asked}
    for number, draw in enumerate(draws):
        learned = Examples(np.stack([features[film.name] for film in draw.train]), class_numbers(draw.train, classes))
        head = fit_head(learned, classes=len(classes), settings=settings, seed=number)
        for name, films in draw.asked.items():
            if not films:
                continue  # by chance, in a small set
            answers = head.logits(np.stack([features[film.name] for film in films])).argmax(axis=1)
            parts[name] += zip(films, class_numbers(films, classes), answers, [number] * len(films), strict=True)
        listener(Progress("head", number + 1, len(draws), 0))
    if empty := [name for name, rows in parts.items() if not rows]:
        raise DatasetError(f"No draw has a {empty[0]} film, expected one in some draw; give more films or more seeds.")
    return {name: gathered(rows, len(classes)) for name, rows in parts.items()}


def facts_alone(draws: Sequence[Draw], classes: Sequence[str], part: str, places: bool) -> Answers:
    """Logistic regression on age, sex and projection (`places`: and country), without any film, asked about `part` of the same draws."""
    from sklearn.linear_model import LogisticRegression

    rows: list[tuple[Any, ...]] = []
    for number, draw in enumerate(draws):
        originals, asked = [film for film in draw.train if not film.origin], draw.asked[part]
        countries = sorted({country(film) for film in originals}) if places else []
        known, unknown = ([told(film, countries) for film in films] for films in (originals, asked))
        model = LogisticRegression(class_weight="balanced").fit(known, class_numbers(originals, classes))
        rows += zip(asked, class_numbers(asked, classes), model.predict(unknown), [number] * len(asked), strict=True)
    return gathered(rows, len(classes))


def told(film: Film, countries: Sequence[str]) -> list[float]:
    """What is known of a film without looking at it, as numbers."""
    marks = [film.age is None, *(film.sex == sex for sex in "MF"), *(film.view == view for view in ("PA", "AP"))]
    return [(film.age or 50) / 20, *map(float, marks), *(float(country(film) == name) for name in countries)]


def country(film: Film) -> str:
    """The last part of where the film was made; "" when it is not said."""
    return film.source.rsplit(",", 1)[-1].strip().lower()


def gathered(rows: Sequence[tuple[Any, ...]], classes: int) -> Answers:
    """Answers from rows of (film, number of its class, number of the class answered, draw)."""
    films, labels, answers, draw = zip(*rows, strict=True)
    names, patients = [film.name for film in films], [film.patient for film in films]
    return Answers(np.array(names), np.array(patients), np.array(labels), np.array(answers), np.array(draw), classes)


def balanced_accuracy(answers: Answers) -> Interval:
    """The mean over classes of the share answered right; n_films and n_patients count different films and patients."""
    return _interval([answers], metrics.balanced_accuracy)


def difference(first: Answers, second: Answers) -> Interval:
    """Balanced accuracy of `first` minus that of `second`, both from the same draws of patients."""
    return _interval([first, second], lambda a, b: metrics.balanced_accuracy(a) - metrics.balanced_accuracy(b))


def share_of_gain(part: Answers, whole: Answers) -> Interval:
    """What of the gain over chance (1 / classes) of `whole` the answers of `part` reach: 0 none, 1 all; draws of patients in which
    `whole` gains nothing are left out."""
    chance = 1 / whole.classes

    def share(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        gain = np.asarray(metrics.balanced_accuracy(b)) - chance
        return np.divide(metrics.balanced_accuracy(a) - chance, gain, out=np.full_like(gain, np.nan), where=gain > 0)

    return _interval([part, whole], share)


def _interval(several: Sequence[Answers], statistic: Callable[..., Any]) -> Interval:
    """A statistic of confusion matrices, one for each of `several`, with its percentile interval over patients."""
    patients = np.concatenate([answers.patients for answers in several])
    n, width = several[0].classes, several[0].classes ** 2
    cells = np.zeros((len(patients), width * len(several)))
    start = 0
    for k, answers in enumerate(several):
        cells[start : start + len(answers.labels), k * width : (k + 1) * width] = answers.cells
        start += len(answers.labels)

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        matrices = sums.reshape(-1, len(several), n, n)
        return np.asarray(statistic(*(matrices[:, k] for k in range(len(several)))))

    found = float(value(cells.sum(axis=0))[0])
    bootstrap = PatientBootstrap(patients.tolist())
    low, high = percentiles(value(bootstrap.sums(cells)))
    if len(several) == 1 and found == 1:  # without an error the draws have no spread
        labels = several[0].labels
        low = mean_of_perfect_edge([bootstrap.patients_with(labels == c) for c in np.unique(labels)])
    films = len(np.unique(np.concatenate([answers.films for answers in several])))
    known = [None if math.isnan(number) else number for number in (found, low, high)]
    return Interval(*known, films, bootstrap.n_patients)


def spread(answers: Answers) -> list[float]:
    """Balanced accuracy of each draw alone."""
    cells = (answers.cells[answers.draw == k].sum(axis=0).reshape(answers.classes, -1) for k in np.unique(answers.draw))
    return [float(metrics.balanced_accuracy(matrix)) for matrix in cells]


def step(name: str, answers: Answers, leakage: str) -> dict[str, Any]:
    """One step of a study as JSON values: its score, plain accuracy, each draw's score, and what the leakage gate says of the first."""
    matrix = answers.cells.sum(axis=0).reshape(answers.classes, -1)
    scores = {"balanced_accuracy": balanced_accuracy(answers).to_json(), "accuracy": float(metrics.accuracy(matrix))}
    return {"step": name, **scores, "draws": spread(answers), "answers": len(answers.labels), "leakage": leakage}


def decomposition(published: Answers, honest: Answers, lung_free: Mapping[str, Answers]) -> dict[str, Any]:
    """What the headline is made of.

    leakage: headline minus honest score. shortcut: for each lung-free input the share of the honest gain over chance that it reaches; the
    study's figure is the largest of those in REGIONS. Where the honest interval holds chance there is no gain to share: shares are
    unknown.
    """
    score, chance = balanced_accuracy(honest), 1 / honest.classes
    gains = score.low is not None and score.low > chance
    inputs = []
    for name, part in lung_free.items():
        share = share_of_gain(part, honest).to_json() if gains else UNKNOWN.to_json()
        inputs.append({"input": name, "balanced_accuracy": balanced_accuracy(part).to_json(), "share": share})
    largest = max((entry for entry in inputs if entry["input"] in REGIONS), key=lambda entry: entry["balanced_accuracy"]["value"])
    return {
        "chance": chance,
        "headline": balanced_accuracy(published).to_json(),
        "honest": score.to_json(),
        "leakage": difference(published, honest).to_json(),
        "lung_free": inputs,
        "shortcut": {"input": largest["input"], "reached": largest["balanced_accuracy"]["value"], **largest["share"]},
    }


def unseen(backbone: Backbone, facts: FilmFacts) -> Backbone:
    """The backbone, when it has learned from none of these films. Raises LeakageError when it has: nothing honest could follow."""
    if seen := match_seen(facts, backbone.seen):
        raise LeakageError(
            f"The backbone learned from {len(seen)} of the {len(facts.names)} films; give weights that have seen none of them."
        )
    return backbone


def audited(index: DatasetIndex, facts: FilmFacts) -> dict[str, Any]:
    """The verdict of the package's own light audit on these films."""
    films = {film.name: film for film in index.films}
    ordered = [films[name] for name in facts.names]
    report: AuditReport = audit_shortcuts(facts, class_numbers(ordered, index.classes), [film.patient for film in ordered], index.classes)
    probes = {name: interval.to_json() for name, interval in report.probes.items()}
    return {"verdict": report.verdict, "sentence": report.sentence, "probes": probes}


def counted(index: DatasetIndex) -> dict[str, Any]:
    """Films and patients of each class, as JSON values."""
    return {"films": index.by_label(), "patients": index.patients_by_label()}


def parser(description: str, examples: str) -> argparse.ArgumentParser:
    """The options that both studies have."""
    made = argparse.ArgumentParser(
        description=description, epilog=f"examples:\n{examples}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--data", type=Path, required=True, help="the films: class folders, a CSV, the Kaggle layout or covid-chestxray")
    made.add_argument(
        "--weights",
        type=Path,
        required=True,
        help="the backbone: a weights file (.pth) or backbone (.onnx) that has seen none of the films",
    )
    made.add_argument("--out", type=common.output_folder, required=True, help="folder for the changed films and for study.json")
    made.add_argument("--seeds", type=int, default=10, metavar="N", help="draws of each step, seeds 0 to N-1 (default: %(default)s)")
    made.add_argument(
        "--write", type=Path, metavar="DOCS", help="also write the study's figures into DOCS/studies.json and DOCS/studies.md"
    )
    common.add_work_options(made, seed=False)
    return made
