"""What the formats are written from: a model file's network, from the resized film to the feature map, and its head, as plain parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.model.file import Model
from deephealth.model.heads import DenseHead, Head, LinearHead
from deephealth.model.imports.crop import CROPPED

if TYPE_CHECKING:
    import onnx

RESIZED = "preprocess/resized"
"""In every model file: the film after its resize, float32 [1, C, S, S] in 0..255."""


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes from `RESIZED` [1, C, S, S] to `feature_maps` [1, d, g, g], normalisation first, and what stands behind them."""

    body: graph.Fragment
    feature_maps: str
    head: Head
    temperature: float
    size: int
    channels: int
    labels: tuple[str, ...]


def network_of(model: Model) -> Network:
    """The parts of a model file. ModelFileError when its graph was not drawn by this program."""
    import onnx

    drawn = onnx.load_from_string(model.data).graph
    makers = {output: node for node in drawn.node for output in node.output}
    pooled = makers.get("feature_map")
    if pooled is None or pooled.op_type != "Squeeze" or RESIZED not in makers:
        raise ModelFileError("The model's graph has another form than Deep Health draws, expected its own; train or import it again.")
    if CROPPED in makers:
        raise ModelFileError(
            "The model looks at the middle square of a film, which only the format onnx keeps; "
            "import it again with --crop squash, or export it as onnx."
        )
    body = _without_film(graph.prune(drawn, [pooled.input[0]]))
    return Network(
        body, pooled.input[0], _head(drawn), model.record.temperature, model.record.size, model.record.channels, model.record.labels
    )


def _without_film(whole: graph.Fragment) -> graph.Fragment:
    """The nodes that do not stand before the resized film."""
    before: set[str] = set()
    wanted = {RESIZED}
    for node in reversed(whole.nodes):
        if wanted.intersection(node.output):
            before.update(node.output)
            wanted.update(node.input)
    nodes = tuple(node for node in whole.nodes if not before.intersection(node.output))
    used = {name for node in nodes for name in node.input}
    return graph.Fragment(nodes, tuple(constant for constant in whole.initializers if constant.name in used))


def _head(drawn: onnx.GraphProto) -> Head:
    from onnx import numpy_helper

    found: dict[str, NDArray[Any]] = {
        constant.name.removeprefix("deephealth/"): numpy_helper.to_array(constant)
        for constant in drawn.initializer
        if constant.name.startswith("deephealth/")
    }
    if "hidden_weight" in found:
        return DenseHead(found["hidden_weight"], found["hidden_bias"], found["weight"], found["bias"])
    return LinearHead(found["weight"], found["bias"])


def square_model(network: Network, batch: int = 1) -> onnx.ModelProto:
    """The network alone: `pixels` float32 [batch, C, S, S] in 0..255 -> `probabilities` [batch, classes]."""
    from onnx import TensorProto, helper

    shape = [batch, network.channels, network.size, network.size]
    nodes, constants = _tail(network)
    first = helper.make_node("Identity", ["pixels"], [RESIZED])
    drawn = helper.make_graph(
        [first, *network.body.nodes, *nodes],
        "deephealth-square",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, len(network.labels)])],
        [*network.body.initializers, *constants],
    )
    return graph.assemble(drawn)


def _tail(network: Network) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Pooling, head and softmax for a whole batch, the temperature folded into the last layer."""
    from onnx import helper

    nodes = [
        helper.make_node("GlobalAveragePool", [network.feature_maps], ["tail/pooled"]),
        helper.make_node("Flatten", ["tail/pooled"], ["tail/features"], axis=1),
    ]
    constants = []
    last = "tail/features"
    for number, (weight, bias) in enumerate(layers(network), start=1):
        names = [f"tail/weight{number}", f"tail/bias{number}"]
        constants += [graph.initializer(name, values) for name, values in zip(names, (weight, bias), strict=True)]
        nodes.append(helper.make_node("Gemm", [last, *names], [f"tail/dense{number}"], transB=1))
        last = f"tail/dense{number}"
        if number == 1 and isinstance(network.head, DenseHead):
            nodes.append(helper.make_node("Relu", [last], ["tail/hidden"]))
            last = "tail/hidden"
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=-1))
    return nodes, constants


def layers(network: Network) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weight [out, in] and bias [out] of each dense layer behind the pooled features, ReLU between; softmax follows the last one.

    The temperature is divided out of the last layer, so that what follows needs only a plain softmax.
    """
    head, divisor = network.head, np.float32(network.temperature)
    last = (np.asarray(head.weight / divisor, np.float32), np.asarray(head.bias / divisor, np.float32))
    return [(head.hidden_weight, head.hidden_bias), last] if isinstance(head, DenseHead) else [last]
