"""Films and masks of the lung finder: patients stay together, masks fall on their films, and two conventions are kept apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.errors import DatasetError
from deephealth.training import lung_films
from deephealth.training.lung_films import IGNORED, LUNG, LungExamples, MaskedFilm


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixty small films of thirty children, and thirty adults, with masks of other sizes."""
    random = np.random.default_rng(0)
    films, masks = tmp_path / "kermany" / "chest_xray" / "train", tmp_path / "kermany" / "lung_masks" / "train"
    names = [
        f"{folder}/{name}"
        for n in range(15)
        for k in range(2)
        for folder, name in (("NORMAL", f"IM-{n:04}-000{k}"), ("PNEUMONIA", f"person{n}_virus_{k}"))
    ]
    for name in names:
        for place, suffix, side in ((films, ".jpeg", (16, 16)), (masks, ".png", (30, 40))):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, side, dtype=np.uint8)).save(place / f"{name}{suffix}")
    adults = tmp_path / "tb-shenzhen-montgomery"
    for place in ("cxr", "lung_masks"):
        (adults / place).mkdir(parents=True)
        for n in range(30):
            Image.fromarray(random.integers(0, 256, (20, 20), dtype=np.uint8)).save(adults / place / f"MCUCXR_{n:04}_{n % 2}.jpg")
    return tmp_path


def test_no_patient_stands_on_two_sides(data: Path) -> None:
    placed = lung_films.children(data, seed=0)
    patients = {place: {film.patient for film in films} for place, films in placed.items()}
    assert sum(map(len, patients.values())) == len(set().union(*patients.values())) == 30
    assert sum(map(len, placed.values())) == 60
    assert all(patients.values())
    assert all(film.film.stem == film.mask.stem for films in placed.values() for film in films)
    assert lung_films.children(data, seed=0) == placed
    assert lung_films.children(data, seed=1) != placed


def test_adults_of_the_other_set_are_not_among_those_that_may_train(data: Path) -> None:
    folder = data / "tb-shenzhen-montgomery"
    for place in ("cxr", "lung_masks"):
        Image.new("L", (9, 9)).save(folder / place / "CHNCXR_0001_0.jpg")
    names = [film.name for films in lung_films.montgomery(data, seed=0).values() for film in films]
    assert len(names) == 30
    assert all(name.startswith("MCUCXR") for name in names)
    assert [film.name for film in lung_films.adults(data, "CHNCXR")] == ["CHNCXR_0001_0.jpg"]


def test_a_folder_without_masks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no film with a lung mask"):
        lung_films.montgomery(tmp_path, seed=0)


def test_a_mask_is_squashed_to_its_film(tmp_path: Path) -> None:
    drawn = np.zeros((40, 20), np.uint8)
    drawn[:20, :10], drawn[20:, 10:] = 255, 127
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    mask = lung_films.read_mask(tmp_path / "mask.png", 10, 10)
    assert (mask[:5, :5] == LUNG).all()
    assert (mask[5:, 5:] == IGNORED).all()
    assert (mask[:5, 5:] == 0).all()
    Image.fromarray(np.full((80, 60), 200, np.uint8)).save(tmp_path / "film.png")
    item = MaskedFilm("film.png", "p", tmp_path / "film.png", tmp_path / "mask.png")
    loaded = lung_films.load([item], 32, heart=True)
    assert loaded.films.shape == loaded.masks.shape == (1, 32, 32)
    assert (loaded.masks[0, :16, :16] == LUNG).all()
    assert set(np.unique(loaded.masks)) == {0, IGNORED, LUNG}


def test_what_lies_between_the_lungs_is_ignored_and_nothing_else() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:35, 5:20] = mask[5:35, 40:55] = LUNG
    marked = lung_films.between_ignored(mask)
    assert (marked[5:35, 20:40] == IGNORED).all()
    assert (marked == IGNORED).sum() == 30 * 20
    assert np.array_equal(marked == LUNG, mask == LUNG)
    empty = np.zeros((5, 5), np.uint8)
    assert np.array_equal(lung_films.between_ignored(empty), empty)


def test_phantoms_and_pictures_without_lungs_follow_from_their_seed() -> None:
    first, again = lung_films.phantoms(5, 64, seed=1), lung_films.phantoms(5, 64, seed=1)
    assert first.sha256 == again.sha256 != lung_films.phantoms(5, 64, seed=2).sha256
    assert ((first.masks == LUNG).mean(axis=(1, 2)) > 0.2).all()
    empty = lung_films.no_chests(first.films, 8, seed=0)
    assert len(empty.films) == 8
    assert not empty.masks.any()
    assert len({film.tobytes() for film in empty.films}) == 8
    assert len(LungExamples.joined([first, empty]).films) == 13


def test_every_epoch_shuffles_all_films_anew() -> None:
    epochs = [list(lung_films.batches(20, 5, epoch, seed=0)) for epoch in range(2)]
    for epoch in epochs:
        assert sorted(np.concatenate(epoch).tolist()) == list(range(20))
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))
    assert [len(batch) for batch in lung_films.batches(23, 5, 0, seed=0)] == [5, 5, 5, 5]
