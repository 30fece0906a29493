"""What an evaluation belongs to."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from deephealth.datasets.index import DatasetIndex, Film, Problem
from deephealth.evaluation.context import make_context, versions
from deephealth.model.file import Model


def test_the_context_is_that_of_model_and_films(tiny: ModuleType) -> None:
    model = Model.load(tiny.model_bytes(licence="CC0-1.0", limits=("Only phantoms.",)))
    film = Film("a.png", Path("/secret/a.png"), "normal", "p")
    index = DatasetIndex(Path("/secret/films"), "folders", (film,), ("normal",), (Problem("b.png", "broken"),))
    context = make_context(model, index, seed=7, command="deephealth evaluate model.onnx films")
    assert (context.model_name, context.model_sha256, context.temperature) == ("tiny", model.sha256, model.record.temperature)
    assert (context.data_name, context.data_sha256, context.seed) == ("films", index.sha256, 7)
    assert (context.licence, context.limits, context.command) == ("CC0-1.0", ("Only phantoms.",), "deephealth evaluate model.onnx films")
    assert [problem.name for problem in context.problems] == ["b.png"]
    assert "secret" not in str(context)


def test_versions_are_numbers() -> None:
    found = versions()
    assert set(found) == {"deephealth", "python", "numpy", "onnxruntime", "scikit-learn"}
    assert all(version[0].isdigit() for version in found.values())
