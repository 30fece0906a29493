from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephealth.inference import batch
from deephealth.inference.predictor import Prediction

LABELS = ("normal", "bacterial", "viral")


def answered(name: str = "a.png", *, refused: bool = False) -> Prediction:
    shares = dict(zip(LABELS, np.array([0.1, 0.7, 0.2], np.float32).tolist(), strict=True))
    reason = "The film is unlike those the model was trained on." if refused else ""
    return Prediction(name, "bacterial", shares, 1.25, refused, reason, np.zeros((3, 4, 4), np.float32), "ab" * 32, ("no window",))


def unreadable(name: str = "b.png") -> Prediction:
    return Prediction(name, "", {}, math.nan, True, "The file is empty, expected a film.", None, "ab" * 32, error=True)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_the_promised_columns() -> None:
    text = batch.to_csv([answered(), unreadable()], LABELS)
    assert text.splitlines()[0] == "file,label,p_normal,p_bacterial,p_viral,novelty,refused,reason"
    first, second = rows_of(text)
    assert first == {
        "file": "a.png",
        "label": "bacterial",
        "p_normal": "0.100000",
        "p_bacterial": "0.700000",
        "p_viral": "0.200000",
        "novelty": "1.25",
        "refused": "false",
        "reason": "",
    }
    assert (second["label"], second["p_normal"], second["novelty"], second["refused"]) == ("", "", "", "true")
    assert second["reason"].startswith("The file is empty")


def test_json_has_the_promised_fields() -> None:
    first, second = json.loads(batch.to_json([answered(refused=True), unreadable()]))
    assert list(first) == ["file", "label", "probabilities", "novelty", "refused", "reason", "model", "warnings"]
    assert first["probabilities"] == {"normal": 0.1, "bacterial": 0.7, "viral": 0.2}
    assert (first["refused"], first["novelty"], first["model"], first["warnings"]) == (True, 1.25, "ab" * 32, ["no window"])
    assert (second["label"], second["probabilities"], second["novelty"], second["refused"]) == ("", {}, None, True)


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@sum", "\tx", "\r=x"])
def test_a_name_that_a_spreadsheet_would_run_is_quoted(name: str) -> None:
    (row,) = rows_of(batch.to_csv([answered(name)], LABELS))
    assert row["file"].startswith("'")
    assert json.loads(batch.to_json([answered(name)]))[0]["file"] == name


names = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)


@settings(max_examples=100, deadline=None)
@given(st.lists(names, max_size=5))
def test_any_file_name_gives_files_that_can_be_read_back(found: list[str]) -> None:
    predictions = [answered(name) for name in found]
    table = batch.to_csv(predictions, LABELS)
    table.encode("utf-8")
    assert len(rows_of(table)) == len(found)
    assert not any(row["file"].startswith(("=", "+", "-", "@")) for row in rows_of(table))
    assert len(json.loads(batch.to_json(predictions).encode("utf-8"))) == len(found)
    shown = batch.table(predictions, LABELS)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert len(shown.split("\n")) == len(found) + 3


def test_the_table_is_aligned_and_says_what_it_is_not_for() -> None:
    lines = batch.table([answered(), answered("long/" * 20 + "c.png", refused=True), unreadable()], LABELS).split("\n")
    assert lines[0].split() == ["file", "label", *LABELS, "novelty"]
    assert lines[1].split() == ["a.png", "bacterial", "0.100", "0.700", "0.200", "1.25"]
    assert lines[2].startswith("...")
    assert lines[2].endswith("refused")
    assert lines[3].split() == ["b.png", "-", "-", "-", "-", "-", "unreadable"]
    assert lines[0].index("normal") + len("normal") == lines[1].index("0.100") + 5
    assert "Not a medical device" in lines[-1]


@pytest.mark.parametrize(
    ("predictions", "code"),
    [
        ([answered()], 0),
        ([answered(), unreadable()], 0),
        ([answered(refused=True), answered()], 0),
        ([answered(refused=True), unreadable()], 3),
        ([unreadable()], 3),
        ([], 3),
    ],
)
def test_exit_code_is_3_only_when_nothing_was_answered(predictions: list[Prediction], code: int) -> None:
    assert batch.exit_code(predictions) == code


def test_files_are_whole_and_utf8(tmp_path: Path) -> None:
    predictions = [answered("niño.png"), unreadable("broken\udcff.png")]
    batch.write_csv(tmp_path / "new" / "answers.csv", predictions, LABELS)
    batch.write_json(tmp_path / "answers.json", predictions)
    written = rows_of((tmp_path / "new" / "answers.csv").read_text("utf-8"))
    assert [row["file"] for row in written] == ["niño.png", "broken\\udcff.png"]
    assert [row["file"] for row in json.loads((tmp_path / "answers.json").read_text("utf-8"))] == ["niño.png", "broken\\udcff.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"new", "answers.json"}
