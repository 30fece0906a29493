"""docs/fine-tuning.md names every key of the recipe's sections that it is about, and no other."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from deephealth.training.recipe import CounterExamples, FineTuneAugmentation, FineTuneSettings, GateSettings

PAGE = (Path(__file__).parents[2] / "docs" / "fine-tuning.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("fine_tune", FineTuneSettings),
        ("fine_tune_augmentation", FineTuneAugmentation),
        ("counterexamples", CounterExamples),
        ("gate", GateSettings),
    ],
)
def test_every_key_is_named_and_none_is_invented(heading: str, section: type) -> None:
    text = PAGE.split(f"## [{heading}]")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| (.*?) \|", text, re.MULTILINE)) if "|" in text else {text}
    keys = {key for cell in named for key in re.findall(r"`(\w+)`", cell)}
    assert keys == {field.name for field in dataclasses.fields(section)}
