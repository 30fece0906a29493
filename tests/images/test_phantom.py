"""Phantom films: deterministic, alike within a patient, diseased only inside the lungs, and with cues only where they were planted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.errors import UsageError
from deephealth.images.phantom import CUES, LABELS, Phantom, contact_sheet, draw_phantom, write_phantoms
from deephealth.images.read import read_film
from deephealth.settings.progress import Progress

SIZE = 96


def thumbnail(phantom: Phantom) -> np.ndarray:
    small = Image.fromarray(phantom.pixels).resize((48, 48), Image.Resampling.BILINEAR)
    flat = np.asarray(small, dtype=float)[6:-6, 6:-6].ravel()
    return (flat - flat.mean()) / flat.std()


@pytest.mark.parametrize("label", LABELS)
def test_same_arguments_give_the_same_film(label: str) -> None:
    first, second = (draw_phantom(label, seed=3, patient=5, film=1, size=SIZE) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.lesion_mask, second.lesion_mask)
    assert first.ambiguous == second.ambiguous


def test_every_seed_patient_film_and_label_gives_another_film() -> None:
    keys = [(seed, patient, film) for seed in (0, 1) for patient in (1, 2) for film in (1, 2)]
    films = {draw_phantom(label, seed=s, patient=p, film=f, size=64).pixels.tobytes() for label in LABELS for s, p, f in keys}
    assert len(films) == len(LABELS) * len(keys)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("size", [48, 96, 300])
def test_types_shapes_and_masks(label: str, size: int) -> None:
    phantom = draw_phantom(label, seed=1, patient=2, size=size)
    assert phantom.pixels.dtype == np.uint8
    assert phantom.lesion_mask.dtype == phantom.lung_mask.dtype == np.bool_
    assert phantom.pixels.shape == phantom.lesion_mask.shape == phantom.lung_mask.shape
    assert abs(phantom.pixels.shape[0] / size - 1) < 0.15
    assert 0.1 < phantom.lung_mask.mean() < 0.6
    assert not (phantom.lesion_mask & ~phantom.lung_mask).any()
    assert phantom.lesion_mask.any() == (label != "normal")
    assert phantom.pixels.std() > 20


def test_the_films_scale_with_size() -> None:
    small, large = (draw_phantom("bacterial", seed=2, patient=1, size=size) for size in (128, 256))
    shrunk = np.asarray(Image.fromarray(large.pixels).resize(small.pixels.shape[::-1], Image.Resampling.BOX), dtype=float)
    assert np.corrcoef(shrunk.ravel(), small.pixels.astype(float).ravel())[0, 1] > 0.97


def test_disease_changes_the_lungs_and_nothing_else() -> None:
    for patient in range(6):
        films = {label: draw_phantom(label, seed=4, patient=patient, size=128) for label in LABELS}
        outside = ~films["normal"].lung_mask
        for label in ("bacterial", "viral"):
            change = films[label].pixels.astype(float) - films["normal"].pixels
            # sharpening and rounding reach a pixel or two past the edge
            assert np.abs(change[outside]).mean() < 0.5
            if not films[label].ambiguous:
                assert change[films[label].lesion_mask].mean() > 4


def test_consolidation_is_one_sided_and_interstitial_disease_is_on_both_sides() -> None:
    for patient in range(8):
        lobar, diffuse = (draw_phantom(label, seed=5, patient=patient, size=128).lesion_mask for label in ("bacterial", "viral"))
        middle = lobar.shape[1] // 2
        sides = sorted([lobar[:, :middle].sum(), lobar[:, middle:].sum()])
        assert sides[0] < 0.1 * sides[1]
        sides = sorted([diffuse[:, :middle].sum(), diffuse[:, middle:].sum()])
        assert sides[0] > 0.25 * sides[1]


def test_lesion_strength_nought_draws_a_normal_film() -> None:
    normal, without = (draw_phantom(label, seed=6, patient=1, size=SIZE, lesion=0) for label in ("normal", "viral"))
    assert np.array_equal(normal.pixels, without.pixels)
    assert not without.lesion_mask.any()


def test_a_stronger_lesion_changes_more() -> None:
    films = [draw_phantom("bacterial", seed=7, patient=1, size=SIZE, lesion=lesion) for lesion in (0.0, 0.4, 1.0)]
    mask = films[1].lesion_mask
    greys = [film.pixels[mask].mean() for film in films]
    assert greys[0] < greys[1] < greys[2]


def test_films_of_one_patient_are_alike_and_differ() -> None:
    films = {(p, f): thumbnail(draw_phantom("normal", seed=8, patient=p, film=f, size=SIZE)) for p in range(12) for f in (1, 2)}
    within = [float(np.mean(films[p, 1] * films[p, 2])) for p in range(12)]
    between = [float(np.mean(films[p, 1] * films[q, 2])) for p in range(12) for q in range(12) if p != q]
    assert np.mean(within) > np.mean(between) + 0.01
    assert max(within) < 0.999


@pytest.mark.slow
def test_one_film_in_twenty_is_ambiguous_and_shows_no_clear_lesion() -> None:
    films = [draw_phantom("bacterial", seed=9, patient=patient, size=48) for patient in range(400)]
    assert 0.02 < np.mean([film.ambiguous for film in films]) < 0.09
    for patient in [number for number, film in enumerate(films) if film.ambiguous][:5]:
        normal, other = (draw_phantom(label, seed=9, patient=patient, size=48).pixels for label in ("normal", "viral"))
        assert np.array_equal(normal, films[patient].pixels)
        assert np.array_equal(normal, other)


def cue_value(phantom: Phantom, cue: str) -> float:
    height, width = phantom.pixels.shape
    if cue == "size":
        return width / height
    if cue == "border":
        return float(phantom.pixels[2].mean() + phantom.pixels[:, 2].mean())
    corner = phantom.pixels[height // 30 : height // 6, : width // 5], phantom.pixels[height // 30 : height // 6, -(width // 5) :]
    bright = [float((part > 215).mean()) for part in corner]
    return bright[0] - bright[1]


def spread(cue: str, planted: str | None, strength: float) -> float:
    """Between-label share of the variance of a cue's value (eta squared)."""
    values = np.array(
        [
            [
                cue_value(draw_phantom(label, seed=11, patient=100 * k + p, size=96, cue=planted, cue_strength=strength), cue)
                for p in range(25)
            ]
            for k, label in enumerate(LABELS)
        ]
    )
    return float(values.mean(axis=1).var() / values.var())


@pytest.mark.slow
@pytest.mark.parametrize("cue", CUES)
def test_a_planted_cue_goes_with_the_label(cue: str) -> None:
    assert spread(cue, cue, 1.0) > 0.25
    assert spread(cue, cue, 0.0) < 0.15
    assert spread(cue, None, 1.0) < 0.15


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "covid"},
        {"cue": "cables"},
        {"cue_strength": 1.5},
        {"lesion": -1.0},
        {"lesion": float("nan")},
        {"size": 20},
        {"patient": -1},
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, object]) -> None:
    arguments: dict[str, object] = {"label": "normal", "seed": 0, **wrong}
    with pytest.raises(UsageError):
        draw_phantom(arguments.pop("label"), **arguments)  # type: ignore[arg-type]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "index.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_set_has_films_masks_and_an_index(tmp_path: Path) -> None:
    seen: list[Progress] = []
    out = write_phantoms(tmp_path / "set", per_class=3, seed=1, size=64, cue="border", progress=seen.append)
    rows = rows_of(out)
    assert [row["label"] for row in rows] == [label for label in LABELS for _ in range(3)]
    assert set(rows[0]) == {"path", "label", "patient", "view", "age", "sex", "ambiguous", "cue"}
    assert seen[-1].done == seen[-1].total == 9
    labels_of: dict[str, set[str]] = {}
    for row in rows:
        labels_of.setdefault(row["patient"], set()).add(row["label"])
        film = read_film(out / row["path"])
        stem = Path(row["path"]).stem
        for kind in ("_masks", "_lungs"):
            mask = np.asarray(Image.open(out / kind / f"{stem}.png"))
            assert mask.shape == film.pixels.shape
            assert set(np.unique(mask)) <= {0, 255}
    assert all(len(labels) == 1 for labels in labels_of.values())
    assert rows[0]["patient"] == rows[1]["patient"] != rows[2]["patient"]
    assert (out / "normal" / "normal-p0001-f1.png").is_file()


def test_a_set_is_the_same_to_the_byte(tmp_path: Path) -> None:
    one, two = (write_phantoms(tmp_path / name, per_class=2, seed=5, size=64, file_format="dicom") for name in ("one", "two"))
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 6 * 3 + 1
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in files)


def test_a_dicom_film_reads_back_as_drawn(tmp_path: Path) -> None:
    out = write_phantoms(tmp_path / "set", per_class=3, seed=2, size=64, file_format="dicom", masks=False, films_per_patient=1)
    inverted = 0
    uids = set()
    for patient, row in enumerate(rows_of(out), start=1):
        film = read_film(out / row["path"])
        drawn = draw_phantom(row["label"], seed=2, patient=patient, film=1, size=64)
        assert np.abs(film.pixels.astype(int) - drawn.pixels).max() <= 1
        assert not film.objections
        assert film.tags["patient_id"] == row["patient"]
        assert film.tags["sex"] == row["sex"]
        assert film.tags["view"] == row["view"]
        assert float(film.tags["age_years"]) == float(row["age"])
        uids.add(film.tags["sop_instance_uid"])
        inverted += b"MONOCHROME1" in (out / row["path"]).read_bytes()
    assert len(uids) == 9
    assert 0 < inverted < 9
    assert not (out / "_masks").exists()


def test_a_folder_in_use_is_refused_and_an_earlier_set_replaced_on_request(tmp_path: Path) -> None:
    out = write_phantoms(tmp_path / "set", per_class=2, size=48)
    with pytest.raises(UsageError, match="not empty"):
        write_phantoms(out, per_class=1, size=48)
    write_phantoms(out, per_class=1, size=48, overwrite=True)
    assert len(list(out.glob("*/*.png"))) == 9
    (out / "normal" / "mine.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="not empty"):
        write_phantoms(out, per_class=1, size=48, overwrite=True)
    assert (out / "normal" / "mine.png").exists()


@pytest.mark.parametrize("wrong", [{"file_format": "gif"}, {"per_class": 0}, {"films_per_patient": 0}, {"cue": "cables"}])
def test_a_wrong_request_writes_nothing(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        write_phantoms(tmp_path / "set", size=48, **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "set" / "index.csv").exists()


def test_a_contact_sheet_holds_every_film() -> None:
    films = [draw_phantom("normal", seed=0, patient=p, size=48) for p in range(5)]
    sheet = contact_sheet(films, columns=3)
    cell = sheet.shape[1] // 3
    assert sheet.shape == (2 * cell, 3 * cell)
    assert sheet[cell:, : 2 * cell].std() > 20
    assert not sheet[cell:, 2 * cell :].any()
    with pytest.raises(UsageError):
        contact_sheet([], columns=3)


def test_a_set_whose_drawing_was_stopped_is_drawn_anew(tmp_path: Path) -> None:
    out = tmp_path / "set"

    def stop(progress: Progress) -> None:
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(out, per_class=3, size=48, progress=stop)
    assert not (out / "index.csv").exists()
    (out / "normal" / ".normal-p0001-f1.png.x7yz.part").write_bytes(b"cut by a kill")
    write_phantoms(out, per_class=1, size=48)
    assert sorted(path.name for path in out.glob("*/*.png")) == sorted(3 * [f"{label}-p000{n}-f1.png" for n, label in enumerate(LABELS, 1)])
    assert not list(out.rglob("*.part"))


def test_a_set_that_another_process_is_drawing_stays(tmp_path: Path) -> None:
    def again(progress: Progress) -> None:
        if progress.done == 2:
            with pytest.raises(UsageError, match="another process"):
                write_phantoms(tmp_path / "set", per_class=1, size=48)

    write_phantoms(tmp_path / "set", per_class=1, size=48, progress=again)
    assert len(list((tmp_path / "set").glob("*/*.png"))) == 9
