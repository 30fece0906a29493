"""docs/studies.md says what docs/studies.json holds, and a reduced run on the real films lands where the page says."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module("_studies_page")


def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "studies.json").read_text(encoding="utf-8"))
    return found


def test_tables_and_chart_are_those_of_the_figures(page: ModuleType) -> None:
    text = (DOCS / "studies.md").read_text(encoding="utf-8")
    assert page.filled(text, page.tables(figures())) == text
    assert page.chart(figures()) == (DOCS / "images" / "studies.svg").read_text(encoding="utf-8")


def test_every_score_in_the_prose_stands_in_a_table_too(page: ModuleType) -> None:
    text = (DOCS / "studies.md").read_text(encoding="utf-8")
    prose = re.sub(r"<!-- (?!end)[^>]+ -->.*?<!-- end -->|^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    tables = "\n".join(page.tables(figures()).values())
    scores = re.findall(r"\b(?:0\.[1-9]|1\.\d)\d\d\b", prose)  # no learning rates
    assert scores
    assert [score for score in scores if score not in tables] == []


@pytest.mark.parametrize("name", ["deep_health_2020", "teachable_machine_2020", "teachable_machine_collection"])
def test_the_figures_agree_among_themselves(name: str) -> None:
    study = figures()[name]
    first, last = study["steps"][0]["balanced_accuracy"], study["steps"][-1]["balanced_accuracy"]
    assert (study["headline"], study["honest"]) == (first, last)
    assert study["leakage"]["value"] == pytest.approx(first["value"] - last["value"], abs=2e-4)
    assert study["steps"][0]["leakage"].startswith("Leakage:")
    assert study["steps"][-1]["leakage"].startswith("No leakage found")
    gain = last["value"] - study["chance"]
    for entry in study["lung_free"]:
        if entry["share"]["value"] is not None:
            assert entry["share"]["value"] == pytest.approx((entry["balanced_accuracy"]["value"] - study["chance"]) / gain, abs=5e-3)
    for score in (first, last, *(entry["balanced_accuracy"] for entry in study["lung_free"])):
        assert score["low"] <= score["value"] <= score["high"]
        assert score["n_films"] >= score["n_patients"] > 20


@pytest.mark.slow
@pytest.mark.shared
def test_a_reduced_run_lands_where_the_page_says(shared: Path, tmp_path: Path) -> None:
    """Three of the ten draws of the Teachable Machine study: the headline and what is left of it."""
    weights = shared / "weights" / "mobilenet_v2_0.35_224_imagenet" / "mobilenet_v2_0.35_224_notop_bn.pth"
    data = shared / "data" / "cohen-covid-chestxray"
    script = ROOT / "examples" / "teachable_machine_2020.py"
    command = [
        sys.executable,
        str(script),
        "--data",
        str(data),
        "--weights",
        str(weights),
        "--out",
        str(tmp_path),
        "--seeds",
        "3",
        "--quiet",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DEEPHEALTH_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run(command, env=environment, check=True, timeout=600, capture_output=True, text=True)
    found = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["teachable_machine_2020"]
    stated = figures()["teachable_machine_2020"]
    assert found["data"] == stated["data"] == {"films": {"covid-19": 102, "other": 34}, "patients": {"covid-19": 71, "other": 20}}
    # Draw k has seed k, so the first three draws are those of the page, but for the last digits of another machine.
    for step, said in zip(found["steps"], stated["steps"], strict=True):
        assert step["draws"] == pytest.approx(said["draws"][:3], abs=0.05), step["step"]
        assert step["leakage"] == said["leakage"]
    assert found["leakage"]["value"] == pytest.approx(stated["leakage"]["value"], abs=0.15)
