"""The index: its order, its hash, and the one alias table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deephealth.datasets.index import ALIASES, DatasetIndex, Film, Problem, build_index, canonical_label, order_classes
from deephealth.errors import DatasetError

ROOT = Path("/films")


def film(name: str, label: str = "normal", patient: str = "") -> Film:
    return Film(name, ROOT / name, label, patient or name)


def two_classes() -> DatasetIndex:
    return build_index(ROOT, "folders", [film("b.png", "viral"), film("a.png")], [])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("NORMAL", "normal"),
        ("no_pneumonia", "normal"),
        ("0 No pneumonia", "normal"),
        ("No_findings", "normal"),
        ("pneumonia_bacteria", "bacterial"),
        ("bacteria", "bacterial"),
        ("BACTERIAL", "bacterial"),
        ("1 Bacterial", "bacterial"),
        ("pneumonia_virus", "viral"),
        ("virus", "viral"),
        ("Viral Pneumonia", "viral"),
        ("PNEUMONIA", "pneumonia"),
        ("COVID19", "covid-19"),
        ("0 Class 1", "0 Class 1"),
        ("Tuberculosis ", "Tuberculosis"),
    ],
)
def test_one_table_names_classes(name: str, label: str) -> None:
    assert canonical_label(name) == label


@given(st.one_of(st.sampled_from(sorted(ALIASES)), st.text()))
def test_a_class_name_is_its_own_alias(name: str) -> None:
    assert canonical_label(canonical_label(name)) == canonical_label(name)


def test_classes_stand_in_the_order_of_model_outputs() -> None:
    assert order_classes(["viral", "abscess", "normal", "viral", "Zoster", "bacterial"]) == (
        "normal",
        "bacterial",
        "viral",
        "Zoster",
        "abscess",
    )


def test_films_are_sorted_by_name_and_counted() -> None:
    index = build_index(
        ROOT, "folders", [film("b", "viral", "p"), film("c", "viral", "p"), film("a")], [Problem("z", "no"), Problem("y", "no")]
    )
    assert [entry.name for entry in index.films] == ["a", "b", "c"]
    assert [problem.name for problem in index.problems] == ["y", "z"]
    assert index.by_label() == {"normal": 1, "viral": 2}
    assert index.patients_by_label() == {"normal": 1, "viral": 1}


def test_hash_is_of_name_label_patient_and_split_only() -> None:
    index = two_classes()
    moved = replace(index, root=Path("/elsewhere"), films=tuple(replace(entry, path=Path("/x"), age=3.0) for entry in index.films))
    assert moved.sha256 == index.sha256
    for change in ({"name": "n"}, {"label": "bacterial"}, {"patient": "q"}, {"split": "test"}):
        assert replace(index, films=(replace(index.films[0], **change), *index.films[1:])).sha256 != index.sha256  # type: ignore[arg-type]


def test_hash_takes_names_that_are_not_utf8() -> None:
    assert len(build_index(ROOT, "folders", [film("a\udcff"), film("b", "viral")], []).sha256) == 64


def test_no_film_is_an_error_that_says_what_was_left_out() -> None:
    with pytest.raises(DatasetError, match=r"holds no film that can be used \(2 left out: file not found\)"):
        build_index(ROOT, "csv", [], [Problem("a", "file not found"), Problem("b", "file not found")])


def test_one_class_is_an_error_unless_it_suffices() -> None:
    with pytest.raises(DatasetError, match="one class, 'normal'"):
        build_index(ROOT, "folders", [film("a")], [])
    assert build_index(ROOT, "folders", [film("a")], [], fewest_classes=1).classes == ("normal",)
