"""Reading an ONNX file that anybody may have written: what it may hold, and what is refused before it is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.errors import ModelFileError

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 512 << 20
_MAX_NODES = 20_000
_OPSETS = range(18, 24)
# A loop in a graph may never end, and an If hides a second graph; no network needs either.
_REFUSED_OPERATORS = frozenset({"If", "Loop", "Scan", "SequenceMap", "Optional", "OptionalGetElement"})


def read_onnx(source: Path | bytes) -> onnx.ModelProto:
    """The parsed model of an ONNX file. Raises ModelFileError, in a sentence, for anything that is refused:

    a missing file, over 512 MiB, no ONNX, weights in other files, operators outside the ONNX standard, loops, opset outside 18..23.
    """
    name, data = (source.name, _read(source)) if isinstance(source, Path) else ("The model", source)
    if len(data) > MAX_BYTES:
        raise ModelFileError(f"{name} has {len(data)} bytes, expected at most {MAX_BYTES}; give a smaller model.")
    model = _parse(data, name)
    _check_operators(model, name)
    if any(_is_external(tensor) for tensor in _tensors(model)):
        raise ModelFileError(
            f"{name} keeps weights in other files, expected one file that holds everything; save it with its weights inside."
        )
    return model


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}; expected an ONNX file; check the path.")
    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"{path.name} has {path.stat().st_size} bytes, expected at most {MAX_BYTES}; give a smaller model.")
    return path.read_bytes()


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelFileError(f"{name} is not an ONNX model, or it is damaged; expected an .onnx file; copy or export it again.") from error
    if not model.graph.node or not model.opset_import:
        raise ModelFileError(f"{name} is not an ONNX model: it holds no network; expected an .onnx file; copy or export it again.")
    return model


def _check_operators(model: onnx.ModelProto, name: str) -> None:
    domains = {entry.domain for entry in model.opset_import} | {node.domain for node in model.graph.node}
    foreign = sorted(domains - {"", "ai.onnx"})
    if foreign or model.functions:
        what = foreign[0] if foreign else "functions of its own"
        raise ModelFileError(
            f"{name} uses operators of {what[:80]!r}, expected only those of the ONNX standard; export it with standard operators."
        )
    versions = [entry.version for entry in model.opset_import]
    if len(versions) != 1 or versions[0] not in _OPSETS:
        raise ModelFileError(f"{name} has opset {versions}, expected one from {_OPSETS[0]} to {_OPSETS[-1]}; export it with opset 19.")
    if len(model.graph.node) > _MAX_NODES:
        raise ModelFileError(f"{name} has {len(model.graph.node)} nodes, expected at most {_MAX_NODES}; give a smaller model.")
    check_flow(model.graph, name)


def check_flow(graph: onnx.GraphProto, name: str) -> None:
    """Raises ModelFileError when a node holds a graph of its own, or may run without end."""
    import onnx

    for node in graph.node:
        nested = any(attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for attribute in node.attribute)
        if nested or node.op_type in _REFUSED_OPERATORS:
            raise ModelFileError(f"{name} uses {node.op_type!r}, expected a network without loops and branches; export it without them.")


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    sparse = list(model.graph.sparse_initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def _is_external(tensor: onnx.TensorProto) -> bool:
    import onnx

    return tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data) > 0
