"""How good the recipe is on children it has not seen: five folds by patient, every figure with its interval over patients."""

from __future__ import annotations

from typing import Any

import numpy as np

from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import PatientBootstrap, patient_bootstrap
from deephealth.evaluation.metrics import Floats, auc, roc_points
from deephealth.images.read import read_film
from deephealth.model.file import Model
from studies.shipped.answers import Figure, OutOfFold, ask, figure, out_of_fold, probabilities_of, share
from studies.shipped.films import Children
from studies.shipped.runs import Runs

SENSITIVITY = 0.95
COVERAGE = 0.60


def measure(children: Children, runs: Runs, threads: int) -> dict[str, Any]:
    """The section "folds"."""
    found = out_of_fold(children, runs, threads)
    labels = Model.load(runs.fold(0)).labels
    return {
        "films": len(found.films),
        "patients": len(set(found.patients)),
        "all": scores(found, labels),
        "each": [_short(found, found.folds == k) for k in range(len(children.splits))],
        "surest": surest(found),
        "passed": share(~found.refused, found.patients),
        "native": native_films(children, runs, threads),
    }


def scores(found: OutOfFold, labels: tuple[str, ...]) -> dict[str, Figure]:
    """Three-class accuracy, the two AUCs of the published studies, specificity at a sensitivity of 0.95, calibration."""
    p, y = found.probabilities, found.labels
    everything = score_predictions(p, y, found.patients, labels).scores
    bootstrap = PatientBootstrap(found.patients)
    ill = y != labels.index("normal")
    bacterial, viral = labels.index("bacterial"), labels.index("viral")
    pneumonia = PatientBootstrap([patient for patient, sick in zip(found.patients, ill, strict=True) if sick])
    among = p[ill]
    return {
        "accuracy": figure(everything.accuracy),
        "balanced accuracy": figure(everything.balanced_accuracy),
        "normal against pneumonia, AUC": figure(bootstrap.auc(1 - p[:, labels.index("normal")], ill)),
        "bacterial against viral, AUC": figure(pneumonia.auc(among[:, viral] / (among[:, viral] + among[:, bacterial]), y[ill] == viral)),
        "specificity at sensitivity 0.95": _specificity(1 - p[:, labels.index("normal")], ill, found.patients),
        "ECE": figure(everything.ece),
    }


def _specificity(score: Floats, ill: Any, patients: tuple[str, ...]) -> Figure:
    def at(rows: Any) -> float:
        false, true, _ = roc_points(score[rows], ill[rows])
        return float(1 - np.asarray(false)[np.asarray(true) >= SENSITIVITY].min())

    return figure(patient_bootstrap(at, patients, draws=500))


def _short(found: OutOfFold, rows: Any) -> dict[str, float]:
    p, y = found.probabilities[rows], found.labels[rows]
    return {"films": len(y), "accuracy": round(float((p.argmax(1) == y).mean()), 4), "AUC": round(float(auc(1 - p[:, 0], y != 0)), 4)}


def surest(found: OutOfFold) -> dict[str, Figure]:
    """Accuracy when only the surest share of the films is answered."""
    sure = found.probabilities.max(axis=1)
    right = found.probabilities.argmax(axis=1) == found.labels
    curve = {}
    for coverage in (1.0, 0.9, 0.8, 0.7, COVERAGE, 0.5):
        answered = sure >= np.quantile(sure, 1 - coverage)
        curve[f"{coverage:.0%}"] = share(right, found.patients, answered)
    return curve


def native_films(children: Children, runs: Runs, threads: int) -> Figure:
    """Share of films whose answer is the same at the size they were taken with and as 224 px copies, by the fold's model."""
    found = [pair for k in range(len(children.splits)) for pair in same_at_own_size(children, Model.load(runs.fold(k)), k, threads)]
    return share([same for _, same in found], [patient for patient, _ in found])


def same_at_own_size(children: Children, model: Model, k: int, threads: int) -> list[tuple[str, bool]]:
    """The patient of each film of a fold whose original is at hand, and whether a model answers alike to it and its 224 px copy."""
    pairs = [(film, original) for film in children.tested(k) if (original := children.original(film))]
    native, copies = (
        probabilities_of(ask(model, (read_film(path).pixels for path in paths), threads)).argmax(axis=1)
        for paths in ([original for _, original in pairs], [film.path for film, _ in pairs])
    )
    return [(film.patient, bool(same)) for (film, _), same in zip(pairs, native == copies, strict=True)]
