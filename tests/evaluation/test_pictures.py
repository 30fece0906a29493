"""Which films a report shows, read once each, and small enough to send."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.evaluation import pictures as module
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.evidence import Evidence, LabelErrors, Neighbour, Suspect
from deephealth.evaluation.judge import Judged
from deephealth.evaluation.pictures import FEW_RIGHT, MOST_IN_CELLS, MOST_WRONG, confusion_cells, pictures
from deephealth.inference.predictor import Prediction
from deephealth.settings.progress import Progress

CLASSES = ("a", "b")


def judged(folder: Path, answers: list[tuple[str, float]], evidence: Evidence | None = None, size: int = 200) -> Judged:
    """A film for each (truth, probability of "a"), written into `folder`."""
    films, predictions = [], []
    for i, (truth, p) in enumerate(answers):
        path = folder / f"{i}.png"
        Image.fromarray(np.full((size, size + 40), i % 250, np.uint8)).save(path)
        films.append(Film(f"{i}.png", path, truth, f"p{i}"))
        probabilities = {"a": p, "b": 1 - p}
        heatmap = np.ones((2, 7, 7), np.float32)
        predictions.append(
            Prediction(f"{i}.png", max(probabilities, key=lambda k: probabilities[k]), probabilities, 1.0, False, "", heatmap, "m")
        )
    found = score_predictions(
        [[p, 1 - p] for _, p in answers],
        [CLASSES.index(truth) for truth, _ in answers],
        [film.patient for film in films],
        CLASSES,
        names=[film.name for film in films],
        draws=20,
    )
    if evidence is not None:
        found = dataclasses.replace(found, evidence=evidence)
    return Judged(tuple(films), tuple(predictions), found)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image


def test_wrong_answers_come_surest_first_and_right_ones_from_both_ends(tmp_path: Path) -> None:
    asked = [("a", 0.51 + 0.02 * i) for i in range(20)] + [("b", 0.6 + 0.05 * i) for i in range(4)]
    cells = {(cell.truth, cell.answer): cell for cell in confusion_cells(judged(tmp_path, asked))}
    wrong, right = cells["b", "a"], cells["a", "a"]
    assert [case.name for case in wrong.cases] == ["23.png", "22.png", "21.png", "20.png"] and wrong.total == 4
    assert [case.index for case in right.cases] == [19, 18, 17, 16, 15, 14, 5, 4, 3, 2, 1, 0]
    assert (len(right.cases), right.total) == (FEW_RIGHT, 20)
    assert ("b", "b") not in cells


def test_cells_count_what_the_confusion_matrix_counts(tmp_path: Path) -> None:
    found = judged(tmp_path, [("a", p) for p in (0.9, 0.2, 0.6)] + [("b", p) for p in (0.7, 0.1)])
    matrix = found.evaluation.scores.confusion
    assert {(cell.truth, cell.answer): cell.total for cell in confusion_cells(found)} == {
        (truth, answer): matrix[i][j] for i, truth in enumerate(CLASSES) for j, answer in enumerate(CLASSES) if matrix[i][j]
    }


@pytest.mark.parametrize(("sizes", "cap"), [([5, 80], MOST_WRONG), ([500] * 30, 30), ([], MOST_WRONG), ([9] * 5000, 1)])
def test_many_cells_share_the_page(sizes: list[int], cap: int) -> None:
    found = module._share_out(sizes, MOST_WRONG, MOST_IN_CELLS)
    assert found == cap
    assert sum(min(size, found) for size in sizes) <= max(MOST_IN_CELLS, len(sizes))


def test_every_film_is_read_once_whatever_it_is_shown_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    real = module.read_film
    monkeypatch.setattr(module, "read_film", lambda path: reads.append(path) or real(path))
    evidence = Evidence(label_errors=LabelErrors((Suspect(1, "1.png", "b", "a", 0.1, 0.9),), 1, (), 4, 4))
    found = judged(tmp_path, [("a", 0.9), ("b", 0.9), ("b", 0.2), ("a", 0.3)], evidence)
    steps: list[Progress] = []
    shown = pictures(found, 5.0, progress=steps.append)
    assert len(reads) == len(set(reads)) == 4
    assert [(step.stage, step.done, step.total) for step in steps] == [("pictures", n, 4) for n in range(1, 5)]
    assert set(shown.films) == set(shown.overlays) == {"1.png", "3.png"}
    assert set(shown.thumbnails) == {"0.png", "1.png", "2.png", "3.png"}


def test_pictures_keep_their_shape_and_evidence_is_coloured(tmp_path: Path) -> None:
    shown = pictures(judged(tmp_path, [("a", 0.1), ("b", 0.2)], size=640), 1.0)
    film, overlay, small = opened(shown.films["0.png"]), opened(shown.overlays["0.png"]), opened(shown.thumbnails["0.png"])
    assert film.size == overlay.size == (320, 301) and film.mode == "L" and overlay.mode == "RGB"
    assert small.size == (120, 113)
    red, _, blue = (int(channel) for channel in np.asarray(overlay)[150, 160])
    assert red > blue + 20


def test_neighbours_are_training_films_even_when_named_like_a_film_judged(tmp_path: Path) -> None:
    training = tmp_path / "training"
    training.mkdir()
    Image.fromarray(np.full((50, 50), 250, np.uint8)).save(training / "0.png")
    evidence = Evidence(neighbours={"0.png": (Neighbour("0.png", "b", 0.9), Neighbour("gone.png", "b", 0.8))})
    found = judged(tmp_path, [("a", 0.1), ("b", 0.2)], evidence)
    shown = pictures(found, 1.0, training=[Film("0.png", training / "0.png", "b", "t"), Film("gone.png", training / "gone.png", "b", "u")])
    assert set(shown.neighbours) == {"0.png"}
    assert np.asarray(opened(shown.neighbours["0.png"])).mean() > 240
    assert np.asarray(opened(shown.thumbnails["0.png"])).mean() < 20


def test_a_film_that_vanished_leaves_no_picture_and_stops_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, [("a", 0.1), ("b", 0.9), ("a", 0.8)])
    found.films[0].path.unlink()
    shown = pictures(found, 1.0)
    assert set(shown.films) == {"1.png"} and "0.png" in {case.name for cell in shown.cells for case in cell.cases}
