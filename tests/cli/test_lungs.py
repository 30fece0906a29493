"""`deephealth lungs`: every film is in the table, and only plausible lungs become a mask."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.cli.main import main
from deephealth.images.phantom import draw_phantom


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A chest, a chest of the same name in a folder, a blank film and a file that is no film."""
    folder = tmp_path / "films"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(draw_phantom("viral", seed=3, size=140).pixels).save(folder / "chest.png")
    Image.fromarray(draw_phantom("normal", seed=4, size=120).pixels).save(folder / "more" / "chest.png")
    Image.new("L", (90, 80), 128).save(folder / "blank.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_good_films_get_masks_and_bad_ones_a_reason(films: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "masks"
    assert main(["lungs", str(films), "--out", str(out), "--quiet"]) == 0
    said = capsys.readouterr()
    assert "2 of 4 films with plausible lungs" in said.out
    with (out / "lungs.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["blank.png", "broken.png", "chest.png", "more/chest.png"]
    for name in ("chest.png", "more/chest.png"):
        assert rows[name]["plausible"] == "true"
        assert rows[name]["reason"] == ""
        with (
            Image.open(films / name) as film,
            Image.open(out / rows[name]["mask"]) as mask,
            Image.open(out / rows[name]["overlay"]) as overlay,
        ):
            assert mask.size == overlay.size == film.size
            grey = np.asarray(mask)
        assert set(np.unique(grey)) == {0, 255}
        assert (grey == 255).mean() == pytest.approx(float(rows[name]["share"]), abs=0.01)
    for name in ("blank.png", "broken.png"):
        assert rows[name]["plausible"] == "false"
        assert rows[name]["reason"]
        assert rows[name]["mask"] == ""
        assert f"not masked: {name}" in said.err
    assert len(list(out.iterdir())) == 1 + 2 * 2 + 1


def test_films_without_any_lungs_end_with_3(tmp_path: Path, capsys) -> None:
    Image.new("L", (90, 80), 128).save(tmp_path / "blank.png")
    assert main(["lungs", str(tmp_path / "blank.png"), "--out", str(tmp_path / "out"), "--quiet"]) == 3
    assert "0 of 1" in capsys.readouterr().out


def test_masks_do_not_replace_films(films: Path, capsys) -> None:
    before = sorted(films.rglob("*"))
    assert main(["lungs", str(films), "--out", str(films), "--quiet"]) == 2
    assert "among the films" in capsys.readouterr().err
    assert sorted(films.rglob("*")) == before


def test_the_card_needs_no_film_and_films_need_a_place(capsys) -> None:
    assert main(["lungs", "--card"]) == 0
    assert "# Lung finder" in capsys.readouterr().out
    assert main(["lungs", "film.png"]) == 2
    assert "--out DIR" in capsys.readouterr().err
    assert main(["lungs", "--out", "nowhere"]) == 2
