"""Preparing class folders: nothing is moved, nothing half made, the same seed gives the same folder."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deephealth.datasets.arrange import new_names
from deephealth.datasets.balance import class_weights, cut_films, plan_copies
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.prepare import augmented, prepare
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import make_split
from deephealth.errors import DatasetError, UsageError
from deephealth.settings.progress import Progress


def draw(root: Path, sizes: dict[str, int], films_per_patient: int = 2) -> DatasetIndex:
    """A data set of `sizes` films a class, as PNGs and an index.csv."""
    rng = np.random.default_rng(0)
    rows = ["path,label,patient,age"]
    for label, count in sizes.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            name = f"{label}/f{number:03}.png"
            Image.fromarray(rng.integers(0, 256, (24, 32), dtype=np.uint8)).save(root / name)
            rows.append(f"{name},{label},{label}-{number // films_per_patient},{number}")
    (root / "index.csv").write_text("\n".join(rows))
    return open_dataset(root)


def contents(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(out: Path) -> list[dict[str, str]]:
    with open(out / "index.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def index(tmp_path: Path) -> DatasetIndex:
    return draw(tmp_path / "films", {"normal": 6, "bacterial": 11, "viral": 8})


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_films_are_copied_or_linked_and_never_moved(tmp_path: Path, index: DatasetIndex, mode: str) -> None:
    before = contents(index.root)
    report = prepare(index, tmp_path / "out", mode=mode, threads=2)
    assert contents(index.root) == before
    assert report.films == {"normal": 6, "bacterial": 11, "viral": 8}
    assert report.sentence == f"{tmp_path}/out holds 25 films (normal 6, bacterial 11, viral 8)."
    made = open_dataset(tmp_path / "out")
    assert (made.layout, made.by_label(), made.problems) == ("csv", index.by_label(), ())
    for film, original in zip(made.films, index.films, strict=True):
        assert film.path.read_bytes() == original.path.read_bytes()
        assert film.path.is_symlink() == (mode == "link")
        assert (film.patient, film.label, film.age) == (original.patient, original.label, original.age)


def test_out_is_a_set_of_class_folders_too(tmp_path: Path, index: DatasetIndex) -> None:
    prepare(index, tmp_path / "out")
    assert open_dataset(tmp_path / "out", layout="folders").by_label() == index.by_label()


def test_split_goes_to_the_index(tmp_path: Path, index: DatasetIndex) -> None:
    split = make_split(index, seed=3)
    prepare(index, tmp_path / "out", split=split)
    assert {row["original"]: row["split"] for row in rows_of(tmp_path / "out")} == dict(split.assignments)


def test_films_of_one_name_keep_apart_and_their_own_patients_follow(tmp_path: Path) -> None:
    for name in ("train/normal/a.png", "val/normal/a.png", "train/viral/a.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).write_bytes(name.encode())
    prepare(open_dataset(tmp_path / "set"), tmp_path / "out")
    rows = {row["original"]: row for row in rows_of(tmp_path / "out")}
    assert {(tmp_path / "out" / row["path"]).read_bytes().decode() for row in rows.values()} == set(rows)
    assert all(row["patient"] == row["path"] for row in rows.values())
    assert rows["train/viral/a.png"]["path"] == "viral/a.png"


# Balance


def test_cut_takes_the_smallest_class_or_the_number_told(tmp_path: Path, index: DatasetIndex) -> None:
    assert prepare(index, tmp_path / "a", balance="cut").films == {"normal": 6, "bacterial": 6, "viral": 6}
    assert prepare(index, tmp_path / "b", balance="cut", per_class=7).films == {"normal": 6, "bacterial": 7, "viral": 7}
    whole = Counter(film.patient for film in index.films)
    divided = [patient for patient, kept in Counter(row["patient"] for row in rows_of(tmp_path / "b")).items() if kept < whole[patient]]
    assert len(divided) <= 2


def test_weights_make_classes_equal(tmp_path: Path, index: DatasetIndex) -> None:
    prepare(index, tmp_path / "out", balance="weight")
    films = open_dataset(tmp_path / "out").films
    sums = Counter[str]()
    for film in films:
        sums[film.label] += film.weight  # type: ignore[assignment]
    assert list(sums.values()) == pytest.approx([len(films) / 3] * 3, rel=1e-5)


def test_augment_fills_up_from_training_films_only(tmp_path: Path, index: DatasetIndex) -> None:
    split = make_split(index, seed=1)
    report = prepare(index, tmp_path / "out", balance="augment", per_class=20, split=split, threads=2)
    assert report.films == {"normal": 20, "bacterial": 20, "viral": 20}
    assert report.copies == {"normal": 14, "bacterial": 9, "viral": 12}
    assert "35 of them augmented copies" in report.sentence
    assert "smoother" in report.notes[0]
    made = open_dataset(tmp_path / "out")
    by_name = {film.name: film for film in made.films}
    copies = [film for film in made.films if film.origin]
    assert len(copies) == 35
    for film in copies:
        origin = by_name[film.origin]
        assert (film.split, film.patient, film.label, film.age) == ("train", origin.patient, origin.label, origin.age)
        assert Path(film.name).stem.startswith(Path(origin.name).stem + "-aug")
        with Image.open(film.path) as picture:
            assert picture.size == (32, 24)
    per_origin = Counter(film.origin for film in copies if film.label == "normal")
    assert max(per_origin.values()) - min(per_origin.values()) <= 1


def test_augment_defaults_to_the_largest_class(tmp_path: Path, index: DatasetIndex) -> None:
    assert set(prepare(index, tmp_path / "out", balance="augment").films.values()) == {11}


def test_same_seed_gives_the_same_folder(tmp_path: Path, index: DatasetIndex) -> None:
    for name, seed, threads in (("a", 5, 1), ("b", 5, 3), ("c", 6, 1)):
        prepare(index, tmp_path / name, balance="augment", per_class=15, seed=seed, threads=threads)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_augmented_films_are_not_flipped_and_have_no_black_corner() -> None:
    film = np.tile(np.linspace(60, 220, 64, dtype=np.uint8), (48, 1))
    for seed in range(20):
        changed = augmented(film, np.random.default_rng(seed))
        assert (changed.shape, changed.dtype) == (film.shape, np.uint8)
        assert changed[:, :10].mean() < changed[:, -10:].mean()
        assert changed.min() > 20
        assert not np.array_equal(changed, film)


FILMS = st.lists(
    st.tuples(st.sampled_from(["normal", "viral"]), st.integers(0, 8), st.sampled_from(["train", "validation", "test"])),
    min_size=1,
    max_size=60,
)


@given(rows=FILMS, size=st.integers(1, 40), seed=st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_cutting_divides_at_most_one_patient_a_class_and_split(rows: list[tuple[str, int, str]], size: int, seed: int) -> None:
    films = [Film(f"{number:03}", Path(), label, f"{patient}{split}") for number, (label, patient, split) in enumerate(rows)]
    splits = {film.name: split for film, (_, _, split) in zip(films, rows, strict=True)}
    kept = cut_films(films, splits, size, seed=seed)
    assert set(kept) <= set(films)
    for label, count in Counter(film.label for film in films).items():
        assert sum(film.label == label for film in kept) == min(size, count)
        for split in ("train", "validation", "test"):
            group = [film for film in films if film.label == label and splits[film.name] == split]
            stay = {film.patient for film in group if film in kept}
            assert sum(any(film not in kept for film in group if film.patient == patient) for patient in stay) <= 1
            share = len(group) * min(size, count) / count
            assert abs(sum(film in kept for film in group) - share) < 1
    assert kept == cut_films(films[::-1], splits, size, seed=seed)


def test_an_official_test_is_never_cut() -> None:
    films = [Film(f"{n}", Path(), label, f"{n}", split="test" if n < 4 else "train") for label in ("a",) for n in range(10)]
    splits = {film.name: film.split for film in films}
    assert sum(film.split == "test" for film in cut_films(films, splits, 5, seed=0)) == 4
    with pytest.raises(DatasetError, match="official test holds 4 films"):
        cut_films(films, splits, 3, seed=0)


def test_a_class_without_training_films_cannot_be_augmented() -> None:
    with pytest.raises(DatasetError, match="no film in the training split"):
        plan_copies([Film("a", Path(), "normal", "p")], {"a": "test"}, 2, seed=0)


def test_weights_are_of_training_films() -> None:
    films = [Film(str(n), Path(), label, str(n)) for n, label in enumerate("aaab")]
    assert class_weights(films, {"0": "train", "1": "train", "2": "test", "3": "train"}) == {"a": 0.75, "b": 1.5}


# Refusals


def test_out_in_use_is_refused(tmp_path: Path, index: DatasetIndex) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match="is in use"):
        prepare(index, tmp_path / "out")
    assert contents(tmp_path / "out").keys() == {"mine.txt"}


def test_an_empty_out_is_taken(tmp_path: Path, index: DatasetIndex) -> None:
    (tmp_path / "out").mkdir()
    assert prepare(index, tmp_path / "out").films["normal"] == 6


def test_out_within_the_data_set_is_refused(index: DatasetIndex) -> None:
    folders = open_dataset(index.root, layout="folders")
    with pytest.raises(DatasetError, match="inside the data set"):
        prepare(folders, index.root / "prepared")


@pytest.mark.parametrize("wrong", [{"mode": "move"}, {"balance": "smote"}, {"per_class": 5}, {"per_class": 0, "balance": "cut"}])
def test_what_it_does_not_do(tmp_path: Path, index: DatasetIndex, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        prepare(index, tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_film_that_vanished_or_cannot_be_decoded_is_reported_and_skipped(tmp_path: Path, index: DatasetIndex) -> None:
    index.films[0].path.unlink()
    index.films[1].path.write_bytes(b"no film")
    report = prepare(index, tmp_path / "out", balance="augment", per_class=25)
    assert {problem.name for problem in report.problems} == {index.films[0].name, index.films[1].name}
    assert "left out" in report.sentence
    assert open_dataset(tmp_path / "out").problems == ()


def test_no_film_at_all_is_an_error(tmp_path: Path, index: DatasetIndex) -> None:
    for film in index.films:
        film.path.unlink()
    with pytest.raises(DatasetError, match="None of the 25 films"):
        prepare(index, tmp_path / "out")


# Stopping and going on


class Stop(Exception):
    """Raised by a listener in place of a kill."""


def test_a_stopped_run_goes_on_with_the_same_command(tmp_path: Path, index: DatasetIndex) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 10:
            raise Stop

    options = {"balance": "augment", "per_class": 12, "seed": 2}
    with pytest.raises(Stop):
        prepare(index, tmp_path / "out", progress=stop, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    with pytest.raises(DatasetError, match="left from another, unfinished preparation"):
        prepare(index, tmp_path / "out", balance="none")
    report = prepare(index, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert report.reused >= 10
    assert not (tmp_path / "out.part").exists()
    prepare(index, tmp_path / "whole", **options)  # type: ignore[arg-type]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


PROGRAM = """
import sys
from deephealth.datasets.prepare import prepare
from deephealth.datasets.sources import open_dataset
index = open_dataset(sys.argv[1])
print("ready", flush=True)
prepare(index, sys.argv[2], balance="augment", per_class=60, threads=2)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_never_killed(tmp_path: Path) -> None:
    index = draw(tmp_path / "films", {"normal": 40, "viral": 30})
    out = tmp_path / "out"
    for delay in (0.0, 0.02, 0.05, 0.1):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(index.root), str(out)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if out.exists():
            break
    if not out.exists():
        prepare(index, out, balance="augment", per_class=60, threads=2)
    prepare(index, tmp_path / "whole", balance="augment", per_class=60)
    made = {name: data for name, data in contents(out).items() if not Path(name).name.startswith(".")}
    assert made == contents(tmp_path / "whole")


# Names


@given(st.lists(st.tuples(st.text(min_size=1, max_size=6), st.text(min_size=1, max_size=8)), min_size=1, max_size=20, unique=True))
@settings(max_examples=80, deadline=None)
def test_new_names_are_distinct_relative_and_visible(rows: list[tuple[str, str]]) -> None:
    films = [Film(f"{number}/{name}", Path(), label, "p") for number, (label, name) in enumerate(rows)]
    names = new_names(films)
    assert len({name.casefold() for name in names.values()}) == len(films)
    for name in names.values():
        folder, file_name = name.split("/")
        assert folder[0] not in "._"
        assert file_name[0] not in "._"
        assert name.isprintable()


@pytest.mark.shared
def test_the_old_recipe_on_kermany(tmp_path: Path, shared: Path) -> None:
    index = open_dataset(shared / "data/kermany")
    report = prepare(index, tmp_path / "out", mode="link", balance="cut", per_class=1400, split=make_split(index), threads=2)
    assert report.films == {"normal": 1349, "bacterial": 1400, "viral": 1345}
    made = open_dataset(tmp_path / "out")
    whole, kept = Counter(film.patient for film in index.films), Counter(film.patient for film in made.films)
    assert sum(whole[patient] != count for patient, count in kept.items()) <= 3


def test_the_folder_one_stands_in_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = draw(tmp_path / "films", {"normal": 2, "viral": 2})
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DatasetError, match="the folder you are in"):
        prepare(index, ".")


def test_two_at_once_do_not_spoil_each_other(tmp_path: Path) -> None:
    index = draw(tmp_path / "films", {"normal": 3, "viral": 3})

    def again(progress: Progress) -> None:
        if progress.done == 2:
            with pytest.raises(UsageError, match="another process"):
                prepare(index, tmp_path / "out")

    prepare(index, tmp_path / "out", progress=again)
    assert open_dataset(tmp_path / "out").by_label() == {"normal": 3, "viral": 3}
