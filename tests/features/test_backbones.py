from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deephealth.errors import ModelFileError, UsageError
from deephealth.features import graph
from deephealth.features.backbones import BACKBONES, Backbone, decode_hashes, encode_hashes, load_backbone, make_backbone, save_backbone
from deephealth.features.untrusted import read_onnx

WEIGHTS = {
    "mobilenet_v2_0.35_224": "mobilenet_v2_0.35_224_imagenet/mobilenet_v2_0.35_224_notop_bn.pth",
    "mobilenet_v2_1.0_224": "mobilenet_v2_1.0_224_imagenet/mobilenet_v2_1.0_folded_fp32.pth",
}


def whole_model(backbone: Backbone, *, declare: bool = False) -> onnx.ModelProto:
    """A model file as one is composed: a head on the features, class maps, other outputs, a record."""
    model = onnx.ModelProto.FromString(backbone.model)
    drawing = model.graph
    drawing.initializer.append(graph.initializer("head/weight", np.ones((3, backbone.dim))))
    drawing.node.append(helper.make_node("MatMul", ["head/weight", "features"], ["logits"], name="head"))
    drawing.node.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1))
    map_ = drawing.output.pop()
    drawing.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("probabilities", "logits"))
    if declare:
        drawing.value_info.append(map_)
    drawing.name = "deephealth"
    about = {"name": "inner", "sha256": backbone.sha256, "licence": "CC0-1.0", "provenance": "here"}
    record = {"backbone": about, "size": 32, "channels": 1, "seen": encode_hashes(backbone.seen), "labels": ["a", "b", "c"]}
    helper.set_model_props(model, {"deephealth": json.dumps(record)})
    return model


def test_a_backbone_comes_back_from_its_file(backbone: Backbone, tmp_path: Path) -> None:
    save_backbone(backbone, tmp_path / "b.onnx")
    found = load_backbone(str(tmp_path / "b.onnx"))
    for field in ("name", "model", "size", "dim", "grid", "channels", "sha256", "provenance", "licence"):
        assert getattr(found, field) == getattr(backbone, field)
    np.testing.assert_array_equal(found.seen, backbone.seen)
    assert (found.dim, found.grid, found.size) == (6, 8, 32)
    first = (tmp_path / "b.onnx").read_bytes()
    save_backbone(found, tmp_path / "b.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == first


@pytest.mark.parametrize("declare", [False, True])
def test_the_backbone_cut_out_of_a_model_is_the_backbone_it_was_made_with(backbone: Backbone, tmp_path: Path, declare: bool) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(whole_model(backbone, declare=declare).SerializeToString())
    found = load_backbone(str(path))
    assert found.model == backbone.model
    assert (found.sha256, found.name, found.licence, found.provenance) == (backbone.sha256, "inner", "CC0-1.0", "here")
    np.testing.assert_array_equal(found.seen, backbone.seen)


def test_a_backbone_needs_features_and_a_feature_map(backbone: Backbone) -> None:
    model = whole_model(backbone)
    for node in model.graph.node:
        node.input[:] = ["other" if name == "feature_map" else name for name in node.input]
        node.output[:] = ["other" if name == "feature_map" else name for name in node.output]
    with pytest.raises(ModelFileError, match="feature_map"):
        make_backbone(model, name="x", size=32, licence="", provenance="")


def test_the_input_is_called_image(backbone: Backbone) -> None:
    model = whole_model(backbone)
    model.graph.input[0].name = "x"
    with pytest.raises(ModelFileError, match="expected 'image'"):
        make_backbone(model, name="x", size=32, licence="", provenance="")


def test_unknown_names_and_missing_weights() -> None:
    with pytest.raises(ModelFileError, match="deephealth-small") as caught:
        load_backbone("deephealth-smal")
    assert "mobilenet_v2_0.35_224" in str(caught.value)
    with pytest.raises(ModelFileError, match="expected its weights file"):
        load_backbone("mobilenet_v2_0.35_224")
    with pytest.raises(ModelFileError, match="no weights file"):
        load_backbone("mobilenet_v2_0.35_224", weights=Path("/nowhere.pth"))
    with pytest.raises(UsageError, match="takes no weights file"):
        load_backbone("deephealth-small", weights=Path("/nowhere.pth"))
    assert all(entry.licence == "Apache-2.0" for entry in BACKBONES.values())


@pytest.mark.shared
@pytest.mark.parametrize(("name", "wrong"), [tuple(WEIGHTS), tuple(reversed(WEIGHTS))])
def test_the_published_weights_by_name_and_by_path(shared: Path, name: str, wrong: str) -> None:
    path = shared / "weights" / WEIGHTS[name]
    named, by_path = load_backbone(name, weights=path), load_backbone(str(path))
    assert named.model == by_path.model
    assert (by_path.name, by_path.licence) == (name, "Apache-2.0")
    assert (named.dim, named.grid, named.size, named.channels, len(named.seen)) == (1280, 7, 224, 1, 0)
    with pytest.raises(ModelFileError, match="does not hold the published weights"):
        load_backbone(wrong, weights=path)


def spoil(model: onnx.ModelProto, how: str) -> None:
    node = model.graph.node[3]
    if how == "no record":
        del model.metadata_props[:]
    elif how in ("not json", "[1]", "{}", '{"size": 1e9}', '{"size": 32, "seen": "?"}', '{"size": 32, "seen": "AAAA"}', "[" * 100_000):
        helper.set_model_props(model, {"deephealth": how})
    elif how == "external":
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
    elif how == "external in an attribute":
        tensor = TensorProto(data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="../secret")
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    elif how == "domain":
        node.domain = "com.evil"
    elif how == "opset domain":
        model.opset_import.add(domain="ai.onnx.ml", version=3)
    elif how == "function":
        model.functions.add(name="f", domain="")
    elif how == "loop":
        body = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "body", [], [])
        model.graph.node.append(helper.make_node("Loop", [""], ["q"], body=body))
    elif how == "old opset":
        model.opset_import[0].version = 9
    elif how == "many nodes":
        model.graph.node.extend([node] * 20_001)
    else:
        assert how == "no nodes"
        del model.graph.node[:]


REFUSED = {
    "no record": "carries no Deep Health record",
    "not json": "expected JSON",
    "[" * 100_000: "expected JSON",
    "[1]": "JSON object",
    "{}": "size",
    '{"size": 1e9}': "size",
    '{"size": 32, "seen": "?"}': "seen films is damaged",
    '{"size": 32, "seen": "AAAA"}': "seen films is damaged",
    "external": "weights in other files",
    "external in an attribute": "weights in other files",
    "domain": "com.evil",
    "opset domain": r"ai\.onnx\.ml",
    "function": "functions of its own",
    "loop": "Loop",
    "old opset": "opset",
    "many nodes": "nodes",
    "no nodes": "holds no network",
}


@pytest.mark.parametrize("how", REFUSED, ids=lambda how: how[:30])
def test_a_file_from_anybody_is_refused_in_a_sentence(backbone: Backbone, tmp_path: Path, how: str) -> None:
    model = whole_model(backbone)
    spoil(model, how)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=REFUSED[how]) as caught:
        load_backbone(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("data", [b"", b"hello world", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)])
def test_what_is_no_onnx_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ModelFileError, match="not an ONNX model"):
        load_backbone(str(tmp_path / "m.onnx"))


def test_every_cut_of_a_file_is_refused_or_whole(backbone: Backbone) -> None:
    data = whole_model(backbone).SerializeToString()
    for length in range(0, len(data), 97):
        try:
            model = read_onnx(data[:length])
        except ModelFileError:
            continue
        assert model.graph.node


def test_a_file_over_the_size_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.onnx"
    with open(path, "wb") as file:
        file.truncate((512 << 20) + 1)
    with pytest.raises(ModelFileError, match="expected at most"):
        load_backbone(str(path))


def test_hashes_as_text() -> None:
    seen = np.random.default_rng(0).integers(0, 256, (5, 32), dtype=np.uint8)
    np.testing.assert_array_equal(decode_hashes(encode_hashes(seen)), seen)
    assert decode_hashes("").shape == (0, 32)
    for bad in (None, 3, "AAAA", "é"):
        with pytest.raises(ModelFileError):
            decode_hashes(bad)


def test_importing_backbones_does_not_import_onnx() -> None:
    code = "import sys, deephealth.features.backbones; print(sorted({'onnx', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
