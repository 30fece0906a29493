"""A frozen TensorFlow graph, as `retrain.py` left one and `label_image.py` loads it; written without TensorFlow.

Its input is `input`, red, green and blue in -1..1, its output `final_result`: label_image.py wants --input_layer=input
--output_layer=final_result --input_mean=127.5 --input_std=127.5 and the model's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deephealth.errors import ModelFileError
from deephealth.model.exports.artefact import Artefact, Interface, Source
from deephealth.model.exports.layers import Layer, layers_of
from deephealth.model.exports.network import network_of
from deephealth.model.file import Model

FILE = "output_graph.pb"
_SCALE, _OFFSET = 1 / 127.5, -1.0
_FLOAT, _INT, _UINT8, _STRING = 1, 3, 4, 7  # types.proto
_PRODUCER = 440  # of TensorFlow 2.3: old enough for every reader there is, new enough for every operator here


def write(source: Source) -> Artefact:
    """`output_graph.pb` and `output_labels.txt`."""
    record = source.model.record
    layers = layers_of(network_of(source.model), _SCALE, _OFFSET, colour=True)
    names = {"input": "input", "output": "final_result"}
    interface = Interface(FILE, record.size, 3, record.labels, scale=_SCALE, offset=_OFFSET, batch=0, **names)  # type: ignore[arg-type]
    labels = "".join(f"{label}\n" for label in record.labels).encode()
    return Artefact({FILE: graph_of(layers), "output_labels.txt": labels}, interface)


def frozen_graph(model: Model, output: str = "final_result") -> bytes:
    """The graph of a model that begins with a JPEG or PNG file's bytes (`DecodeJpeg/contents`), as label_image.py of 2015 asks for it.

    `Mul` is the picture as the network takes it, in -1..1, [1, S, S, 3], and may be fed instead. The resize is the model file's own, drawn
    as two products of matrices, since TensorFlow's has no antialiasing. ModelFileError for a network that has no such graph.
    """
    network = network_of(model)
    layers = layers_of(network, _SCALE, _OFFSET, colour=True)
    drawing = _Drawing()
    drawing.made[layers[0].name] = drawing.decode(network.size)
    return _drawn(drawing, layers[1:], output)


def graph_of(layers: Sequence[Layer], output: str = "final_result") -> bytes:
    """The graph of layers, the last of them called `output`. ModelFileError for a layer that has no operator here."""
    return _drawn(_Drawing(), layers, output)


def _drawn(drawing: _Drawing, layers: Sequence[Layer], output: str) -> bytes:
    for layer in layers:
        rule = _RULES.get(layer.kind)
        if rule is None:
            raise ModelFileError(f"The network has a {layer.kind}, which has no operator in a frozen graph here; export it as SavedModel.")
        drawing.made[layer.name] = rule(drawing, layer)
    drawing.node("Identity", [drawing.made[layers[-1].name]], output)
    return drawing.bytes()


class _Drawing:
    """Nodes so far; made: the node that gives each layer's output."""

    def __init__(self) -> None:
        from tensorboardX.proto.graph_pb2 import GraphDef
        from tensorboardX.proto.versions_pb2 import VersionDef

        self.graph = GraphDef(versions=VersionDef(producer=_PRODUCER))
        self.made: dict[str, str] = {}

    def bytes(self) -> bytes:
        return bytes(self.graph.SerializeToString(deterministic=True))

    def node(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        from tensorboardX.proto.attr_value_pb2 import AttrValue

        node = self.graph.node.add(name=name, op=operator, input=list(inputs))
        node.attr["T"].CopyFrom(AttrValue(type=_FLOAT))
        if operator in _UNTYPED:
            del node.attr["T"]
        for key, value in attributes.items():
            node.attr[key].CopyFrom(_attribute(value))
        return name

    def constant(self, values: Any, name: str, dtype: int = _FLOAT) -> str:
        from tensorboardX.proto.attr_value_pb2 import AttrValue
        from tensorboardX.proto.tensor_pb2 import TensorProto
        from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

        array = np.ascontiguousarray(values, "<f4" if dtype == _FLOAT else "<i4")
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=side) for side in np.shape(values)])
        tensor = TensorProto(dtype=dtype, tensor_shape=shape, tensor_content=array.tobytes())
        node = self.graph.node.add(name=name, op="Const")
        node.attr["dtype"].CopyFrom(AttrValue(type=dtype))
        node.attr["value"].CopyFrom(AttrValue(tensor=tensor))
        return name

    def source(self, layer: Layer, place: int = 0) -> str:
        return self.made[layer.inputs[place]]

    def decode(self, size: int) -> str:
        """From a file's bytes to the square that the network takes."""
        from tensorboardX.proto.attr_value_pb2 import AttrValue

        contents = self.graph.node.add(name="DecodeJpeg/contents", op="Placeholder")
        contents.attr["dtype"].CopyFrom(AttrValue(type=_STRING))
        decoded = self.graph.node.add(name="DecodeJpeg", op="DecodeJpeg", input=["DecodeJpeg/contents"])
        for key, value in {"channels": 3, "dct_method": "INTEGER_ACCURATE"}.items():
            decoded.attr[key].CopyFrom(_attribute(value))
        picture = self._cast("DecodeJpeg", "Cast", _UINT8, _FLOAT)
        shape = self.node("Shape", [picture], "resize/shape", out_type=("type", _INT))
        planes = self._transposed(picture, [2, 0, 1], "resize/planes")
        rows = self._shares(shape, 0, size, "resize/rows")
        columns = self._shares(shape, 1, size, "resize/columns")
        shrunk = self.node("BatchMatMulV2", [rows, planes], "resize/down", adj_x=False, adj_y=False)
        square = self.node("BatchMatMulV2", [shrunk, columns], "resize/across", adj_x=False, adj_y=True)
        last = self._transposed(square, [1, 2, 0], "resize/pixels")
        film = self.node("ExpandDims", [last, self.constant(0, "resize/batch", _INT)], "ExpandDims", Tdim=("type", _INT))
        shifted = self.node("Sub", [film, self.constant(-_OFFSET / _SCALE, "Sub/y")], "Sub")
        return self.node("Mul", [shifted, self.constant(_SCALE, "Mul/y")], "Mul")

    def _shares(self, shape: str, place: int, size: int, name: str) -> str:
        """How much of each pixel of a side goes into each of `size`: [size, side], a triangle as wide as a pixel of the smaller picture."""
        chosen = self.constant(place, f"{name}/place", _INT)
        axis = self.constant(0, f"{name}/axis", _INT)
        whole = ("type", _INT)
        side = self.node("GatherV2", [shape, chosen, axis], f"{name}/side", Tparams=whole, Tindices=whole, Taxis=whole)
        zero, one = self.constant(0, f"{name}/zero", _INT), self.constant(1, f"{name}/one", _INT)
        places = self.node("Range", [zero, side, one], f"{name}/range", Tidx=("type", _INT))
        half = self.constant(0.5, f"{name}/half")
        middles = self.node("AddV2", [self._cast(places, f"{name}/places", _INT, _FLOAT), half], f"{name}/middles")
        length = self._cast(side, f"{name}/length", _INT, _FLOAT)
        scale = self.node("Mul", [length, self.constant(1 / size, f"{name}/per")], f"{name}/scale")
        wanted = self.constant((np.arange(size) + 0.5)[:, None], f"{name}/wanted")
        centres = self.node("Mul", [wanted, scale], f"{name}/centres")
        apart = self.node("Abs", [self.node("Sub", [centres, middles], f"{name}/difference")], f"{name}/apart")
        reach = self.node("Maximum", [scale, self.constant(1.0, f"{name}/pixel")], f"{name}/reach")
        near = self.node("Sub", [self.constant(1.0, f"{name}/full"), self.node("RealDiv", [apart, reach], f"{name}/far")], f"{name}/near")
        weights = self.node("Relu", [near], f"{name}/weights")
        last = self.constant([1], f"{name}/last", _INT)
        total = self.node("Sum", [weights, last], f"{name}/total", keep_dims=True, Tidx=("type", _INT))
        return self.node("RealDiv", [weights, total], f"{name}/shares")

    def _cast(self, source: str, name: str, before: int, after: int) -> str:
        from tensorboardX.proto.attr_value_pb2 import AttrValue

        node = self.graph.node.add(name=name, op="Cast", input=[source])
        node.attr["SrcT"].CopyFrom(AttrValue(type=before))
        node.attr["DstT"].CopyFrom(AttrValue(type=after))
        return name

    def _transposed(self, source: str, order: Sequence[int], name: str) -> str:
        return self.node("Transpose", [source, self.constant(order, f"{name}/order", _INT)], name, Tperm=("type", _INT))

    # --- rules, each gives the name of the node that holds the layer's output ---

    def begin(self, layer: Layer) -> str:
        from tensorboardX.proto.attr_value_pb2 import AttrValue
        from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

        sides = [-1, *layer.config["batch_input_shape"][1:]]
        node = self.graph.node.add(name="input", op="Placeholder")
        node.attr["dtype"].CopyFrom(AttrValue(type=_FLOAT))
        node.attr["shape"].CopyFrom(AttrValue(shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=side) for side in sides])))
        return "input"

    def rescale(self, layer: Layer) -> str:
        return self._affine(layer, layer.config["scale"], layer.config["offset"])

    def normalise(self, layer: Layer) -> str:
        weights = layer.weights
        factor = weights["gamma"] / np.sqrt(weights["moving_variance"].astype(np.float64) + layer.config["epsilon"])
        return self._affine(layer, factor, weights["beta"] - weights["moving_mean"] * factor)

    def _affine(self, layer: Layer, factor: Any, shift: Any) -> str:
        scaled = self.node("Mul", [self.source(layer), self.constant(factor, f"{layer.name}/factor")], f"{layer.name}/mul")
        return self.node("AddV2", [scaled, self.constant(shift, f"{layer.name}/shift")], layer.name)

    def standardise(self, layer: Layer) -> str:
        """(x - mean) / sqrt(variance + epsilon) over a row."""
        name, source = layer.name, self.source(layer)
        axis = self.constant([1], f"{name}/axis", _INT)
        mean = self.node("Mean", [source, axis], f"{name}/mean", keep_dims=True, Tidx=("type", _INT))
        apart = self.node("Sub", [source, mean], f"{name}/apart")
        squared = self.node("Square", [apart], f"{name}/squared")
        variance = self.node("Mean", [squared, axis], f"{name}/variance", keep_dims=True, Tidx=("type", _INT))
        floored = self.node("AddV2", [variance, self.constant(layer.config["epsilon"], f"{name}/epsilon")], f"{name}/floored")
        return self.node("Mul", [apart, self.node("Rsqrt", [floored], f"{name}/rsqrt")], name)

    def convolve(self, layer: Layer) -> str:
        depthwise = layer.kind == "DepthwiseConv2D"
        kernel = self.constant(layer.weights["depthwise_kernel" if depthwise else "kernel"], f"{layer.name}/weights")
        dilation = [1, *layer.config.get("dilation_rate", (1, 1)), 1]
        made = self.node(
            "DepthwiseConv2dNative" if depthwise else "Conv2D",
            [self.source(layer), kernel],
            f"{layer.name}/convolution",
            strides=[1, *layer.config["strides"], 1],
            padding=str(layer.config["padding"]).upper(),
            dilations=dilation,
        )
        if "bias" not in layer.weights:
            return made
        return self.node("BiasAdd", [made, self.constant(layer.weights["bias"], f"{layer.name}/bias")], layer.name)

    def pool(self, layer: Layer) -> str:
        window = {"ksize": [1, *layer.config["pool_size"], 1], "strides": [1, *layer.config["strides"], 1]}
        kind = "MaxPool" if layer.kind == "MaxPooling2D" else "AvgPool"
        return self.node(kind, [self.source(layer)], layer.name, **window, padding=str(layer.config["padding"]).upper())

    def rectify(self, layer: Layer) -> str:
        most = layer.config.get("max_value")
        if most is None or most == 6:
            return self.node("Relu" if most is None else "Relu6", [self.source(layer)], layer.name)
        plain = self.node("Relu", [self.source(layer)], f"{layer.name}/relu")
        return self.node("Minimum", [plain, self.constant(most, f"{layer.name}/most")], layer.name)

    def combine(self, layer: Layer) -> str:
        return self.node("AddV2" if layer.kind == "Add" else "Mul", [self.source(layer), self.source(layer, 1)], layer.name)

    def join(self, layer: Layer) -> str:
        axis = self.constant(3, f"{layer.name}/axis", _INT)
        inputs = [self.made[name] for name in layer.inputs]
        return self.node("ConcatV2", [*inputs, axis], layer.name, N=len(inputs), Tidx=("type", _INT))

    def pad(self, layer: Layer) -> str:
        pads = self.constant([[0, 0], *layer.config["padding"], [0, 0]], f"{layer.name}/pads", _INT)
        return self.node("Pad", [self.source(layer), pads], layer.name, Tpaddings=("type", _INT))

    def mean(self, layer: Layer) -> str:
        axes = self.constant([1, 2], f"{layer.name}/axes", _INT)
        return self.node("Mean", [self.source(layer), axes], layer.name, keep_dims=False, Tidx=("type", _INT))

    def reshape(self, layer: Layer) -> str:
        shape = self.constant([-1, *layer.config["target_shape"]], f"{layer.name}/shape", _INT)
        return self.node("Reshape", [self.source(layer), shape], layer.name, Tshape=("type", _INT))

    def activate(self, layer: Layer) -> str:
        return self._activated(layer.config["activation"], self.source(layer), layer.name)

    def connect(self, layer: Layer) -> str:
        weights = self.constant(layer.weights["kernel"], f"{layer.name}/weights")
        product = self.node("MatMul", [self.source(layer), weights], f"{layer.name}/matmul", transpose_a=False, transpose_b=False)
        shifted = self.node("BiasAdd", [product, self.constant(layer.weights["bias"], f"{layer.name}/biases")], f"{layer.name}/biased")
        return self._activated(layer.config["activation"], shifted, layer.name)

    def _activated(self, activation: str, source: str, name: str) -> str:
        return self.node({"relu": "Relu", "sigmoid": "Sigmoid", "softmax": "Softmax"}[activation], [source], name)


_UNTYPED = frozenset({"GatherV2", "Range"})  # operators that have no attribute T


def _attribute(value: Any) -> Any:
    from tensorboardX.proto.attr_value_pb2 import AttrValue

    if isinstance(value, tuple):
        return AttrValue(type=value[1])
    if isinstance(value, bool):
        return AttrValue(b=value)
    if isinstance(value, int):
        return AttrValue(i=value)
    if isinstance(value, str):
        return AttrValue(s=value.encode())
    return AttrValue(list=AttrValue.ListValue(i=value))


_RULES: Mapping[str, Callable[[_Drawing, Layer], str]] = {
    "Activation": _Drawing.activate,
    "Add": _Drawing.combine,
    "AveragePooling2D": _Drawing.pool,
    "BatchNormalization": _Drawing.normalise,
    "Concatenate": _Drawing.join,
    "Conv2D": _Drawing.convolve,
    "Dense": _Drawing.connect,
    "DepthwiseConv2D": _Drawing.convolve,
    "GlobalAveragePooling2D": _Drawing.mean,
    "InputLayer": _Drawing.begin,
    "LayerNormalization": _Drawing.standardise,
    "MaxPooling2D": _Drawing.pool,
    "Multiply": _Drawing.combine,
    "ReLU": _Drawing.rectify,
    "Rescaling": _Drawing.rescale,
    "Reshape": _Drawing.reshape,
    "ZeroPadding2D": _Drawing.pad,
}
