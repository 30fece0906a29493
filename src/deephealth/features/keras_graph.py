"""Layers as Keras has them, channels last, drawn as an ONNX network, channels first, up to a last feature map. Needs no Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.features.keras_layers import Described, Step

if TYPE_CHECKING:
    import onnx

_LARGEST_SIDE = 1024
IDLE = frozenset({"Dropout", "SpatialDropout2D", "GaussianNoise", "ActivityRegularization"})
"""Layers that do nothing while a model is only asked."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A network float32 [1, C, S, S] -> feature map [1, d, g, g]. width: d."""

    network: onnx.ModelProto
    size: int
    channels: int
    width: int


def draw_network(described: Described, steps: Sequence[Step], last: str) -> Drawn:
    """The layers `steps`, an InputLayer first, drawn up to the tensor `last`. Raises ModelFileError naming a layer it cannot draw."""
    import onnx
    from onnx import TensorProto, helper

    drawing = _Drawing(described, _input(steps[0]))
    for step in steps[1:]:
        drawing.take(step)
    (channels, size, _), output = drawing.film, drawing.tensor(last)
    drawn = helper.make_graph(
        drawing.nodes,
        "keras",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, size, size])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        drawing.constants,
    )
    model: onnx.ModelProto = graph.assemble(drawn)
    return Drawn(onnx.shape_inference.infer_shapes(model), size, channels, drawing.shapes[last][0])


def _input(step: Step) -> tuple[int, int, int]:
    shape = step.config.get("batch_input_shape") or step.config.get("batch_shape") or [None, *step.config.get("shape", [])]
    sides = shape[1:] if isinstance(shape, list) else []
    if len(sides) != 3 or sides[0] != sides[1] or sides[2] not in (1, 3) or not 1 <= int(sides[0] or 0) <= _LARGEST_SIDE:
        raise ModelFileError(
            f"The model takes {sides}, expected squares [S, S, 1 or 3] of at most {_LARGEST_SIDE} px; export it with that input."
        )
    return int(sides[2]), int(sides[0]), int(sides[0])


@dataclass(eq=False)
class _Drawing:
    """ONNX nodes so far; shape [C, H, W] of each tensor; convolutions whose weights a batch normalisation may still change;
    the layers that hold a map as one long row."""

    described: Described
    film: tuple[int, int, int]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    open: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)
    readers: dict[str, int] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        first = self.described.steps[0].name
        self.shapes[first], self.names[first] = self.film, "x"
        for step in self.described.steps:
            for name in step.inputs:
                self.readers[name] = self.readers.get(name, 0) + 1

    def tensor(self, name: str) -> str:
        return self.names[name]

    def take(self, step: Step) -> None:
        """One layer."""
        rule = _RULES.get(step.kind)
        if rule is None:
            raise ModelFileError(
                f"The layer {step.name[:60]!r} is a {step.kind[:40]}, which is not imported; known are {', '.join(sorted(_RULES))}."
            )
        if step.config.get("data_format", "channels_last") != "channels_last":
            raise ModelFileError(f"The layer {step.name[:60]!r} has its channels first, expected last; export the model so.")
        try:
            rule(self, step)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
            raise ModelFileError(
                f"The layer {step.name[:60]!r} is not described as Keras does ({type(error).__name__} {str(error)[:60]}); export it again."
            ) from error

    def add(self, operator: str, step: Step, inputs: Sequence[str], shape: tuple[int, int, int], **attributes: Any) -> str:
        from onnx import helper

        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        self.shapes[step.name], self.names[step.name] = shape, output
        return output

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, dtype, order="C"), name))
        return name

    # --- rules, one a class of layers ---

    def convolve(self, step: Step) -> None:
        """Plain and depthwise."""
        depthwise = step.kind == "DepthwiseConv2D"
        channels = self.shapes[step.inputs[0]][0]
        height, width = (int(side) for side in step.config["kernel_size"])
        if int(step.config.get("groups", 1) or 1) != 1 and not depthwise:  # the depthwise layer's is always the number of channels
            raise ModelFileError(f"The layer {step.name[:60]!r} is a convolution in groups, which is not imported.")
        if depthwise:
            times = int(step.config.get("depth_multiplier", 1))
            name = "depthwise_kernel" if "depthwise_kernel" in self.described.weights.get(step.name, {}) else "kernel"  # Keras 3's name
            kernel = self.described.weight(step, name, (height, width, channels, times))
            weight = kernel.transpose(2, 3, 0, 1).reshape(channels * times, 1, height, width)
        else:
            filters = step.config.get("filters")  # a network of any width leaves it to its weights
            kernel = self.described.weight(step, "kernel", (height, width, channels, None if filters is None else int(filters)))
            weight = kernel.transpose(3, 2, 0, 1)
        many = len(weight)
        bias = self.described.weight(step, "bias", (many,)) if step.config.get("use_bias", True) else np.zeros(many, np.float32)
        shape, window = self._window(step, (height, width))
        names = [self.constant(weight), self.constant(bias)]
        output = self.add("Conv", step, [self.tensor(step.inputs[0]), *names], (many, *shape), **window, group=channels if depthwise else 1)
        self.open[output] = (np.asarray(weight, np.float32), bias)
        self._activate(step)

    def _window(self, step: Step, kernel: tuple[int, int]) -> tuple[tuple[int, int], dict[str, Any]]:
        """Sides of the output, and ONNX's attributes: TensorFlow's "same" written out."""
        strides = [int(side) for side in step.config.get("strides") or kernel]
        dilations = [int(side) for side in step.config.get("dilation_rate", (1, 1))]
        same = {"same": True, "valid": False}[str(step.config.get("padding", "valid"))]
        if min(*strides, *dilations, *kernel) < 1:
            raise ValueError("a window below 1")
        sides, before, after = [], [], []
        for place in range(2):
            side, reach = self.shapes[step.inputs[0]][1 + place], (kernel[place] - 1) * dilations[place] + 1
            out = -(-side // strides[place]) if same else (side - reach) // strides[place] + 1
            total = max((out - 1) * strides[place] + reach - side, 0) if same else 0
            if out < 1:
                raise ValueError("a window larger than the map")
            sides.append(out)
            before.append(total // 2)
            after.append(total - total // 2)
        window = {"kernel_shape": list(kernel), "strides": strides, "pads": [*before, *after]}
        if step.kind in ("Conv2D", "DepthwiseConv2D"):
            window["dilations"] = dilations
        return (sides[0], sides[1]), window

    def _activate(self, step: Step) -> None:
        name = step.config.get("activation", "linear") or "linear"
        if name == "linear":
            return
        if name not in _ACTIVATIONS:
            raise ModelFileError(f"The layer {step.name[:60]!r} ends in {str(name)[:40]!r}, which is not imported.")
        operator, bound = _ACTIVATIONS[name]
        if operator == "":
            self._gated(step, name)
            return
        self._bounded(step, self.tensor(step.name), self.shapes[step.name], operator, bound)

    def _gated(self, step: Step, name: str) -> None:
        """x * sigmoid(x), or with the straight line min(max(x / 6 + 1/2, 0), 1) in the sigmoid's place; or that line alone."""
        source, shape = self.tensor(step.name), self.shapes[step.name]
        if name.startswith("hard"):
            gate = self.add("HardSigmoid", step, [source], shape, alpha=1 / 6, beta=0.5)
        else:
            gate = self.add("Sigmoid", step, [source], shape)
        if name != "hard_sigmoid":
            self.add("Mul", step, [source, gate], shape)

    def _bounded(self, step: Step, source: str, shape: tuple[int, int, int], operator: str, bound: float | None = None) -> None:
        if bound is None:
            self.add(operator, step, [source], shape)
        else:
            self.add("Clip", step, [source, self.constant(0.0), self.constant(bound)], shape)

    def normalise(self, step: Step) -> None:
        """Batch normalisation: into the convolution before it where nothing else reads that, else a product and a sum."""
        channels, *rest = self.shapes[step.inputs[0]]
        axis = step.config.get("axis", -1)
        if (axis[0] if isinstance(axis, list) else axis) not in (-1, 3):
            raise ModelFileError(f"The layer {step.name[:60]!r} normalises along axis {axis}, expected the channels, 3.")
        gamma = self.described.weight(step, "gamma", (channels,)) if step.config.get("scale", True) else np.ones(channels, np.float32)
        beta = self.described.weight(step, "beta", (channels,)) if step.config.get("center", True) else np.zeros(channels, np.float32)
        mean, variance = (self.described.weight(step, f"moving_{name}", (channels,)).astype(np.float64) for name in ("mean", "variance"))
        epsilon = float(step.config.get("epsilon", 1e-3))
        if (variance + epsilon <= 0).any():
            raise ModelFileError(f"The layer {step.name[:60]!r} has a variance below 0, expected 0 or more; export the model again.")
        factor = gamma / np.sqrt(variance + epsilon)
        self._scale(step, factor, beta - mean * factor, (channels, rest[0], rest[1]))

    def _scale(self, step: Step, factor: NDArray[Any], shift: NDArray[Any], shape: tuple[int, int, int]) -> None:
        source = self.tensor(step.inputs[0])
        held = self.open.pop(source, None)
        if held is None or self.readers[step.inputs[0]] > 1:
            scaled = self.add("Mul", step, [source, self.constant(factor.reshape(1, -1, 1, 1))], shape)
            self.add("Add", step, [scaled, self.constant(shift.reshape(1, -1, 1, 1))], shape)
            return
        from onnx import numpy_helper

        node = next(node for node in reversed(self.nodes) if source in node.output)
        folded = {node.input[1]: held[0] * factor.reshape(-1, 1, 1, 1), node.input[2]: held[1] * factor + shift}
        for constant in self.constants:
            if constant.name in folded:
                constant.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(folded[constant.name], np.float32), constant.name))
        self.names[step.name], self.shapes[step.name] = source, shape

    def rescale(self, step: Step) -> None:
        """x * scale + offset."""
        channels, height, width = self.shapes[step.inputs[0]]
        factor, shift = (np.broadcast_to(np.asarray(step.config.get(name, default), np.float64), channels) for name, default in _RESCALE)
        self._scale(step, factor, shift, (channels, height, width))
        self._activate(step)

    def rectify(self, step: Step) -> None:
        """ReLU, with a bound or without."""
        if step.config.get("negative_slope") or step.config.get("threshold"):
            raise ModelFileError(f"The layer {step.name[:60]!r} is a leaky ReLU, which is not imported.")
        bound = step.config.get("max_value")
        source, shape = step.inputs[0], self.shapes[step.inputs[0]]
        self._bounded(step, self.tensor(source), shape, "Relu", None if bound is None else float(bound))

    def activate(self, step: Step) -> None:
        """An activation as a layer of its own."""
        self.skip(step)
        self._activate(step)

    def zeros(self, step: Step) -> None:
        """Zeros around a map."""
        given = step.config["padding"]
        pairs = [
            [int(side)] * 2 if isinstance(side, int) else [int(one) for one in side]
            for side in ([given] * 2 if isinstance(given, int) else given)
        ]
        (top, bottom), (left, right) = pairs
        if not all(0 <= side <= _LARGEST_SIDE for side in (top, bottom, left, right)):
            raise ValueError("a padding out of bounds")
        channels, height, width = self.shapes[step.inputs[0]]
        pads = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        shape = (channels, height + top + bottom, width + left + right)
        self.add("Pad", step, [self.tensor(step.inputs[0]), pads, self.constant(0.0)], shape, mode="constant")

    def pool(self, step: Step) -> None:
        """Largest or mean value of windows; what lies outside the map does not count."""
        size = step.config.get("pool_size", 2)
        height, width = (size, size) if isinstance(size, int) else size
        shape, window = self._window(step, (int(height), int(width)))
        kind = "MaxPool" if step.kind == "MaxPooling2D" else "AveragePool"
        self.add(kind, step, [self.tensor(step.inputs[0])], (self.shapes[step.inputs[0]][0], *shape), **window)
        self._activate(step)

    def combine(self, step: Step) -> None:
        """Sums and products of maps."""
        shapes = {self.shapes[name] for name in step.inputs}
        largest = max(shapes)
        fits = shapes <= {largest, (largest[0], 1, 1)} if step.kind == "Multiply" else len(shapes) == 1
        if len(step.inputs) < 2 or not fits:
            raise ValueError(f"maps of shapes {sorted(shapes)}")
        total = self.tensor(step.inputs[0])
        for name in step.inputs[1:]:
            total = self.add("Add" if step.kind == "Add" else "Mul", step, [total, self.tensor(name)], largest)
        self._activate(step)

    def join(self, step: Step) -> None:
        """Maps one after another along the channels."""
        shapes = [self.shapes[name] for name in step.inputs]
        if step.config.get("axis", -1) not in (-1, 3) or len({shape[1:] for shape in shapes}) != 1:
            raise ValueError(f"maps of shapes {shapes}")
        shape = (sum(one[0] for one in shapes), shapes[0][1], shapes[0][2])
        self.add("Concat", step, [self.tensor(name) for name in step.inputs], shape, axis=1)
        self._activate(step)

    def mean(self, step: Step) -> None:
        """The mean of a map, as a map of one cell: what a gate looks at."""
        axes = self.constant([2, 3], np.int64)
        self.add("ReduceMean", step, [self.tensor(step.inputs[0]), axes], (self.shapes[step.inputs[0]][0], 1, 1), keepdims=1)

    def reshape(self, step: Step) -> None:
        """Of a map of one cell to what it is already; of a map into one long row, which is normalised and becomes the map again."""
        channels, height, width = self.shapes[step.inputs[0]]
        target = list(step.config.get("target_shape", []))
        if target not in ([height, width, channels], [height * width * channels]):
            raise ModelFileError(f"The layer {step.name[:60]!r} reshapes a map to {target}, which is not imported.")
        self.skip(step)
        if len(target) == 1:
            self.rows.add(step.name)

    def normalise_row(self, step: Step) -> None:
        """(x - mean) / sqrt(variance + epsilon) over the whole map: how this program's own exports standardise a film."""
        if step.inputs[0] not in self.rows or step.config.get("center", True) or step.config.get("scale", True):
            raise ModelFileError(f"The layer {step.name[:60]!r} normalises something else than a whole film, which is not imported.")
        source, shape = self.tensor(step.inputs[0]), self.shapes[step.inputs[0]]
        every, one = self.constant([1, 2, 3], np.int64), (1, 1, 1)
        mean = self.add("ReduceMean", step, [source, every], one, keepdims=1)
        apart = self.add("Sub", step, [source, mean], shape)
        variance = self.add("ReduceMean", step, [self.add("Mul", step, [apart, apart], shape), every], one, keepdims=1)
        floored = self.add("Add", step, [variance, self.constant(float(step.config.get("epsilon", 1e-3)))], one)
        self.add("Div", step, [apart, self.add("Sqrt", step, [floored], one)], shape)
        self.rows.add(step.name)

    def standardise(self, step: Step) -> None:
        """(x - mean) / sqrt(variance) for each channel, both fixed."""
        channels, height, width = self.shapes[step.inputs[0]]
        mean, variance = (np.broadcast_to(np.asarray(step.config[name], np.float64).ravel(), channels) for name in ("mean", "variance"))
        factor = 1 / np.maximum(np.sqrt(variance), 1e-7)
        self._scale(step, factor, -mean * factor, (channels, height, width))

    def skip(self, step: Step) -> None:
        """Nothing while a model is only asked. What it reads may have other readers, which a later layer must not be folded under."""
        self.open.pop(self.tensor(step.inputs[0]), None)
        self.names[step.name], self.shapes[step.name] = self.tensor(step.inputs[0]), self.shapes[step.inputs[0]]


_RESCALE = (("scale", 1.0), ("offset", 0.0))
_ACTIVATIONS: Mapping[str, tuple[str, float | None]] = {
    "relu": ("Relu", None),
    "relu6": ("Clip", 6.0),
    "sigmoid": ("Sigmoid", None),
    "tanh": ("Tanh", None),
    **dict.fromkeys(("silu", "swish", "hard_silu", "hard_swish", "hard_sigmoid"), ("", None)),
}
_Rule = Callable[[_Drawing, Step], None]
_RULES: Mapping[str, _Rule] = {
    "Activation": _Drawing.activate,
    "Add": _Drawing.combine,
    "AveragePooling2D": _Drawing.pool,
    "BatchNormalization": _Drawing.normalise,
    "Concatenate": _Drawing.join,
    "Conv2D": _Drawing.convolve,
    "DepthwiseConv2D": _Drawing.convolve,
    "GlobalAveragePooling2D": _Drawing.mean,
    "LayerNormalization": _Drawing.normalise_row,
    "MaxPooling2D": _Drawing.pool,
    "Multiply": _Drawing.combine,
    "Normalization": _Drawing.standardise,
    "ReLU": _Drawing.rectify,
    "Reshape": _Drawing.reshape,
    "Rescaling": _Drawing.rescale,
    "ZeroPadding2D": _Drawing.zeros,
    **dict.fromkeys(IDLE, _Drawing.skip),
}
