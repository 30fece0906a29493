"""MobileNetV2 drawn as ONNX from its weights, with batch normalisation folded into the convolutions.

Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, for weights trained with TensorFlow: ReLU6, padding SAME
(a stride-2 convolution pads the right and the bottom only), batch normalisation epsilon 1e-3, pixels x / 127.5 - 1. The width is read off
the weights. Two layouts of names are understood, both torchvision's order of layers: `features.1.conv.0.0.weight` with batch normalisation
in `features.1.conv.0.1.*`, and `features.1.conv.0.c.{weight,bias}` with it folded already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features import graph

if TYPE_CHECKING:
    import onnx

MEAN = 127.5
SCALE = 1 / 127.5
SIZE = 224
EPSILON = 1e-3
_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)  # of the inverted residual blocks 1..17

Weights = Mapping[str, NDArray[Any]]
_Convolution = tuple[NDArray[np.float64], NDArray[np.float64]]


def mobilenet_backbone(state: Weights, *, size: int = SIZE, channels: int = 1) -> onnx.ModelProto:
    """The backbone graph of MobileNetV2 with the weights `state`: features [1280], feature_map [1280, size / 32, size / 32].

    `channels` is the film's: with 1, the first convolution's weights are summed over red, green and blue, which is exact because the
    three are normalised alike and the padding is zero. Raises ModelFileError when the weights are not MobileNetV2's, and ValueError when
    `size` is not a multiple of 32.
    """
    if size % 32:
        raise ValueError(f"the square's side is {size}, expected a multiple of 32")
    if any(name.endswith("num_batches_tracked") for name in state):
        # PyTorch's own MobileNetV2 pads differently and has another epsilon: drawn as below it would answer, and wrongly.
        raise ModelFileError(
            "The weights were trained by PyTorch's MobileNetV2, expected TensorFlow's padding; fine-tune from another start."
        )
    drawing = _Drawing()
    top = _draw(drawing, state, channels)
    preprocess = graph.build_preprocess(size, channels, MEAN, SCALE, output="mobilenet/input")
    network = graph.Fragment(tuple(drawing.nodes), tuple(drawing.initializers))
    dim = len(_convolution(state, "features.18.0", "features.18.1", "features.18.c")[1])
    return graph.backbone_graph(graph.join(preprocess, network, graph.pooling(top)), channels=channels, dim=dim, grid=size // 32)


def _draw(drawing: _Drawing, state: Weights, channels: int) -> str:
    stem, bias = _convolution(state, "features.0.0", "features.0.1", "features.0.c")
    if channels == 1:
        stem = stem.sum(axis=1, keepdims=True)
    current = drawing.convolve("mobilenet/input", (stem, bias), stride=2, relu=True)
    width = len(bias)
    for number, stride in enumerate(_STRIDES, start=1):
        convolutions = _block(state, number)
        entry = current
        for layer, convolution in enumerate(convolutions):
            depthwise = layer == len(convolutions) - 2
            last = layer == len(convolutions) - 1
            current = drawing.convolve(current, convolution, stride=stride if depthwise else 1, relu=not last)
        if stride == 1 and len(convolutions[-1][1]) == width:
            current = drawing.add(entry, current)
        width = len(convolutions[-1][1])
    return drawing.convolve(current, _convolution(state, "features.18.0", "features.18.1", "features.18.c"), stride=1, relu=True)


def _block(state: Weights, number: int) -> list[_Convolution]:
    """The convolutions of inverted residual block `number`: (expand,) depthwise, project. Block 1 does not expand."""
    at = f"features.{number}.conv"
    hidden = 1 if number == 1 else 2
    layers = [_convolution(state, f"{at}.{i}.0", f"{at}.{i}.1", f"{at}.{i}.c") for i in range(hidden)]
    return [*layers, _convolution(state, f"{at}.{hidden}", f"{at}.{hidden + 1}", f"{at}.{hidden}.c")]


def _convolution(state: Weights, kernel: str, norm: str, folded: str) -> _Convolution:
    """Weight [O, I, k, k] and bias [O] of one convolution, its batch normalisation folded in (in float64)."""
    if f"{folded}.weight" in state:
        return _tensor(state, f"{folded}.weight", 4), _tensor(state, f"{folded}.bias", 1)
    weight = _tensor(state, f"{kernel}.weight", 4)
    gain, shift, mean, variance = (_tensor(state, f"{norm}.{part}", 1) for part in ("weight", "bias", "running_mean", "running_var"))
    factor = gain / np.sqrt(variance + EPSILON)
    return weight * factor[:, None, None, None], shift - mean * factor


def _tensor(state: Weights, name: str, ndim: int) -> NDArray[np.float64]:
    if name not in state or state[name].ndim != ndim:
        raise ModelFileError(
            f"The weights have no {ndim}-dimensional {name!r}, expected those of MobileNetV2; give a file in torchvision's layout."
        )
    return state[name].astype(np.float64)


class _Drawing:
    """Nodes and constants as they are drawn, with names in running numbers."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers = [graph.initializer("mobilenet/zero", 0.0), graph.initializer("mobilenet/six", 6.0)]

    def convolve(self, source: str, convolution: _Convolution, *, stride: int, relu: bool) -> str:
        from onnx import helper

        weight, bias = convolution
        name = f"mobilenet/{len(self.nodes)}"
        self.initializers += [graph.initializer(f"{name}/weight", weight), graph.initializer(f"{name}/bias", bias)]
        side = weight.shape[2]
        before, after = (0, 0) if side == 1 else (0, 1) if stride == 2 else (1, 1)
        # A depthwise kernel has one input plane for each output; so has a grey stem, but its source has one plane in all.
        group = len(weight) if weight.shape[1] == 1 and side == 3 and source != "mobilenet/input" else 1
        how: dict[str, Any] = {"strides": [stride] * 2, "pads": [before, before, after, after], "group": group, "kernel_shape": [side] * 2}
        inputs = [source, f"{name}/weight", f"{name}/bias"]
        self.nodes.append(helper.make_node("Conv", inputs, [f"{name}/convolved"], **how))
        if not relu:
            return f"{name}/convolved"
        self.nodes.append(helper.make_node("Clip", [f"{name}/convolved", "mobilenet/zero", "mobilenet/six"], [name]))
        return name

    def add(self, a: str, b: str) -> str:
        from onnx import helper

        name = f"mobilenet/{len(self.nodes)}"
        self.nodes.append(helper.make_node("Add", [a, b], [name]))
        return name
