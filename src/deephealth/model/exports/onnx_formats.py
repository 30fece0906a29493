"""ONNX again: the model file as it is, for fixed squares, in half precision, and in whole numbers."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.features import graph
from deephealth.model.exports.artefact import Artefact, Interface, Source
from deephealth.model.exports.network import network_of, square_model

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"
_BATCH = 1
_KEPT = (1, 5, 9, 17)  # first convolutions that int8 leaves in float32, tried in turn
_CLOSE = 0.02  # mean difference of a probability at which no more of them are kept


def as_it_is(source: Source) -> Artefact:
    """The model file, byte for byte: any film in, all five outputs."""
    record = source.model.record
    interface = Interface(FILE, record.size, record.channels, record.labels, film=True, input="image", batch=1)
    return Artefact({FILE: source.model.data}, interface)


def fixed(source: Source) -> Artefact:
    """Squares of the network's size in, probabilities out: no operator with a changing shape, for runtimes that want none."""
    return _square(source, graph.serialise(square_model(network_of(source.model), _BATCH)))


def half(source: Source) -> Artefact:
    """Network and head in float16, half the size; input, normalisation (whose sums overflow float16), softmax and output in float32."""
    from onnx import TensorProto, helper, numpy_helper

    model = square_model(network_of(source.model), _BATCH)
    drawn = model.graph
    inside = [node for node in drawn.node if not _in_float32(node)]
    made = {name for node in drawn.node if node not in inside for name in node.output}
    crossing = sorted({name for node in inside for name in node.input} & made)
    for node in inside:
        node.input[:] = [f"half/{name}" if name in crossing else name for name in node.input]
    used = {name for node in inside for name in node.input}
    for constant in drawn.initializer:
        if constant.name in used and constant.data_type == TensorProto.FLOAT:
            constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant).astype(np.float16), constant.name))
    casts = [helper.make_node("Cast", [name], [f"half/{name}"], to=TensorProto.FLOAT16) for name in crossing]
    first = [node for node in drawn.node if _in_float32(node) and node.op_type != "Softmax"]
    softmax = drawn.node[-1]
    back = helper.make_node("Cast", [softmax.input[0]], ["tail/logits"], to=TensorProto.FLOAT)
    last = helper.make_node("Softmax", ["tail/logits"], list(softmax.output), axis=-1)
    nodes = [*first, *casts, *inside, back, last]
    del drawn.node[:]
    drawn.node.extend(nodes)
    return _square(source, graph.serialise(model))


def _in_float32(node: onnx.NodeProto) -> bool:
    return node.op_type == "Softmax" or any(name.startswith("preprocess/") or name == "pixels" for name in node.input)


def whole_numbers(source: Source) -> Artefact:
    """Convolutions in int8 but for the first, weights by channel, ranges from the calibration films; what is before and after in float32.

    The first convolution reads the film itself: kept in float32 it halves the largest difference, for hardly any time. Depthwise networks
    need more of their first convolutions kept, whose channels differ most in range: as many as it takes for the calibration films'
    probabilities to differ by `_CLOSE` on average.
    """
    model = square_model(network_of(source.model), 1)
    _name_nodes(model)
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    films = source.calibration()
    plain = model.SerializeToString()
    expected = _answers(plain, films)
    for kept in (count for count in _KEPT if count == 1 or count < len(convolutions)):
        done = _quantised(plain, films, convolutions[:kept])
        if float(np.abs(_answers(done, films) - expected).mean()) <= _CLOSE:
            break
    return _square(source, done)


def _quantised(plain: bytes, films: NDArray[np.float32], kept: list[str]) -> bytes:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _silent():
        before, after = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(plain)
        quantize_static(
            str(before),
            str(after),
            _Films(films),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return after.read_bytes()


def _answers(model: bytes, films: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities [n, C] of films [n, channels, S, S]."""
    session = graph.open_session(model)
    return np.concatenate([session.run(["probabilities"], {"pixels": film[None]})[0] for film in films])


class _Films:
    """The calibration films, one at a time, as ONNX Runtime's calibrator asks for them."""

    def __init__(self, films: NDArray[np.float32]) -> None:
        self._films: Iterator[NDArray[np.float32]] = iter(films)

    def get_next(self) -> dict[str, Any] | None:
        film = next(self._films, None)
        return None if film is None else {"pixels": film[None]}


def _square(source: Source, data: bytes) -> Artefact:
    record = source.model.record
    return Artefact({FILE: data}, Interface(FILE, record.size, record.channels, record.labels, layout="NCHW", batch=_BATCH))


def _name_nodes(model: onnx.ModelProto) -> None:
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The converters print and log advice that is not for whoever exports."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
