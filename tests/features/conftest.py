"""A backbone of a few thousand numbers and a folder of small films, so that these tests need neither weights nor data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.features import graph
from deephealth.features.adopt import backbone_from_network
from deephealth.features.backbones import Backbone, make_backbone


def draw_network(planes: int = 1, size: int = 32, dim: int = 6, seed: int = 0, opset: int = 19) -> onnx.ModelProto:
    """A convolution with zero padding and a rectifier: [N, planes, size, size] -> [N, dim, size / 4, size / 4]."""
    rng = np.random.default_rng(seed)
    constants = [
        graph.initializer("weight", rng.normal(size=(dim, planes, 5, 5)) / 5),
        graph.initializer("bias", rng.normal(size=dim)),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "weight", "bias"], ["c"], strides=[4, 4], pads=[1, 1, 1, 1], kernel_shape=[5, 5]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", planes, size, size])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", dim, "g", "h"])]
    model = helper.make_graph(nodes, "small", inputs, outputs, constants)
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    model = backbone_from_network(draw_network(), size=32, mean=127.5, scale=1 / 127.5)
    seen = np.arange(64, dtype=np.uint8).reshape(2, 32)
    return make_backbone(model, name="small", size=32, licence="Apache-2.0", provenance="random numbers", seen=seen)


def draw_film(seed: int, height: int = 60, width: int = 50) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 5), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def make_films(tmp_path: Path) -> Callable[[int], list[Film]]:
    """Writes `count` different films as PNG and lists them."""

    def make(count: int) -> list[Film]:
        films = []
        for number in range(count):
            path = tmp_path / f"film{number:03}.png"
            Image.fromarray(draw_film(number)).save(path)
            films.append(Film(path.name, path, "normal", f"p{number}"))
        return films

    return make


@pytest.fixture(scope="session")
def small_network() -> Callable[..., onnx.ModelProto]:
    return draw_network


@pytest.fixture(scope="session")
def random_film() -> Callable[..., np.ndarray]:
    return draw_film


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    return draw_film(7, 90, 70)
