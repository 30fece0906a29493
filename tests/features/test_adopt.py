from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.features.adopt import at_opset, backbone_from_network


def features(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    return graph.run_features(graph.open_session(graph.serialise(model)), pixels)


def by_hand(network: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return graph.open_session(network.SerializeToString()).run(None, {"x": x.astype(np.float32)})[0][0].mean(axis=(1, 2))


def test_the_network_gets_the_normalised_film(small_network, pixels) -> None:
    network = small_network()
    x = (graph.resize_film(pixels, 32) - 100) * 0.01
    np.testing.assert_allclose(
        features(backbone_from_network(network, size=32, mean=100, scale=0.01), pixels), by_hand(network, x[None, None]), atol=1e-5
    )


def test_a_grey_film_in_a_colour_network_is_the_film_in_three_planes(small_network, pixels) -> None:
    network = small_network(planes=3)
    x = (graph.resize_film(pixels, 32) - 100) * 0.01
    model = backbone_from_network(network, size=32, mean=100, scale=0.01)
    np.testing.assert_allclose(features(model, pixels), by_hand(network, np.stack([x] * 3)[None]), atol=1e-5)
    (kernel,) = (tensor for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[2] == 5)
    assert kernel.dims[1] == 1, "the planes were not summed into the first convolution"


def test_planes_normalised_unlike_each_other_are_kept_apart(small_network, pixels) -> None:
    network = small_network(planes=3)
    resized = graph.resize_film(pixels, 32)
    x = np.stack([(resized - mean) * 0.01 for mean in (90, 100, 110)])
    model = backbone_from_network(network, size=32, mean=(90, 100, 110), scale=0.01)
    np.testing.assert_allclose(features(model, pixels), by_hand(network, x[None]), atol=1e-5)


def test_a_stem_that_is_read_twice_is_not_summed(small_network, pixels) -> None:
    network = small_network(planes=3, dim=3)
    network.graph.node.insert(0, helper.make_node("Relu", ["x"], ["unused"]))
    network.graph.node.append(helper.make_node("ReduceMax", ["unused"], ["m"], keepdims=1))
    network.graph.node[-2].output[0] = "r"
    network.graph.node.append(helper.make_node("Add", ["r", "m"], ["y"]))
    x = (graph.resize_film(pixels, 32) - 100) * 0.01
    model = backbone_from_network(network, size=32, mean=100, scale=0.01)
    np.testing.assert_allclose(features(model, pixels), by_hand(network, np.stack([x] * 3)[None]), atol=1e-5)


def test_a_colour_network_takes_colour_films(small_network, random_film) -> None:
    pixels = np.stack([random_film(seed, 90, 70) for seed in range(3)], axis=-1)
    network = small_network(planes=3)
    model = backbone_from_network(network, size=32, channels=3, mean=100, scale=0.01)
    x = (graph.resize_film(pixels, 32) - 100) * 0.01
    np.testing.assert_allclose(features(model, pixels), by_hand(network, x[None]), atol=1e-5)


@pytest.mark.parametrize("opset", [15, 18, 19, 21])
def test_a_network_of_another_opset_answers_the_same(opset: int, small_network, pixels) -> None:
    expected = features(backbone_from_network(small_network(), size=32), pixels)
    model = backbone_from_network(small_network(opset=opset), size=32)
    assert model.opset_import[0].version == graph.OPSET
    np.testing.assert_array_equal(features(model, pixels), expected)


def test_names_and_remarks_of_the_exporter_change_nothing(small_network) -> None:
    plain, noted = small_network(), small_network()
    noted.graph.node[0].name = "conv_17"
    noted.graph.node[1].doc_string = "/home/somebody/train.py:12"
    noted.producer_name = "pytorch"
    assert graph.serialise(backbone_from_network(plain, size=32)) == graph.serialise(backbone_from_network(noted, size=32))


def test_a_newer_operator_is_refused(small_network) -> None:
    network = small_network(opset=22)
    network.graph.node[1].op_type = "Mish"
    with pytest.raises(ModelFileError, match="opset 22"):
        at_opset(network)


def test_foreign_operators_are_refused(small_network) -> None:
    network = small_network()
    network.graph.node[1].domain = "com.microsoft"
    with pytest.raises(ModelFileError, match=r"com\.microsoft"):
        backbone_from_network(network, size=32)


@pytest.mark.parametrize(
    ("how", "words"),
    [({"size": 48}, "expected \\[1, 1 or 3, 48, 48\\]"), ({"size": 32, "channels": 3}, "1 plane")],
)
def test_a_network_of_another_form_is_refused(how: dict, words: str, small_network) -> None:
    with pytest.raises(ModelFileError, match=words):
        backbone_from_network(small_network(), **how)


def test_a_network_with_a_branch_is_refused(small_network) -> None:
    network = small_network()
    arms = [
        helper.make_graph([helper.make_node("Identity", ["c"], [name])], name, [], [helper.make_tensor_value_info(name, 1, None)])
        for name in "ab"
    ]
    network.graph.initializer.append(graph.initializer("yes", True, bool))
    network.graph.node[1].CopyFrom(helper.make_node("If", ["yes"], ["y"], then_branch=arms[0], else_branch=arms[1]))
    with pytest.raises(ModelFileError, match="loops and branches"):
        backbone_from_network(network, size=32)


def test_a_network_with_two_outputs_is_refused(small_network) -> None:
    network = small_network()
    network.graph.output.append(helper.make_tensor_value_info("c", 1, None))
    with pytest.raises(ModelFileError, match="2 outputs"):
        backbone_from_network(network, size=32)


def test_a_network_that_ends_in_a_vector_is_refused(small_network) -> None:
    network = small_network()
    network.graph.node[1].output[0] = "r"
    network.graph.node.append(helper.make_node("Flatten", ["r"], ["y"]))
    with pytest.raises(ModelFileError):
        backbone_from_network(network, size=32)


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_exported_by_pytorch(tmp_path: Path, pixels) -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 12, 3, stride=2, padding=1),
    ).eval()
    path = tmp_path / "network.onnx"
    torch.onnx.export(network, (torch.zeros(1, 1, 32, 32),), str(path), dynamo=False, opset_version=18)
    model = backbone_from_network(onnx.load(path), size=32, standardise=True)
    resized = graph.resize_film(pixels, 32)
    x = (resized - resized.mean()) / np.sqrt(resized.var() + graph.STANDARDISE_EPSILON)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)[None, None])[0].mean(dim=(1, 2)).numpy()
    np.testing.assert_allclose(features(model, pixels), expected, atol=1e-5)
