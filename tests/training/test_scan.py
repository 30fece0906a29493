"""Looking at a data set once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.sources import open_dataset
from deephealth.errors import DatasetError
from deephealth.training.scan import look_at


def films(folder: Path, good: int, bad: int) -> Path:
    (folder / "normal").mkdir(parents=True)
    for number in range(good):
        Image.fromarray(np.full((30, 30), number, np.uint8)).save(folder / "normal" / f"{number}.png")
    for number in range(bad):
        (folder / "normal" / f"bad{number}.png").write_text("no film")
    return folder


def test_films_that_cannot_be_read_leave_the_index_with_a_reason_and_a_note(tmp_path: Path) -> None:
    events: list[object] = []
    index, facts = look_at(open_dataset(films(tmp_path / "set", 3, 2), fewest_classes=1), threads=2, listener=events.append)
    assert [film.name for film in index.films] == list(facts.names) == ["normal/0.png", "normal/1.png", "normal/2.png"]
    assert {problem.name for problem in index.problems} == {"normal/bad0.png", "normal/bad1.png"}
    assert "set: 5 films (5 normal)" in str(events[0])
    assert "2 films left out; the first: normal/bad0.png" in str(events[-1])


def test_a_set_without_a_readable_film_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="None of the 2 films"):
        look_at(open_dataset(films(tmp_path / "set", 0, 2), fewest_classes=1), threads=1, listener=lambda event: None)
    index, facts = look_at(open_dataset(tmp_path / "set", fewest_classes=1), threads=1, listener=lambda event: None, fewest=0)
    assert index.films == () == facts.names and len(index.problems) == 2
