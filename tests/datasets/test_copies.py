"""A film that was turned, cropped or mirrored is known again, in words; another film of the same kind is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.leakage import BEYOND, REQUIRED, Pixels, cropped, facts_of, found, mirrored, turned
from numpy.typing import NDArray
from PIL import Image

from deephealth.datasets.copies import VIEWS, changed_copies, confirmed, in_words, square_laying
from deephealth.datasets.duplicates import find_duplicates
from deephealth.images.read import read_film

QUICK = (
    "turned by 3 degrees",
    "turned by 10 degrees, black corners",
    "turned by 10 degrees, other sense, white corners",
    "turned by 10 degrees, reflected",
    "5 % cropped from every side",
    "5 % cropped from the left",
    "5 % cropped from right and bottom, JPEG quality 30",
)
SEVERAL = ("turned by 5 degrees, 3 % cropped, JPEG quality 60", "mirrored, turned by 10 degrees", "turned by 90 and 10 degrees")


@pytest.fixture(scope="module")
def films(phantoms: Path) -> list[Pixels]:
    """Twenty phantoms of twenty patients."""
    paths = sorted(phantoms.glob("[!_]*/*-f1.png"))
    return [np.asarray(Image.open(path)) for path in paths[:: len(paths) // 20][:20]]


def real(folder: Path, count: int) -> list[Pixels]:
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in (".jpg", ".jpeg", ".png")]
    return [read_film(path.read_bytes(), name=path.name).pixels for path in paths[:: len(paths) // count][:count]]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*QUICK, *SEVERAL])
def test_every_changed_phantom_is_found_and_no_other(films: list[Pixels], name: str) -> None:
    copies = [(REQUIRED | BEYOND)[name](film) for film in films]
    pairs = find_duplicates(facts_of([*films, *copies]))
    assert {(pair.a, pair.b) for pair in pairs} == {(str(n), str(n + len(films))) for n in range(len(films))}
    assert all(pair.kind == "near" and 0.6 < pair.similarity <= 1 for pair in pairs)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("folder", ["kermany/chest_xray", "tb-shenzhen-montgomery/cxr", "nih"])
def test_changed_real_films_are_found(shared: Path, folder: str) -> None:
    pictures = real(shared / "data" / folder, 25)
    for name in QUICK[1:]:
        assert found(pictures, REQUIRED[name]) == len(pictures), name


@pytest.mark.shared
@pytest.mark.slow
def test_among_different_films_of_adults_only_the_film_that_stands_twice_is_found(shared: Path) -> None:
    pictures = [film for folder in ("nih", "hannover-covid/images") for film in real(shared / "data" / folder, 120)]
    assert len(pictures) == 240
    assert all(pair.similarity > 0.97 for pair in find_duplicates(facts_of(pictures)))


def test_a_pair_is_judged_by_its_two_films_alone(films: list[Pixels]) -> None:
    copies = [turned(film, 7) for film in films]
    together = {(pair.a, pair.b): pair for pair in find_duplicates(facts_of([*films, *copies]))}
    alone = find_duplicates(facts_of([films[3], copies[3]]))
    assert len(alone) == 1
    assert alone[0].change == together["3", "23"].change
    assert alone[0].similarity == pytest.approx(together["3", "23"].similarity, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda film: turned(film, 10), "turned by 10 degrees"),
        (lambda film: turned(mirrored(film), -6), "mirrored, turned by 6 degrees"),
        (lambda film: cropped(film, 0.05, 0.05, 0.05, 0.05), "cropped or shifted"),
        (lambda film: cropped(film, left=0.05), "cropped or shifted"),
        (mirrored, "mirrored"),
        (np.rot90, "turned by 90 degrees"),
        (lambda film: np.fliplr(np.rot90(film)), "mirrored, turned by 90 degrees"),
        (lambda film: (film * 0.8).astype(np.uint8), ""),
    ],
)
def test_the_change_is_said_in_words(films: list[Pixels], change: Callable[[Pixels], Pixels], words: str) -> None:
    (pair,) = find_duplicates(facts_of([films[0], np.ascontiguousarray(change(films[0]))]))
    assert pair.change == words


def test_words_for_a_turn_of_a_film_that_is_not_square() -> None:
    for view in VIEWS:
        if view.zoom == 1 and not view.quarters:
            turn = [f"turned by {abs(view.turned):g} degrees"] * (view.turned != 0)
            assert in_words(view.laying(1.4), 1.4, 1.4) == ", ".join(["mirrored"] * view.mirrored + turn)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_a_film_laid_on_itself_by_quarters_agrees_with_numpy(films: list[Pixels], turns: int, mirror: bool) -> None:
    facts = facts_of([films[0], np.ascontiguousarray(np.rot90(films[0][:, ::-1] if mirror else films[0], turns)), films[1]])
    assert facts.details is not None
    laying = np.repeat(square_laying(turns, mirror)[None], 2, axis=0)
    assert confirmed(facts.details, np.array([0, 2]), np.array([1, 1]), laying).tolist() == [True, False]


def test_films_without_anything_to_see_resemble_nothing(films: list[Pixels]) -> None:
    blank: list[NDArray[np.uint8]] = [np.full((50, 60), value, dtype=np.uint8) for value in (0, 90, 255)]
    facts = facts_of([*blank, films[0]])
    assert facts.details is not None
    assert changed_copies(facts.thumbnails, facts.details, np.ones(4)) == []
    assert changed_copies(facts.thumbnails[:1], facts.details[:1], np.ones(1)) == []


def test_pairs_that_are_known_are_not_looked_at_again(films: list[Pixels]) -> None:
    facts = facts_of([films[0], turned(films[0], 5), turned(films[0], -5)])
    assert facts.details is not None
    found_first = changed_copies(facts.thumbnails, facts.details, np.ones(3))
    rest = changed_copies(facts.thumbnails, facts.details, np.ones(3), frozenset({(0, 1)}))
    assert {(copy.i, copy.j) for copy in found_first} == {(0, 1), (0, 2), (1, 2)}
    assert {(copy.i, copy.j) for copy in rest} == {(0, 2), (1, 2)}
