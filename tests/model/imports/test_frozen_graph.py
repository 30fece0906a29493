"""Frozen TensorFlow graphs with retrain.py's names: the same answers as TensorFlow gives, and a sentence for any other graph."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deephealth.cli.main import main
from deephealth.errors import DeepHealthError, ModelFileError
from deephealth.model.exports.frozen_format import graph_of
from deephealth.model.exports.layers import layers_of
from deephealth.model.exports.network import network_of as parts_of
from deephealth.model.file import Model
from deephealth.model.imports import sources
from deephealth.model.imports.frozen_graph import frozen_model
from deephealth.model.imports.importing import import_model
from deephealth.model.imports.network import network_of


@pytest.fixture(scope="module", params=["inception", "mobilenet"])
def frozen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a graph frozen by TensorFlow, its labels, pictures and answers."""
    pytest.importorskip("tensorflow", reason="needs deephealth[tensorflow]")
    folder = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, str(Path(__file__).with_name("frozen.py")), request.param, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_frozen_graph_answers_as_in_tensorflow(frozen: Path, tmp_path: Path) -> None:
    model = import_model(frozen)
    assert model.labels == ("normal", "bacterial", "viral")
    assert (model.record.channels, model.record.training.recipe["crop"]) == (3, "squash")
    told = np.load(frozen / "answers.npz")
    ours = np.array([model.run(picture).probabilities for picture in told["pictures"]])
    assert np.ptp(told["probabilities"], axis=0).max() > 0.01
    assert np.abs(ours - told["probabilities"]).max() < 1e-4
    out = tmp_path / "m.onnx"
    assert main(["model", "import", str(frozen / "output_graph.pb"), "--out", str(out), "-q"]) == 0
    assert Model.load(out).labels == model.labels  # output_labels.txt lies beside it
    whole, random, refused = (frozen / "output_graph.pb").read_bytes(), np.random.default_rng(3), 0
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        try:
            network_of(frozen_model(sources.Files({"g.pb": bytes(data)}, "g.pb")))
        except DeepHealthError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("dense", [False, True])
def test_a_graph_of_our_own_comes_back(make_model: Any, tmp_path: Path, dense: bool) -> None:
    """What `model export --to frozen-graph` writes, without TensorFlow on either way."""
    model = make_model(dense=dense)
    (tmp_path / "output_graph.pb").write_bytes(graph_of(layers_of(parts_of(model), 1 / 127.5, -1.0, colour=True)))
    (tmp_path / "output_labels.txt").write_text("\n".join(model.labels))
    again = import_model(tmp_path / "output_graph.pb")
    film = np.random.default_rng(0).integers(0, 256, (50, 70)).astype(np.uint8)
    expected = model.run(film).probabilities
    assert again.labels == model.labels
    assert np.abs(again.run(np.repeat(film[:, :, None], 3, axis=2)).probabilities - expected).max() < 1e-5


@pytest.mark.parametrize("what", ["no graph", "no softmax", "another operator"])
def test_another_graph_is_one_sentence(tmp_path: Path, what: str) -> None:
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef

    nodes = [NodeDef(name="x", op="Placeholder")]
    if what == "another operator":
        nodes += [NodeDef(name="odd", op="PyFunc", input=["x"]), NodeDef(name="final_result", op="Softmax", input=["odd"])]
    data = b"\xff\xff\xff" if what == "no graph" else GraphDef(node=nodes).SerializeToString()
    (tmp_path / "g.pb").write_bytes(data)
    words = {"no graph": "not a TensorFlow graph", "no softmax": "0 softmax nodes", "another operator": "PyFunc"}[what]
    with pytest.raises(ModelFileError, match=words):
        import_model(tmp_path / "g.pb")
