"""What is told of the films, held against a set that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.split import Split
from deephealth.evaluation.data_facts import describe


def film(number: int, label: str, patient: str, **facts: object) -> Film:
    return Film(f"{number}.png", Path(f"/{number}.png"), label, patient, **facts)  # type: ignore[arg-type]


FILMS = (
    film(0, "normal", "p", sex="F", age=3.5),
    film(1, "normal", "p", sex="F", age=4),
    film(2, "normal", "q", sex="M", age=1),
    film(3, "viral", "q", sex="", age=None),
)
INDEX = DatasetIndex(Path("/films"), "csv", FILMS, ("normal", "viral"), (), notes=("a note",))
FACTS = FilmFacts(
    tuple(one.name for one in FILMS),
    ("",) * 4,
    np.array([100, 200, 400, 50], np.int32),
    np.array([10, 20, 20, 90], np.int32),
    np.zeros(4, np.int64),
    np.zeros((4, 64, 64), np.uint8),
    np.zeros((4, 32), np.uint8),
)


def test_films_patients_and_sizes_are_counted_by_class() -> None:
    found = describe(INDEX, FACTS)
    assert (found.films, found.patients) == ({"normal": 3, "viral": 1}, {"normal": 2, "viral": 1})
    assert found.films_per_patient == (2.0, 2)
    assert found.widths == {"normal": (100, 200.0, 400), "viral": (50, 50.0, 50)}
    assert found.heights == {"normal": (10, 20.0, 20), "viral": (90, 90.0, 90)}
    assert (found.layout, found.notes) == ("csv", ("a note",))


def test_values_are_counted_by_class_and_the_unknown_with_them() -> None:
    split = Split({"0.png": "train", "1.png": "train", "2.png": "test", "3.png": "validation"}, 0, "patient")
    found = {values.attribute: values.counts for values in describe(INDEX, FACTS, split).attributes}
    assert found == {
        "split": {"train": {"normal": 2, "viral": 0}, "validation": {"normal": 0, "viral": 1}, "test": {"normal": 1, "viral": 0}},
        "sex": {"F": {"normal": 2, "viral": 0}, "M": {"normal": 1, "viral": 0}, "": {"normal": 0, "viral": 1}},
        "age": {"0-1": {"normal": 1, "viral": 0}, "2-5": {"normal": 2, "viral": 0}, "": {"normal": 0, "viral": 1}},
    }


def test_what_no_film_states_is_left_out() -> None:
    assert {values.attribute for values in describe(INDEX, FACTS).attributes} == {"sex", "age"}


def test_no_films_have_no_facts() -> None:
    found = describe(DatasetIndex(Path("/films"), "csv", (), ("normal",), ()), FACTS)
    assert (found.films, found.films_per_patient, found.widths, found.attributes) == ({"normal": 0}, (0.0, 0), {}, ())
