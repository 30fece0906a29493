from __future__ import annotations

import io
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from deephealth.errors import FilmError, ModelFileError
from deephealth.images.archive import find_films
from deephealth.images.radiograph import Radiograph
from deephealth.inference.predictor import Predictor, load_model
from deephealth.model.file import Model, save_model
from deephealth.settings.progress import Progress


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def model(tiny: ModuleType) -> Model:
    return Model.load(tiny.model_bytes(novelty_threshold=1e9))


@pytest.fixture
def folder(tiny: ModuleType, tmp_path: Path) -> Path:
    """Twelve films, of which one is empty, one is cut short and one is text."""
    for number, pixels in enumerate(tiny.films(12)):
        data = png(pixels)
        (tmp_path / f"film-{number:02}.png").write_bytes({3: b"", 7: data[: len(data) // 2], 9: b"hello"}.get(number, data))
    return tmp_path


def test_the_answer_is_the_models(tiny: ModuleType, model: Model) -> None:
    pixels = tiny.films(1)[0]
    prediction, outputs = Predictor(model).predict(png(pixels)), model.run(pixels)
    assert list(prediction.probabilities) == ["normal", "bacterial", "viral"]
    assert list(prediction.probabilities.values()) == outputs.probabilities.tolist()
    assert prediction.label == tiny.LABELS[int(outputs.probabilities.argmax())]
    assert prediction.novelty == outputs.novelty
    assert prediction.heatmap is not None
    assert prediction.heatmap.tolist() == outputs.heatmap.tolist()
    assert prediction.model == model.sha256
    assert not prediction.refused
    assert prediction.reason == ""


def test_a_film_may_come_in_any_form(tiny: ModuleType, model: Model, tmp_path: Path) -> None:
    pixels = tiny.films(1)[0]
    path = tmp_path / "a.png"
    path.write_bytes(png(pixels))
    read = Radiograph(pixels, "a.png", "png", "0" * 64)
    (film,) = find_films([path])
    answers = [Predictor(model).predict(source) for source in (path, str(path), path.read_bytes(), read, film)]
    assert len({tuple(answer.probabilities.values()) for answer in answers}) == 1
    assert answers[0].name == "a.png"


def test_a_novel_film_is_refused_with_its_probabilities(tiny: ModuleType) -> None:
    strict = Model.load(tiny.model_bytes(novelty_threshold=1e-6))
    prediction = Predictor(strict).predict(png(tiny.films(1)[0]))
    assert prediction.refused
    assert "novelty" in prediction.reason
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert not prediction.error


def test_a_film_that_objects_is_refused(tiny: ModuleType, model: Model) -> None:
    film = Radiograph(tiny.films(1)[0], "side.dcm", "dicom", "0" * 64, objections=("the view is LATERAL",), warnings=("no window",))
    prediction = Predictor(model).predict(film)
    assert prediction.refused
    assert "LATERAL" in prediction.reason
    assert prediction.warnings == ("no window",)


def test_an_unreadable_film_raises_when_asked_for_alone(model: Model, tmp_path: Path) -> None:
    with pytest.raises(FilmError):
        Predictor(model).predict(b"not a film")
    with pytest.raises(FilmError):
        Predictor(model).predict(tmp_path / "absent.png")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_films_in_order_and_none_ends_the_batch(model: Model, folder: Path, threads: int) -> None:
    films, seen = find_films([folder]), list[Progress]()
    predictions = list(Predictor(model, threads=threads).predict_many(films, progress=seen.append))
    assert [prediction.name for prediction in predictions] == [film.name for film in films]
    assert [number for number, prediction in enumerate(predictions) if prediction.error] == [3, 7, 9]
    for prediction in predictions:
        if prediction.error:
            assert prediction.refused
            assert prediction.reason
            assert (prediction.label, prediction.probabilities, prediction.heatmap) == ("", {}, None)
            assert math.isnan(prediction.novelty)
    assert [step.done for step in seen] == list(range(1, 13))
    assert {step.total for step in seen} == {12}


def test_threads_change_no_answer(model: Model, folder: Path) -> None:
    films = find_films([folder])
    one, three = (list(Predictor(model, threads=threads).predict_many(iter(films))) for threads in (1, 3))
    assert [list(p.probabilities.values()) for p in one] == [list(p.probabilities.values()) for p in three]


@dataclass
class Broken:
    """A film whose reading fails as no film should."""

    name: str = "odd.png"

    def read(self, channels: int = 1) -> Radiograph:
        raise ZeroDivisionError("a decoder's mistake")


def test_even_a_decoders_mistake_ends_no_batch(tiny: ModuleType, model: Model) -> None:
    for threads in (1, 2):
        predictions = list(Predictor(model, threads=threads).predict_many([Broken(), Broken()]))  # type: ignore[list-item]
        assert all(prediction.error and "ZeroDivisionError" in prediction.reason for prediction in predictions)


@dataclass
class Counted:
    """A film that counts how many were read."""

    name: str
    pixels: np.ndarray
    reads: list[str]

    def read(self, channels: int = 1) -> Radiograph:
        self.reads.append(self.name)
        return Radiograph(self.pixels, self.name, "png", "0" * 64)


def test_few_films_are_held_ahead_and_stopping_early_drops_the_rest(tiny: ModuleType, model: Model) -> None:
    reads: list[str] = []
    films = [Counted(str(number), tiny.films(1)[0], reads) for number in range(100)]
    answers = Predictor(model, threads=2).predict_many(films)  # type: ignore[arg-type]
    next(answers)
    answers.close()
    assert 1 <= len(reads) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("predict")]


def test_no_films_no_answers(model: Model) -> None:
    assert list(Predictor(model, threads=4).predict_many([])) == []


def test_a_grey_film_already_read_suits_a_colour_model(tiny: ModuleType) -> None:
    model = Model.load(tiny.model_bytes(channels=3))
    pixels = tiny.films(1)[0]
    read = Predictor(model).predict(Radiograph(pixels, "a", "png", "0" * 64))
    assert list(read.probabilities.values()) == list(Predictor(model).predict(png(pixels)).probabilities.values())


def test_load_model_predicts(tiny: ModuleType, tmp_path: Path) -> None:
    save_model(tiny.model_bytes(), tmp_path / "model.onnx")
    (tmp_path / "film.png").write_bytes(png(tiny.films(1)[0]))
    model = load_model(tmp_path / "model.onnx", threads=1)
    assert model.predict(tmp_path / "film.png").name == "film.png"
    assert model.threads == 1
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "film.png")


@pytest.mark.shared
def test_real_films(model: Model, shared: Path) -> None:
    films = find_films([shared / "data" / "kermany" / "chest_xray" / "train" / "NORMAL"])[:6]
    predictions = list(Predictor(model, threads=2).predict_many(films))
    assert len(predictions) == 6
    assert not any(prediction.error for prediction in predictions)
