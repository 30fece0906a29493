"""The notebooks run from start to end in a real kernel, on phantoms; what they display is self-contained and escaped."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.sources import open_dataset
from deephealth.images.phantom import draw_phantom
from deephealth.inference.predictor import Predictor
from deephealth.model.file import Model, shipped_model_path
from deephealth.notebook import films_of, frame, gallery, rows, show

ROOT = Path(__file__).parents[1]
needs_jupyter = pytest.mark.skipif(importlib.util.find_spec("nbclient") is None, reason="needs deephealth[notebook] and nbclient")


@needs_jupyter
def test_the_notebooks_are_what_their_sources_say() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "notebooks.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} == {
        f"{name}.{language}.ipynb" for name in ("teachable_machine_study", "deep_health_study") for language in ("en", "es")
    }


@pytest.mark.slow
@needs_jupyter
@pytest.mark.parametrize(("name", "language"), [("teachable_machine_study", "es"), ("deep_health_study", "en")])
def test_a_notebook_runs(name: str, language: str, tmp_path: Path) -> None:
    """The code of both languages is one (the test above), so each notebook runs in one of them, in a process of its own."""
    program = (
        "import sys, nbformat\nfrom nbclient import NotebookClient\n"
        "book = nbformat.read(sys.argv[1], 4)\n"
        "NotebookClient(book, timeout=300, kernel_name='python3').execute()\n"
        "nbformat.write(book, sys.argv[2])\n"
    )
    source = ROOT / "notebooks" / f"{name}.{language}.ipynb"
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for real in ("COVID_CHESTXRAY", "KERMANY"):
        environment.pop(real, None)
    done = subprocess.run(
        [sys.executable, "-c", program, str(source), str(tmp_path / "done.ipynb")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / "done.ipynb").read_text(encoding="utf-8")
    assert "image/png;base64" in text
    assert "balanced_accuracy" in text


def test_a_shown_film_is_self_contained_and_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a<b>.png"
    Image.fromarray(draw_phantom("viral", seed=1, patient=1, size=128).pixels).save(path)
    model = Model.load(shipped_model_path())
    told: Any = show(model, path)._repr_html_()
    assert told.count("data:image/png;base64") == 2
    assert "a<b>" not in told
    assert "http" not in told
    assert "<script" not in told
    assert all(label in told for label in model.labels)
    assert "a&lt;b&gt;" in gallery([path])._repr_html_()


def test_frames_have_a_row_a_film_and_a_row_a_score(phantoms: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs deephealth[notebook]")
    index = open_dataset(phantoms)
    assert len(frame(index)) == len(index.films) == 120
    assert isinstance(frame(index), pandas.DataFrame)
    paths, labels, patients = films_of(index)
    assert len(paths) == len(labels) == len(patients)
    answers = [Predictor(Model.load(shipped_model_path())).predict(path) for path in paths[:3]]
    told = rows(answers)
    assert np.isclose(sum(told[0][label] for label in ("normal", "bacterial", "viral")), 1)
