"""A network small enough to check by hand, and model files made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deephealth.features.backbones import Backbone, make_backbone
from deephealth.model.graph import compose
from deephealth.model.heads import DenseHead, Head, LinearHead
from deephealth.model.novelty import NoveltyModel, fit_novelty
from deephealth.model.record import ModelRecord

LABELS = ("normal", "bacterial", "viral")
SEEN = np.arange(64, dtype=np.uint8).reshape(2, 32)


def linear_head(seed: int = 1, classes: int = 3, features: int = 8) -> LinearHead:
    rng = np.random.default_rng(seed)
    return LinearHead(rng.normal(size=(classes, features)).astype(np.float32), rng.normal(size=classes).astype(np.float32))


def dense_head(seed: int = 2, classes: int = 3, features: int = 8, hidden: int = 20) -> DenseHead:
    rng = np.random.default_rng(seed)
    return DenseHead(
        rng.normal(size=(hidden, features)).astype(np.float32),
        rng.normal(size=hidden).astype(np.float32) * np.float32(0.1),
        rng.normal(size=(classes, hidden)).astype(np.float32),
        np.zeros(classes, np.float32),
    )


def novelty(seed: int = 3) -> NoveltyModel:
    return fit_novelty(np.random.default_rng(seed).normal(size=(50, 8)).astype(np.float32))


def record(**values: Any) -> ModelRecord:
    return ModelRecord(**{"name": "tiny", "labels": LABELS, "novelty_threshold": 3.0, **values})


def model_bytes(head: Head | None = None, *, temperature: float = 1.7, channels: int = 1, **values: Any) -> bytes:
    """A whole model file, without golden films."""
    return compose(backbone(channels=channels), head or linear_head(), temperature=temperature, novelty=novelty(), record=record(**values))


def backbone(seed: int = 0, channels: int = 1) -> Backbone:
    """Resize to 32 x 32, three convolutions, eight features on a 4 x 4 map."""
    model = network(seed, channels)
    return make_backbone(model, name="tiny", size=32, licence="CC0-1.0", provenance="random weights for tests", seen=SEEN)


def network(seed: int = 0, channels: int = 1) -> onnx.ModelProto:
    rng = np.random.default_rng(seed)
    widths = (channels, 4, 6, 8)
    tensors = {
        "size": np.array([1, channels, 32, 32], dtype=np.int64),
        "batch": np.array([0, 1] if channels == 1 else [0], dtype=np.int64),
        "grey": np.float32(255),
        "first": np.array([0], dtype=np.int64),
        "spatial": np.array([1, 2], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        *([] if channels == 1 else [helper.make_node("Transpose", ["float"], ["planes"], perm=[2, 0, 1])]),
        helper.make_node("Unsqueeze", ["float" if channels == 1 else "planes", "batch"], ["nchw"]),
        helper.make_node(
            "Resize", ["nchw", "", "", "size"], ["square"], mode="linear", antialias=1, coordinate_transformation_mode="half_pixel"
        ),
        helper.make_node("Div", ["square", "grey"], ["x0"]),
    ]
    for stage in range(3):
        tensors[f"w{stage}"] = rng.normal(0, 0.5, (widths[stage + 1], widths[stage], 3, 3)).astype(np.float32)
        nodes.append(helper.make_node("Conv", [f"x{stage}", f"w{stage}"], [f"c{stage}"], strides=[2, 2], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("LeakyRelu", [f"c{stage}"], [f"x{stage + 1}"], alpha=0.1))
    nodes.append(helper.make_node("Squeeze", ["x3", "first"], ["feature_map"]))
    nodes.append(helper.make_node("ReduceMean", ["feature_map", "spatial"], ["features"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W"] if channels == 1 else ["H", "W", 3])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [8]),
            helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, [8, 4, 4]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


def films(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Smooth random films of many sizes."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (rng.integers(3, 9), rng.integers(3, 9))).astype(np.uint8)
        drawn.append(np.kron(coarse, np.ones((rng.integers(8, 20), rng.integers(8, 20)), dtype=np.uint8)))
    return drawn
