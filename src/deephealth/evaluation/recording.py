"""From a training run to the record in its model file: every fact a later reader needs, and nothing that differs between two equal runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.facts import FilmFacts
from deephealth.evaluation.audit import Audit, split_counts, split_patients
from deephealth.evaluation.calibration import OperatingPoint as ChosenPoint
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Evaluation
from deephealth.model import record as model_record
from deephealth.model.record import (
    ConformalRecord,
    DataRecord,
    DataSource,
    Estimate,
    ModelRecord,
    SplitRecord,
    TrainingRecord,
    pack_hashes,
)
from deephealth.training.recipe import Recipe


def make_record(
    audit: Audit,
    facts: FilmFacts,
    recipe: Recipe,
    *,
    seed: int,
    allow_leakage: bool,
    novelty_threshold: float,
    operating_points: Sequence[ChosenPoint],
    conformal: ConformalRecord | None = None,
) -> ModelRecord:
    """The record of a model trained on `audit.index`, before it has been evaluated; compose fills in what backbone and head know."""
    index, split = audit.index, audit.split
    counts = split_counts(index, split)
    return ModelRecord(
        name=recipe.name,
        licence=recipe.licence,
        population=recipe.population,
        limits=recipe.limits,
        labels=index.classes,
        novelty_threshold=novelty_threshold,
        operating_points=tuple(_point(point) for point in operating_points if _is_known(point)),
        conformal=conformal,
        training=TrainingRecord(
            seed=seed, recipe=_without_paths(recipe), films=counts["train"], views=recipe.features.views, allow_leakage=allow_leakage
        ),
        data=DataRecord(
            sources=(
                DataSource(
                    name=index.root.name,
                    layout=index.layout,
                    films=len(index.films),
                    patients=len({film.patient for film in index.films}),
                    labels=index.by_label(),
                    left_out=len(index.problems),
                    sha256=_content_hash(facts),
                ),
            ),
            leakage=audit.leakage.sentence,
            shortcuts=audit.shortcuts.sentence,
        ),
        split=SplitRecord(sha256=split.sha256, seed=split.seed, by=split.by, films=counts, patients=split_patients(index, split)),
        fitted_on=pack_hashes(learned_hashes(audit, facts)),
    )


def with_evaluation(record: ModelRecord, evaluation: Evaluation, split: str) -> ModelRecord:
    """The record with the scores of the films of `split`."""
    scores = evaluation.scores
    found: dict[str, Interval] = {
        "accuracy": scores.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "macro_auc": scores.macro_auc,
        "ece": scores.ece,
        "brier": scores.brier,
        "log_loss": scores.log_loss,
    }
    for entry in scores.classes:
        found |= {
            f"auc_{entry.label}": entry.auc,
            f"sensitivity_{entry.label}": entry.sensitivity,
            f"specificity_{entry.label}": entry.specificity,
        }
    known = {name: _estimate(interval) for name, interval in found.items() if interval.value is not None}
    return dataclasses.replace(record, metrics={**record.metrics, split: known})


def learned_hashes(audit: Audit, facts: FilmFacts) -> NDArray[np.uint8]:
    """Perceptual hashes uint8 [m, 32] of the films that shaped the model: training films, and validation films that calibrated it."""
    rows = [row for row, name in enumerate(facts.names) if audit.split.assignments.get(name) in ("train", "validation")]
    return facts.phash[rows]


def training_hashes(audit: Audit, facts: FilmFacts) -> NDArray[np.uint8]:
    """Perceptual hashes uint8 [m, 32] of the training films alone."""
    rows = [row for row, name in enumerate(facts.names) if audit.split.assignments.get(name) == "train"]
    return facts.phash[rows]


def _without_paths(recipe: Recipe) -> dict[str, Any]:
    """The recipe with file names in place of paths: where a file lay on one machine must not change the model file."""
    features = dataclasses.replace(
        recipe.features, backbone=PurePath(recipe.features.backbone).name, weights=PurePath(recipe.features.weights).name
    )
    tuning = recipe.fine_tune and dataclasses.replace(recipe.fine_tune, start=PurePath(recipe.fine_tune.start).name)
    return dataclasses.replace(recipe, features=features, fine_tune=tuning).to_dict()


def _content_hash(facts: FilmFacts) -> str:
    import hashlib

    return hashlib.sha256("\n".join(sorted(facts.sha256)).encode()).hexdigest()


def _is_known(point: ChosenPoint) -> bool:
    return point.sensitivity.value is not None and point.specificity.value is not None


def _point(point: ChosenPoint) -> model_record.OperatingPoint:
    return model_record.OperatingPoint(
        name=point.name,
        positive=point.positive,
        negative=point.negative,
        threshold=min(max(point.threshold, 0.0), 1.0),
        sensitivity=_estimate(point.sensitivity),
        specificity=_estimate(point.specificity),
    )


def _estimate(interval: Interval) -> Estimate:
    values: Mapping[str, Any] = dataclasses.asdict(interval)
    return Estimate(**values)
