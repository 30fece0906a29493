"""Events: one stream, written as it happens, readable line by line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from deephealth.model.heads import LinearHead
from deephealth.settings.progress import Progress
from deephealth.training.events import HeadStep, JsonLines, Note, StepDone, tee


def test_events_are_json_lines_that_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "run" / "events.jsonl"
    for number in range(2):
        with JsonLines(path) as events:
            events(StepDone(step=number, loss=float("nan")))
            events(HeadStep(number, LinearHead(np.ones((2, 3), np.float32), np.zeros(2, np.float32)), np.ones((4, 3), np.float32)))
            events(Progress("features", 1, 2))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["StepDone", "Progress"] * 2
    assert lines[2]["step"] == 1
    assert lines[0]["loss"] is None


def test_tee_keeps_the_order() -> None:
    heard: list[str] = []
    tee(lambda event: heard.append("first"), lambda event: heard.append("second"))(Note("x"))
    assert heard == ["first", "second"]


def test_a_line_torn_by_a_kill_does_not_swallow_the_next_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "Note", "time": 1, "text": "whole"}\n{"event": "No', encoding="utf-8")
    with JsonLines(path) as events:
        events(Note("next"))
    assert [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()] == ["whole", "next"]


def test_a_film_whose_name_is_not_utf_8_stops_nothing(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "events.jsonl") as events:
        events(Note("x\udcff.png left out"))
    assert json.loads((tmp_path / "events.jsonl").read_text(encoding="utf-8"))["text"] == "x\udcff.png left out"
