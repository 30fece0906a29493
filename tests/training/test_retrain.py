"""`deephealth retrain` takes the old options, leaves the old files, prints the old last line, and its graph answers as the model file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deephealth.cli.main import main
from deephealth.errors import UsageError
from deephealth.features.backbones import load_backbone
from deephealth.images.phantom_set import write_phantoms
from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.training.retrain.bottlenecks import distort
from deephealth.training.retrain.films import old_place, sort_films
from deephealth.training.retrain.options import Options

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
LABEL_IMAGE = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf

graph_path, labels_path, out, saved, *pictures = sys.argv[1:]
labels = [line.rstrip() for line in tf.gfile.GFile(labels_path)]
with tf.gfile.GFile(graph_path, "rb") as file:
    graph_def = tf.GraphDef()
    graph_def.ParseFromString(file.read())
    tf.import_graph_def(graph_def, name="")
with tf.Session() as session:
    softmax = session.graph.get_tensor_by_name("final_result:0")
    answers = [session.run(softmax, {"DecodeJpeg/contents:0": tf.gfile.GFile(path, "rb").read()})[0] for path in pictures]
serving = tf.saved_model.load_v2(saved).signatures["serving_default"] if saved != "-" else None
again = [serving(contents=tf.convert_to_tensor(open(path, "rb").read()))["probabilities"] for path in pictures] if serving else []
with tf.Session() as session:
    again = [session.run(one)[0] for one in again] if again and not hasattr(again[0], "numpy") else [one.numpy()[0] for one in again]
np.savez(out, answers=np.array(answers), saved=np.array(again))
print(labels)
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of JPEG phantoms, as Deep Health's were."""
    folder = tmp_path_factory.mktemp("retrain")
    write_phantoms(folder / "png", per_class=20, seed=6, size=160, masks=False)
    for path in (folder / "png").rglob("*.png"):
        place = folder / "films" / path.parent.name / f"{path.stem}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(place, quality=95)
    return folder / "films"


def arguments(films: Path, folder: Path, *more: str) -> list[str]:
    """The command of Deep Health's README but for the program's name, with a network that is at hand."""
    return [
        "retrain",
        f"--bottleneck_dir={folder / 'bottlenecks'}",
        "--how_many_training_steps=60",
        f"--model_dir={folder / 'models'}",
        f"--output_graph={folder / 'graph.pb'}",
        f"--output_labels={folder / 'labels.txt'}",
        f"--summaries_dir={folder / 'logs'}",
        f"--image_dir={films}",
        "--architecture=deephealth-small",
        "-q",
        *more,
    ]


def test_the_old_command_leaves_the_old_files_and_last_line(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--intermediate_store_frequency=25", f"--intermediate_output_graphs_dir={tmp_path / 'on_the_way'}")
    assert main(arguments(films, tmp_path, *more)) == 0
    told = capsys.readouterr()
    lines = told.out.strip().splitlines()
    assert re.fullmatch(r"Final test accuracy = \d+\.\d% \(N=\d+\)", lines[-1])
    assert sum("Train accuracy" in line for line in lines) == 7  # 0, 10, ..., 50 and the last
    assert re.search(r"Step 59: Cross entropy = \d+\.\d{6}", told.out)
    assert "passes over the training films" in told.err
    assert "95 % interval" in told.err
    assert tuple((tmp_path / "labels.txt").read_text().split()) == Model.load(tmp_path / "graph.onnx").labels
    assert sorted(path.name for path in (tmp_path / "on_the_way").iterdir()) == ["intermediate_25.pb", "intermediate_50.pb"]
    held = sorted((tmp_path / "bottlenecks").rglob("*.txt"))
    assert len(held) == 60
    assert all(len(path.read_text().split(",")) == load_backbone().dim for path in held)
    for name in ("train", "validation", "test"):
        assert next((tmp_path / "logs" / name).glob("events.out.tfevents.*")).stat().st_size > 300
    assert (tmp_path / "logs" / "validation" / "sprite.png").is_file()
    first = (tmp_path / "graph.pb").read_bytes()
    held[0].write_text("broken")
    held[1].write_text("1.0,2.0")
    assert main(arguments(films, tmp_path, "--print_misclassified_test_images")) == 0
    assert (tmp_path / "graph.pb").read_bytes() == first  # broken bottlenecks were computed anew
    assert "=== MISCLASSIFIED TEST IMAGES ===" in capsys.readouterr().out


@pytest.mark.slow
def test_label_image_and_the_savedmodel_answer_as_the_model_file(films: Path, tmp_path: Path) -> None:
    """The script of 2015, in TensorFlow itself, on files of other sizes than the network's."""
    pytest.importorskip("tensorflow", reason="needs deephealth[tensorflow]")
    assert main(arguments(films, tmp_path, f"--saved_model_dir={tmp_path / 'saved'}")) == 0
    pictures = sorted(films.rglob("*.jpg"))[::12]
    wide = Image.open(pictures[0]).resize((333, 211))
    wide.save(tmp_path / "wide.jpg", quality=95)
    pictures.append(tmp_path / "wide.jpg")
    command = [sys.executable, "-c", LABEL_IMAGE, *(str(tmp_path / name) for name in ("graph.pb", "labels.txt", "out.npz", "saved"))]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([*command, *map(str, pictures)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = np.load(tmp_path / "out.npz")
    model = Model.load(tmp_path / "graph.onnx")
    ours = np.array([model.run(read_film(path).pixels).probabilities for path in pictures])
    assert np.ptp(ours, axis=0).max() > 0.01
    assert np.abs(told["answers"] - ours).max() < 1e-3
    assert np.abs(told["saved"] - told["answers"]).max() < 1e-5


@pytest.mark.slow
def test_distorted_films_are_learned_from(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--flip_left_right", "--random_crop=10", "--random_scale=10", "--random_brightness=10", "--train_batch_size=8")
    assert main([*arguments(films, tmp_path, *more), "--how_many_training_steps=12"]) == 0
    assert "Final test accuracy" in capsys.readouterr().out


def test_distortions_do_what_they_say() -> None:
    film = np.arange(100 * 80, dtype=np.float64).reshape(100, 80)
    pixels = (255 * film / film.max()).astype(np.uint8)
    random = np.random.default_rng(0)
    base: dict[str, Any] = {"image_dir": Path("x")}
    flipped = [distort(pixels, Options(**base, flip_left_right=True), random) for _ in range(20)]
    assert {bool((one == pixels).all()) for one in flipped} == {True, False}
    assert all((one == pixels).all() or (one == pixels[:, ::-1]).all() for one in flipped)
    bright = [float(distort(pixels, Options(**base, random_brightness=30), random).mean()) / pixels.mean() for _ in range(40)]
    assert 0.69 < min(bright) < 0.8
    assert 1.1 < max(bright) < 1.31
    cut = distort(pixels, Options(**base, random_crop=50), random)
    assert cut.shape == pixels.shape
    assert np.ptp(cut) < np.ptp(pixels)


def test_the_old_rule_is_retrain_pys(films: Path, tmp_path: Path) -> None:
    """Known places of two paths, worked out by the formula; and patients on both sides are told."""
    options = Options(image_dir=films, split_rule="old")
    assert old_place("/data/a_nohash_0.jpg", options) == old_place("/data/a_nohash_9.jpg", options)
    places = [old_place(f"/data/{number}.jpg", options) for number in range(2000)]
    assert 0.07 < places.count("validation") / 2000 < 0.13
    assert 0.07 < places.count("testing") / 2000 < 0.13
    told = " ".join(sort_films(options).warnings)
    assert "hashes the whole path" in told
    assert "patients stand in two splits" in told
    assert "two splits" not in " ".join(sort_films(Options(image_dir=films)).warnings)


def test_bad_options_are_sentences(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments(films, tmp_path), "--no_such_option=1"])
    assert caught.value.code == 2
    assert "no_such_option" in capsys.readouterr().err
    for name, value in (("testing_percentage", 0), ("learning_rate", 0.0), ("random_crop", -1), ("how_many_training_steps", 0)):
        with pytest.raises(UsageError, match=name):
            Options(image_dir=films, **{name: value})
    with pytest.raises(UsageError, match="no film to train on"):
        Options(image_dir=films, testing_percentage=50, validation_percentage=50)
    assert main(["retrain", "--image_dir", str(tmp_path / "absent")]) != 0
