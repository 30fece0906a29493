"""Evaluations made by hand for the tests of the report: one with scores only, one with every part of the evidence."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from deephealth.evaluation.calibration import choose_operating_points, softmax
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.evidence import (
    Abstention,
    ConformalSets,
    DataFacts,
    Evidence,
    ExternalSet,
    GapRow,
    GateSet,
    LabelErrors,
    LeakageGap,
    LungEnergy,
    MaskedScore,
    ModelAudit,
    Neighbour,
    RiskPoint,
    Subgroup,
    Suspect,
    ValueCounts,
)
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.pictures import Cell, Pictures
from deephealth.evaluation.results import Case, Evaluation, EvaluationContext, Problem
from deephealth.evaluation.shortcuts.light import ProbeResult

CLASSES = ("normal", "bacterial", "viral")
UNKNOWN = Interval(None, None, None, 0, 0)


def about(value: float, n: int = 240, patients: int = 120) -> Interval:
    return Interval(value, value - 0.03, value + 0.03, n, patients)


def jpeg(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), shade).save(file, format="JPEG")
    return file.getvalue()


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """240 films of 120 patients, with scores and nothing else."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    patients = [f"secret-{i // 2}" for i in range(240)]
    p = softmax(1.5 * rng.normal(size=(240, 3)) + 2 * np.eye(3)[labels])
    points = choose_operating_points(p, labels, CLASSES, patients, draws=50)
    context = EvaluationContext(
        model_name="a <model>",
        model_sha256="ab" * 32,
        data_name="films",
        split_by="patient",
        temperature=1.25,
        problems=(Problem("broken.png", "the file is empty; give a film"),),
        versions={"deephealth": "0.1.0"},
    )
    return score_predictions(
        p,
        labels,
        patients,
        CLASSES,
        names=[f"film-{i}.png" for i in range(240)],
        operating_points=points,
        refused=np.arange(240) == 5,
        novelty=np.ones(240),
        logits=np.log(p),
        draws=50,
        context=context,
    )


@pytest.fixture(scope="session")
def full(evaluation: Evaluation) -> Evaluation:
    """The same with every part of the evidence."""
    probe = ProbeResult("border", about(0.8), 0.5, 0.02, True, True, 0.7, 0.0004)
    curve = tuple(
        RiskPoint(c, 1 - 0.6 * c, Interval(0.3 * c, 0.25 * c, 0.36 * c, int(240 * c), int(120 * c))) for c in np.linspace(0.1, 1, 10)
    )
    evidence = Evidence(
        data=DataFacts(
            films=dict.fromkeys(CLASSES, 400),
            patients=dict.fromkeys(CLASSES, 200),
            films_per_patient=(1.5, 30),
            widths=dict.fromkeys(CLASSES, (912, 1640.0, 2916)),
            heights=dict.fromkeys(CLASSES, (600, 1300.0, 2713)),
            attributes=(ValueCounts("sex", {"F": dict.fromkeys(CLASSES, 90), "": dict.fromkeys(CLASSES, 40)}),),
            layout="folders",
        ),
        abstention=Abstention(
            curve, about(0.14), ConformalSets(0.9, 0.21, Interval(0.8, 0.75, 0.85, 240, 120), about(0.7), about(0.03), about(1.31))
        ),
        subgroups=(
            Subgroup("sex", "F", 100, 60, about(0.8), about(0.79), about(0.9)),
            Subgroup("sex", "M", 12, 9, UNKNOWN, UNKNOWN, UNKNOWN, hidden=True),
        ),
        external=(ExternalSet("hospital <b>", "cd" * 32, 310, 280, about(0.71), about(0.64), about(0.81), about(0.12), ("A note.",)),),
        leakage_gap=LeakageGap(
            (
                GapRow("balanced_accuracy", about(0.861), about(0.842), Interval(0.019, 0.011, 0.027, 240, 120)),
                GapRow("accuracy", about(0.87), about(0.86), Interval(0.01, -0.001, 0.02, 240, 120)),
            ),
            5,
            "multinomial logistic regression, C = 0.1",
            240,
            120,
        ),
        label_errors=LabelErrors(
            (Suspect(7, "suspect-7.png", "bacterial", "viral", 0.031, 0.954),),
            9,
            ((70.0, 6.0, 4.0), (3.0, 70.0, 7.0), (2.0, 8.0, 70.0)),
            240,
            120,
        ),
        neighbours={evaluation.errors[0].name: (Neighbour("near-1.png", "viral", 0.934), Neighbour("near-2.png", "normal", 0.9))},
        model_audit=ModelAudit(
            "partial",
            "label predictable without the lungs: partial",
            (dataclasses.replace(probe, name="whole film", lung_free=False), probe),
            (dataclasses.replace(probe, name="train or test"),),
            (MaskedScore("whole film", about(0.85), about(0.83), about(0.97), 0.485),),
            (LungEnergy("", about(0.55), about(0.31)),),
            240,
            120,
            11,
            "lung finder",
        ),
        gate=(GateSet("test", True, about(0.04)), GateSet("photographs", False, Interval(0.98, 0.93, 0.99, 120, 120), unread=3)),
    )
    context = dataclasses.replace(
        evaluation.context,
        command="deephealth evaluate model.onnx films --audit",
        limits=("Children of one hospital.",),
        licence="CC-BY-4.0",
        data_sha256="cd" * 32,
    )
    return dataclasses.replace(evaluation, evidence=evidence, context=context)


@pytest.fixture(scope="session")
def films(full: Evaluation) -> Pictures:
    """Pictures for `full`: of every error, of one cell of wrong and one of right answers, of suspects and neighbours."""
    errors = {case.name: jpeg(10) for case in full.errors}
    first = full.errors[0]
    right = tuple(Case(i, f"right-{i}.png", "normal", "normal", 0.99 - 0.02 * i) for i in range(12))
    cells = (Cell("normal", "normal", right, 50), Cell(first.truth, first.answer, (first,), 1))
    thumbnails = {name: jpeg(90) for name in [case.name for cell in cells for case in cell.cases] + ["suspect-7.png"]}
    return Pictures(errors, {name: jpeg(200) for name in errors}, thumbnails, {"near-1.png": jpeg(50)}, cells)
