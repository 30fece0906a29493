"""The lung finder: any film gives a mask or a reason, and what is blacked out is gone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deephealth.errors import FilmError, ModelFileError
from deephealth.evaluation.lungs import agreement as lung_scores
from deephealth.evaluation.lungs.finder import (
    LungFinder,
    LungMask,
    cell_shares,
    grow_mask,
    lung_energy,
    only_lungs,
    resize_mask,
    without_lungs,
)
from deephealth.images.phantom import draw_phantom
from deephealth.model.file import shipped_model_path
from deephealth.model.lung_record import Plausibility

RULE = Plausibility(smallest=0.1, largest=0.65, main=0.9, balance=0.3, breadth=0.6, certainty=0.6)


@pytest.fixture(scope="module")
def finder() -> LungFinder:
    return LungFinder.shipped()


def mask_of(*boxes: tuple[int, int, int, int], side: int = 64, inside: float = 0.99) -> LungMask:
    """A mask of boxes (top, bottom, left, right) with the same probability inside each."""
    probabilities = np.full((side, side), 0.01, np.float32)
    for top, bottom, left, right in boxes:
        probabilities[top:bottom, left:right] = inside
    return LungMask(probabilities, 0.5, RULE)


TWO_LUNGS = ((10, 50, 8, 26), (10, 50, 36, 54))


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3), (64, 64), (33, 257), (900, 640), (90, 64, 3)])
def test_a_film_of_any_size_gives_probabilities_on_the_square(finder: LungFinder, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = finder.find(pixels)
    assert found.probabilities.shape == (finder.side, finder.side)
    assert found.probabilities.dtype == np.float32
    assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()
    assert found.at(*shape[:2]).shape == shape[:2]


@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8), np.float32), np.zeros((0, 5), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros(9, np.uint8)]
)
def test_pixels_of_another_kind_are_refused(finder: LungFinder, pixels: np.ndarray) -> None:
    with pytest.raises(FilmError, match="expected uint8"):
        finder.find(pixels)


def test_a_grey_film_in_three_channels_gives_the_same_lungs(finder: LungFinder) -> None:
    pixels = draw_phantom("normal", seed=5, size=128).pixels
    grey, colour = finder.find(pixels), finder.find(np.repeat(pixels[..., None], 3, axis=2))
    assert np.array_equal(grey.probabilities, colour.probabilities)


def test_the_lungs_of_phantoms_are_found_at_any_size_and_from_the_thumbnail(finder: LungFinder) -> None:
    films = list(lung_scores.phantom_films(9, seed=4321, sizes=(96, 160, 256)))
    native = lung_scores.agreement(lung_scores.ask(finder, films))
    small = lung_scores.agreement(lung_scores.ask(finder, films, thumbnails=True))
    assert native.dice.mean() > 0.95
    assert small.dice.mean() > 0.94
    assert native.plausible.all()
    assert small.plausible.all()


def test_thumbnail_and_film_give_nearly_the_same_lungs(finder: LungFinder) -> None:
    films = list(lung_scores.phantom_films(3, seed=4322, sizes=(200,)))
    for film, thumbnail in zip(lung_scores.ask(finder, films), lung_scores.ask(finder, films, thumbnails=True), strict=True):
        assert lung_scores.dice(film.found.mask, thumbnail.found.mask) > 0.95


def test_a_film_turned_by_a_few_degrees_keeps_its_lungs(finder: LungFinder) -> None:
    from PIL import Image

    phantom = draw_phantom("viral", seed=77, size=200)
    for angle in (-10, 10):
        turned = np.asarray(Image.fromarray(phantom.pixels).rotate(angle, Image.Resampling.BILINEAR))
        drawn = np.asarray(Image.fromarray(phantom.lung_mask).rotate(angle, Image.Resampling.NEAREST))
        assert lung_scores.dice(finder.find(turned).at(*turned.shape), drawn) > 0.93


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_blank_film_has_no_plausible_lungs(finder: LungFinder, grey: int) -> None:
    found = finder.find(np.full((200, 180), grey, np.uint8))
    assert not found.plausible
    assert found.reason.startswith("shows ")


def test_noise_has_no_plausible_lungs(finder: LungFinder) -> None:
    random = np.random.default_rng(3)
    for side in (16, 64, 128, 300):
        assert not finder.find(random.integers(0, 256, (side, side), dtype=np.uint8)).plausible


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (mask_of(), "no lungs"),
        (mask_of((10, 20, 10, 20)), "of its area"),
        (mask_of((0, 64, 0, 60)), "of its area"),
        (mask_of(*TWO_LUNGS, (54, 62, 4, 20), (54, 62, 40, 56)), "pieces"),
        (mask_of((10, 50, 8, 30), (10, 20, 50, 60)), "times as large"),
        (mask_of((8, 56, 20, 36)), "as wide as high"),
        (mask_of(*TWO_LUNGS, inside=0.55), "mean probability"),
        (mask_of(*TWO_LUNGS), ""),
    ],
)
def test_each_kind_of_implausible_mask_is_named(found: LungMask, reason: str) -> None:
    assert reason in found.reason
    assert found.plausible == (not reason)


def test_an_implausible_or_empty_mask_never_masks_a_film() -> None:
    pixels = np.full((30, 30), 90, np.uint8)
    for mask in (mask_of(), np.zeros((8, 8), bool)):
        for use in (lambda m: without_lungs(pixels, m), lambda m: only_lungs(pixels, m), lambda m: lung_energy(np.ones((3, 3)), m)):
            with pytest.raises(FilmError):
                use(mask)


def test_blacking_out_takes_the_lungs_and_the_margin_and_nothing_else() -> None:
    phantom = draw_phantom("bacterial", seed=8, size=72)
    pixels = np.maximum(phantom.pixels, 1)
    left = without_lungs(pixels, phantom.lung_mask, margin=0.05, fill=0)
    assert not left[phantom.lung_mask].any()
    gone = left == 0
    assert np.array_equal(left[~gone], pixels[~gone])
    height, width = pixels.shape
    rows, columns = np.nonzero(phantom.lung_mask)
    for y, x in zip(*np.nonzero(gone), strict=True):
        assert np.hypot((rows - y) / height, (columns - x) / width).min() <= 0.05 + 1e-9
    kept = only_lungs(pixels, phantom.lung_mask, fill=7)
    assert np.array_equal(kept[phantom.lung_mask], pixels[phantom.lung_mask])
    assert (kept[~phantom.lung_mask] == 7).all()


def test_blacking_out_leaves_the_film_that_was_given_as_it_was() -> None:
    phantom = draw_phantom("normal", seed=8, size=96)
    before = phantom.pixels.copy()
    colour = np.repeat(phantom.pixels[..., None], 3, axis=2)
    assert without_lungs(colour, phantom.lung_mask).shape == colour.shape
    without_lungs(phantom.pixels, phantom.lung_mask)
    assert np.array_equal(phantom.pixels, before)


@given(st.floats(0, 0.3), st.floats(0, 0.3))
def test_a_larger_margin_never_gives_a_smaller_mask(first: float, second: float) -> None:
    mask = mask_of(*TWO_LUNGS).mask
    small, large = grow_mask(mask, min(first, second)), grow_mask(mask, max(first, second))
    assert not (small & ~large).any()
    assert not (mask & ~small).any()


@given(st.integers(1, 90), st.integers(1, 90))
def test_resizing_keeps_full_and_empty_masks(height: int, width: int) -> None:
    assert resize_mask(np.ones((16, 16), bool), height, width).all()
    assert not resize_mask(np.zeros((16, 16), bool), height, width).any()


def test_resizing_up_and_down_returns_the_mask() -> None:
    mask = mask_of(*TWO_LUNGS).mask
    assert np.array_equal(resize_mask(resize_mask(mask, 256, 192), 64, 64), mask)


def test_the_energy_of_a_map_is_the_share_of_its_positive_part_within_the_lungs() -> None:
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    assert lung_energy(np.array([[3.0, 1.0], [-5.0, 0.0]]), mask) == pytest.approx(0.75)
    assert lung_energy(np.array([[2.0]]), mask) == pytest.approx(0.25)
    assert lung_energy(np.ones((3, 3)), mask) == pytest.approx(0.25)
    assert math.isnan(lung_energy(np.array([[-1.0, 0.0], [0.0, -2.0]]), mask))
    with pytest.raises(ValueError, match="finite"):
        lung_energy(np.array([[np.nan]]), mask)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_an_even_map_has_the_lungs_share_of_the_area(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((13, 17)) < 0.4
    mask[0, 0] = True
    assert cell_shares(mask, height, width).mean() == pytest.approx(mask.mean())
    assert lung_energy(np.full((height, width), 0.3, np.float32), mask) == pytest.approx(mask.mean())


def test_the_shipped_file_is_small_and_complete(finder: LungFinder) -> None:
    record = finder.record
    assert len(finder.data) < 2_000_000
    assert record.schema_version == 1
    assert {"Dice", "share of lung covered", "share plausible"} <= {score.measure for score in record.scores}
    assert all(score.n_films >= score.n_patients > 0 for score in record.scores)
    assert all(len(source.sha256) == 64 for source in record.data if source.patients)
    for words in ("Not a medical device", "CC BY 4.0", "National Library of Medicine", "held out", "Limits", "10.17632/rscbjbr9sj"):
        assert words in record.card
    assert not any("Shenzhen" in source.name for source in record.data)


def test_several_films_are_answered_in_their_order(finder: LungFinder) -> None:
    films = [film.pixels for film in lung_scores.phantom_films(3, seed=1, sizes=(80,))]
    for alone, together in zip(map(finder.find, films), finder.masks(films), strict=True):
        assert np.array_equal(alone.probabilities, together.probabilities)


def test_files_that_are_no_lung_finder_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    for source in (tmp_path / "absent.onnx", tmp_path / "text.onnx", shipped_model_path(), b""):
        with pytest.raises(ModelFileError):
            LungFinder.load(source)


def test_the_finder_needs_no_heavy_package_to_answer() -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy; from deephealth.evaluation.lungs.finder import LungFinder;"
        "LungFinder.shipped().find(numpy.zeros((9, 9), numpy.uint8)); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert not {"torch", "onnx", "sklearn", "matplotlib"} & set(loaded)


@pytest.mark.slow
@pytest.mark.shared
def test_held_out_children_are_found_as_well_as_the_card_says(finder: LungFinder, shared: Path) -> None:
    """The held-out list follows from the split rule and the seed in the file, so nobody could pick it after the fact."""
    from deephealth.training.lung_films import TEST, children

    assert finder.record.held_out_share == TEST
    placed = children(shared / "data", finder.record.seed)
    patients = {place: {film.patient for film in films} for place, films in placed.items()}
    assert not patients["test"] & (patients["train"] | patients["validation"])
    assert len(patients["test"]) >= 0.2 * sum(map(len, patients.values()))
    for thumbnails, name in ((False, "children, held out"), (True, "children, held out, from the 64 x 64 thumbnail")):
        told = next(score for score in finder.record.scores if score.films == name and score.measure == "Dice")
        answers = lung_scores.ask(finder, lung_scores.masked_films(placed["test"]), thumbnails=thumbnails)
        interval = lung_scores.agreement(answers).mean_dice()
        assert interval.value == pytest.approx(told.value, abs=5e-4)
        assert interval.value is not None
        assert interval.value >= 0.93
        assert (interval.n_films, interval.n_patients) == (told.n_films, told.n_patients)
