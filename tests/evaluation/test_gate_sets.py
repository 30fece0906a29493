"""Both errors of the gate."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.errors import UsageError
from deephealth.evaluation import gate_sets
from deephealth.evaluation.gate_sets import gate_on, gate_row, made_sets, not_chest_files
from deephealth.inference.predictor import Prediction, load_model


def answer(*, refused: bool = False, error: bool = False) -> Prediction:
    return Prediction("x", "a", {"a": 1.0}, math.nan if error else 1.0, refused or error, "", None, "", error=error)


def test_the_share_refused_is_over_films_that_were_read_with_an_interval_over_patients() -> None:
    answers = [answer(refused=i < 10) for i in range(40)] + [answer(error=True)] * 3
    row = gate_row("films", answers, [str(i // 2) for i in range(43)], chest=True, draws=200)
    assert (row.name, row.chest, row.unread) == ("films", True, 3)
    assert (row.refused.value, row.refused.n_films, row.refused.n_patients) == (0.25, 40, 20)
    assert row.refused.low < 0.25 < row.refused.high


def test_nothing_read_has_no_share() -> None:
    row = gate_row("films", [answer(error=True)], ["p"], chest=False, draws=10)
    assert row.refused.value is None and row.unread == 1


def test_pictures_go_through_the_model_and_one_bad_file_is_counted(tiny: ModuleType, tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_text("no picture")
    strict, lax = (load_model(tiny.model_bytes(novelty_threshold=limit)) for limit in (1e-6, 1e6))
    files = not_chest_files(tmp_path)
    for model, share in ((strict, 1.0), (lax, 0.0)):
        row = gate_on(model, "noise", files)
        assert (row.name, row.chest, row.refused.value, row.refused.n_films, row.unread) == ("noise", False, share, 4, 1)


def test_a_folder_without_pictures_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        not_chest_files(tmp_path / "absent")
    with pytest.raises(UsageError, match="holds no picture"):
        not_chest_files(tmp_path)


def test_pictures_made_of_the_films_are_asked_about(tiny: ModuleType, tmp_path: Path) -> None:
    films = []
    for number in range(45):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 120, (40, 30), dtype=np.uint8)).save(path)
        films.append(Film(path.name, path, "normal", f"p{number // 2}"))
    Path(films[2].path).write_text("no picture")
    strict, lax = (load_model(tiny.model_bytes(novelty_threshold=limit)) for limit in (1e-6, 1e6))
    for model, share in ((strict, 1.0), (lax, 0.0)):
        rows = made_sets(model, films)
        assert [(row.name, row.refused.n_films, row.unread) for row in rows] == [
            ("inverted", 22, 1),
            ("upside down", 22, 1),
            ("blank", 5, 0),
        ]
        assert {row.refused.value for row in rows} == {share} and not any(row.chest for row in rows)
    assert made_sets(lax, films[2:3]) == () == made_sets(lax, [])


def test_inverted_is_black_for_white_and_upside_down_is_feet_first() -> None:
    film = np.array([[0, 10], [200, 255]], np.uint8)
    assert gate_sets._CHANGES["inverted"](film).tolist() == [[255, 245], [55, 0]]
    assert gate_sets._CHANGES["upside down"](film).tolist() == [[200, 255], [0, 10]]
