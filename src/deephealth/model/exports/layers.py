"""From ONNX operators to layers as Keras has them, channels last: the half of the rebuild that needs no TensorFlow.

Only operators of the networks this program trains, adopts or imports are known, and only layers that Keras 2, Keras 3, LiteRT's converter
and TensorFlow.js all have are used; anything else is named in one sentence. Chains of arithmetic with constants become one layer, or none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.model.exports.network import RESIZED, Network, layers, square_model
from deephealth.model.heads import DenseHead

if TYPE_CHECKING:
    import onnx

Array = NDArray[np.float32]
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R Rec. 601, as Pillow turns colour into grey
_EPSILON = 1e-3  # of a BatchNormalization that only scales and shifts


@dataclass(frozen=True, eq=False)
class Layer:
    """One Keras layer. kind: its class; config: its arguments; weights: names, as Keras gives them, and values, in Keras's order."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Affine:
    """tensor * gamma + beta for each channel, not yet a layer. `layer`: the name of the layer that gives the tensor."""

    layer: str
    gamma: Array
    beta: Array


def layers_of(network: Network, scale: float = 1.0, offset: float = 0.0, colour: bool = False) -> list[Layer]:
    """The whole network for squares [S, S, C] of values x * scale + offset, x in 0..255: from an InputLayer to the softmax.

    colour: take red, green and blue even where the network takes grey, which is then their luminance as Rec. 601 weighs it.
    Raises ModelFileError naming the first operator that has no layer here.
    """
    import onnx

    model = onnx.shape_inference.infer_shapes(square_model(network), strict_mode=True)
    rebuild = _Rebuild(model.graph, network)
    rebuild.start(scale, offset, 3 if colour else network.channels)
    for node in network.body.nodes:
        rebuild.take(node)
    rebuild.finish(network)
    return rebuild.layers


class _Rebuild:
    """The state of one walk along the nodes: the layers so far, and which layer, scaled how, gives each tensor."""

    def __init__(self, graph: onnx.GraphProto, network: Network) -> None:
        from onnx import numpy_helper

        self.layers: list[Layer] = []
        self.network = network
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (*graph.value_info, *graph.input)
        }
        self.tensors: dict[str, _Affine] = {}
        self.makers = {output: node for node in network.body.nodes for output in node.output}
        self._skipped: set[str] = set()

    def start(self, scale: float, offset: float, given: int) -> None:
        """The input of `given` channels, and what turns its values back into 0..255."""
        size, channels = self.network.size, self.network.channels
        self.layers.append(Layer("input", "InputLayer", (), {"batch_input_shape": [None, size, size, given], "dtype": "float32"}))
        first = "input"
        if given > channels:
            config = {"filters": 1, "kernel_size": [1, 1], "strides": [1, 1], "padding": "valid", "use_bias": False}
            first = self.add("Conv2D", [first], config, {"kernel": np.reshape(_LUMINANCE, (1, 1, 3, 1))}, name="luminance")
        ones = np.ones(channels, np.float32)
        self.tensors[RESIZED] = _Affine(first, ones / np.float32(scale), ones * np.float32(-offset / scale))
        self._shape_of_film = [1, channels, size, size]

    def take(self, node: onnx.NodeProto) -> None:
        """One node."""
        if node.output[0] in self._skipped:
            return
        rule = _RULES.get(node.op_type)
        if rule is None:
            raise ModelFileError(
                f"The network has an operator {node.op_type}, which has no Keras layer here; export it as ONNX or OpenVINO."
            )
        rule(self, node, _attributes(node))

    def finish(self, network: Network) -> None:
        """Pooling, dense layers, softmax."""
        last = self.add("GlobalAveragePooling2D", [self.name(network.feature_maps)])
        dense = layers(network)
        for number, (weight, bias) in enumerate(dense, start=1):
            hidden = number == 1 and isinstance(network.head, DenseHead)
            config = {"units": len(bias), "activation": "relu" if hidden else "softmax", "use_bias": True}
            last = self.add("Dense", [last], config, {"kernel": weight.T, "bias": bias}, name=f"dense_{number}")

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        config: Mapping[str, Any] | None = None,
        weights: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> str:
        """A layer after others; its name."""
        name = name or f"{_snake(kind)}_{len(self.layers)}"
        held = {key: np.ascontiguousarray(value, np.float32) for key, value in (weights or {}).items()}
        self.layers.append(Layer(name, kind, tuple(inputs), dict(config or {}), held))
        return name

    def give(self, node: onnx.NodeProto, layer: str, channels: int = 1) -> None:
        """`layer` makes the node's output, as it is."""
        self.tensors[node.output[0]] = _Affine(layer, np.ones(channels, np.float32), np.zeros(channels, np.float32))

    def name(self, tensor: str) -> str:
        """The layer that gives `tensor` itself; arithmetic that still waits becomes a layer now."""
        held = self.tensors.get(tensor)
        if held is None:
            raise ModelFileError(f"The network reads {tensor[:60]!r}, which no Keras layer here gives; export it as ONNX or OpenVINO.")
        if not (held.gamma == 1).all() or not (held.beta == 0).all():
            self.tensors[tensor] = _Affine(self._scaled(held, tensor), np.ones_like(held.gamma), np.zeros_like(held.beta))
        return self.tensors[tensor].layer

    def _scaled(self, held: _Affine, tensor: str) -> str:
        if np.ptp(held.gamma) == 0 and np.ptp(held.beta) == 0:
            return self.add("Rescaling", [held.layer], {"scale": float(held.gamma[0]), "offset": float(held.beta[0])})
        channels = self.shape(tensor)[1]
        gamma, beta = np.broadcast_to(held.gamma, channels), np.broadcast_to(held.beta, channels)
        weights = {
            "gamma": gamma,
            "beta": beta,
            "moving_mean": np.zeros(channels),
            "moving_variance": np.full(channels, 1 - _EPSILON),  # so that the root is of 1
        }
        config = {"axis": [3], "momentum": 0.99, "epsilon": _EPSILON, "center": True, "scale": True}
        return self.add("BatchNormalization", [held.layer], config, weights)

    def shape(self, tensor: str) -> list[int]:
        """[1, C, H, W] of a tensor."""
        return self._shape_of_film if tensor == RESIZED else self.shapes[tensor]

    def constant(self, name: str) -> NDArray[Any] | None:
        """A constant's value; None for a tensor."""
        return self.constants.get(name)

    def skip(self, tensors: Sequence[str]) -> None:
        """Nodes that make these have been taken together with another."""
        self._skipped.update(tensors)

    # --- rules, one an operator ---

    def arithmetic(self, node: onnx.NodeProto, _: Mapping[str, Any]) -> None:
        """Add, Sub, Mul, Div: with a constant they wait, between tensors they are layers, within a standardisation they are one."""
        left, right = node.input
        operator = node.op_type
        if self._standardise(node):
            return
        if (known := self.constant(right)) is not None:
            self._with_constant(node, left, known, operator)
        elif (known := self.constant(left)) is not None and operator in ("Add", "Mul"):
            self._with_constant(node, right, known, operator)
        elif operator in ("Add", "Mul"):
            self.give(node, self.add({"Add": "Add", "Mul": "Multiply"}[operator], [self.name(left), self.name(right)]))
        else:
            raise ModelFileError(
                f"The network has a {operator} of two tensors, which has no Keras layer here; export it as ONNX or OpenVINO."
            )

    def _with_constant(self, node: onnx.NodeProto, tensor: str, values: NDArray[Any], operator: str) -> None:
        held = self.tensors.get(tensor)
        if held is None or (values.size > 1 and values.shape not in ((1, values.size, 1, 1), (values.size, 1, 1))):
            raise ModelFileError(
                f"The network has a {operator} with a constant of shape {list(values.shape)}, expected one value a channel."
            )
        flat = values.astype(np.float32).ravel()
        if flat.size > self.shape(tensor)[1] == 1:  # one plane becomes several
            planes = self.add("Concatenate", [self.name(tensor)] * flat.size, {"axis": -1})
            held = _Affine(planes, np.ones_like(flat), np.zeros_like(flat))
        if operator in ("Mul", "Div"):
            factor = flat if operator == "Mul" else 1 / flat
            gamma, beta = held.gamma * factor, held.beta * factor
        else:
            shift = flat if operator == "Add" else -flat
            gamma, beta = held.gamma + 0 * shift, held.beta + shift
        self.tensors[node.output[0]] = _Affine(held.layer, gamma.astype(np.float32), beta.astype(np.float32))

    def _standardise(self, node: onnx.NodeProto) -> bool:
        """(x - mean) / sqrt(variance + e) over the film, as `features.graph` draws it: a layer normalisation."""
        if not node.output[0].startswith("preprocess/") and "preprocess/sd" not in node.input:
            return False
        if "preprocess/sd" in node.input:
            epsilon = float(self.constants["preprocess/epsilon"].ravel()[0])
            self.give(node, self._layer_norm(self.name(RESIZED), epsilon), self.network.channels)
            return True
        return "preprocess/sd" in self.makers  # one of the steps on the way to it

    def _layer_norm(self, source: str, epsilon: float) -> str:
        """Over the film as one long row: Keras 3 reads several axes in a Keras 2 file without a word as the last one."""
        height_width = self._shape_of_film[2:]
        row = self.add("Reshape", [source], {"target_shape": [int(np.prod(self._shape_of_film))]})
        normal = self.add("LayerNormalization", [row], {"axis": -1, "epsilon": epsilon, "center": False, "scale": False})
        return self.add("Reshape", [normal], {"target_shape": [*height_width, self.network.channels]})

    def reduce_mean(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """The mean over a map; the means of a standardisation belong to it."""
        if node.output[0].startswith("preprocess/"):
            return
        axes = attributes.get("axes") or (self.constants[node.input[1]].tolist() if len(node.input) > 1 else None)
        if axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
            raise ModelFileError(
                f"The network has a mean over the axes {axes}, expected the two of the map; export it as ONNX or OpenVINO."
            )
        keep = bool(attributes.get("keepdims", 1))
        pooled = self.add("GlobalAveragePooling2D", [self.name(node.input[0])])
        if keep:
            pooled = self.add("Reshape", [pooled], {"target_shape": [1, 1, self.shape(node.input[0])[1]]})
        self.give(node, pooled)

    def reshape(self, node: onnx.NodeProto, _: Mapping[str, Any]) -> None:
        """Only [1, C] to and from [1, C, 1, 1]."""
        shape = self.shape(node.output[0])
        if np.prod(shape[2:]) != 1 or np.prod(self.shape(node.input[0])[2:]) != 1:
            raise ModelFileError(f"The network reshapes to {shape}, expected one value a channel; export it as ONNX or OpenVINO.")
        target = [1, 1, shape[1]] if len(shape) == 4 else [shape[1]]
        self.give(node, self.add("Reshape", [self.name(node.input[0])], {"target_shape": target}))

    def convolve(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """Plain or depthwise, with the padding that TensorFlow calls same, or written out."""
        kernel = self.constants.get(node.input[1])
        if kernel is None or kernel.ndim != 4:
            raise ModelFileError("The network has a convolution whose weights are no constant [O, I, h, w]; export it as ONNX or OpenVINO.")
        group, before = int(attributes.get("group", 1)), self.shape(node.input[0])[1]
        config = self._window(attributes, kernel.shape[2:])
        source = self._padded(node, attributes, kernel.shape[2:], config)
        bias = {"bias": self.constants[node.input[2]]} if len(node.input) > 2 and node.input[2] else {}
        config |= {"use_bias": bool(bias), "activation": "linear", "dilation_rate": list(attributes.get("dilations", [1, 1]))}
        if group == 1:
            weights = {"kernel": kernel.transpose(2, 3, 1, 0), **bias}
            made = self.add("Conv2D", [source], {"filters": kernel.shape[0], **config}, weights)
        elif group == before and kernel.shape[1] == 1:
            times = kernel.shape[0] // group
            held = kernel.reshape(group, times, *kernel.shape[2:]).transpose(2, 3, 0, 1)
            made = self.add("DepthwiseConv2D", [source], {"depth_multiplier": times, **config}, {"depthwise_kernel": held, **bias})
        else:
            raise ModelFileError(
                f"The network has a convolution in {group} groups, which LiteRT and TensorFlow.js lack; export it as ONNX."
            )
        self.give(node, made, kernel.shape[0])

    def pool(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """Largest or mean value of windows; what lies outside the map never counts."""
        window = attributes["kernel_shape"]
        config = self._window(attributes, window)
        config["pool_size"] = config.pop("kernel_size")
        pads = list(attributes.get("pads", [0] * 4))
        counted = node.op_type == "AveragePool" and attributes.get("count_include_pad", 0)
        if (
            attributes.get("ceil_mode", 0)
            or (any(pads) and (config["padding"] != "same" or counted))
            or not self._same_or_none(node, attributes, window)
        ):
            raise ModelFileError(
                f"The network has a {node.op_type} with padding {pads}, which Keras has not; export it as ONNX or OpenVINO."
            )
        kind = "MaxPooling2D" if node.op_type == "MaxPool" else "AveragePooling2D"
        self.give(node, self.add(kind, [self.name(node.input[0])], config))

    def _window(self, attributes: Mapping[str, Any], window: Sequence[int]) -> dict[str, Any]:
        pads = list(attributes.get("pads", [0] * 4))
        strides = list(attributes.get("strides", [1, 1]))
        return {"kernel_size": list(window), "strides": strides, "padding": "same" if any(pads) else "valid"}

    def _same_or_none(self, node: onnx.NodeProto, attributes: Mapping[str, Any], window: Sequence[int]) -> bool:
        pads = list(attributes.get("pads", [0] * 4))
        return not any(pads) or pads == self._tensorflow_same(node, attributes, window)

    def _tensorflow_same(self, node: onnx.NodeProto, attributes: Mapping[str, Any], window: Sequence[int]) -> list[int]:
        """The padding [top, left, bottom, right] that TensorFlow's "same" means for this map."""
        before, after = [], []
        for place in range(2):
            side, stride = self.shape(node.input[0])[2 + place], int(attributes.get("strides", [1, 1])[place])
            reach = (int(window[place]) - 1) * int(attributes.get("dilations", [1, 1])[place]) + 1
            total = max((-(-side // stride) - 1) * stride + reach - side, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return [*before, *after]

    def _padded(self, node: onnx.NodeProto, attributes: Mapping[str, Any], window: Sequence[int], config: dict[str, Any]) -> str:
        """The layer before a convolution; a padding that is not TensorFlow's becomes a layer, and `config` says valid."""
        source = self.name(node.input[0])
        if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise ModelFileError("The network has a convolution with automatic padding, expected it written out; export the network again.")
        if self._same_or_none(node, attributes, window):
            return source
        config["padding"] = "valid"
        return self._zeros(source, list(attributes["pads"]))

    def _zeros(self, source: str, pads: Sequence[int]) -> str:
        top, left, bottom, right = (int(pad) for pad in pads)
        return self.add("ZeroPadding2D", [source], {"padding": [[top, bottom], [left, right]]})

    def pad(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """Zeros around a map."""
        given = self.constants.get(node.input[1]) if len(node.input) > 1 else None
        value = self.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else np.float32(0)
        fits = given is not None and given.shape == (8,) and not given[[0, 1, 4, 5]].any() and (given >= 0).all()
        if attributes.get("mode", b"constant") != b"constant" or not fits or value is None or np.any(value):
            raise ModelFileError("The network pads with something else than zeros around a map; export it as ONNX or OpenVINO.")
        assert given is not None
        self.give(node, self._zeros(self.name(node.input[0]), [given[2], given[3], given[6], given[7]]))

    def concatenate(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """Maps one after another along the channels; the same plane three times is a film for a colour network."""
        if attributes.get("axis") not in (1, -3):
            raise ModelFileError(f"The network joins maps along axis {attributes.get('axis')}, expected the channels; export it as ONNX.")
        self.give(node, self.add("Concatenate", [self.name(name) for name in node.input], {"axis": -1}))

    def clip(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """min(max(x, 0), c)."""
        bounds = [self.constants.get(name) for name in node.input[1:]]
        low = bounds[0].item() if bounds and bounds[0] is not None else attributes.get("min")
        high = bounds[1].item() if len(bounds) > 1 and bounds[1] is not None else attributes.get("max")
        if low != 0 or high is None:
            raise ModelFileError(f"The network clips to {low}..{high}, expected 0 and an upper bound; export it as ONNX or OpenVINO.")
        self.give(node, self._relu(self.name(node.input[0]), high))

    def _relu(self, source: str, most: float | None = None) -> str:
        return self.add("ReLU", [source], {"max_value": most, "negative_slope": 0.0, "threshold": 0.0})

    def relu(self, node: onnx.NodeProto, _: Mapping[str, Any]) -> None:
        """max(x, 0)."""
        self.give(node, self._relu(self.name(node.input[0])))

    def sigmoid(self, node: onnx.NodeProto, _: Mapping[str, Any]) -> None:
        """1 / (1 + exp(-x))."""
        self.give(node, self.add("Activation", [self.name(node.input[0])], {"activation": "sigmoid"}))

    def hard_sigmoid(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> None:
        """min(max(x * alpha + beta, 0), 1), written out: each Keras has another one of that name."""
        alpha, beta = (attributes.get("alpha", 0.2), attributes.get("beta", 0.5)) if node.op_type == "HardSigmoid" else (1 / 6, 0.5)
        source = self.name(node.input[0])
        gate = self._relu(self.add("Rescaling", [source], {"scale": alpha, "offset": beta}), 1.0)
        self.give(node, gate if node.op_type == "HardSigmoid" else self.add("Multiply", [source, gate]))

    def identity(self, node: onnx.NodeProto, _: Mapping[str, Any]) -> None:
        """Another name."""
        self.tensors[node.output[0]] = self.tensors[node.input[0]]

    def square_root(self, node: onnx.NodeProto, _: Mapping[str, Any]) -> None:
        """Only within a standardisation."""
        if node.output[0] != "preprocess/sd":
            raise ModelFileError("The network has a square root, which has no Keras layer here; export it as ONNX or OpenVINO.")


_Rule = Callable[[_Rebuild, "onnx.NodeProto", Mapping[str, Any]], None]
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _Rebuild.arithmetic),
    "AveragePool": _Rebuild.pool,
    "Clip": _Rebuild.clip,
    "Concat": _Rebuild.concatenate,
    "Conv": _Rebuild.convolve,
    "HardSigmoid": _Rebuild.hard_sigmoid,
    "HardSwish": _Rebuild.hard_sigmoid,
    "Identity": _Rebuild.identity,
    "MaxPool": _Rebuild.pool,
    "Pad": _Rebuild.pad,
    "ReduceMean": _Rebuild.reduce_mean,
    "Relu": _Rebuild.relu,
    "Reshape": _Rebuild.reshape,
    "Sigmoid": _Rebuild.sigmoid,
    "Sqrt": _Rebuild.square_root,
}


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _snake(kind: str) -> str:
    """Conv2D -> conv2d, ZeroPadding2D -> zero_padding2d: a layer's name as Keras makes it."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", kind)).lower()
