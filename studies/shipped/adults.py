"""Can the model serve adults too without learning which hospital a film is from? Asked of the frozen features, source by source.

Three questions. How well do the features tell the sources apart? How much of "normal or ill" does the source alone give away, in adults'
films pooled from four places? And does a head that has learned it from all places but one know it in the one left out? Labels differ too:
pneumonia mined from reports (NIH), tuberculosis (Shenzhen, Montgomery), COVID-19 and no normal film (Hannover).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.evaluation.headline import balanced
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.features.backbones import load_backbone
from deephealth.features.extract import extract_features
from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.training.heads import Examples, fit_head, softmax
from deephealth.training.recipe import HeadSettings
from studies.shipped.answers import Figure, ask, figure, probabilities_of, refused_by, share
from studies.shipped.films import Children, adults
from studies.shipped.runs import Runs

FOLDS = 5
STRENGTH = 0.03
CHILDREN = "children"
Matrix = NDArray[np.float32]


def measure(children: Children, runs: Runs, data: Path, threads: int) -> dict[str, Any]:
    """The section "adults"."""
    films = {CHILDREN: children.tested(0), **{name: index.films for name, index in adults(data).items()}}
    backbone = load_backbone(str(runs.fold(0)))
    x, kept = {}, {}
    for name, found in films.items():
        table = extract_features(found, backbone, threads=threads)
        names = set(table.names)
        x[name], kept[name] = np.asarray(table.features[:, 0]), tuple(film for film in found if film.name in names)
    grown = [name for name in kept if name != CHILDREN]
    return {
        "answers": {name: answers(Model.load(runs.shipped), kept[name], threads) for name in grown},
        "which source": which_source(x, kept),
        "source alone": source_alone({name: kept[name] for name in grown}),
        "pooled": pooled({name: x[name] for name in grown}, {name: kept[name] for name in grown}),
        "left out": {name: left_out(name, x, kept, grown) for name in grown if len({film.label for film in kept[name]}) == 2},
    }


def answers(model: Model, films: tuple[Film, ...], threads: int) -> dict[str, Any]:
    """Share refused, and of normal and ill films the share that is answered other than normal: what trusting the model would mean."""
    found = ask(model, (read_film(film.path).pixels for film in films), threads)
    patients = [film.patient for film in films]
    abnormal = probabilities_of(found).argmax(axis=1) != model.labels.index("normal")
    labels = np.array([film.label for film in films])
    told = {f"{label}, answered as pneumonia": share(abnormal, patients, labels == label) for label in ("normal", "ill") if label in labels}
    return {"refused": share(refused_by(model, found), patients), **told}


def which_source(x: Mapping[str, Matrix], films: Mapping[str, tuple[Film, ...]]) -> dict[str, Any]:
    """Balanced accuracy of telling the source from the features, by patient, out of fold; chance is one over the sources."""
    features, y, patients = _joined(x, films, {name: k for k, name in enumerate(x)})
    p = out_of_fold(features, y, patients, len(x))
    return {"sources": list(x), "chance": round(1 / len(x), 4), "balanced accuracy": figure(balanced(p, y, PatientBootstrap(patients)))}


def source_alone(films: Mapping[str, tuple[Film, ...]]) -> Figure:
    """AUC of "ill" for a guess that knows a film's source and nothing else: the source's share of ill films."""
    ill = [film.label == "ill" for found in films.values() for film in found]
    guess = [sum(film.label == "ill" for film in found) / len(found) for found in films.values() for _ in found]
    patients = [f"{name}/{film.patient}" for name, found in films.items() for film in found]
    return figure(PatientBootstrap(patients).auc(np.array(guess), np.array(ill)))


def pooled(x: Mapping[str, Matrix], films: Mapping[str, tuple[Film, ...]]) -> Figure:
    """AUC of "ill" for a head on the adults' films of all sources together, by patient, out of fold."""
    features = np.concatenate([x[name] for name in films])
    ill = np.array([film.label == "ill" for found in films.values() for film in found], dtype=np.int64)
    patients = [f"{name}/{film.patient}" for name, found in films.items() for film in found]
    return figure(PatientBootstrap(patients).auc(out_of_fold(features, ill, patients, 2)[:, 1], ill == 1))


def left_out(name: str, x: Mapping[str, Matrix], films: Mapping[str, tuple[Film, ...]], grown: list[str]) -> dict[str, Figure]:
    """AUC of "ill" in one source: by a head that learned it in all others, and by one that learned it in this very source."""
    others = [other for other in grown if other != name]
    ill = {other: np.array([film.label == "ill" for film in films[other]], dtype=np.int64) for other in grown}
    learned = Examples(np.concatenate([x[other] for other in others]), np.concatenate([ill[other] for other in others]))
    patients = [film.patient for film in films[name]]
    bootstrap = PatientBootstrap(patients)
    head = fit_head(learned, classes=2, settings=HeadSettings(kind="logistic", strength=STRENGTH))
    elsewhere = softmax(head.logits(x[name]))[:, 1]
    inside = out_of_fold(x[name], ill[name], patients, 2)[:, 1]
    return {
        "learned elsewhere": figure(bootstrap.auc(elsewhere, ill[name] == 1)),
        "learned here": figure(bootstrap.auc(inside, ill[name] == 1)),
    }


def out_of_fold(features: Matrix, y: Ints, patients: list[str], classes: int) -> Floats:
    """Probabilities float64 [n, classes] of every film from a head that has not seen its patient."""
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.empty((len(y), classes))
    for learn, judge in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(features, y, patients):
        settings = HeadSettings(kind="logistic", strength=STRENGTH)
        head = fit_head(Examples(features[learn], y[learn]), classes=classes, settings=settings)
        found[judge] = softmax(head.logits(features[judge]))
    return found


def _joined(x: Mapping[str, Matrix], films: Mapping[str, tuple[Film, ...]], number: Mapping[str, int]) -> tuple[Matrix, Ints, list[str]]:
    """Features, the source's number and the patient of all films, source after source."""
    y = np.concatenate([np.full(len(found), number[name]) for name, found in films.items()])
    patients = [f"{name}/{film.patient}" for name, found in films.items() for film in found]
    return np.concatenate([x[name] for name in films]), y, patients
