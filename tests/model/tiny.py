"""A backbone small enough to check by hand: resize to 32 x 32, three convolutions, eight features on a 4 x 4 map."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


@dataclass(frozen=True, eq=False)
class TinyBackbone:
    model: bytes
    name: str = "tiny"
    size: int = 32
    dim: int = 8
    grid: int = 4
    channels: int = 1
    sha256: str = ""
    seen: NDArray[np.uint8] = field(default_factory=lambda: np.arange(64, dtype=np.uint8).reshape(2, 32))
    provenance: str = "random weights for tests"
    licence: str = "CC0-1.0"


def tiny_backbone(seed: int = 0, opset: int = 19) -> Any:
    rng = np.random.default_rng(seed)
    widths = (1, 4, 6, 8)
    tensors = {
        "size": np.array([1, 1, 32, 32], dtype=np.int64),
        "batch": np.array([0, 1], dtype=np.int64),
        "grey": np.float32(255),
        "first": np.array([0], dtype=np.int64),
        "spatial": np.array([1, 2], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "batch"], ["nchw"]),
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
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W"])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [8]),
            helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, [8, 4, 4]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    data = model.SerializeToString(deterministic=True)
    return TinyBackbone(model=data, sha256=hashlib.sha256(data).hexdigest())


def films(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Smooth random films of many sizes."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (rng.integers(3, 9), rng.integers(3, 9))).astype(np.uint8)
        drawn.append(np.kron(coarse, np.ones((rng.integers(8, 20), rng.integers(8, 20)), dtype=np.uint8)))
    return drawn


assert onnx.__version__
