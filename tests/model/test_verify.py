from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np
import onnx
import pytest

from deephealth.errors import ModelFileError
from deephealth.model.file import Model
from deephealth.model.graph import with_record
from deephealth.model.record import with_values
from deephealth.model.verify import TOLERANCE, VerifyReport, add_goldens, verify


@pytest.fixture(scope="module")
def golden(tiny: ModuleType) -> bytes:
    return add_goldens(tiny.model_bytes())


def test_a_model_agrees_with_its_own_goldens(golden: bytes) -> None:
    report = verify(Model.load(golden))
    assert report.ok
    assert report.n == 3
    assert report.largest_difference < 1e-6
    assert "3 golden films" in report.sentence
    assert set(report.differences) == {"probabilities", "novelty", "heatmap"}


def test_goldens_are_films_of_several_sizes_and_small(golden: bytes) -> None:
    names = [film.name for film in Model.load(golden).record.goldens]
    assert names == ["phantom normal 128 x 128", "phantom bacterial 260 x 320", "phantom viral 256 x 200"]
    assert sum(len(film.png) for film in Model.load(golden).record.goldens) < 300_000


def test_goldens_are_the_same_each_time(tiny: ModuleType, golden: bytes) -> None:
    assert add_goldens(tiny.model_bytes()) == golden


def test_colour_models_have_goldens_too(tiny: ModuleType) -> None:
    assert verify(Model.load(add_goldens(tiny.model_bytes(channels=3)))).ok


def test_a_changed_weight_is_noticed(golden: bytes) -> None:
    model = onnx.load_from_string(golden)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "deephealth/weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0, 0] += 0.5
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    report = verify(Model.load(model.SerializeToString()))
    assert not report.ok
    assert "NOT" in report.sentence


@pytest.mark.parametrize(
    "change",
    [
        lambda film: {"probabilities": film.probabilities[::-1]},
        lambda film: {"novelty": film.novelty * 1.01},
        lambda film: {"heatmap_peak": tuple((place + 5) % 16 for place in film.heatmap_peak)},
        lambda film: {"heatmap_mean": tuple(value + 0.01 for value in film.heatmap_mean)},
    ],
)
def test_each_output_is_checked(golden: bytes, change: object) -> None:
    record = Model.load(golden).record
    changed = tuple(dataclasses.replace(film, **change(film)) for film in record.goldens)  # type: ignore[operator]
    report = verify(Model.load(with_record(golden, with_values(record, goldens=changed))))
    assert report.largest_difference > TOLERANCE
    assert not report.ok


def test_without_goldens_nothing_is_claimed(tiny: ModuleType) -> None:
    report = verify(Model.load(tiny.model_bytes()))
    assert not report.ok
    assert report.sentence == "The model file carries no golden films, so it cannot be verified."


def test_an_answer_that_is_not_a_number_is_not_ok() -> None:
    assert not VerifyReport({"probabilities": float("inf")}, 3).ok


@pytest.mark.parametrize("png", ["not base64!", "AAAA", "iVBORw0KGgo="])
def test_a_damaged_golden_film_is_refused(golden: bytes, png: str) -> None:
    record = Model.load(golden).record
    spoilt = (dataclasses.replace(record.goldens[0], png=png),)
    with pytest.raises(ModelFileError, match="expected a PNG"):
        verify(Model.load(with_record(golden, with_values(record, goldens=spoilt))))


def test_the_largest_difference_is_over_all_films(golden: bytes) -> None:
    record = Model.load(golden).record
    last = record.goldens[-1]
    moved = dataclasses.replace(last, probabilities=tuple(np.clip(np.array(last.probabilities) + 0.25, 0, 1).tolist()))
    report = verify(Model.load(with_record(golden, with_values(record, goldens=(*record.goldens[:-1], moved)))))
    assert report.differences["probabilities"] == pytest.approx(0.25, abs=1e-5)
    assert report.differences["novelty"] < 1e-6
