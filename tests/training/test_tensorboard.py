"""TensorBoard's files: read back with TensorBoard's own reader, drawn by TensorBoard itself in Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from deephealth.cli.main import main
from deephealth.images.phantom_set import write_phantoms
from deephealth.model.file import Model, shipped_model_path
from deephealth.model.heads import LinearHead
from deephealth.pipeline import train
from deephealth.training.answers_board import confusion_picture
from deephealth.training.events import EpochDone, HeadStep, JsonLines, StepDone
from deephealth.training.recipe import Recipe, with_changes
from deephealth.training.tensorboard import FILE, THUMBNAIL, Board, graph_def

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with a softmax head."""
    folder = tmp_path_factory.mktemp("board")
    write_phantoms(folder / "films", per_class=20, seed=4, size=96)
    train(folder / "films", folder / "run", recipe=with_changes(Recipe(), head__kind="softmax", head__steps=300), threads=1)
    return folder / "run"


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    board.Reload()
    return board


@pytest.mark.slow
def test_a_run_has_all_that_is_promised(run: Path) -> None:
    board = run / "tensorboard"
    for name in ("train", "validation"):
        tags = read(board / name).Tags()
        assert {"accuracy", "cross_entropy"} <= set(tags["scalars"])
    drawn = read(board / "train")
    told = [record for record in map(json.loads, (run / "events.jsonl").read_text().splitlines()) if record["event"] == "StepDone"]
    curve = drawn.Scalars("cross_entropy")
    assert [(point.step, pytest.approx(point.value, rel=1e-5)) for point in curve] == [(record["step"], record["loss"]) for record in told]
    parts = {f"head/{name}" for name in ("weights", "biases", "activations", "pre_activations")}
    assert set(drawn.Tags()["histograms"]) == parts
    assert {f"{part}/{word}" for part in parts for word in ("mean", "stddev", "max", "min")} <= set(drawn.Tags()["scalars"])
    assert {node.name for node in drawn.Graph().node} >= {"image", "probabilities", "heatmap"}
    test = read(board / "test")
    assert "confusion" in test.Tags()["images"]
    assert len(test.Tags()["tensors"]) == 3  # precision and recall, a class each
    assert any(value.startswith("_hparams_") for value in summaries(board))


def summaries(folder: Path) -> Iterator[str]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(str(folder / FILE)).Load():
        yield from (value.tag for value in event.summary.value)


@pytest.mark.slow
def test_the_projector_has_a_row_and_a_thumbnail_for_each_film_and_no_name(run: Path) -> None:
    folder = run / "tensorboard" / "validation"
    points = np.loadtxt(folder / "tensors.tsv", delimiter="\t")
    lines = (folder / "metadata.tsv").read_text().splitlines()
    assert lines[0] == "label\tsplit"
    assert len(lines) == len(points) + 1
    assert Image.open(folder / "sprite.png").size[0] == THUMBNAIL * int(np.ceil(np.sqrt(len(points))))
    everything = b"".join(path.read_bytes() for path in run.glob("tensorboard/**/*") if path.is_file())
    assert b".png" not in everything.replace(b"sprite.png", b"")
    assert b"phantom-" not in everything


@pytest.mark.slow
def test_tensorboard_draws_the_curves_in_chromium(run: Path, tmp_path: Path, in_chromium: Any) -> None:
    def draw(browser: Any) -> set[str]:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{address}#timeseries")
        page.wait_for_selector("line-chart svg path[d*='L'], line-chart canvas", timeout=60_000)
        page.wait_for_timeout(1500)
        page.screenshot(path=tmp_path / "curves.png")
        places = (".tag", "card-group-toolbar, .group-title-wrapper")
        return {text.strip() for place in places for text in page.locator(place).all_inner_texts()}

    command = [sys.executable, "-m", "deephealth", "tensorboard", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(word for line in process.stdout for word in re.findall(r"http://\S+", line))
            assert {"accuracy", "cross_entropy"} <= in_chromium(draw)
        finally:
            process.terminate()
    colours = Image.open(tmp_path / "curves.png").convert("RGB").getcolors(2_000_000)
    assert colours is not None
    assert len(colours) > 50


@pytest.mark.slow
def test_a_resumed_network_keeps_its_earlier_epochs(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "events.jsonl") as events:
        for epoch in (1, 2, 2):
            events(EpochDone(epoch, 4, 1.0 / epoch, 0.5))
    with Board(tmp_path / "tensorboard", tmp_path / "events.jsonl") as board:
        board(EpochDone(3, 4, 0.2, 0.9, 0.3, 0.8))
    assert [(point.step, round(point.value, 3)) for point in read(tmp_path / "tensorboard" / "train").Scalars("cross_entropy")] == [
        (1, 1.0),
        (2, 0.5),
        (3, 0.2),
    ]


@pytest.mark.slow
def test_it_begins_anew_and_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorboard" / "train").mkdir(parents=True)
    (tmp_path / "tensorboard" / "train" / "thesis.txt").write_text("kept")
    for _ in range(2):
        with Board(tmp_path / "tensorboard") as board:
            board(StepDone(1, 0.5, 0.7, float("nan")))
            board(HeadStep(1, LinearHead(np.ones((2, 3), np.float32), np.zeros(2, np.float32)), np.ones((4, 3), np.float32)))
    assert len(read(tmp_path / "tensorboard" / "train").Scalars("accuracy")) == 1
    assert (tmp_path / "tensorboard" / "train" / "thesis.txt").read_text() == "kept"
    assert not (tmp_path / "tensorboard" / "validation").exists()  # a loss that is no number is no point
    monkeypatch.setenv("DEEPHEALTH_TENSORBOARD", "0")
    with Board(tmp_path / "none") as board:
        board(StepDone(1, 0.5))
        board.projector("validation", np.ones((2, 2), np.float32), {"label": ["a", "b"]}, None)
    assert not (tmp_path / "none").exists()


def test_the_graph_holds_every_operator() -> None:
    model = onnx.load_from_string(Model.load(shipped_model_path()).data)
    drawn = graph_def(model)
    names = {node.name for node in drawn.node}
    assert len(names) == len(model.graph.node) + 1
    assert {source for node in drawn.node for source in node.input} <= names


def test_the_confusion_picture_is_darkest_where_the_films_are() -> None:
    picture = confusion_picture(["a", "b"], np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    cell = lambda row, column: picture[125 + row * 96, 125 + column * 96].astype(int).sum()  # noqa: E731
    assert cell(0, 0) == cell(1, 0) < cell(0, 1) == cell(1, 1)


def test_bad_requests_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tensorboard", str(tmp_path / "absent")]) == 2
    assert "holds no folder tensorboard" in capsys.readouterr().err
