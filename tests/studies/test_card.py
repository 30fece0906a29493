"""The finished model's record: what was measured stands on its card, and it still answers as it did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from deephealth.model.card import card
from deephealth.model.file import Model, shipped_model_path
from deephealth.model.verify import verify
from studies.shipped.card import complete

FIGURE = {"value": 0.9, "low": 0.88, "high": 0.92, "films": 100, "patients": 70}
RESULTS: dict[str, Any] = {
    "folds": {"all": {"accuracy": FIGURE}, "surest": {"60%": FIGURE}, "passed": {**FIGURE, "value": 0.981}},
    "lungs": {"shipped": {"parts": {"only lungs": {"accuracy": FIGURE}}, "energy in the drawn lungs": FIGURE}},
    "gate": {"refused": {"hands": {**FIGURE, "value": 1.0, "high": 1.0}}},
}


def finished_run(folder: Path) -> Path:
    run = folder / "shipped" / "model.onnx"
    run.parent.mkdir()
    shutil.copyfile(shipped_model_path(), run)
    (run.parent / "run.json").write_text(json.dumps({"cpu_seconds": 1200.0, "peak_memory_mb": 700}))
    (folder / "shipped.commit").write_text("0123456789ab+")
    return run


def test_the_card_holds_what_was_measured(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    before = Model.load(run)
    after = Model.load(complete(run, RESULTS))
    text = card(after.record)
    assert "| five folds by patient, same recipe | accuracy | 0.900 (0.880-0.920) | 100 (patients: 70) |" in text
    assert "| share refused by the gate | hands | 1.000" in text
    assert "20 minutes of one" in text
    assert after.record.training.commit == "0123456789ab+"
    (source,) = after.record.data.sources
    assert source.licence.startswith("CC BY 4.0. Kermany")
    assert "V7 Labs" in source.licence
    assert source.sha256 == before.record.data.sources[0].sha256
    assert "passes 98.1% of held-out children's films" in after.record.limits[-1]
    assert after.record.metrics["test"] == before.record.metrics["test"]
    assert verify(after).ok


def test_before_anything_is_measured_the_card_claims_nothing_more(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    before, after = Model.load(run).record, Model.load(complete(run, {})).record
    assert after.metrics == before.metrics
    assert after.limits[-1].startswith("Films of adults") and "%" not in after.limits[-1]
