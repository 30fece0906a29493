from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from deephealth.model.file import LARGEST_FILE, Model, save_model
from deephealth.model.record import SCHEMA_VERSION, ModelRecord
from deephealth.model.verify import TOLERANCE

PAGE = (Path(__file__).parents[2] / "docs" / "model-file.md").read_text("utf-8")


def test_the_example_runs_and_answers_as_deephealth_does(tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) == 10
    monkeypatch.chdir(tmp_path)
    pixels = tiny.films(1)[0]
    Image.fromarray(pixels).save("film.png")
    save_model(tiny.model_bytes(), "model.onnx")
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(example, "docs/model-file.md", "exec"), names)
    outputs = Model.load("model.onnx").run(pixels)
    np.testing.assert_allclose(names["probabilities"], outputs.probabilities, atol=1e-6)
    np.testing.assert_allclose(names["heatmap"], outputs.heatmap, atol=1e-5)
    assert "normal" in printed.getvalue()
    assert "accepted" in printed.getvalue() or "refused" in printed.getvalue()


def test_the_page_names_every_field_and_output() -> None:
    for field in dataclasses.fields(ModelRecord):
        assert f"`{field.name}`" in PAGE, field.name
    for name in ("image", "probabilities", "logits", "features", "heatmap", "novelty", "feature_map"):
        assert f"`{name}`" in PAGE, name


def test_the_pages_figures_are_the_programs() -> None:
    assert f"| `schema_version` | {SCHEMA_VERSION} |" in PAGE
    assert f"{LARGEST_FILE >> 20} MB" in PAGE
    assert f"{TOLERANCE:.4f}" in PAGE
