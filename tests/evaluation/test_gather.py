"""What cannot be made says why: one class, three films, one patient, a backbone that has seen the films."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.facts import scan_films
from deephealth.datasets.leakage import check_leakage
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import Split
from deephealth.evaluation.audit import Audit
from deephealth.evaluation.evidence import Evidence
from deephealth.evaluation.external import Scanned
from deephealth.evaluation.gather import Asked, evaluation_evidence, training_evidence
from deephealth.evaluation.judge import judge
from deephealth.evaluation.report import report_schema
from deephealth.evaluation.results import EvaluationContext
from deephealth.evaluation.shortcuts.light import AuditReport
from deephealth.evaluation.terminal import evaluation_text
from deephealth.evaluation.wording import Words
from deephealth.features.extract import extract_features
from deephealth.inference.predictor import load_model
from deephealth.model.file import Model
from deephealth.model.record import ConformalRecord, pack_hashes


def films(folder: Path, patients: int = 100, **counts: int) -> Scanned:
    rng = np.random.default_rng(0)
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 255, (40, 50), dtype=np.uint8)).save(folder / label / f"{number:02}.png")
    rows = [
        f"{label}/{number:02}.png,{label},{label if patients > 1 else ''}{number % patients}"
        for label in counts
        for number in range(counts[label])
    ]
    (folder / "index.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")
    index = open_dataset(folder, fewest_classes=1)
    return Scanned(index, scan_films(index))


@pytest.fixture(scope="module")
def model(tiny: ModuleType) -> Model:
    return load_model(tiny.model_bytes(novelty_threshold=1e6, conformal=ConformalRecord(level=0.9, threshold=0.2, films=30)))


def of_evaluation(model: Model, opened: Scanned, **more: object) -> Evidence:
    judged = judge(model, opened.index.films, context=EvaluationContext())
    evidence = evaluation_evidence(judged, opened, model, Asked(), Words("en"), **more)  # type: ignore[arg-type]
    evaluation = judged.with_evidence(evidence).evaluation
    jsonschema.validate(json.loads(json.dumps(evaluation.to_json(), allow_nan=False)), report_schema())
    assert evaluation_text(evaluation)
    return evidence


def of_training(model: Model, tiny: ModuleType, opened: Scanned) -> Evidence:
    """The evidence of a run in which every third film is for the test, and every third for validation."""
    index, facts = opened.index, opened.facts
    places = {film.name: ("train", "validation", "test")[number % 3] for number, film in enumerate(index.films)}
    split = Split(places, 0, "patient")
    found = Audit(index, split, check_leakage(index, split, facts), AuditReport("unknown", "", (), 0, 0))
    backbone = tiny.backbone()
    tables = {name: extract_features(split.films(index, name), backbone) for name in ("train", "validation")}
    judged = judge(model, split.films(index, "test"), context=EvaluationContext())
    evidence = training_evidence(judged, found, facts, model, backbone, tables)
    jsonschema.validate(json.loads(json.dumps(judged.with_evidence(evidence).evaluation.to_json(), allow_nan=False)), report_schema())
    return evidence


def test_all_parts_of_a_run_are_there(model: Model, tiny: ModuleType, tmp_path: Path) -> None:
    evidence = of_training(model, tiny, films(tmp_path / "films", normal=24, bacterial=24, viral=24))
    assert evidence.leakage_gap is not None and evidence.leakage_gap.n_films == 72 and not evidence.leakage_gap.reason
    assert evidence.label_errors is not None and not evidence.label_errors.reason
    assert evidence.abstention is not None and evidence.abstention.conformal is not None
    assert evidence.neighbours and all(len(near) == 3 for near in evidence.neighbours.values())
    assert evidence.subgroups == ()


@pytest.mark.slow
def test_films_that_the_backbone_learned_from_are_in_neither_gap_nor_label_errors(model: Model, tiny: ModuleType, tmp_path: Path) -> None:
    opened = films(tmp_path / "films", normal=12, bacterial=12, viral=12)
    learned = Model(model.data, dataclasses.replace(model.record, seen=pack_hashes(opened.facts.phash[:12])))  # all of one class
    found = of_training(learned, tiny, opened)
    assert found.leakage_gap is not None and (found.leakage_gap.n_films, found.leakage_gap.reason) == (24, "")
    assert found.label_errors is not None and found.label_errors.n_films == 24
    every = Model(model.data, dataclasses.replace(model.record, seen=pack_hashes(opened.facts.phash)))
    found = of_training(every, tiny, opened)
    assert found.leakage_gap is not None and found.leakage_gap.reason.startswith("The backbone learned from 36 of the 36 films.")
    assert found.label_errors is not None and found.label_errors.reason == found.leakage_gap.reason and not found.label_errors.suspects


@pytest.mark.parametrize(
    ("counts", "patients"), [({"normal": 1, "viral": 2}, 1), ({"normal": 9}, 100), ({"normal": 3}, 1), ({"normal": 8, "viral": 8}, 1)]
)
def test_a_poor_set_gives_reasons_and_no_crash(
    model: Model, tiny: ModuleType, tmp_path: Path, counts: dict[str, int], patients: int
) -> None:
    opened = films(tmp_path / "films", patients, **counts)
    evidence = of_evaluation(model, opened)
    assert evidence.abstention is not None and evidence.label_errors is not None
    assert bool(evidence.label_errors.reason) == (min(counts.values()) < 5 or len(counts) < 2)
    assert evidence.neighbours == {} and evidence.leakage_gap is None
    trained = of_training(model, tiny, opened)
    assert trained.leakage_gap is not None and trained.leakage_gap.reason
    assert trained.label_errors is not None and trained.label_errors.reason


def test_a_model_cannot_question_the_labels_it_learned(model: Model, tmp_path: Path) -> None:
    opened = films(tmp_path / "films", normal=8, viral=8)
    evidence = of_evaluation(model, opened, include_seen=True)
    assert evidence.label_errors is not None and "learned" in evidence.label_errors.reason


def test_a_model_of_before_has_a_curve_and_no_sets(tiny: ModuleType, tmp_path: Path) -> None:
    old = load_model(tiny.model_bytes(novelty_threshold=1e6))
    evidence = of_evaluation(old, films(tmp_path / "films", normal=8, viral=8))
    assert evidence.abstention is not None and evidence.abstention.conformal is None
