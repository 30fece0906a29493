from __future__ import annotations

from typing import Any

import pytest

from deephealth.service.models.lamps import headline, lamps


def record(**values: Any) -> dict[str, Any]:
    return {"data": {}, "training": {}, "metrics": {}, **values}


@pytest.mark.parametrize(
    ("ece", "low", "state"),
    [
        (0.03, 0.0, "good"),
        (0.08, 0.06, "warning"),
        (0.2, 0.12, "bad"),
        (0.2, 0.0, "warning"),
        (0.2, None, "warning"),
        (None, None, "unknown"),
    ],
)
def test_calibration_is_bad_only_where_its_interval_says_so_too(ece: float | None, low: float | None, state: str) -> None:
    found = lamps(record(metrics={"test": {"ece": {"value": ece, "low": low}}}), "es").calibration
    assert found.state == state
    assert ece is None or f"{100 * ece:.1f}".replace(".", ",") in found.text


@pytest.mark.parametrize(
    ("leakage", "allowed", "state"),
    [
        ("", False, "unknown"),
        ("No leakage found: 5 films.", False, "good"),
        ("Leakage: 3 copies.", False, "bad"),
        ("No leakage found: 5.", True, "bad"),
    ],
)
def test_leakage(leakage: str, allowed: bool, state: str) -> None:
    assert lamps(record(data={"leakage": leakage}, training={"allow_leakage": allowed}), "en").leakage.state == state


def test_shortcuts_are_those_that_the_audit_says() -> None:
    from deephealth.evaluation.shortcuts.probes import NONE, PARTIAL, SENTENCES, SUFFICIENT, UNKNOWN

    states = {verdict: lamps(record(data={"shortcuts": SENTENCES[verdict]}), "en").shortcut.state for verdict in SENTENCES}
    assert states == {SUFFICIENT: "bad", PARTIAL: "warning", NONE: "good", UNKNOWN: "unknown"}


def test_the_headline_is_of_test_films_where_there_are_any() -> None:
    estimate = {"value": 0.8, "low": 0.7, "high": 0.9, "n_films": 50, "n_patients": 40}
    found = headline(record(metrics={"validation": {"accuracy": {}}, "test": {"accuracy": estimate, "macro_auc": estimate}}))
    assert found is not None and (found.metric, found.estimate.patients) == ("accuracy", 40)
    assert headline(record()) is None
