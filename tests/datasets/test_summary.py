"""The summary in numbers, as text, as JSON and as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film, Problem, build_index
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.summary import Spread, group_problems, summarise, write_histogram

ROOT = Path("/films")


def small_index() -> DatasetIndex:
    films = [
        Film("a", ROOT / "a", "normal", "p1", split="train", view="PA", age=2.0, sex="F", source="A"),
        Film("b", ROOT / "b", "normal", "p1", split="test", view="AP", age=4.0, sex="F", source="B"),
        Film("c", ROOT / "c", "viral", "p2", split="train", origin="d"),
        Film("d", ROOT / "d", "viral", "p2", split="train", age=3.0),
    ]
    return build_index(
        ROOT, "csv", films, [Problem("z", "file not found"), Problem("y", "file not found"), Problem("x", "no label")], notes=["A note."]
    )


def small_facts() -> FilmFacts:
    return FilmFacts(
        names=("a", "b", "c"),
        sha256=("", "", ""),
        width=np.array([10, 30, 20], dtype=np.int32),
        height=np.array([5, 5, 9], dtype=np.int32),
        file_bytes=np.array([1, 2, 3], dtype=np.int64),
        thumbnails=np.zeros((3, 64, 64), np.uint8),
        phash=np.zeros((3, 32), np.uint8),
        problems=(Problem("d", "is truncated"),),
    )


def test_counts_by_class_and_over_all() -> None:
    summary = summarise(small_index(), small_facts())
    normal, viral = summary.classes
    assert (normal.films, normal.patients, normal.splits, normal.views, normal.sexes) == (
        *(2, 1, {"test": 1, "train": 1}, {"AP": 1, "PA": 1}),
        {"F": 2},
    )
    assert normal.age == Spread(2, 2.0, 3.0, 4.0)
    assert (normal.width, normal.height) == (Spread(2, 10, 20, 30), Spread(2, 5, 5, 5))
    assert (viral.age, viral.width) == (Spread(1, 3.0, 3.0, 3.0), Spread(1, 20, 20, 20))
    assert (summary.all.films, summary.all.patients, summary.sources, summary.copies) == (4, 2, 2, 1)


def test_problems_are_counted_by_reason() -> None:
    groups = [(group.reason, group.films, group.example) for group in group_problems([*small_index().problems, *small_facts().problems])]
    assert groups == [("file not found", 2, "y"), ("is truncated", 1, "d"), ("no label", 1, "x")]


def test_table_is_aligned_and_complete() -> None:
    index = small_index()
    lines = summarise(index, small_facts()).table().splitlines()
    assert lines[0] == f"/films (csv), hash {index.sha256[:12]}"
    assert lines[2].split() == ["class", "films", "patients", "train", "test", "width", "height", "view", "age", "sex"]
    assert lines[3].startswith("normal  2      1         1      1     10-30 (median 20)  5")
    assert lines[4].split()[:5] == ["viral", "2", "1", "2", "0"]
    assert lines[-5:] == [
        "2 left out: file not found (such as y)",
        "1 left out: is truncated (such as d)",
        "1 left out: no label (such as x)",
        "A note.",
        "1 films are augmented copies of others.",
    ]


def test_table_leaves_out_what_nobody_knows() -> None:
    index = build_index(ROOT, "folders", [Film("a", ROOT, "x", "a"), Film("b", ROOT, "y", "b")], [])
    table = summarise(index).table()
    assert table.splitlines()[2:] == ["class  films  patients", "x      1      1", "y      1      1", "all    2      2"]


def test_json_holds_it_all() -> None:
    tree = json.loads(json.dumps(summarise(small_index(), small_facts()).to_json(), allow_nan=False))
    assert tree["classes"][0]["label"] == "normal"
    assert tree["all"]["age"] == {"n": 3, "low": 2.0, "median": 3.0, "high": 4.0}
    assert tree["problems"][0] == {"reason": "file not found", "films": 2, "example": "y"}


def test_histogram_is_a_picture_with_two_bars_a_class(tmp_path: Path) -> None:
    write_histogram(summarise(small_index()), tmp_path / "new" / "classes.png")
    with Image.open(tmp_path / "new" / "classes.png") as picture:
        assert picture.format == "PNG"
        colours = {colour for count, colour in picture.convert("RGB").getcolors(1 << 20) or [] if count > 500}
    assert {(0x2F, 0x5D, 0x8A), (0xA9, 0xC4, 0xDE), (255, 255, 255)} <= colours


def test_same_summary_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_histogram(summarise(small_index()), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.shared
def test_kermany_table(shared: Path) -> None:
    lines = summarise(open_dataset(shared / "data/kermany")).table().splitlines()
    assert lines[2:7] == [
        "class      films  patients  train",
        "normal     1349   1219      1349",
        "bacterial  2538   1360      2538",
        "viral      1345   1090      1345",
        "all        5232   3669      5232",
    ]


def test_histogram_of_many_classes_with_long_names_stays_readable(tmp_path: Path) -> None:
    films = [Film(f"{n}", ROOT / f"{n}", f"{n:02d} $a class$ with a {'very ' * 20}long name", "p") for n in range(30)]
    write_histogram(summarise(build_index(ROOT, "csv", films, [])), tmp_path / "classes.png")
    with Image.open(tmp_path / "classes.png") as picture:
        assert picture.width <= 1000
        assert 1000 < picture.height < 4000
