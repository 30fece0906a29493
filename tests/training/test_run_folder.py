"""The run folder: never half a run taken for a whole one, never a stranger's folder overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deephealth.errors import UsageError
from deephealth.settings import atomic
from deephealth.training.run_folder import RunFolder

PLAN = {"data": "abc", "seed": 0, "recipe": {"shares": (0.1, 0.2)}}


def test_an_unfinished_run_of_the_same_plan_is_taken_up(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path / "run", PLAN).resumed
    assert RunFolder(tmp_path / "run", PLAN).resumed


def test_an_unfinished_run_of_another_plan_is_refused_and_named(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", PLAN)
    with pytest.raises(UsageError, match="another seed"):
        RunFolder(tmp_path / "run", {**PLAN, "seed": 1})


def test_a_finished_run_is_only_replaced_when_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", PLAN)
    run.finish(films=3)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["films"] == 3
    assert facts["peak_memory_mb"] > 1
    with pytest.raises(UsageError, match="finished run"):
        RunFolder(tmp_path / "run", PLAN)
    assert not RunFolder(tmp_path / "run", PLAN, overwrite=True).resumed
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_folder_with_other_things_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds no training run"):
        RunFolder(tmp_path, PLAN, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


def test_another_program_s_plan_is_no_run(tmp_path: Path) -> None:
    for text in ('{"resources": []}', "[]", "not JSON"):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(UsageError, match="holds no training run"):
            RunFolder(tmp_path, PLAN, overwrite=True)
        assert (tmp_path / "plan.json").read_text() == text


def test_overwriting_a_run_leaves_what_others_put_beside_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, PLAN)
    run.network.mkdir()
    run.model.write_bytes(b"old")
    run.finish()
    (tmp_path / "notes.txt").write_text("seen by a radiologist")
    assert not RunFolder(tmp_path, PLAN, overwrite=True).resumed
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json", "notes.txt"}


def test_a_run_killed_while_its_plan_was_written_is_begun_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic.replacing(tmp_path / "plan.json") as half:
        half.write_text('{"seed"')
        kept = half.with_name(half.name.replace("plan", "plan2"))  # a kill runs no clean-up; this copy is what it would leave
        kept.write_text(half.read_text())
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [kept]
    assert not RunFolder(tmp_path, PLAN).resumed
    assert RunFolder(tmp_path, PLAN).resumed
