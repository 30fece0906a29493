"""The section "gate" on phantoms and pictures made up for it, with models small enough to be quick."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from PIL import Image

from deephealth.images.phantom import draw_phantom, write_phantoms
from deephealth.images.phantom_dicom import dicom_bytes
from deephealth.inference.predictor import Predictor
from deephealth.model.file import Model
from studies.shipped import gate
from studies.shipped.films import Children
from studies.shipped.runs import Runs

FILM = np.arange(40 * 36, dtype=np.uint32).reshape(40, 36).astype(np.uint8)


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All folders that the section asks about, with two or three pictures each."""
    root = tmp_path_factory.mktemp("data")
    write_phantoms(root / "kermany" / "chest_xray", per_class=10, seed=5, size=64, films_per_patient=1, masks=False)
    for folder, names in {
        "not-cxr/hand-xray": ("1.png.jpg", "2.png.jpg"),
        "not-cxr/photos-cc0": ("a.jpg", "b.png"),
        "not-cxr/dicom-png": ("CT1.png.jpg", "MR1.png.jpg"),
        "nih/No_findings": ("1_0.jpg",),
        "nih/Pneumonia": ("1_1.jpg", "2_0.jpg"),
        "hannover-covid/images": ("i1.jpg", "i2.jpg", "i3.jpg"),
        "tb-shenzhen-montgomery/cxr": ("CHNCXR_1_0.jpg", "MCUCXR_1_1.jpg"),
        "cohen-covid-chestxray/images": ("x.jpg", "y.png.jpg", "z.jpg"),
    }.items():
        for number, name in enumerate(names):
            picture(root / folder / name, number)
    (root / "hannover-covid" / "data.csv").write_text("patient_id,image_id\np,i1\np,i2\nq,i3\n")
    (root / "cohen-covid-chestxray" / "metadata.csv").write_text("patientid,filename\n7,x.jpg\n7,y.png\n")
    dicom(root / "dicom" / "chest" / "film.dcm", "DX")
    dicom(root / "dicom" / "not-chest" / "CT1.dcm", "CT")
    return root


def dicom(path: Path, modality: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(dicom_bytes(draw_phantom("normal", seed=1, size=64), seed=1, patient=0, film=0))
    dataset = pydicom.dcmread(path)
    dataset.Modality = modality
    dataset.save_as(path)


@pytest.fixture(scope="module")
def children(data: Path) -> Children:
    return Children.open(data, 1)


@pytest.fixture
def runs(tiny: ModuleType, tmp_path: Path) -> Callable[[float], Runs]:
    """Where six equal models with that threshold lie."""

    def with_threshold(threshold: float) -> Runs:
        for name in ("shipped", *(f"fold-{k}" for k in range(5))):
            (tmp_path / name).mkdir()
            (tmp_path / name / "model.onnx").write_bytes(tiny.model_bytes(novelty_threshold=threshold))
        return Runs(tmp_path)

    return with_threshold


def test_a_gate_that_refuses_everything_fails_one_bar_and_passes_the_other(
    children: Children, runs: Callable[[float], Runs], data: Path
) -> None:
    found = gate.measure(children, runs(1e-6), 1)
    assert (found["passed"]["value"], found["passed"]["bar"], found["passed"]["films"]) == (0.0, 0.97, 30)
    assert (found["no chest films"]["value"], found["no chest films"]["bar"]) == (1.0, 0.98)
    assert set(found["thresholds"].values()) == {0.0} and len(found["thresholds"]) == 6
    # 2 hands, 2 photographs, 3 slices of 2 things, 9 greys, 40 of noise; of 30 films of 30 patients one inverted and two turned.
    assert (found["no chest films"]["films"], found["no chest films"]["patients"]) == (56 + 90, 55 + 30)
    assert {kind: row["films"] for kind, row in found["refused"].items()} == {
        "children": 30, "children, normal": 10, "children, bacterial": 10, "children, viral": 10,
        "hands": 2, "photographs": 2, "slices": 3, "blank": 9, "noise": 40,
        "inverted": 30, "on the side": 60, "upside down": 60, "tiles shuffled": 30,
        "adults, NIH": 3, "adults, Hannover": 3, "adults, Shenzhen": 1, "adults, Montgomery": 1, "adults, cohen-covid-chestxray": 3,
        "adults, DICOM": 1,
    }  # fmt: skip
    assert {row["value"] for row in found["refused"].values()} == {1.0}
    json.dumps(found, allow_nan=False)


def test_a_gate_that_passes_everything_leaves_it_to_the_headers(children: Children, runs: Callable[[float], Runs], data: Path) -> None:
    found = gate.measure(children, runs(1e9), 1)
    assert found["passed"]["value"] == 1.0
    assert {row["value"] for row in found["refused"].values()} == {0.0}
    assert found["no chest films"]["value"] == 0.0
    assert found["slices by gate and header"]["value"] == 1.0


def test_films_of_adults_are_counted_by_patient(data: Path, tiny: ModuleType) -> None:
    found = gate.adults_films(data, Model.load(tiny.model_bytes()), 1)
    counts = {name: (row["films"], row["patients"]) for name, row in found.items()}
    assert counts == {
        "NIH": (3, 2), "Hannover": (3, 2), "Shenzhen": (1, 1), "Montgomery": (1, 1), "cohen-covid-chestxray": (3, 2), "DICOM": (1, 1),
    }  # fmt: skip


def test_what_is_refused_is_what_a_users_program_would_refuse(data: Path, tiny: ModuleType) -> None:
    pairs = [pair for pairs in gate.pictures_of_other_things(data).values() for pair in pairs]
    distances = gate.put(Model.load(tiny.model_bytes()), pairs, 1).distance * 3.0  # the tiny model's threshold
    model = Model.load(tiny.model_bytes(novelty_threshold=float(np.median(distances))))
    found = gate.put(model, pairs, 1)
    answers = [Predictor(model).predict(_film(pixels)) for _, pixels in pairs]
    assert found.refused.tolist() == [answer.refused for answer in answers]
    assert 0 < found.refused.mean() < 1
    np.testing.assert_array_equal(found.distance > 1, found.refused)


def _film(pixels: np.ndarray) -> object:
    from deephealth.images.radiograph import Radiograph

    return Radiograph(pixels, "x", "made", "")


def test_each_fold_is_asked_about_films_made_of_its_own(children: Children, tiny: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {f"fold {k}": Model.load(tiny.model_bytes(name=f"{k}")) for k in range(5)}
    asked: dict[str, set[str]] = {name: set() for name in models}
    put = gate.put

    def noted(model: Model, pictures: list, threads: int) -> gate.Refusals:
        asked[f"fold {model.record.name}"] |= {patient for patient, _ in pictures}
        return put(model, pictures, threads)

    monkeypatch.setattr(gate, "put", noted)
    found = gate.made_of_films(children, models, 1, most=4)
    assert {kind: len(part.patients) for kind, part in found.items()} == {
        "inverted": 20, "on the side": 40, "upside down": 40, "tiles shuffled": 20,
    }  # fmt: skip
    for k in range(5):
        assert asked[f"fold {k}"] <= {film.patient for film in children.tested(k)}


def test_pictures_are_made_as_they_are_called() -> None:
    random = np.random.default_rng(0)
    made = {kind: change(FILM, random) for kind, change in gate.CHANGES.items()}
    assert made["inverted"][0][3, 5] == 255 - FILM[3, 5]
    right, left = made["on the side"]
    assert right.shape == (36, 40) and right[0, 0] == FILM[0, -1] and left[0, 0] == FILM[-1, 0]
    flipped, turned = made["upside down"]
    assert flipped[0, 0] == FILM[-1, 0] and turned[0, 0] == FILM[-1, -1]


def test_shuffling_moves_whole_tiles_and_loses_none() -> None:
    tile = np.arange(16, dtype=np.uint8).reshape(4, 4)
    film = np.kron(tile, np.ones((5, 7), np.uint8))
    moved = gate.shuffled(film, np.random.default_rng(1))
    assert moved.shape == film.shape
    assert sorted(moved[::5, ::7].ravel()) == list(range(16)) and (moved[::5, ::7] != tile).any()
    np.testing.assert_array_equal(moved, np.kron(moved[::5, ::7], np.ones((5, 7), np.uint8)))
    assert gate.shuffled(np.zeros((43, 30), np.uint8), np.random.default_rng(1)).shape == (40, 28)


def test_no_more_films_than_there_are_are_chosen_and_both_ends_are_among_them(children: Children) -> None:
    films = children.index.films
    assert gate.evenly(films, 100) == list(films)
    chosen = gate.evenly(films, 5)
    assert len(set(chosen)) == 5 and chosen[0] == films[0] and chosen[-1] == films[-1]


def test_a_file_that_is_no_film_is_not_counted(data: Path, tmp_path: Path) -> None:
    picture(tmp_path / "good.png.jpg")
    (tmp_path / "bad.jpg").write_text("no picture")
    assert [key for key, _ in gate._keyed(sorted(tmp_path.iterdir()))] == ["good"]


def test_kinds_joined_keep_their_films_and_patients() -> None:
    one = gate.Refusals(("a", "a"), np.array([True, False]), np.array([2.0, 0.5]))
    other = dataclasses.replace(one, patients=("b", "c"))
    both = gate.joined([one, other])
    assert both.patients == ("a", "a", "b", "c") and both.figure["value"] == 0.5 and both.figure["patients"] == 3
