"""Networks rebuilt in Keras layers, and the formats that come of it, each asked in its own runtime."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from deephealth.errors import DeepHealthError, ModelFileError
from deephealth.features import graph, keras_backbones
from deephealth.images.phantom import draw_phantom
from deephealth.model.exports import keras2
from deephealth.model.exports.artefact import Interface
from deephealth.model.exports.exporting import export_model, recheck
from deephealth.model.exports.frozen_format import graph_of
from deephealth.model.exports.layers import layers_of
from deephealth.model.exports.network import Network, network_of, square_model
from deephealth.model.exports.runtimes import tfjs_runtime
from deephealth.model.exports.runtimes.asking import square
from deephealth.model.file import Model
from deephealth.model.from_torch import network_graph
from deephealth.model.heads import LinearHead
from deephealth.settings import own_process

MakeModel = Callable[..., Model]


def network_from(model: onnx.ModelProto, size: int, channels: int = 1) -> Network:
    """A network without a head of its own, for whatever ONNX a test has drawn."""
    drawn = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    before = drawn.input[0].name
    for node in drawn.node:
        node.input[:] = ["preprocess/resized" if name == before else name for name in node.input]
    body = graph.Fragment(tuple(drawn.node), tuple(drawn.initializer))
    width = drawn.output[0].type.tensor_type.shape.dim[1].dim_value
    head = LinearHead(np.random.default_rng(0).normal(size=(3, width)).astype(np.float32) * 0.1, np.zeros(3, np.float32))
    return Network(body, drawn.output[0].name, head, 1.0, size, channels, ("a", "b", "c"))


def answers_of(network: Network, films: np.ndarray) -> np.ndarray:
    session = graph.open_session(graph.serialise(square_model(network)))
    return np.array([session.run(["probabilities"], {"pixels": film[None]})[0][0] for film in films])


def asked_of(file: str, runtime: str, films: np.ndarray, place: Path) -> np.ndarray:
    """What a file answers in its own runtime."""
    np.savez(place / "films.npz", *films)
    interface = dataclasses.asdict(Interface(file, films.shape[-1], 1, ("a", "b", "c"), input="input", output="final_result"))
    request = {"folder": str(place), "interface": interface, "pictures": str(place / "films.npz")}
    return np.asarray(own_process.run(f"deephealth.model.exports.runtimes.{runtime}", request)["probabilities"])


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")
@pytest.mark.parametrize("name", ["EfficientNetV2B0", "InceptionV3"])
def test_networks_of_keras_become_keras_again(name: str, tmp_path: Path) -> None:
    """Through torch and ONNX and back, and into a frozen graph: the same answers, with each family's padding, gates and concatenations."""
    import torch

    torch.manual_seed(1)
    built = keras_backbones.build(name, 96)
    for layer in built.model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0  # one batch settles its statistics, as training would: else the films' features hardly differ
    with torch.no_grad():
        built.train()(torch.randn(8, 1, 96, 96) * 0.5)
    network = network_from(network_graph(built.eval(), 96), 96)
    films = np.random.default_rng(2).normal(0, 0.5, size=(3, 1, 96, 96)).astype(np.float32)
    logs = np.log(answers_of(network, films))
    apart = np.ptp(logs, axis=0).max()
    head = LinearHead((network.head.weight / apart).astype(np.float32), (-logs.mean(axis=0) / apart).astype(np.float32))
    network = dataclasses.replace(network, head=head)  # random features hardly differ: now their answers do
    expected = answers_of(network, films)
    assert np.ptp(expected, axis=0).max() > 0.02
    layers = layers_of(network)
    (tmp_path / "m.h5").write_bytes(keras2.h5(layers, "m"))
    (tmp_path / "m.pb").write_bytes(graph_of(layers))
    for file, runtime in (("m.h5", "keras_runtime"), ("m.pb", "frozen_runtime")):
        apart = np.abs(asked_of(file, runtime, films, tmp_path) - expected).max()
        print(f"{name} in {runtime}: {apart:.1e}, answers {np.ptp(expected, axis=0).max():.2f} apart")
        assert apart < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("keras", {"standardise": True}),
        ("teachable-machine", {"standardise": True}),
        ("savedmodel", {"channels": 3, "dense": True}),
        ("frozen-graph", {"standardise": True, "dense": True}),
        ("litert", {"standardise": True}),
        ("litert-int8", {"standardise": True}),
        ("tfjs", {"standardise": True, "dense": True}),
    ],
)
def test_an_export_answers_in_its_own_runtime_and_so_does_its_snippet(
    make_model: MakeModel, tmp_path: Path, to: str, kind: dict[str, object]
) -> None:
    model = make_model(**kind)
    certificate = export_model(model, to, tmp_path / "a.zip")
    assert certificate.resize == "outside"
    if to != "litert-int8":
        assert certificate.largest_difference < 1e-4
    if to in ("litert", "tfjs"):
        again, largest, allowed = recheck(tmp_path / "a.zip")
        assert again == certificate
        assert largest <= allowed
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "files")
    if to in ("teachable-machine", "litert"):
        python_snippet_answers(model, tmp_path / "files")


def python_snippet_answers(model: Model, folder: Path) -> None:
    film = draw_phantom("viral", seed=3, patient=1, size=300).pixels[:, :240]
    Image.fromarray(film).save(folder / "film.png")
    command = [sys.executable, "snippets/predict.py", "film.png"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    for label, expected in zip(model.labels, model.run(np.ascontiguousarray(film)).probabilities, strict=True):
        told = float(done.stdout.split(f"'{label}': ")[1].split(",")[0].split("}")[0])
        assert told == pytest.approx(float(expected), abs=1e-4)


def test_teachable_machines_names_are_kept(make_model: MakeModel) -> None:
    model = make_model()
    files = keras2.tfjs(layers_of(network_of(model), 1 / 127.5, -1.0, colour=True), "name", "test")
    told = json.loads(files["model.json"])
    assert (told["format"], told["weightsManifest"][0]["paths"]) == ("layers-model", ["weights.bin"])
    assert sum(4 * int(np.prod(one["shape"])) for one in told["weightsManifest"][0]["weights"]) == len(files["weights.bin"])
    first = told["modelTopology"]["model_config"]["config"]["layers"][0]
    assert first["config"]["batch_input_shape"] == [None, 32, 32, 3]


PAGE = """<!doctype html><meta charset="utf-8">
<script src="/tf-core.js"></script><script src="/tf-layers.js"></script><script src="/tf-backend-cpu.js"></script>
<script type="importmap">{"imports": {"@tensorflow/tfjs": "/tf.mjs"}}</script>
<script type="module">import { predict } from "/files/snippets/predict.mjs"; window.predict = predict;</script>"""


@pytest.mark.slow
def test_the_javascript_snippet_answers_in_chromium(make_model: MakeModel, serve_folder: tuple[Path, str], in_chromium: Any) -> None:
    """The zip's own program, which resizes too, in a page with TensorFlow.js."""
    folder, address = serve_folder
    model = make_model(standardise=True)
    export_model(model, "tfjs", folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        archive.extractall(folder / "files")
    for name in ("core", "layers", "backend-cpu"):
        built = tfjs_runtime.packages() / "node_modules" / "@tensorflow" / f"tfjs-{name}" / "dist" / f"tf-{name}.min.js"
        (folder / f"tf-{name}.js").write_bytes(built.read_bytes())
    (folder / "tf.mjs").write_text("export const { loadLayersModel, tensor, stack, expandDims, mul, add } = globalThis.tf;\n")
    (folder / "index.html").write_text(PAGE)
    film = np.ascontiguousarray(draw_phantom("bacterial", seed=4, patient=1, size=200).pixels[:, :150])

    def ask(browser: Any) -> Any:
        page = browser.new_page()
        page.goto(f"{address}/index.html")
        page.wait_for_function("() => Boolean(window.predict)")
        asked = "([plane, w, h]) => predict('/files/model/model.json', [plane, plane, plane], w, h)"
        return page.evaluate(asked, [film.ravel().tolist(), film.shape[1], film.shape[0]])

    told = in_chromium(ask)
    for label, expected in zip(model.labels, model.run(film).probabilities, strict=True):
        assert told[label] == pytest.approx(float(expected), abs=1e-4)


def test_the_lock_file_is_of_these_packages() -> None:
    folder = Path(tfjs_runtime.__file__).parents[1] / "node"
    told = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())
    assert locked["packages"][""]["dependencies"] == told
    assert "resolved" not in (folder / "package-lock.json").read_text()


def test_without_node_the_sentence_says_so(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DEEPHEALTH_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(DeepHealthError, match=r"install Node\.js"):
        export_model(make_model(), "tfjs", tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize(
    ("operator", "attributes", "words"),
    [("Tanh", {}, "operator Tanh"), ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, "padding")],
)
def test_what_has_no_layer_is_named(operator: str, attributes: dict[str, object], words: str) -> None:
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    film = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 8, 8])
    with pytest.raises(ModelFileError, match=words):
        layers_of(network_from(graph.assemble(helper.make_graph([node], "g", [film], [out])), 8))


def test_a_square_is_what_the_snippets_make() -> None:
    film = draw_phantom("normal", seed=1, patient=1, size=90).pixels
    assert square(film, 32, 3).shape == (3, 32, 32)
