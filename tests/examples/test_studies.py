"""The two studies of 2020: what a headline is split into is right on answers made by hand, and both scripts run to the end on phantoms."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from deephealth.images.phantom_set import write_phantoms

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BACKBONE = ROOT / "src" / "deephealth" / "data" / "deephealth-small.onnx"  # it has seen no phantom


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("_studies")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("_studies_page")


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("_studies_inputs")


def answers(studies: ModuleType, right: tuple[int, int], of: int = 100, per_patient: int = 1) -> Any:
    """Answers on `of` films of each of two classes, `right` of them right; patients have `per_patient` films of one class each."""
    labels = np.repeat([0, 1], of)
    given = labels.copy()
    for k in (0, 1):
        given[k * of + right[k] : (k + 1) * of] = 1 - k
    number = np.arange(2 * of)
    films, patients = np.array([f"f{n}" for n in number]), np.array([f"p{n // per_patient}" for n in number])
    return studies.Answers(films, patients, labels, given, np.zeros(2 * of, int), 2)


def test_balanced_accuracy_is_the_mean_over_classes_whatever_their_size(studies: ModuleType) -> None:
    both = answers(studies, (90, 70))
    rare = studies.Answers(*(getattr(both, name)[:110] for name in ("films", "patients", "labels", "answers", "draw")), 2)
    assert studies.balanced_accuracy(both).value == pytest.approx(0.8)
    assert studies.balanced_accuracy(rare).value == pytest.approx((0.9 + 1.0) / 2)


def test_leakage_is_headline_minus_honest_and_shortcut_a_share_of_the_honest_gain(studies: ModuleType, inputs: ModuleType) -> None:
    made = studies.decomposition(
        answers(studies, (95, 95)),
        answers(studies, (80, 80)),
        {
            "border only": answers(studies, (65, 65)),
            "top corners only": answers(studies, (50, 50)),
            inputs.OUTLINED: answers(studies, (77, 77)),
        },
    )
    assert made["leakage"]["value"] == pytest.approx(0.15)
    assert [entry["share"]["value"] for entry in made["lung_free"]] == pytest.approx([0.5, 0.0, 0.9])
    assert made["shortcut"]["input"] == "border only"  # not the one that leaves the outline of the lungs
    assert made["shortcut"]["value"] == pytest.approx(0.5)
    assert made["leakage"]["low"] < 0.15 < made["leakage"]["high"]


def test_a_score_that_holds_chance_has_no_gain_to_share(studies: ModuleType) -> None:
    made = studies.decomposition(answers(studies, (95, 95)), answers(studies, (52, 52)), {"border only": answers(studies, (60, 60))})
    assert made["honest"]["low"] < 0.5
    assert made["shortcut"] == {
        "input": "border only",
        "reached": 0.6,
        "value": None,
        "low": None,
        "high": None,
        "n_films": 0,
        "n_patients": 0,
    }


def test_a_difference_of_equal_answers_is_zero_without_doubt_because_draws_are_shared(studies: ModuleType) -> None:
    same = answers(studies, (80, 60))
    assert studies.difference(same, same).to_json() | {"n_films": 0, "n_patients": 0} == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
        "n_films": 0,
        "n_patients": 0,
    }


def test_films_of_one_patient_widen_the_interval(studies: ModuleType) -> None:
    alone, together = (studies.balanced_accuracy(answers(studies, (80, 80), per_patient=size)) for size in (1, 10))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together.n_patients == 20


def test_no_error_at_all_still_leaves_room_for_some(studies: ModuleType) -> None:
    perfect = studies.balanced_accuracy(answers(studies, (21, 21), of=21))
    assert perfect.value == perfect.high == 1
    assert perfect.low == pytest.approx(0.91, abs=0.01)


def test_border_and_corners_hold_their_part_without_the_lungs_and_nothing_else(inputs: ModuleType) -> None:
    film, nowhere = np.full((64, 80), 200, np.uint8), np.zeros((4, 4), bool)
    edge = inputs.only(inputs.border, nowhere, film)
    assert edge[8:-8, 10:-10].max() == 0
    assert (edge > 0).sum() == 64 * 80 - 48 * 60
    corners = inputs.only(inputs.top_corners, nowhere, film)
    assert (corners > 0).sum() == 2 * 10 * 12
    assert corners[10:].max() == 0
    left = np.zeros((64, 80), bool)
    left[:, :40] = True
    assert inputs.only(inputs.top_corners, left, film)[:, :40].max() == 0
    assert inputs.only(inputs.everything, left, film)[:, 40:].min() == 200


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 small phantoms a class, two of a patient."""
    return write_phantoms(tmp_path_factory.mktemp("few") / "films", per_class=14, seed=3, size=96, masks=False)


def run(script: str, data: Path, out: Path, *more: str) -> dict[str, Any]:
    command = [sys.executable, str(EXAMPLES / script), "--data", str(data), "--weights", str(BACKBONE), "--out", str(out), "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOME": str(out)}
    done = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "leakage:" in done.stdout and "shortcut:" in done.stdout
    result: dict[str, Any] = json.loads((out / "study.json").read_text(encoding="utf-8"))
    return result


@pytest.mark.slow
def test_deep_health_runs_on_any_three_classes_and_twice_alike(few: Path, tmp_path: Path) -> None:
    first = run("deep_health_2020.py", few, tmp_path / "out", "--seeds", "2", "--steps", "40")["deep_health_2020"]
    again = run("deep_health_2020.py", few, tmp_path / "out", "--seeds", "2", "--steps", "40")["deep_health_2020"]
    assert first == again
    assert first["data"]["films"] == {"normal": 14, "bacterial": 14, "viral": 14}
    assert "patients stand in two splits" in first["steps"][0]["leakage"]
    assert first["steps"][-1]["leakage"].startswith("No leakage found")
    assert first["leakage"]["value"] == pytest.approx(first["headline"]["value"] - first["honest"]["value"], abs=2e-4)


@pytest.mark.slow
def test_teachable_machine_copies_before_the_split_leak_and_after_it_do_not(few: Path, tmp_path: Path) -> None:
    options = ("--seeds", "1", "--epochs", "2", "--per-class", "20")
    found = run("teachable_machine_2020.py", few, tmp_path / "out", *options)["teachable_machine_2020"]
    published, without_copies, _, honest = found["steps"]
    assert "augmented copies stand in another split" in published["leakage"]
    assert "augmented" not in without_copies["leakage"] and "patients" in without_copies["leakage"]
    assert honest["leakage"].startswith("No leakage found")
    assert [entry["of"] for entry in found["in_films"].values()] == [3, 3, 3]  # 15 % of 20, copies among them
    assert published["answers"] == without_copies["answers"] == 9


@pytest.mark.parametrize("script", ["deep_health_2020.py", "teachable_machine_2020.py"])
def test_help_shows_examples(script: str) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / script), "--help"], capture_output=True, text=True, timeout=60, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "src")})  # fmt: skip
    assert "examples:" in done.stdout and f"python examples/{script} --data" in done.stdout
