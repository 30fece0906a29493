"""The split: whole patients, stable under growth, frozen when told, near the shares, and the same wherever the data set lies."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.split import SPLITS, Split, folds, group_films, make_split
from deephealth.errors import DatasetError, UsageError

LABELS = ("normal", "bacterial", "viral")


def index_of(films: list[Film], root: str = "/data") -> DatasetIndex:
    ordered = tuple(sorted(films, key=lambda film: film.name))
    return DatasetIndex(Path(root), "folders", ordered, tuple(dict.fromkeys(film.label for film in ordered)), ())


def film(name: str, patient: str, label: str = "normal", **more: str) -> Film:
    return Film(name, Path("/data") / name, label, patient, **more)


def patients(count: int, label: str = "normal", films: int = 1, start: int = 0) -> list[Film]:
    return [
        film(f"{label}/p{number}-f{shot}.png", f"{label}-{number}", label)
        for number in range(start, start + count)
        for shot in range(films)
    ]


def three_classes(count: int, films: int = 1, start: int = 0) -> list[Film]:
    return [one for label in LABELS for one in patients(count, label, films, start)]


def facts_of(films: list[Film], copies: dict[str, str] | None = None) -> FilmFacts:
    """Facts of blank films, so that the only copies are the planted ones: `copies` gives a film the file of another."""
    names = tuple(one.name for one in films)
    digests = tuple(hashlib.sha256((copies or {}).get(name, name).encode()).hexdigest() for name in names)
    n = len(names)
    size, thumbnails = np.full(n, 8, dtype=np.int32), np.zeros((n, 64, 64), dtype=np.uint8)
    return FilmFacts(names, digests, size, size, size.astype(np.int64), thumbnails, np.zeros((n, 32), dtype=np.uint8))


@st.composite
def indexes(draw: st.DrawFn) -> DatasetIndex:
    """Up to 40 patients of up to 4 films, mixed labels, some augmented copies."""
    films = []
    for number in range(draw(st.integers(1, 40))):
        for shot in range(draw(st.integers(1, 4))):
            films.append(film(f"p{number:02}-{shot}.png", f"p{number:02}", draw(st.sampled_from(LABELS))))
    for number in range(draw(st.integers(0, 5))):
        origin = draw(st.sampled_from(films))
        films.append(
            film(f"aug-{number}.png", draw(st.sampled_from([origin.patient, f"aug-{number}.png"])), origin.label, origin=origin.name)
        )
    return index_of(films)


seeds = st.integers(0, 1000)


@given(indexes(), seeds)
def test_no_patient_and_no_origin_in_two_splits(index: DatasetIndex, seed: int) -> None:
    split = make_split(index, seed=seed)
    assert set(split.assignments) == {one.name for one in index.films}
    assert set(split.assignments.values()) <= set(SPLITS)
    for one in index.films:
        for other in index.films:
            if one.patient == other.patient or one.origin == other.name:
                assert split.assignments[one.name] == split.assignments[other.name]


@given(seeds, st.integers(0, 200), st.integers(0, 2))
@settings(max_examples=20)
def test_adding_films_and_patients_moves_nobody(seed: int, more: int, extra_films: int) -> None:
    old = three_classes(250)
    new = (
        old + three_classes(more, start=250) + [film(f"{one.name}-{n}", one.patient, one.label) for one in old for n in range(extra_films)]
    )
    before, after = make_split(index_of(old), seed=seed), make_split(index_of(new), seed=seed)
    assert {name: after.assignments[name] for name in before.assignments} == before.assignments


@given(indexes(), seeds, seeds, st.integers(0, 10))
def test_a_previous_split_is_kept_and_known_patients_stay(index: DatasetIndex, seed: int, other_seed: int, more: int) -> None:
    before = make_split(index, seed=seed)
    later = [film(f"later-{number}.png", f"p{number:02}", "viral") for number in range(more)]
    after = make_split(index_of([*index.films, *later]), seed=other_seed, previous=before)
    assert before.assignments.items() <= after.assignments.items()
    place_of = {one.patient: before.assignments[one.name] for one in index.films}
    for one in later:
        assert after.assignments[one.name] == place_of.get(one.patient, after.assignments[one.name])


@given(indexes(), seeds)
def test_the_same_wherever_the_data_set_lies_and_in_any_order(index: DatasetIndex, seed: int) -> None:
    moved = tuple(replace(one, path=Path("/elsewhere") / one.name) for one in reversed(index.films))
    assert make_split(replace(index, root=Path("/elsewhere"), films=moved), seed=seed).sha256 == make_split(index, seed=seed).sha256


@given(indexes(), seeds)
@settings(max_examples=20)
def test_saved_and_loaded_it_is_the_same(tmp_path_factory: pytest.TempPathFactory, index: DatasetIndex, seed: int) -> None:
    path = tmp_path_factory.mktemp("split") / "split.csv"
    split = make_split(index, seed=seed)
    split.save(path)
    assert Split.load(path) == split


@given(st.integers(3, 40), seeds)
@settings(max_examples=50)
def test_every_class_of_three_patients_is_in_every_split(count: int, seed: int) -> None:
    index = index_of(three_classes(count, films=2))
    split = make_split(index, seed=seed)
    for label in LABELS:
        held = Counter(split.assignments[one.name] for one in index.films if one.label == label)
        assert set(held) == set(SPLITS)
        for name in ("validation", "test"):
            assert max(1, int(count * 0.15 / 2)) <= held[name] / 2 <= max(1, round(2 * count * 0.15))


@given(st.integers(1, 2), seeds)
def test_a_class_of_one_or_two_patients_is_trained_on(count: int, seed: int) -> None:
    index = index_of(three_classes(10) + patients(count, "rare"))
    assert any(one.label == "rare" for one in make_split(index, seed=seed).films(index, "train"))


def test_a_large_set_comes_near_the_shares_by_the_hash_alone() -> None:
    index = index_of(patients(4000))
    counts = Counter(make_split(index, seed=3, validation=0.1, test=0.2).assignments.values())
    assert counts["validation"] == pytest.approx(400, abs=60)
    assert counts["test"] == pytest.approx(800, abs=80)


def test_the_rule_is_the_documented_hash() -> None:
    index = index_of(patients(500))
    split = make_split(index, seed=7)
    for one in index.films:
        u = int.from_bytes(hashlib.sha256(f"7/{one.patient}".encode()).digest()[:8], "big") / 2**64
        assert split.assignments[one.name] == ("validation" if u < 0.15 else "test" if u < 0.30 else "train")


def test_the_official_test_stays_and_the_rest_is_train_and_validation() -> None:
    official = [replace(one, split="test") for one in three_classes(20, start=100)]
    index = index_of(three_classes(50) + official)
    split = make_split(index)
    assert {one.name for one in split.films(index, "test")} == {one.name for one in official}
    assert len(split.films(index, "validation")) == pytest.approx(0.15 * 150, abs=15)
    no_official = make_split(index_of(three_classes(50)))
    moved = [name for name, place in no_official.assignments.items() if place == "validation" and split.assignments[name] != "validation"]
    assert not moved


def test_a_patient_with_a_film_in_the_official_test_is_not_trained_on() -> None:
    both = [film("a.png", "p", split="test"), film("b.png", "p", split="train")]
    split = make_split(index_of(both + three_classes(5)))
    assert split.assignments["a.png"] == split.assignments["b.png"] == "test"


def test_copies_of_one_picture_join_their_patients() -> None:
    films = three_classes(60)
    pairs = {films[number].name: films[-1 - number].name for number in range(40)}
    split = make_split(index_of(films), facts=facts_of(films, pairs))
    apart = make_split(index_of(films))
    assert all(split.assignments[a] == split.assignments[b] for a, b in pairs.items())
    assert any(apart.assignments[a] != apart.assignments[b] for a, b in pairs.items())


def test_a_copy_found_later_moves_nobody_and_new_films_of_the_group_join_the_earliest_split() -> None:
    old = [film("a.png", "p1"), film("b.png", "p2")]
    before = Split({"a.png": "test", "b.png": "train"}, 0, "patient")
    new = [*old, film("c.png", "p1")]
    after = make_split(index_of(new), facts=facts_of(new, {"a.png": "b.png"}), previous=before)
    assert after.assignments == {"a.png": "test", "b.png": "train", "c.png": "train"}


def test_copies_of_an_origin_that_is_not_in_the_index_stay_together() -> None:
    copies = [film(f"aug-{n}.png", f"aug-{n}.png", origin="gone.png") for n in range(8)]
    assert len(group_films(index_of(copies))) == 1


def test_films_without_a_patient_are_patients_of_their_own() -> None:
    assert len(group_films(index_of([film("a.png", ""), film("b.png", "")]))) == 2


def test_by_film_cuts_patients() -> None:
    index = index_of(patients(30, films=8))
    split = make_split(index, by="film")
    assert any(
        len({split.assignments[one.name] for one in index.films if one.patient == p}) > 1 for p in {one.patient for one in index.films}
    )


def test_an_unwanted_split_stays_empty() -> None:
    index = index_of(three_classes(20))
    assert "test" not in make_split(index, test=0).assignments.values()
    assert set(make_split(index, test=0, validation=0).assignments.values()) == {"train"}


@pytest.mark.parametrize("shares", [(0.6, 0.4), (-0.1, 0.2), (float("nan"), 0.1), (0.2, 1.5)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="expected 0 or more each and less than 1 together"):
        make_split(index_of(patients(5)), validation=shares[0], test=shares[1])


def test_a_previous_split_by_another_rule_and_an_empty_index_are_refused() -> None:
    index = index_of(patients(5))
    with pytest.raises(UsageError, match="drawn by film and this one is by patient"):
        make_split(index, previous=make_split(index, by="film"))
    with pytest.raises(DatasetError, match="no film to split"):
        make_split(index_of([]))
    with pytest.raises(UsageError, match="not a split"):
        make_split(index).films(index, "val")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "film,split,seed,by\n",
        "path,label\na,b\n",
        "film,split,seed,by\na,val,0,patient\n",
        "film,split,seed,by\na\n",
        "film,split,seed,by\na,train,--1,patient\n",
        "film,split,seed,by\na,train,0,hospital\n",
        "film,split,seed,by\na,train,0,patient\na,test,0,patient\n",
        "\x00\x01",
        '"' + "x" * 200_000,
    ],
)
def test_a_file_that_is_no_split_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match="expected"):
        Split.load(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        Split.load(tmp_path / "absent.csv")


def test_names_that_csv_must_quote_survive(tmp_path: Path) -> None:
    split = Split({'a "b", c\r\nd.png': "train", "niño\udcff.png": "test"}, -3, "film")
    split.save(tmp_path / "split.csv")
    assert Split.load(tmp_path / "split.csv") == split


@given(indexes(), st.integers(2, 5), seeds)
@settings(max_examples=25, deadline=None)
def test_folds_partition_and_cut_no_group(index: DatasetIndex, n: int, seed: int) -> None:
    groups = group_films(index)
    if len(groups) < n:
        with pytest.raises(DatasetError, match="ask for fewer folds"):
            folds(index, n=n, seed=seed)
        return
    parts = folds(index, n=n, seed=seed)
    assert len(parts) == n
    tested = Counter(name for part in parts for name, place in part.assignments.items() if place == "test")
    assert tested == Counter(one.name for one in index.films)
    for part in parts:
        assert all(len({part.assignments[one.name] for one in films}) == 1 for films in groups.values())


def test_folds_are_stratified_and_seeded() -> None:
    index = index_of(patients(100, films=2) + patients(50, "viral"))
    parts = folds(index, n=5, seed=1)
    for part in parts:
        assert Counter(one.label for one in part.films(index, "test")) == {"normal": 40, "viral": 10}
    assert parts == folds(index, n=5, seed=1) != folds(index, n=5, seed=2)
    with pytest.raises(UsageError, match="2 or more"):
        folds(index, n=1)
