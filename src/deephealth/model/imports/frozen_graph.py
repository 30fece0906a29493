"""A frozen TensorFlow graph, such as `retrain.py` wrote since 2015, read into the layers Keras would have had. Needs no TensorFlow.

Known are the operators of its two families: Inception V3 of 2015 (`DecodeJpeg/contents` ... `pool_3/_reshape`) and MobileNet V1 (`input`
... `MobilenetV1/Predictions/Reshape`), with the layer that was trained behind them (`final_result`). The picture's decoding and resize are
left out: a model file does both itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features.keras_layers import MOST_LAYERS, Array, Described, Step
from deephealth.model.imports.sources import Files

_MOST_NODES = 20_000
_LARGEST = 2**28  # values of one constant
_OUTPUT = "final_result"
_WIDEST_INNER_MEAN = 3  # windows of the means inside Inception; the last mean, over the whole map, is wider
_DTYPES = {1: ("<f4", "float_val"), 3: ("<i4", "int_val"), 9: ("<i8", "int64_val"), 19: ("<f2", "half_val")}


def frozen_model(files: Files) -> Described:
    """The graph up to `final_result`, or to its only softmax. ModelFileError for another graph, naming the node."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorboardX.proto.graph_pb2 import GraphDef

    name = files.first(".pb")
    assert name is not None
    try:
        graph = GraphDef.FromString(files.held[name])
        if not 0 < len(graph.node) <= _MOST_NODES:
            raise ModelFileError(f"{name} has {len(graph.node)} nodes, expected 1 to {_MOST_NODES}; give a graph frozen for use.")
        return _Reader({node.name: node for node in graph.node}).read()
    except DecodeError as error:
        raise ModelFileError(f"{name} is not a TensorFlow graph, expected a frozen one (.pb); a SavedModel is not imported.") from error
    except (KeyError, ValueError, IndexError, TypeError, RecursionError, AttributeError) as error:
        raise ModelFileError(
            f"{name} is not a graph that retrain.py writes ({type(error).__name__} {str(error)[:60]}); give that file."
        ) from error


@dataclass(eq=False)
class _Reader:
    """One walk from the input to the output. made: which step gives each node's output; a node that changes nothing has its input's."""

    nodes: Mapping[str, Any] = field(repr=False)
    steps: list[Step] = field(default_factory=list)
    weights: dict[str, dict[str, Array]] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    pooled: bool = False

    def read(self) -> Described:
        for name in self._in_order(self._output()):
            self._take(self.nodes[name])
        return Described(self.steps, self.weights)

    def _output(self) -> str:
        found = [name for name, node in self.nodes.items() if node.op == "Softmax"]
        if _OUTPUT in found:
            return _OUTPUT
        if len(found) != 1:
            raise ModelFileError(f"The graph has {len(found)} softmax nodes and none named {_OUTPUT}, expected one; give its graph.")
        return found[0]

    def _in_order(self, output: str) -> list[str]:
        """The nodes that the output needs, each behind what it reads, from the picture's resize or the placeholder on."""
        order: list[str] = []
        done: set[str] = set()
        waiting = [(output, False)]
        while waiting:
            name, ready = waiting.pop()
            if ready:
                order.append(name)
            elif name not in done:
                done.add(name)
                waiting.append((name, True))
                if self.nodes[name].op not in _BEGINNINGS:
                    waiting.extend((source, False) for source in reversed(self._sources(self.nodes[name])))
            if len(order) > MOST_LAYERS:
                raise ModelFileError(f"The graph has more than {MOST_LAYERS} operators, expected a classifier of retrain.py.")
        return order

    def _sources(self, node: Any) -> list[str]:
        """The computed inputs of a node; constants are read where they are used."""
        names = [_plain(name) for name in node.input if not name.startswith("^")]
        return [name for name in names if self.constant(name) is None]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The values of a constant, behind as many identities as there are; None for what is computed."""
        for _ in range(8):
            node = self.nodes[_plain(name)]
            if node.op == "Const":
                return _values(node.attr["value"].tensor)
            if node.op not in ("Identity", "StopGradient"):
                return None
            name = node.input[0]
        return None

    def _take(self, node: Any) -> None:
        if node.op in _BEGINNINGS:
            self._begin(node)
        elif node.op in _SAME:
            self.made[node.name] = self.made[_plain(node.input[0])]
        elif node.op in _RULES:
            _RULES[node.op](self, node)
        else:
            raise ModelFileError(
                f"The graph's node {node.name[:60]!r} is a {node.op[:40]}, which is not imported; known are {', '.join(sorted(_RULES))}."
            )

    def _begin(self, node: Any) -> None:
        """The picture as the network takes it: behind its resize in 0..255, or as retrain.py fed a placeholder, in -1..1."""
        if node.op == "Placeholder":
            sides = [dim.size for dim in node.attr["shape"].shape.dim][1:]
        else:
            size = self.constant(node.input[1])
            sides = [*(int(side) for side in (size if size is not None else ())), 3]
        self.steps.append(Step("input", "InputLayer", {"batch_input_shape": [None, *sides]}, ()))
        self.made[node.name] = "input"
        if node.op == "Placeholder":
            self.layer(node, "Rescaling", {"scale": 1 / 127.5, "offset": -1.0}, "input")

    def layer(self, node: Any, kind: str, config: Mapping[str, Any], *inputs: str, weights: Mapping[str, Array] | None = None) -> None:
        """A layer that reads these steps."""
        self.steps.append(Step(node.name, kind, config, inputs))
        self.made[node.name] = node.name
        if weights is not None:
            self.weights[node.name] = {name: np.asarray(values, np.float32) for name, values in weights.items()}

    def source(self, node: Any, place: int = 0) -> str:
        """The step that gives a node's input."""
        return self.made[_plain(node.input[place])]

    def known(self, node: Any, place: int) -> NDArray[Any]:
        """A constant input. ValueError when it is computed."""
        found = self.constant(node.input[place])
        if found is None:
            raise ValueError(f"{node.name[:40]} reads something computed where a constant is expected")
        return found

    # --- rules ---

    def convolve(self, node: Any) -> None:
        """Convolutions; one of a single cell, behind the last mean, is a dense layer."""
        kernel = self.known(node, 1)
        if self.pooled and node.op == "Conv2D" and kernel.shape[:2] == (1, 1):
            self._dense(node, kernel[0, 0])
            return
        strides = list(node.attr["strides"].list.i)[1:3]
        config: dict[str, Any] = {"kernel_size": kernel.shape[:2], "strides": strides, "padding": _text(node, "padding"), "use_bias": False}
        if node.op == "Conv2D":
            self.layer(node, "Conv2D", {**config, "filters": kernel.shape[3]}, self.source(node), weights={"kernel": kernel})
        else:
            config["depth_multiplier"] = kernel.shape[3]
            self.layer(node, "DepthwiseConv2D", config, self.source(node), weights={"depthwise_kernel": kernel})

    def _dense(self, node: Any, kernel: NDArray[Any]) -> None:
        config = {"units": kernel.shape[1], "activation": "linear", "use_bias": True}
        weights = {"kernel": kernel, "bias": np.zeros(kernel.shape[1], np.float32)}
        self.layer(node, "Dense", config, self.source(node), weights=weights)

    def multiply_matrix(self, node: Any) -> None:
        """The layer that was trained."""
        self._dense(node, self.known(node, 1))

    def arithmetic(self, node: Any) -> None:
        """With a constant: a shift or a factor, which a dense layer takes as its bias; of two maps: a sum."""
        values = self.constant(node.input[1])
        if values is None:
            if node.op not in ("Add", "AddV2"):
                raise ValueError(f"{node.name[:40]} is a {node.op} of two maps")
            self.layer(node, "Add", {}, self.source(node), self.source(node, 1))
            return
        source = self.source(node)
        if source in self.weights and "units" in self._step(source).config and node.op in ("Add", "AddV2", "BiasAdd"):
            self.weights[source]["bias"] = np.asarray(self.weights[source]["bias"] + values.ravel(), np.float32)
            self.made[node.name] = source
            return
        if node.op in ("Mul", "RealDiv", "Div"):
            config = {"scale": values.ravel() if node.op == "Mul" else 1 / values.ravel()}
        else:
            config = {"offset": -values.ravel() if node.op == "Sub" else values.ravel()}
        self.layer(node, "Rescaling", config, source)

    def _step(self, name: str) -> Step:
        return next(step for step in reversed(self.steps) if step.name == name)

    def normalise(self, node: Any) -> None:
        """Batch normalisation, of 2015 (mean, variance, beta, gamma) and later (gamma, beta, mean, variance)."""
        old = node.op == "BatchNormWithGlobalNormalization"
        order = ("moving_mean", "moving_variance", "beta", "gamma") if old else ("gamma", "beta", "moving_mean", "moving_variance")
        weights = {name: self.known(node, place) for place, name in enumerate(order, start=1)}
        epsilon = node.attr["variance_epsilon" if old else "epsilon"].f
        scaled = not old or node.attr["scale_after_normalization"].b
        self.layer(node, "BatchNormalization", {"axis": 3, "epsilon": epsilon, "scale": scaled}, self.source(node), weights=weights)

    def rectify(self, node: Any) -> None:
        """ReLU and ReLU6; behind a dense layer it is that layer's own."""
        source = self._step(self.source(node))
        if source.kind == "Dense" and node.op == "Relu":
            self.steps[self.steps.index(source)] = dataclasses.replace(source, config={**source.config, "activation": "relu"})
            self.made[node.name] = source.name
            return
        self.layer(node, "ReLU", {"max_value": 6.0} if node.op == "Relu6" else {}, self.source(node))

    def pool(self, node: Any) -> None:
        """Windows; the mean over the whole map is the last one."""
        window, strides = (list(node.attr[name].list.i)[1:3] for name in ("ksize", "strides"))
        padding = _text(node, "padding")
        if node.op == "AvgPool" and padding == "valid" and min(window) > _WIDEST_INNER_MEAN:
            self._average(node)
            return
        kind = "MaxPooling2D" if node.op == "MaxPool" else "AveragePooling2D"
        self.layer(node, kind, {"pool_size": window, "strides": strides, "padding": padding}, self.source(node))

    def mean(self, node: Any) -> None:
        """The mean over the map."""
        if sorted(int(axis) % 4 for axis in self.known(node, 1).ravel()) != [1, 2]:
            raise ValueError(f"{node.name[:40]} is a mean over other axes than the map's")
        self._average(node)

    def _average(self, node: Any) -> None:
        self.pooled = True
        self.layer(node, "GlobalAveragePooling2D", {}, self.source(node))

    def join(self, node: Any) -> None:
        """Concatenation along the channels: the axis stands first in 2015, last since."""
        names = [_plain(name) for name in node.input]
        axis, maps = (names[0], names[1:]) if node.op == "Concat" else (names[-1], names[:-1])
        told = self.constant(axis)
        if told is None or int(told.ravel()[0]) % 4 != 3:
            raise ValueError(f"{node.name[:40]} joins along another axis than the channels")
        self.layer(node, "Concatenate", {"axis": -1}, *(self.made[name] for name in maps))

    def pad(self, node: Any) -> None:
        """Zeros around a map."""
        self.layer(node, "ZeroPadding2D", {"padding": self.known(node, 1)[1:3].tolist()}, self.source(node))

    def softmax(self, node: Any) -> None:
        """The end."""
        self.layer(node, "Activation", {"activation": "softmax"}, self.source(node))


def _plain(name: str) -> str:
    return name.removeprefix("^").split(":", maxsplit=1)[0]


def _text(node: Any, name: str) -> str:
    return str(node.attr[name].s.decode().lower())


def _values(tensor: Any) -> NDArray[Any]:
    """A TensorProto's values: packed, or one for all, or one by one."""
    dtype, listed = _DTYPES[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
    values = np.array(getattr(tensor, listed), dtype)
    if math.prod(shape) > _LARGEST:
        raise ValueError(f"a constant of {math.prod(shape)} values")
    return np.full(shape, values[0]) if values.size == 1 else values.reshape(shape)


_BEGINNINGS = frozenset({"ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor", "Placeholder"})
_SAME = frozenset({"Identity", "CheckNumerics", "StopGradient", "PlaceholderWithDefault", "Squeeze", "Reshape", "Dropout"})
_Rule = Callable[[_Reader, Any], None]
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(("Add", "AddV2", "BiasAdd", "Div", "Mul", "RealDiv", "Sub"), _Reader.arithmetic),
    **dict.fromkeys(("AvgPool", "MaxPool"), _Reader.pool),
    **dict.fromkeys(("BatchNormWithGlobalNormalization", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _Reader.normalise),
    **dict.fromkeys(("Concat", "ConcatV2"), _Reader.join),
    **dict.fromkeys(("Conv2D", "DepthwiseConv2dNative"), _Reader.convolve),
    **dict.fromkeys(("Relu", "Relu6"), _Reader.rectify),
    "MatMul": _Reader.multiply_matrix,
    "Mean": _Reader.mean,
    "Pad": _Reader.pad,
    "Softmax": _Reader.softmax,
}
