"""The evidence in a few lines."""

from __future__ import annotations

import dataclasses

import numpy as np

from deephealth.evaluation.abstention import risk_coverage
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.evidence import Evidence, GapRow, LabelErrors, LeakageGap
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.terminal import evaluation_text


def text(evidence: Evidence) -> str:
    p = np.tile([[0.7, 0.3], [0.2, 0.8]], (30, 1))
    found = score_predictions(p, [0, 1] * 30, [str(i) for i in range(60)], ("a", "b"), draws=20)
    return evaluation_text(dataclasses.replace(found, evidence=evidence))


def test_gap_label_errors_and_abstention_each_have_a_line() -> None:
    share = Interval(0.8, 0.7, 0.9, 60, 40)
    gap = LeakageGap((GapRow("balanced_accuracy", share, share, Interval(0.05, 0.02, 0.08, 60, 40)),), 5, "a head", 60, 40)
    p = np.linspace([0.99, 0.01], [0.51, 0.49], 100)
    curve = risk_coverage(p, [0] * 60 + [1] * 40, PatientBootstrap([str(i) for i in range(100)], draws=20))
    lines = text(Evidence(leakage_gap=gap, label_errors=LabelErrors((), 12, (), 60, 40), abstention=curve)).splitlines()
    found = {line.split(":")[0].strip(): line for line in lines}
    assert "0.050 [0.020, 0.080]" in found["leakage gap"] and "0.800 [0.700, 0.900] by patient" in found["leakage gap"]
    assert "12 of 60 films" in found["label errors"]
    assert "60% of films, 0.000 [0.000" in found["abstention"]


def test_what_was_not_measured_says_why_and_what_is_absent_says_nothing() -> None:
    lines = text(Evidence(leakage_gap=LeakageGap((), 0, "a head", 3, 1, "Too few."), label_errors=LabelErrors((), 0, (), 3, 1, "Too few.")))
    assert "leakage gap: not measured. Too few." in lines and "label errors" not in lines
    assert "leakage gap" not in text(Evidence()) and "abstention" not in text(Evidence())
