"""A `.tflite` read into the layers Keras would have had: its weights in whole numbers or halves become numbers again.

What a quantised file answers is rounded at every layer in its own runtime; here it is not, so that answers differ by about that rounding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features.keras_layers import MOST_LAYERS, Array, Described, Step
from deephealth.model.imports.sources import Files

_MOST_TENSORS = 20_000
_TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 9: "i1"}  # schema.fbs, TensorType
_FUSED = {0: "linear", 1: "relu", 3: "relu6"}  # ActivationFunctionType


def tflite_model(files: Files) -> Described:
    """The file's one graph. ModelFileError when it cannot be read or has an operator that no layer here stands for."""
    name = files.first(".tflite")
    assert name is not None
    data = files.held[name]
    if data[4:8] != b"TFL3":
        raise ModelFileError(f"{name} has no TensorFlow Lite mark, expected a .tflite; get the file again.")
    try:
        return _Reader(data).read()
    except (struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ModelFileError(
            f"{name} cannot be read as TensorFlow Lite ({type(error).__name__} {str(error)[:60]}); get the file again."
        ) from error


@dataclass(eq=False)
class _Reader:
    """One walk along the operators."""

    data: bytes = field(repr=False)
    steps: list[Step] = field(default_factory=list)
    weights: dict[str, dict[str, Array]] = field(default_factory=dict)
    makers: dict[int, str] = field(default_factory=dict)
    constants: dict[int, NDArray[Any]] = field(default_factory=dict)

    def read(self) -> Described:
        from tflite.Model import Model

        self.model = Model.GetRootAs(self.data, 0)
        if self.model.SubgraphsLength() != 1:
            raise ModelFileError(f"The .tflite holds {self.model.SubgraphsLength()} graphs, expected one; export the model again.")
        self.graph = self.model.Subgraphs(0)
        count = self.graph.OperatorsLength()
        if count > MOST_LAYERS or self.graph.TensorsLength() > _MOST_TENSORS or self.graph.InputsLength() != 1:
            raise ModelFileError(f"The .tflite has {count} operators, expected one picture in and at most {MOST_LAYERS}.")
        first = int(self.graph.Inputs(0))
        shape = [int(side) for side in self.graph.Tensors(first).ShapeAsNumpy()]
        self.steps.append(Step("input", "InputLayer", {"batch_input_shape": [None, *shape[1:]]}, ()))
        self.makers[first] = "input"
        for number in range(count):
            self._take(number)
        return Described(self.steps, self.weights)

    def _take(self, number: int) -> None:
        from tflite.BuiltinOperator import BuiltinOperator

        operator = self.graph.Operators(number)
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = next((name for name, value in vars(BuiltinOperator).items() if value == builtin), str(builtin))
        if kind not in _RULES:
            raise ModelFileError(f"The .tflite has an operator {kind[:40]}, which is not imported; known are {', '.join(sorted(_RULES))}.")
        _RULES[kind](self, operator, kind, f"{kind.lower()}_{number}")

    def value(self, tensor: int) -> NDArray[Any] | None:
        """A constant's values, as numbers; None for a tensor that is computed."""
        if tensor in self.constants:
            return self.constants[tensor]
        if tensor < 0 or tensor in self.makers:
            return None
        described = self.graph.Tensors(tensor)
        buffer = self.model.Buffers(described.Buffer())
        if buffer is None or buffer.DataLength() == 0:
            return None
        shape = [int(side) for side in described.ShapeAsNumpy()] if described.ShapeLength() else []
        raw = np.frombuffer(buffer.DataAsNumpy().tobytes(), _TYPES[described.Type()]).reshape(shape)
        return _dequantised(raw, described.Quantization())

    def layer(self, name: str, kind: str, operator: Any, config: Mapping[str, Any], *inputs: int) -> None:
        """A layer that reads these tensors."""
        self.steps.append(Step(name, kind, config, tuple(self.makers[tensor] for tensor in inputs)))
        self.makers[int(operator.Outputs(0))] = name

    # --- rules ---

    def convolve(self, operator: Any, kind: str, name: str) -> None:
        """CONV_2D [O, h, w, I] and DEPTHWISE_CONV_2D [1, h, w, C * times]."""
        depthwise = kind == "DEPTHWISE_CONV_2D"
        options = _options(operator, "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions")
        kernel = self.value(int(operator.Inputs(1)))
        bias = self.value(int(operator.Inputs(2))) if operator.InputsLength() > 2 else None
        if kernel is None or kernel.ndim != 4:
            raise ValueError("a convolution without constant weights")
        config: dict[str, Any] = {
            "kernel_size": kernel.shape[1:3],
            "strides": (options.StrideH(), options.StrideW()),
            "padding": _PADDING[options.Padding()],
            "dilation_rate": (options.DilationHFactor(), options.DilationWFactor()),
            "activation": _FUSED[options.FusedActivationFunction()],
            "use_bias": bias is not None,
        }
        held: dict[str, Array] = {} if bias is None else {"bias": bias}
        if depthwise:
            times = max(int(options.DepthMultiplier()), 1)
            held["depthwise_kernel"] = kernel.reshape(*kernel.shape[1:3], kernel.shape[3] // times, times)
            config["depth_multiplier"] = times
        else:
            held["kernel"] = kernel.transpose(1, 2, 3, 0)
            config["filters"] = kernel.shape[0]
        self.weights[name] = held
        self.layer(name, "DepthwiseConv2D" if depthwise else "Conv2D", operator, config, int(operator.Inputs(0)))

    def connect(self, operator: Any, kind: str, name: str) -> None:
        """FULLY_CONNECTED [units, features]."""
        kernel, bias = (self.value(int(operator.Inputs(n))) if operator.InputsLength() > n else None for n in (1, 2))
        if kernel is None:
            raise ValueError("a dense layer without constant weights")
        activation = _FUSED[_options(operator, "FullyConnectedOptions").FusedActivationFunction()]
        self.weights[name] = {"kernel": kernel.T} | ({} if bias is None else {"bias": bias})
        self.layer(
            name, "Dense", operator, {"units": len(kernel), "activation": activation, "use_bias": bias is not None}, int(operator.Inputs(0))
        )

    def combine(self, operator: Any, kind: str, name: str) -> None:
        """ADD and MUL of two maps, or of a map and a number for each channel."""
        activation = _FUSED[_options(operator, "AddOptions" if kind == "ADD" else "MulOptions").FusedActivationFunction()]
        left, right = int(operator.Inputs(0)), int(operator.Inputs(1))
        known = self.value(right)
        if known is None:
            self.layer(name, {"ADD": "Add", "MUL": "Multiply"}[kind], operator, {"activation": activation}, left, right)
            return
        config = {"scale" if kind == "MUL" else "offset": known.ravel(), "activation": activation}
        self.layer(name, "Rescaling", operator, config, left)

    def pad(self, operator: Any, kind: str, name: str) -> None:
        """PAD with zeros [[0, 0], [top, bottom], [left, right], [0, 0]]."""
        given = self.value(int(operator.Inputs(1)))
        if given is None or given.shape != (4, 2) or given[[0, 3]].any():
            raise ValueError("a padding of another form")
        self.layer(name, "ZeroPadding2D", operator, {"padding": given[1:3].astype(int).tolist()}, int(operator.Inputs(0)))

    def mean(self, operator: Any, kind: str, name: str) -> None:
        """MEAN over the map."""
        axes = self.value(int(operator.Inputs(1)))
        if axes is None or sorted(int(axis) % 4 for axis in axes.ravel()) != [1, 2]:
            raise ValueError("a mean over other axes than the map's")
        self.layer(name, "GlobalAveragePooling2D", operator, {}, int(operator.Inputs(0)))

    def pool(self, operator: Any, kind: str, name: str) -> None:
        """Windows; a mean over the whole map is the global average."""
        options, source = _options(operator, "Pool2DOptions"), int(operator.Inputs(0))
        window, sides = (options.FilterHeight(), options.FilterWidth()), tuple(self.graph.Tensors(source).ShapeAsNumpy()[1:3])
        if kind == "AVERAGE_POOL_2D" and window == sides and _PADDING[options.Padding()] == "valid":
            self.layer(name, "GlobalAveragePooling2D", operator, {}, source)
            return
        config = {
            "pool_size": window,
            "strides": (options.StrideH(), options.StrideW()),
            "padding": _PADDING[options.Padding()],
            "activation": _FUSED[options.FusedActivationFunction()],
        }
        self.layer(name, "MaxPooling2D" if kind == "MAX_POOL_2D" else "AveragePooling2D", operator, config, source)

    def join(self, operator: Any, kind: str, name: str) -> None:
        """CONCATENATION along the channels."""
        options = _options(operator, "ConcatenationOptions")
        config = {"axis": int(options.Axis()), "activation": _FUSED[options.FusedActivationFunction()]}
        self.layer(name, "Concatenate", operator, config, *(int(operator.Inputs(n)) for n in range(operator.InputsLength())))

    def activate(self, operator: Any, kind: str, name: str) -> None:
        """An activation as an operator of its own."""
        word = {"RELU": "relu", "RELU6": "relu6", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}[kind]
        self.layer(name, "Activation", operator, {"activation": word}, int(operator.Inputs(0)))

    def reshape(self, operator: Any, kind: str, name: str) -> None:
        """Only behind the pooling, where it changes nothing."""
        self.layer(name, "Reshape", operator, {}, int(operator.Inputs(0)))

    def same(self, operator: Any, kind: str, name: str) -> None:
        """QUANTIZE and DEQUANTIZE: another way to write the same numbers."""
        source, output = int(operator.Inputs(0)), int(operator.Outputs(0))
        known = self.value(source)
        if known is not None:
            self.constants[output] = known
        else:
            self.makers[output] = self.makers[source]


def _options(operator: Any, name: str) -> Any:
    import importlib

    options = getattr(importlib.import_module(f"tflite.{name}"), name)()
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _dequantised(raw: NDArray[Any], told: Any) -> NDArray[Any]:
    """(q - zero point) * scale, for each channel where the file says so."""
    if told is None or not told.ScaleLength():
        return raw.astype(np.float32) if raw.dtype.kind == "f" else raw
    scale, zero = told.ScaleAsNumpy().astype(np.float64), np.atleast_1d(told.ZeroPointAsNumpy()).astype(np.float64)
    shape = [1] * raw.ndim
    if len(scale) > 1:
        shape[int(told.QuantizedDimension())] = len(scale)
    zero = np.broadcast_to(zero, scale.shape) if told.ZeroPointLength() else np.zeros_like(scale)
    return np.asarray((raw - zero.reshape(shape)) * scale.reshape(shape), np.float32)


_PADDING = {0: "same", 1: "valid"}
_Rule = Callable[[_Reader, Any, str, str], None]
_RULES: Mapping[str, _Rule] = {
    "ADD": _Reader.combine,
    "AVERAGE_POOL_2D": _Reader.pool,
    "CONCATENATION": _Reader.join,
    "CONV_2D": _Reader.convolve,
    "DEPTHWISE_CONV_2D": _Reader.convolve,
    "DEQUANTIZE": _Reader.same,
    "FULLY_CONNECTED": _Reader.connect,
    "LOGISTIC": _Reader.activate,
    "MAX_POOL_2D": _Reader.pool,
    "MEAN": _Reader.mean,
    "MUL": _Reader.combine,
    "PAD": _Reader.pad,
    "QUANTIZE": _Reader.same,
    "RELU": _Reader.activate,
    "RELU6": _Reader.activate,
    "RESHAPE": _Reader.reshape,
    "SOFTMAX": _Reader.activate,
}
