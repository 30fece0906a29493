"""Models of other tools, imported: the same answers as in their own runtime, the right crop, and one sentence for what is no such model."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from deephealth.cli.main import main
from deephealth.errors import DeepHealthError, ModelFileError, UsageError
from deephealth.features.graph import open_session, serialise
from deephealth.features.keras_graph import draw_network
from deephealth.features.keras_layers import Described, Step
from deephealth.images.phantom_set import write_phantoms
from deephealth.images.read import read_film
from deephealth.inference.predictor import Predictor
from deephealth.model.exports import keras2
from deephealth.model.exports.exporting import export_model
from deephealth.model.exports.layers import layers_of
from deephealth.model.exports.network import network_of as parts_of
from deephealth.model.file import Model
from deephealth.model.imports import sources
from deephealth.model.imports.importing import import_model
from deephealth.model.imports.network import network_of
from deephealth.model.verify import verify
from deephealth.settings import own_process

SIDE = 32


def own_zip(model: Model, path: Path, **changed: bytes) -> Path:
    """A Teachable Machine zip of one of our models."""
    files = keras2.tfjs(layers_of(parts_of(model), 1 / 127, -1.0, colour=True), "m", "test")
    files["metadata.json"] = json.dumps({"labels": list(model.labels)}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (files | {name.replace("_", "."): data for name, data in changed.items()}).items():
            archive.writestr(name, data)
    return path


def film(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def answer(model: Model, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(model.run(np.ascontiguousarray(pixels)).probabilities, np.float64)


# ---- what this program wrote itself comes back


@pytest.mark.parametrize("kind", [{}, {"dense": True}, {"standardise": True}])
def test_what_was_exported_comes_back_with_the_same_answers(make_model: Any, tmp_path: Path, kind: dict[str, bool]) -> None:
    model = make_model(**kind)
    again = import_model(own_zip(model, tmp_path / "m.zip"), crop="squash")
    assert again.labels == model.labels
    assert (again.record.channels, again.record.size, again.record.novelty_threshold) == (3, SIDE, None)
    pixels = np.repeat(film(50, 70)[:, :, :1], 3, axis=2)
    assert np.abs(answer(again, pixels) - answer(model, pixels[:, :, 0])).max() < 1e-5
    assert verify(again).largest_difference < 1e-4


@pytest.mark.parametrize("kind", ["Rescaling", "AveragePooling2D", "Concatenate"])
def test_an_activation_that_another_layer_ends_in_is_drawn(kind: str) -> None:
    """TensorFlow Lite fuses a ReLU into whatever stands before it."""
    config = {"Rescaling": {"scale": 1.0, "offset": -0.5}, "AveragePooling2D": {"pool_size": 1}, "Concatenate": {}}[kind]
    inputs = ("input", "input") if kind == "Concatenate" else ("input",)
    steps = [Step("input", "InputLayer", {"batch_input_shape": [None, 4, 4, 1]}, ())]
    steps.append(Step("last", kind, {**config, "activation": "relu"}, inputs))
    session = open_session(serialise(draw_network(Described(steps, {}), steps, "last").network))
    assert session.run(None, {"x": np.full((1, 1, 4, 4), -1, np.float32)})[0].max() == 0


def test_what_others_read_too_is_not_folded_under() -> None:
    """A normalisation behind a dropout must leave the convolution alone that a sum reads as well."""
    random = np.random.default_rng(0)
    steps = [
        Step("input", "InputLayer", {"batch_input_shape": [None, 4, 4, 1]}, ()),
        Step("conv", "Conv2D", {"kernel_size": [1, 1], "filters": 2, "use_bias": False, "strides": [1, 1]}, ("input",)),
        Step("drop", "Dropout", {}, ("conv",)),
        Step("norm", "BatchNormalization", {"axis": 3, "epsilon": 0.0}, ("drop",)),
        Step("sum", "Add", {}, ("conv", "norm")),
    ]
    ones = np.ones(2, np.float32)
    norm = {"gamma": 3 * ones, "beta": 0 * ones, "moving_mean": 0 * ones, "moving_variance": ones}
    weights = {"conv": {"kernel": np.ones((1, 1, 1, 2), np.float32)}, "norm": norm}
    film = random.normal(size=(1, 1, 4, 4)).astype(np.float32)
    session = open_session(serialise(draw_network(Described(steps, weights), steps, "sum").network))
    np.testing.assert_allclose(session.run(None, {"x": film})[0], np.repeat(4 * film, 2, axis=1), rtol=1e-6)


def test_the_middle_square_is_cut_and_the_heatmap_laid_over_the_whole_film(make_model: Any, tmp_path: Path) -> None:
    path = own_zip(make_model(), tmp_path / "m.zip")
    cut, whole = import_model(path), import_model(path, crop="squash")
    square = film(64, 64, 1)
    assert np.abs(answer(cut, square) - answer(whole, square)).max() < 1e-6
    np.testing.assert_allclose(cut.run(square).heatmap, whole.run(square).heatmap, atol=1e-4)
    wide = film(64, 160, 2)
    middle = np.ascontiguousarray(wide[:, 48:112])
    assert np.abs(answer(cut, wide) - answer(whole, middle)).max() < 1e-6
    assert np.abs(answer(cut, wide) - answer(whole, wide)).max() > 1e-3
    laid, inside = cut.run(wide).heatmap, whole.run(middle).heatmap
    grid = laid.shape[1]
    places = ((np.arange(grid) + 0.5) / grid * 160 - 48) / 64 * grid - 0.5
    across = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(grid)))
    np.testing.assert_allclose(laid, inside @ across.T.astype(np.float32), atol=1e-4)
    assert (laid[:, :, 0] == 0).all()
    assert (laid[:, :, 1] != 0).any()


@pytest.mark.slow
def test_a_model_that_crops_is_exported_only_as_it_is(make_model: Any, tmp_path: Path) -> None:
    model = import_model(own_zip(make_model(), tmp_path / "m.zip"))
    export_model(model, "onnx", tmp_path / "a.zip")
    with pytest.raises(ModelFileError, match="--crop squash"):
        export_model(model, "onnx-fixed", tmp_path / "b.zip")


@pytest.mark.slow
def test_the_gate_is_off_until_films_are_given(make_model: Any, tmp_path: Path) -> None:
    path = own_zip(make_model(), tmp_path / "m.zip")
    prediction = Predictor(import_model(path)).predict(film_file(tmp_path))
    assert not prediction.refused
    assert "no picture is refused" in import_model(path).record.card
    write_phantoms(tmp_path / "films", per_class=10, seed=3, size=64)
    films = sorted((tmp_path / "films").rglob("*.png"))
    gated = import_model(path, films=films)
    assert gated.record.novelty_threshold is not None
    answers = [Predictor(gated).predict(path) for path in films]
    assert sum(one.refused for one in answers) <= 2
    with pytest.raises(ModelFileError, match="at least 20"):
        import_model(path, films=films[:5])


def film_file(folder: Path) -> Path:
    Image.fromarray(film(40, 60)).save(folder / "film.png")
    return folder / "film.png"


# ---- TensorFlow Lite, as its own converter writes it


@pytest.mark.slow
@pytest.mark.parametrize("to", ["litert", "litert-int8"])
def test_tensorflow_lite_answers_as_in_its_runtime(make_model: Any, tmp_path: Path, to: str) -> None:
    """Our network in -1..1, converted by TensorFlow; whole numbers are compared with the file's own rounded answers."""
    model = make_model(channels=3)
    (tmp_path / "m.h5").write_bytes(keras2.h5(layers_of(parts_of(model), 1 / 127.5, -1.0), "m"))
    pixels = np.random.default_rng(0).uniform(-1, 1, (40, SIDE, SIDE, 3)).astype(np.float32)
    np.save(tmp_path / "calibration.npy", pixels)
    request = {"h5": str(tmp_path / "m.h5"), "to": to, "out": str(tmp_path / "m.tflite"), "calibration": str(tmp_path / "calibration.npy")}
    own_process.run("deephealth.model.exports.runtimes.keras_convert", request)
    again = import_model(tmp_path / "m.tflite", crop="squash")
    films = [film(SIDE, SIDE, seed) for seed in range(10)]
    ours = np.array([answer(again, one) for one in films])
    np.savez(tmp_path / "films.npz", *[one.transpose(2, 0, 1).astype(np.float32) for one in films])
    interface = {"file": "m.tflite", "film": False, "scale": 1 / 127.5, "offset": -1.0, "layout": "NHWC"}
    asked = {"folder": str(tmp_path), "interface": interface, "pictures": str(tmp_path / "films.npz")}
    theirs = np.array(own_process.run("deephealth.model.exports.runtimes.litert_runtime", asked)["probabilities"])
    assert np.ptp(theirs, axis=0).max() > 0.05
    assert np.abs(ours - theirs).max() < (1e-4 if to == "litert" else 0.1)


# ---- real exports of Teachable Machine

TOOLS = "interop/teachable-machine"


@pytest.mark.shared
@pytest.mark.slow
def test_all_of_googles_22_pictures_are_right_and_tensorflow_js_says_the_same(shared: Path, tmp_path: Path) -> None:
    folder = shared / TOOLS / "tfjs_google"
    model = import_model(folder / "image-model.zip")
    assert (model.record.channels, model.labels) == (3, ("Class 1", "Class 2"))
    with zipfile.ZipFile(folder / "image-model-data.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png") and "__MACOSX" not in name]
        pictures = [read_film(archive.read(name), name=name, channels=3).pixels for name in names]
    ours = np.array([answer(model, pixels) for pixels in pictures])
    assert len(names) == 22
    assert [model.labels[place] for place in ours.argmax(axis=1)] == [name.split("/")[-2] for name in names]
    assert {pixels.shape for pixels in pictures} == {(224, 224, 3)}  # so that there is nothing to crop or to resize
    theirs = in_node(folder / "image-model.zip", pictures, tmp_path)
    assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.shared
@pytest.mark.slow
def test_the_small_grey_model_too(shared: Path, tmp_path: Path) -> None:
    path = shared / TOOLS / "tfjs_google" / "tiny-image-model.zip"
    model = import_model(path)
    assert (model.record.channels, model.record.size) == (1, 96)
    pictures = [film(96, 96, seed)[:, :, 0] for seed in range(5)]
    theirs = in_node(path, [picture[:, :, None] for picture in pictures], tmp_path)
    assert np.abs(np.array([answer(model, picture) for picture in pictures]) - theirs).max() < 1e-3


def in_node(path: Path, pictures: list[np.ndarray], place: Path) -> np.ndarray:
    """@tensorflow/tfjs in Node.js on the very tensors that Teachable Machine's page would make of the pictures."""
    with zipfile.ZipFile(path) as archive:
        for name in ("model.json", "weights.bin"):
            (place / name).write_bytes(archive.read(name))
    np.savez(place / "pictures.npz", *[picture.transpose(2, 0, 1).astype(np.float32) for picture in pictures])
    interface = {"file": "model.json", "film": False, "scale": 1 / 127, "offset": -1.0, "layout": "NHWC"}
    asked = {"folder": str(place), "interface": interface, "pictures": str(place / "pictures.npz")}
    return np.array(own_process.run("deephealth.model.exports.runtimes.tfjs_runtime", asked)["probabilities"])


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["keras_ojjsaw", "keras_lian_cxr3"])
def test_keras_exports_answer_as_in_keras(shared: Path, tmp_path: Path, name: str) -> None:
    folder = shared / TOOLS / name
    zipped = folder / "converted_keras.zip"
    model = import_model(zipped if zipped.exists() else folder / "keras_model.h5")
    assert model.labels[0] == {"keras_ojjsaw": "Cereal Box", "keras_lian_cxr3": "Normal chest X-ray"}[name]
    held = sources.read_files(zipped if zipped.exists() else folder / "keras_model.h5").held["keras_model.h5"]
    (tmp_path / "m.h5").write_bytes(readable_by_keras_3(held))
    pictures = [film(224, 224, seed) for seed in range(4)]
    np.savez(tmp_path / "pictures.npz", *[picture.transpose(2, 0, 1).astype(np.float32) for picture in pictures])
    interface = {"file": "m.h5", "film": False, "scale": 1 / 127.5, "offset": -1.0, "layout": "NHWC"}
    asked = {"folder": str(tmp_path), "interface": interface, "pictures": str(tmp_path / "pictures.npz")}
    theirs = np.array(own_process.run("deephealth.model.exports.runtimes.keras_runtime", asked)["probabilities"])
    assert np.abs(np.array([answer(model, picture) for picture in pictures]) - theirs).max() < 1e-3


KEPT = [
    "batch_input_shape",
    "padding",
    "filters",
    "kernel_size",
    "strides",
    "activation",
    "use_bias",
    "axis",
    "epsilon",
    "center",
    "scale",
    "max_value",
    "depth_multiplier",
    "units",
]


def readable_by_keras_3(data: bytes) -> bytes:
    """The file with one model of the same layers one after another, since Keras 3 reads no `groups` and no models within models."""
    described = sources.keras_model(sources.Files({"m.h5": data}, "m.h5"))
    from deephealth.model.exports.layers import Layer

    layers = []
    for step in described.steps:
        config = {name: value for name, value in step.config.items() if name in KEPT}
        order = ("gamma", "beta", "moving_mean", "moving_variance", "kernel", "depthwise_kernel", "bias")
        held = described.weights.get(step.name, {})
        layers.append(Layer(step.name, step.kind, step.inputs, config, {name: held[name] for name in order if name in held}))
    return keras2.h5(layers, "m")


@pytest.mark.parametrize("style", ["outer names", "numbers"])
def test_both_ways_to_name_weights_are_read(make_model: Any, tmp_path: Path, style: str) -> None:
    """Older exports write a layer's name alone before its weight, newer ones the models around it too; layers may be called 3 and 11."""
    model = make_model(dense=True)
    (tmp_path / "m.h5").write_bytes(keras2.h5(layers_of(parts_of(model), 1 / 127.5, -1.0, colour=True), "m"))
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        held = file["model_weights"]
        names = [name for name in held if len(held[name])]
        new = dict(zip(names, (str(number) for number in range(3, 99, 8)), strict=False)) if style == "numbers" else {}
        if style == "numbers":
            text = file.attrs["model_config"]
            for name, number in sorted(new.items(), key=lambda pair: -len(pair[0])):
                text = text.replace(f'"{name}"', f'"{number}"')
            file.attrs["model_config"] = text
        outer = held.create_group("sequential_4")
        for name in names:
            outer.move(f"/model_weights/{name}/{name}", f"/model_weights/sequential_4/model1/{new.get(name, name)}")
            del held[name]
    (tmp_path / "labels.txt").write_text("0 a\n1 b\n2 c\n")
    again = import_model(tmp_path / "m.h5", crop="squash")
    pixels = film(50, 70)
    assert np.abs(answer(again, np.repeat(pixels[:, :, :1], 3, axis=2)) - answer(model, pixels[:, :, 0])).max() < 1e-5


# ---- bad input


def damaged(model: Model, folder: Path, how: str) -> Path:
    path = folder / "bad.zip"
    files = keras2.tfjs(layers_of(parts_of(model), 1 / 127, -1.0, colour=True), "m", "test")
    told = json.loads(files["model.json"])
    config = told["modelTopology"]["model_config"]["config"]
    if how == "lambda":
        config["layers"][3] |= {"class_name": "Lambda"}
    elif how == "shape":
        first = next(one for one in told["weightsManifest"][0]["weights"] if one["name"].endswith("kernel"))
        first["shape"] = first["shape"][::-1]
    elif how == "circle":
        config["layers"][2]["inbound_nodes"] = [[[config["layers"][5]["name"], 0, 0, {}]]]
    elif how == "nothing":
        told = {"format": "graph-model"}
    extra = {"weights_bin": files["weights.bin"][:-100]} if how == "short" else {}
    own_zip(model, path, model_json=json.dumps(told).encode(), **extra)
    if how == "no zip":
        path.write_bytes(path.read_bytes()[:400])
    elif how == "labels":
        own_zip(model, path, labels_txt=b"0 one\n1 two\n")
    elif how == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(201):
                archive.writestr(f"{number}.bin", b"")
    elif how == "weights only":
        path = folder / "weights.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("kernel", data=np.zeros(3))
    elif how == "another":
        path = folder / "holiday.h5"
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 500)
    elif how == "tflite":
        path = folder / "m.tflite"
        path.write_bytes(b"\x10\0\0\0TFL3" + bytes(range(200)))
    return path


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("lambda", "is a Lambda, which is not imported"),
        ("shape", r"of shape \[.*\], expected \["),
        ("circle", "circle"),
        ("nothing", "layers model"),
        ("short", "end before|whole"),
        ("no zip", "cannot be read as a zip"),
        ("labels", "labels are 2"),
        ("bomb", "more than 200 files"),
        ("weights only", "no whole Keras model"),
        ("another", "cannot be read as HDF5"),
        ("tflite", "TensorFlow Lite|tflite"),
    ],
)
def test_what_is_no_such_model_is_one_sentence(make_model: Any, tmp_path: Path, how: str, words: str) -> None:
    path = damaged(make_model(), tmp_path, how)
    with pytest.raises(ModelFileError, match=words) as caught:
        import_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("member", ["model.json", "weights.bin"])
def test_flipped_bytes_give_a_sentence_or_a_model(make_model: Any, member: str) -> None:
    """200 files with a few bytes changed: never another exception."""
    files = keras2.tfjs(layers_of(parts_of(make_model()), 1 / 127, -1.0, colour=True), "m", "test")
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(200):
        data = bytearray(files[member])
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        try:
            network_of(sources.tfjs_model(sources.Files(files | {member: bytes(data)}, "m.zip")))
        except DeepHealthError:
            refused += 1
    assert refused > 50 if member == "model.json" else refused < 200


@pytest.mark.slow
def test_a_tflite_with_flipped_bytes_gives_a_sentence_or_a_model(make_model: Any, tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(keras2.h5(layers_of(parts_of(make_model())), "m"))
    own_process.run(
        "deephealth.model.exports.runtimes.keras_convert", {"h5": str(tmp_path / "m.h5"), "to": "litert", "out": str(tmp_path / "m.tflite")}
    )
    whole, random, refused = (tmp_path / "m.tflite").read_bytes(), np.random.default_rng(8), 0
    tail = len(whole) - 6000  # the tables stand behind the weights
    for _ in range(300):
        data = bytearray(whole)
        for place in random.integers(tail, len(data), 3):
            data[place] = random.integers(0, 256)
        try:
            network_of(import_described(bytes(data)))
        except DeepHealthError:
            refused += 1
    assert 0 < refused < 300


def import_described(data: bytes) -> Any:
    from deephealth.model.imports.tflite_file import tflite_model

    return tflite_model(sources.Files({"m.tflite": data}, "m.tflite"))


# ---- the command line


def test_the_command_line(make_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = own_zip(make_model(), tmp_path / "m.zip"), tmp_path / "m.onnx"
    assert main(["model", "import", str(path), "--out", str(out), "-q", "--licence", "MIT"]) == 0
    told = capsys.readouterr().out
    assert "normal, bacterial, viral" in told
    assert "gate off" in told
    assert Model.load(out).record.licence == "MIT"
    assert main(["model", "verify", str(out)]) == 0
    assert main(["predict", str(film_file(tmp_path)), "--model", str(out), "--quiet"]) == 0
    before = out.read_bytes()
    assert main(["model", "import", str(path), "--out", str(out)]) == UsageError.exit_code
    assert main(["model", "import", str(tmp_path / "absent.zip"), "--out", str(tmp_path / "b.onnx")]) != 0
    assert out.read_bytes() == before
    assert not (tmp_path / "b.onnx").exists()


def test_a_folder_and_labels_of_ones_own(make_model: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(own_zip(make_model(), tmp_path / "m.zip")) as archive:
        archive.extractall(tmp_path / "folder")
    (tmp_path / "names.txt").write_text("0 uno\n1 dos\n2 tres\n", encoding="utf-8")
    assert import_model(tmp_path / "folder", labels=tmp_path / "names.txt").labels == ("uno", "dos", "tres")
    shutil.copy(tmp_path / "names.txt", tmp_path / "folder" / "labels.txt")
    assert import_model(tmp_path / "folder" / "model.json").labels == ("uno", "dos", "tres")


@pytest.mark.shared
@pytest.mark.slow
def test_the_original_programs_resize_makes_another_difference(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Teachable Machine's Python program cuts and shrinks with Lanczos; told apart from the network's own parity (`docs/import.md`)."""
    from PIL import ImageOps

    folder = shared / TOOLS / "keras_ojjsaw"
    model = import_model(folder / "converted_keras.zip")
    for name in ("test.jpg", "test2.jpg"):
        pixels = read_film(folder / name, channels=3).pixels
        shrunk = np.asarray(ImageOps.fit(Image.fromarray(pixels), (224, 224), Image.Resampling.LANCZOS))
        apart = np.abs(answer(model, pixels) - answer(model, shrunk))
        assert answer(model, pixels).argmax() == answer(model, shrunk).argmax()
        with capsys.disabled():
            print(f"\n{name} {pixels.shape[1]} x {pixels.shape[0]}: a resize by Lanczos changes a probability by up to {apart.max():.2g}")
        assert apart.max() < 0.2
