"""Names that give copies, patients and classes away, and names that only look so."""

from __future__ import annotations

from pathlib import Path

import pytest

from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.names import name_notes, origins
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import make_split


def film(name: str, label: str = "normal", patient: str = "", split: str = "", origin: str = "") -> Film:
    return Film(name, Path("/data") / name, label, patient or name, split=split, origin=origin)


@pytest.mark.parametrize(
    "copy",
    [
        "a_aug.png",
        "a_aug3.jpg",
        "a_rot10.png",
        "a_rot-10.png",
        "a_rotated_90.png",
        "a-flipped.png",
        "a_hflip_rot10_bright1.2.png",
        "a (1).png",
        "a - Copy.png",
        "a - Copy (2).png",
        "Copy of a.png",
        "aug_a.png",
        "a_0_1234.png",
        "A_AUG.PNG",
    ],
)
def test_a_name_made_from_a_films_name_is_its_copy(copy: str) -> None:
    assert origins([film("x/a.png"), film(f"x/{copy}"), film("x/b.png")]) == {f"x/{copy}": "x/a.png"}


@pytest.mark.parametrize(
    "names",
    [
        ("COVID (1).png", "COVID (2).png"),  # numbered, not copied
        ("aug_0_1234.png", "aug_0_99.png"),  # the one prefix of a whole folder
        ("person1_bacteria_1.jpeg", "person1_bacteria_2.jpeg"),
        ("IM-0115-0001.jpeg", "IM-0115-0001-0001.jpeg"),
        ("00002658_001.jpg", "00002658_002.jpg"),
        ("rotterdam-1.png", "1.png"),
        ("copyright.png", "right.png"),
    ],
)
def test_names_that_only_look_like_copies(names: tuple[str, ...]) -> None:
    assert origins([film(f"x/{name}") for name in names]) == {}


def test_the_origin_is_looked_for_beside_the_copy_and_then_in_its_class() -> None:
    films = [film("n/a.png"), film("v/a.png", "viral"), film("v/a_aug.png", "viral"), film("more/a_aug2.png")]
    assert origins(films) == {"v/a_aug.png": "v/a.png", "more/a_aug2.png": "n/a.png"}
    twice = [film("n/a.png"), film("m/a.png"), film("more/a_aug.png")]
    assert origins(twice) == {}


def test_what_the_data_set_says_goes_before_the_name() -> None:
    assert origins([film("a.png"), film("a_aug.png", origin="gone.png")]) == {"a_aug.png": "gone.png"}


def test_copies_by_name_stand_in_one_split_with_their_origin() -> None:
    films = tuple(
        film(f"{label}/{n}{mark}.png", label) for label in ("normal", "viral") for n in range(20) for mark in ("", "_aug", "_rot5")
    )
    split = make_split(DatasetIndex(Path("/data"), "folders", films, ("normal", "viral"), ()))
    for one in films:
        origin = one.name.split("_")[0].removesuffix(".png") + ".png"
        assert split.assignments[one.name] == split.assignments[origin]


def test_clean_names_have_no_note() -> None:
    films = [film("n/a.png", patient="p1", split="train"), film("v/b.png", "viral", patient="p2", split="test")]
    assert name_notes(films, {}, ("normal", "bacterial", "viral", "covid-19", "pneumonia", "abnormal", "tb")) == ()


def test_every_trap_has_its_note() -> None:
    films = [
        film("n/IM-0115-0001.jpeg", "normal", patient="1", split="train"),
        film("v/IM-0115-0001.jpeg", "viral", patient="2", split="test"),
        film("v/c.png", "viral", patient="1", split="test"),
    ]
    place = {"n/IM-0115-0001.jpeg": "train", "v/IM-0115-0001.jpeg": "test", "v/c.png": "test"}
    assert name_notes(films, place, ("normal", "viral")) == (
        "1 patient has films of more than one class: right for films of different days, else check the labels.",
        "1 file name stands in the folders of more than one class, such as im-0115-0001.jpeg.",
        "By file names 1 patient is named in two splits, under different patient keys: check that the keys are right.",
        "1 patient has films both in the official test folder and outside it.",
    )


@pytest.mark.parametrize(
    ("a", "b", "one"),
    [
        ("Tuberculosis", "tuberculosis ", True),
        ("tuberculosis", "tubercolosis", True),
        ("TB", "tb", True),
        ("viral", "Viral pneumonias", True),
        ("lung opacity", "Lung_Opacities", False),
        ("normal", "abnormal", False),
        ("normal", "pneumonia", False),
        ("stage 1", "stage 2", False),
        ("tb", "tc", False),
    ],
)
def test_two_spellings_of_one_class(a: str, b: str, one: bool) -> None:
    assert bool(name_notes([], {}, (a, b))) is one


@pytest.mark.shared
def test_no_real_film_is_taken_for_a_copy_by_its_name(shared: Path) -> None:
    for folder in ("kermany/chest_xray", "nih", "cohen-covid-chestxray", "tb-shenzhen-montgomery"):
        assert origins(open_dataset(shared / "data" / folder, fewest_classes=1).films) == {}
