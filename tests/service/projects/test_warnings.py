"""What a person is told of films as they arrive."""

from __future__ import annotations

from typing import Any

import numpy as np

from deephealth.service.projects import warnings
from deephealth.service.store.films import Known


def _codes(films: list[dict[str, Any]]) -> list[list[str]]:
    return [[warning["code"] for warning in entry["warnings"] if warning["code"] != "not-chest"] for entry in films]


def test_copies_are_told_also_when_saved_in_another_way(project: Any, film: Any) -> None:
    project.send("normal", ("a.png", film("normal", 1)), ("b.png", film("normal", 1)), ("c.jpg", film("normal", 1, 1, "JPEG")))
    films = project.films()
    assert _codes(films) == [[], ["duplicate"], ["duplicate"]]
    assert "The same file as a.png" in films[1]["warnings"][0]["text"] and films[2]["warnings"][0]["film"] == films[0]["id"]
    project.change(films=[films[0]["id"]], deleted=True)
    assert _codes(project.films()) == [[], ["duplicate"]]


def test_a_copy_in_another_class_is_told_of_both(project: Any, film: Any) -> None:
    project.send("normal", ("a.png", film("normal", 1)))
    project.send("viral", ("b.png", film("normal", 1)))
    films = project.films()
    assert _codes(films) == [["copy-in-another-class"], ["copy-in-another-class"]]
    assert films[1]["warnings"][0]["class"] == project.classes["normal"]


def test_a_patient_in_two_classes_is_told(project: Any, film: Any) -> None:
    project.send("normal", ("00000007_000.png", film("normal", 1)))
    project.send("viral", ("00000007_001.png", film("viral", 2)))
    films = project.films()
    assert _codes(films) == [["patient-in-another-class"]] * 2
    assert "This patient also has films in viral" in films[0]["warnings"][0]["text"]


def test_a_picture_that_is_no_film_is_told_in_the_language_asked_for(project: Any, film: Any) -> None:
    project.send("normal", ("a.png", film("normal", 1)))
    texts = {}
    for language in ("en", "es"):
        answer = project.client.get(f"{project.base}/films", headers={"Accept-Language": language}).json()["films"]
        (texts[language],) = [warning["text"] for warning in answer[0]["warnings"] if warning["code"] == "not-chest"]
    assert texts["en"] and texts["es"] and texts["en"] != texts["es"]


def test_a_class_too_small_is_told_with_what_it_needs(project: Any, film: Any) -> None:
    project.send("normal", *[(f"{patient}.png", film("normal", patient)) for patient in (1, 2, 3)])
    found = project.client.get(project.base).json()["warnings"]
    assert [warning["code"] for warning in found] == ["one-class", "class-too-small", "class-too-small"]
    assert "fewer than 20" in found[1]["text"] and "0 films of 0 patients" in found[2]["text"]


def test_a_thousand_films_are_compared_as_every_pair_would_be() -> None:
    rng = np.random.default_rng(0)
    phash = rng.integers(0, 2**64, (1000, 4), dtype=np.uint64)
    phash[900] = phash[3] ^ np.uint64(0b111)  # 12 of 256 bits
    phash[901] = phash[4] ^ np.uint64(0xFF)  # 32 of 256 bits: another film
    known = Known(tuple(map(str, range(1000))), ("a",) * 1000, (None,) * 1000, tuple(map(str, range(1000))), ("",) * 1000, phash)
    alike = warnings.copies(np.arange(1000), known)
    assert [tuple(map(int, pair)) for pair in np.argwhere(alike)] == [(3, 900), (900, 3)]
