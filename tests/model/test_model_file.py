from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from deephealth.errors import FilmError, ModelFileError
from deephealth.model import file
from deephealth.model.file import Model, save_model, shipped_model_path
from deephealth.model.wire import inspect


def refused(data: bytes | Path | str, said: str) -> None:
    with pytest.raises(ModelFileError, match=said) as caught:
        Model.load(data)
    assert "\n" not in str(caught.value)


def edited(data: bytes) -> onnx.ModelProto:
    return onnx.load_from_string(data)


def with_metadata(data: bytes, text: str) -> bytes:
    model = edited(data)
    model.metadata_props[0].value = text
    return model.SerializeToString()


def test_a_model_loads_from_bytes_and_from_a_path(tiny: ModuleType, tmp_path: Path) -> None:
    data = tiny.model_bytes()
    save_model(data, tmp_path / "new" / "model.onnx")
    pixels = tiny.films(1)[0]
    for source in (data, tmp_path / "new" / "model.onnx", str(tmp_path / "new" / "model.onnx")):
        model = Model.load(source)
        assert model.labels == tiny.LABELS
        assert model.sha256 == hashlib.sha256(data).hexdigest()
        assert model.run(pixels).probabilities.tolist() == Model.load(data).run(pixels).probabilities.tolist()


def test_what_the_walk_finds_is_what_onnx_finds(tiny: ModuleType) -> None:
    data = tiny.model_bytes(tiny.dense_head())
    model, facts = edited(data), inspect(data)
    assert facts.ir_version == model.ir_version
    assert facts.opset == model.opset_import[0].version
    assert facts.metadata == {prop.key: prop.value for prop in model.metadata_props}
    assert facts.inputs == {"image": ("H", "W")}
    assert facts.outputs == {"probabilities": (3,), "logits": (3,), "features": (8,), "heatmap": (3, 4, 4), "novelty": ()}
    assert not facts.external


def test_loading_and_running_needs_only_numpy_and_onnxruntime(tiny: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.model_bytes())
    code = (
        "import sys, numpy; from deephealth.model.file import Model\n"
        f"model = Model.load({str(path)!r}); light = set(sys.modules); model.run(numpy.zeros((9, 9), numpy.uint8))\n"
        "heavy = {'onnx', 'scipy', 'sklearn', 'PIL', 'google.protobuf', 'matplotlib', 'pydicom', 'jsonschema'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert 'onnxruntime' not in light"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_one_model_answers_several_threads_alike(tiny: ModuleType) -> None:
    model, films = Model.load(tiny.model_bytes()), tiny.films(20)
    alone = [model.run(film).logits.tolist() for film in films]
    with ThreadPoolExecutor(4) as pool:
        assert [outputs.logits.tolist() for outputs in pool.map(model.run, films)] == alone
    assert model.session(1) is model.session()
    assert model.session(2) is not model.session()


def test_spinning_off_answers_the_same(tiny: ModuleType) -> None:
    pixels = tiny.films(1)[0]
    quiet = Model.load(tiny.model_bytes(), threads=2, spinning=False)
    np.testing.assert_allclose(quiet.run(pixels).logits, Model.load(tiny.model_bytes()).run(pixels).logits, atol=1e-5)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_pixels_of_another_form_are_refused(tiny: ModuleType, pixels: np.ndarray) -> None:
    with pytest.raises(FilmError, match="expected uint8"):
        Model.load(tiny.model_bytes()).run(pixels)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_truncated_file_is_refused(tiny: ModuleType, data: st.DataObject) -> None:
    whole = tiny.model_bytes()
    refused(whole[: data.draw(st.integers(0, len(whole) - 1))], "expected|ONNX|record")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_still_loads(tiny: ModuleType, data: st.DataObject) -> None:
    """Never another error than ours, whatever one bit does."""
    spoilt = bytearray(tiny.model_bytes())
    place = data.draw(st.integers(0, len(spoilt) * 8 - 1))
    spoilt[place // 8] ^= 1 << place % 8
    try:
        Model.load(bytes(spoilt)).run(np.zeros((40, 40), np.uint8))
    except ModelFileError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_asks_for_gigabytes_is_refused(tiny: ModuleType, packed: bool) -> None:
    """One damaged bit in the size of the resized film, and ONNX Runtime takes all the memory there is."""
    graph = onnx.load_from_string(tiny.model_bytes())
    name = next(node.input[3] for node in graph.graph.node if node.op_type == "Resize")
    size = next(tensor for tensor in graph.graph.initializer if tensor.name == name)
    values = onnx.numpy_helper.to_array(size).copy()
    values[-1] ^= 1 << 26
    size.ClearField("raw_data")
    size.ClearField("int64_data")
    if packed:
        size.int64_data.extend(values.tolist())
    else:
        size.raw_data = values.tobytes()
    refused(graph.SerializeToString(), "names an array of")


def test_a_novelty_that_is_no_number_is_refused(tiny: ModuleType) -> None:
    model = onnx.load_from_string(tiny.model_bytes())
    node = next(node for node in model.graph.node if "novelty" in node.output)
    node.output[0] = "inner"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.int64), "twice"))
    model.graph.node.append(onnx.helper.make_node("Expand", ["inner", "twice"], ["novelty"]))
    del model.graph.output[[output.name for output in model.graph.output].index("novelty")]
    model.graph.output.append(onnx.helper.make_tensor_value_info("novelty", onnx.TensorProto.FLOAT, [2]))
    with pytest.raises(ModelFileError, match="expected one number"):
        Model.load(model.SerializeToString()).run(np.zeros((40, 40), np.uint8))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError):
        Model.load(data)


def test_files_of_other_kinds_are_refused(tiny: ModuleType, tmp_path: Path) -> None:
    refused(pickle.dumps({"weights": [1.0] * 100}), "not a usable ONNX file")
    refused(b"PK\x03\x04" + bytes(100), "not a usable ONNX file")
    refused(b"", "not a usable ONNX file")
    refused(b"\x89PNG\r\n\x1a\n" + bytes(100), "not a usable ONNX file")
    refused(tmp_path, "cannot be read")
    refused(tmp_path / "absent.onnx", "cannot be read")
    refused("bad\0name", "cannot be read")


def test_plain_onnx_has_no_record(tiny: ModuleType) -> None:
    refused(tiny.network().SerializeToString(), "without a Deep Health record")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"labels":["normal","bacterial","viral"]', '"labels":["normal","bacterial"]', "2 labels but its output probabilities is \\[3\\]"),
        ('"novelty_threshold":3.0', '"novelty_threshold":NaN', "NaN"),
        ('"novelty_threshold":3.0', '"novelty_threshold":0', "novelty_threshold"),
        ('"schema_version":1', '"schema_version":99', "pip install --upgrade"),
        ('"channels":1', '"channels":3', "3 channels but its input"),
        ('"temperature":1.7', '"temperature":[]', "temperature"),
        ("{", "", "not valid JSON"),
    ],
)
def test_a_tampered_record_is_refused(tiny: ModuleType, old: str, new: str, said: str) -> None:
    data = tiny.model_bytes()
    text = edited(data).metadata_props[0].value
    assert old in text
    refused(with_metadata(data, text.replace(old, new, 1)), said)


def test_huge_metadata_is_refused(tiny: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny.model_bytes()
    text = edited(data).metadata_props[0].value
    padded = with_metadata(data, text[:-1] + " " * (2 << 20) + "}")
    assert Model.load(padded)
    monkeypatch.setattr(file, "LARGEST_RECORD", 1 << 20)
    refused(padded, "record of 2 MB")


def test_a_file_over_the_limit_is_refused_before_it_is_read(tiny: ModuleType, tmp_path: Path) -> None:
    data = tiny.model_bytes()
    with pytest.raises(ModelFileError, match="more than the limit"):
        Model.load(data, largest=1000)
    sparse = tmp_path / "huge.onnx"
    with sparse.open("wb") as handle:
        handle.truncate(file.LARGEST_FILE * 4)
    with pytest.raises(ModelFileError, match="2048 MB, more than the limit of 0 MB"):
        Model.load(sparse, largest=1000)


def external(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def test_weights_in_other_files_are_refused(tiny: ModuleType) -> None:
    model = edited(tiny.model_bytes())
    external(model.graph.initializer[0])
    refused(model.SerializeToString(), "weights in other files")
    model = edited(tiny.model_bytes())
    node = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.FLOAT, [1], [1.0]))
    external(node.attribute[0].t)
    model.graph.node.append(node)
    refused(model.SerializeToString(), "weights in other files")


def test_what_could_run_for_ever_or_reach_outside_is_refused(tiny: ModuleType) -> None:
    model = edited(tiny.model_bytes())
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", [], ["never"], body=body))
    refused(model.SerializeToString(), "loops or branches")
    model = edited(tiny.model_bytes())
    model.graph.node.append(helper.make_node("Run", ["image"], ["z"], domain="com.example"))
    refused(model.SerializeToString(), "outside the ONNX standard")
    model = edited(tiny.model_bytes())
    model.functions.add(name="f", domain="local")
    refused(model.SerializeToString(), "functions of its own")
    model = edited(tiny.model_bytes())
    model.training_info.add()
    model.training_info[0].algorithm.name = "sgd"
    refused(model.SerializeToString(), "training graphs")


def test_a_graph_without_the_promised_outputs_is_refused(tiny: ModuleType) -> None:
    model = edited(tiny.model_bytes())
    del model.graph.output[3:]
    refused(model.SerializeToString(), "no heatmap, novelty")


def test_a_graph_that_cannot_be_built_says_so_when_it_is_run(tiny: ModuleType) -> None:
    model = edited(tiny.model_bytes())
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ModelFileError, match="cannot be built"):
        Model.load(model.SerializeToString()).run(np.zeros((9, 9), np.uint8))


def test_saving_refuses_what_would_not_load_and_keeps_the_old_file(tiny: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_model(tiny.model_bytes(), path)
    with pytest.raises(ModelFileError):
        save_model(tiny.model_bytes()[:500], path)
    assert path.read_bytes() == tiny.model_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_an_installation_without_the_shipped_model_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "SHIPPED", "absent.onnx")
    with pytest.raises(ModelFileError, match="--model"):
        shipped_model_path()


def test_the_record_is_readable_text_in_the_metadata(tiny: ModuleType) -> None:
    session = Model.load(tiny.model_bytes()).session()
    record = json.loads(session.get_modelmeta().custom_metadata_map["deephealth"])
    assert record["labels"] == list(tiny.LABELS)
    assert record["schema_version"] == 1
