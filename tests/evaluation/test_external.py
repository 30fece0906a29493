"""Sets from elsewhere: a row each, and a sentence where there is nothing to score."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.facts import scan_films
from deephealth.datasets.sources import open_dataset
from deephealth.evaluation.external import Scanned, score_external
from deephealth.evaluation.wording import Words
from deephealth.inference.predictor import load_model
from deephealth.model.file import Model
from deephealth.model.record import pack_hashes


@pytest.fixture(scope="module")
def model(tiny: ModuleType) -> Model:
    return load_model(tiny.model_bytes(novelty_threshold=1e6))


def films(folder: Path, **counts: int) -> Path:
    rng = np.random.default_rng(len(counts) + sum(counts.values()))
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 255, (40, 50), dtype=np.uint8)).save(folder / label / f"{number}.png")
    return folder


def opened(folder: Path) -> Scanned:
    index = open_dataset(folder, fewest_classes=1)
    return Scanned(index, scan_films(index))


def test_a_set_is_scored_by_the_labels_that_the_model_knows(model: Model, tmp_path: Path) -> None:
    row = score_external(model, opened(films(tmp_path / "other", normal=6, viral=5, tuberculosis=4)), Words("en"))
    assert (row.name, row.n_films, row.accuracy.n_films) == ("other", 11, 11)
    assert len(row.sha256) == 64
    assert row.refused.value == 0.0 and row.refused.n_films == 15
    assert row.macro_auc.value is not None
    assert any("4" in note for note in row.notes)  # films of a label that the model does not know


def test_one_class_has_accuracy_and_no_auc(model: Model, tmp_path: Path) -> None:
    row = score_external(model, opened(films(tmp_path / "healthy", normal=5)), Words("en"))
    assert row.accuracy.value is not None and row.macro_auc.value is None
    assert any("normal" in note for note in row.notes)


def test_no_usable_label_is_a_sentence_and_the_gate_is_still_asked(model: Model, tmp_path: Path) -> None:
    row = score_external(model, opened(films(tmp_path / "tb", tuberculosis=3)), Words("en"))
    assert (row.n_films, row.accuracy.value, row.refused.value, row.refused.n_films) == (0, None, 0.0, 3)
    assert "tuberculosis" in row.notes[0] and str(tmp_path) not in row.notes[0]


def test_films_that_the_model_learned_from_are_left_out(model: Model, tmp_path: Path) -> None:
    one = opened(films(tmp_path / "one", normal=4))
    learned = Model(model.data, dataclasses.replace(model.record, fitted_on=pack_hashes(one.facts.phash)))
    row = score_external(learned, one, Words("en"))
    assert row.n_films == 0 and "learned from all 4 films" in row.notes[0]
    two = films(tmp_path / "two", viral=3)
    shutil.copytree(tmp_path / "one" / "normal", two / "normal")
    row = score_external(learned, opened(two), Words("en"))
    assert row.n_films == 3
    assert score_external(learned, opened(two), Words("en"), include_seen=True).n_films == 7
