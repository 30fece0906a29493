"""The split rules of 2020: retrain.py's against hashes worked out by hand, Teachable Machine's against its counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.published_splits import retrain_position, retrain_split, teachable_machine_split
from deephealth.errors import DatasetError, UsageError

# printf %s PATH | sha1sum, its last 27 bits over 2^27 - 1, in percent.
BY_HAND = {
    "/data/xrays/normal/IM-0115-0001.jpeg": ("0ad1266e377021df31bb27cb70771c86b377e835", 43.354837174377124),
    "xrays/pneumonia_virus/person1_virus_6.jpeg": ("05a2e749abf27eaff7bf16fe29ad0478e1f6423a", 24.524350647064676),
    "leaves/a_nohash_0.jpg": ("54c7b2dd9c4ae6070b090b2281617e25ac795757", 55.92486229482935),  # the digest of "leaves/a"
}


def index_of(counts: dict[str, int]) -> DatasetIndex:
    films = [Film(f"{label}/{k:03}.png", Path(f"{k}.png"), label, f"{label}-{k}") for label, count in counts.items() for k in range(count)]
    return DatasetIndex(Path("/data"), "folders", tuple(films), tuple(counts), ())


@pytest.mark.parametrize("path", BY_HAND)
def test_a_position_is_the_last_27_bits_of_the_digest_in_percent(path: str) -> None:
    digest, percent = BY_HAND[path]
    assert retrain_position(path) == pytest.approx(percent, rel=1e-14)
    assert retrain_position(path) == pytest.approx(100 * (int(digest[-7:], 16) & 0x7FFFFFF) / 0x7FFFFFF, abs=1e-9)


def test_variants_of_one_picture_stay_together_by_the_old_mark() -> None:
    assert retrain_position("leaves/a_nohash_0.jpg") == retrain_position("leaves/a_nohash_17.png") == retrain_position("leaves/a")


def test_validation_comes_first_then_test_then_train() -> None:
    index = index_of({"normal": 400})
    split = retrain_split(index, "/data/xrays", validation=10, test=25)
    for film in index.films:
        position = retrain_position(f"/data/xrays/{film.name}")
        expected = "validation" if position < 10 else "test" if position < 35 else "train"
        assert split.assignments[film.name] == expected
    assert split.by == "film"
    assert set(split.assignments.values()) == {"train", "validation", "test"}


def test_another_name_of_the_folder_is_another_split_as_it_was_then() -> None:
    index = index_of({"normal": 200, "viral": 200})
    assert retrain_split(index, "xrays").assignments != retrain_split(index, "xrays-1").assignments
    moved = {film.name: f"other/{film.name}" for film in index.films}
    assert retrain_split(index, "xrays", paths=moved).assignments == retrain_split(index, "xrays/other").assignments


@pytest.mark.parametrize(("validation", "test"), [(-1, 10), (60, 40), (float("nan"), 10)])
def test_percentages_that_leave_nothing_to_train_on_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UsageError, match="percentages"):
        retrain_split(index_of({"normal": 3}), "xrays", validation=validation, test=test)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(2, 60), min_size=1), st.integers(0, 5))
def test_every_class_gives_the_share_rounded_up_for_validation(counts: dict[str, int], seed: int) -> None:
    index = index_of(counts)
    split = teachable_machine_split(index, seed=seed)
    for label, count in counts.items():
        held_out = sum(split.assignments[film.name] == "validation" for film in index.films if film.label == label)
        assert held_out == -(-15 * count // 100)
    assert set(split.assignments) == {film.name for film in index.films}


def test_135_films_a_class_give_the_21_of_the_published_study() -> None:
    split = teachable_machine_split(index_of({"covid-19": 135, "other": 135}))
    assert sum(place == "validation" for place in split.assignments.values()) == 42


def test_the_seed_decides_and_decides_alone() -> None:
    index = index_of({"a": 40, "b": 40})
    assert teachable_machine_split(index, seed=3).assignments == teachable_machine_split(index, seed=3).assignments
    assert teachable_machine_split(index, seed=3).assignments != teachable_machine_split(index, seed=4).assignments


def test_a_class_that_would_keep_no_film_and_a_share_of_nothing_are_refused() -> None:
    with pytest.raises(DatasetError, match="'b' has 1 films"):
        teachable_machine_split(index_of({"a": 5, "b": 1}))
    for share in (0.0, 1.0):
        with pytest.raises(UsageError, match="share"):
            teachable_machine_split(index_of({"a": 5}), share=share)
