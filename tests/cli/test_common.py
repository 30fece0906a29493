"""What several commands share."""

from __future__ import annotations

import shlex

import pytest

from deephealth.cli.common import reproduction


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("train films --out run", "deephealth train films --out RUN"),
        ("train /home/ana/films --out=/tmp/x/run --seed 3", "deephealth train films --out=RUN --seed 3"),
        ("train ../data/kermany/ --weights=/srv/w.pth --out r", "deephealth train kermany --weights=w.pth --out RUN"),
        (
            "evaluate /a/model.onnx /b/films --external /c/nih --html out/report.html",
            "deephealth evaluate model.onnx films --external nih --html report.html",
        ),
        ("evaluate m.onnx '/a/my films' --prevalence 0.1", "deephealth evaluate m.onnx 'my films' --prevalence 0.1"),
        ("train . --out run --architecture keras:MobileNet", "deephealth train . --out RUN --architecture keras:MobileNet"),
    ],
)
def test_a_command_is_shown_with_names_in_place_of_paths(typed: str, shown: str) -> None:
    assert reproduction(shlex.split(typed)) == shown
