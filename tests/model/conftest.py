"""Whole model files with a network of every operator our small family uses, small enough to export in seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deephealth.features import graph
from deephealth.features.adopt import backbone_from_network
from deephealth.features.backbones import make_backbone
from deephealth.model.file import Model
from deephealth.model.graph import compose, with_record
from deephealth.model.heads import DenseHead, Head, LinearHead
from deephealth.model.novelty import fit_novelty
from deephealth.model.record import ModelRecord
from deephealth.model.verify import make_goldens

SIZE = 32
MakeModel = Callable[..., Model]


def network(channels: int, seed: int = 0) -> onnx.ModelProto:
    """Convolutions plain, strided with TensorFlow's padding, depthwise; ReLU, ReLU6, a residual sum, a concatenation, both poolings."""
    rng = np.random.default_rng(seed)
    constants, nodes = [], []

    def convolution(source: str, name: str, shape: tuple[int, ...], **attributes: object) -> str:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        constants.append(graph.initializer(f"{name}_w", rng.normal(size=shape) * scale))
        constants.append(graph.initializer(f"{name}_b", rng.normal(size=shape[0]) * 0.1))
        nodes.append(helper.make_node("Conv", [source, f"{name}_w", f"{name}_b"], [name], kernel_shape=list(shape[2:]), **attributes))
        return name

    def node(operator: str, inputs: list[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    constants += [graph.initializer("zero", 0.0), graph.initializer("six", 6.0)]
    first = node("Relu", [convolution("x", "c1", (8, channels, 3, 3), strides=[2, 2], pads=[0, 0, 1, 1])], "r1")
    depth = node("Clip", [convolution(first, "c2", (8, 1, 3, 3), group=8, pads=[1, 1, 1, 1]), "zero", "six"], "r2")
    added = node("Add", [first, convolution(depth, "c3", (8, 8, 1, 1))], "added")
    largest = node("MaxPool", [added], "largest", kernel_shape=[2, 2], strides=[2, 2])
    mean = node("AveragePool", [added], "mean", kernel_shape=[2, 2], strides=[2, 2])
    joined = node("Concat", [largest, mean], "joined", axis=1)
    last = node("Relu", [convolution(joined, "c4", (12, 16, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])], "y")
    film = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, SIZE, SIZE])
    out = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
    return graph.assemble(helper.make_graph(nodes, "small", [film], [out], constants))


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """make_model(channels=1, dense=False, standardise=False): a model file with golden films."""

    def make(channels: int = 1, dense: bool = False, standardise: bool = False) -> Model:
        proto = backbone_from_network(network(channels), size=SIZE, channels=channels, mean=127.5, scale=1 / 127.5, standardise=standardise)
        backbone = make_backbone(proto, name="small", size=SIZE, licence="CC0-1.0", provenance="random values for tests")
        rng = np.random.default_rng(1)
        head: Head = LinearHead(rng.normal(size=(3, 12)).astype(np.float32), rng.normal(size=3).astype(np.float32))
        if dense:
            hidden = rng.normal(size=(10, 12)).astype(np.float32), rng.normal(size=10).astype(np.float32)
            head = DenseHead(*hidden, rng.normal(size=(3, 10)).astype(np.float32), np.zeros(3, np.float32))
        novelty = fit_novelty(rng.normal(size=(50, 12)).astype(np.float32))
        record = ModelRecord(name="small", labels=("normal", "bacterial", "viral"), novelty_threshold=3.0, licence="CC0-1.0")
        model = Model.load(compose(backbone, head, temperature=1.7, novelty=novelty, record=record))
        return Model.load(with_record(model.data, dataclasses.replace(model.record, goldens=make_goldens(model))))

    return make
