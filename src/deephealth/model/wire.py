"""What can be learned of an ONNX file without loading it: its metadata, outputs and whether it points outside itself.

An ONNX file is one Protocol Buffers message (https://protobuf.dev/programming-guides/encoding/; field numbers from onnx.proto3). Reading
the few fields needed here takes a millisecond and touches no weight, so a stranger's file is judged before ONNX Runtime parses it, and
the onnx package (slow to import) stays out of `predict`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 2_000_000  # a hostile file of nothing but tiny fields is refused, not walked for minutes
_STANDARD = (b"", b"ai.onnx")

# onnx.proto3
_MODEL_IR, _MODEL_GRAPH, _MODEL_OPSET, _MODEL_METADATA, _MODEL_TRAINING, _MODEL_FUNCTION = 1, 7, 8, 14, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_TYPE, _TENSOR_INT64, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 2, 7, 9, 13, 14
_INT64 = 7
_SHAPE_BYTES = 8 * 6  # of an array of whole numbers short enough to be a shape
_MOST_VALUES = 1 << 26  # of an array that a graph may name by its shape: a film of 8,192 px a side, 256 MB of float32
_TO_THE_END = (1 << 63) - 1  # what a slice writes for "as far as there is"


class WireError(ValueError):
    """The bytes are not a whole ONNX file."""


@dataclass
class OnnxFacts:
    """What `inspect` found.

    outputs, inputs: name -> shape, a size or the name of a free one for each dimension. external: some weights lie in other files.
    """

    ir_version: int = 0
    opset: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[int | str, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int | str, ...]] = field(default_factory=dict)
    external: bool = False
    graphs: int = 0


def inspect(data: bytes) -> OnnxFacts:
    """Read the facts of the ONNX file `data`. Raises WireError when it is cut short or is something else."""
    return _Walk().model(memoryview(data))


class _Walk:
    def __init__(self) -> None:
        self.facts = OnnxFacts()
        self.fields_left = _MOST_FIELDS

    def model(self, data: memoryview) -> OnnxFacts:
        for number, value in self.fields(data):
            if number == _MODEL_IR and isinstance(value, int):
                self.facts.ir_version = value
            elif isinstance(value, int):
                continue
            elif number == _MODEL_GRAPH:
                self.facts.graphs += 1
                self.graph(value)
            elif number == _MODEL_OPSET:
                self.opset(value)
            elif number == _MODEL_METADATA:
                self.facts.metadata[self.text(value, 1)] = self.text(value, 2)
            elif number == _MODEL_FUNCTION:
                raise WireError("it defines functions of its own, which is refused")
            elif number == _MODEL_TRAINING:
                raise WireError("it carries training graphs, which is refused")
        if self.facts.graphs != 1 or not self.facts.ir_version:
            raise WireError("it holds no graph")
        return self.facts

    def fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        at, end = 0, len(data)
        while at < end:
            self.fields_left -= 1
            if self.fields_left < 0:
                raise WireError("it has too many fields")
            key, at = _varint(data, at)
            kind = key & 7
            if kind == _VARINT:
                value, at = _varint(data, at)
                yield key >> 3, value
                continue
            size, at = _varint(data, at) if kind == _BYTES else ({_FIXED64: 8, _FIXED32: 4}.get(kind, -1), at)
            if size < 0 or at + size > end or key >> 3 == 0:
                raise WireError("it is cut short or damaged")
            yield key >> 3, data[at : at + size]
            at += size

    def parts(self, data: memoryview, *numbers: int) -> Iterator[tuple[int, memoryview]]:
        for number, value in self.fields(data):
            if number in numbers and isinstance(value, memoryview):
                yield number, value

    def text(self, data: memoryview, wanted: int) -> str:
        found = b"".join(bytes(value) for _, value in self.parts(data, wanted))
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError("it holds text that is not UTF-8") from error

    def opset(self, data: memoryview) -> None:
        domain, version = "", 0
        for number, value in self.fields(data):
            if number == 1 and not isinstance(value, int):
                domain = bytes(value).decode("utf-8", "replace")
            elif number == 2 and isinstance(value, int):
                version = value
        if domain in ("", "ai.onnx"):
            self.facts.opset = version

    def graph(self, data: memoryview) -> None:
        for number, value in self.fields(data):
            if isinstance(value, int):
                continue
            if number == _GRAPH_NODE:
                self.node(value)
            elif number == _GRAPH_INITIALIZER:
                self.tensor(value)
            elif number == _GRAPH_SPARSE:
                self.sparse(value)
            elif number in (_GRAPH_INPUT, _GRAPH_OUTPUT):
                named = self.facts.inputs if number == _GRAPH_INPUT else self.facts.outputs
                named[self.text(value, 1)] = self.shape(value)

    def node(self, data: memoryview) -> None:
        for field_number, attribute in self.parts(data, _NODE_ATTRIBUTE, _NODE_DOMAIN):
            if field_number == _NODE_DOMAIN:
                if bytes(attribute) not in _STANDARD:
                    raise WireError("it uses operators outside the ONNX standard, which is refused")
                continue
            for number, value in self.parts(attribute, *_ATTRIBUTE_TENSORS, *_ATTRIBUTE_GRAPHS, *_ATTRIBUTE_SPARSE):
                if number in _ATTRIBUTE_GRAPHS:
                    # A loop may never end and a branch hides a second graph; no network of ours needs either.
                    raise WireError("it holds loops or branches, which is refused")
                if number in _ATTRIBUTE_TENSORS:
                    self.tensor(value)
                else:
                    self.sparse(value)

    def sparse(self, data: memoryview) -> None:
        for _, value in self.parts(data, 1, 2):
            self.tensor(value)

    def tensor(self, data: memoryview) -> None:
        kind, numbers = 0, list[int]()
        for number, value in self.fields(data):
            if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value):
                self.facts.external = True
            elif number == _TENSOR_TYPE and isinstance(value, int):
                kind = value
            elif number == _TENSOR_RAW and not isinstance(value, int) and len(value) <= _SHAPE_BYTES and len(value) % 8 == 0:
                numbers += [int.from_bytes(value[at : at + 8], "little", signed=True) for at in range(0, len(value), 8)]
            elif number == _TENSOR_INT64:
                numbers += [value] if isinstance(value, int) else _packed(value)
        if kind != _INT64 or len(numbers) * 8 > _SHAPE_BYTES or _TO_THE_END in numbers:
            return
        # ONNX Runtime allocates whatever a Resize, an Expand or a Tile names, 23 GB for one damaged bit.
        if (asked := math.prod(max(1, abs(value)) for value in numbers)) > _MOST_VALUES:
            raise WireError(f"it names an array of {asked} values, more than {_MOST_VALUES}, which is refused")

    def shape(self, data: memoryview) -> tuple[int | str, ...]:
        # ValueInfo.type (2) . tensor_type (1) . shape (2) . dim (1) . dim_value (1) or dim_param (2)
        for path in (2, 1, 2):
            data = next((value for _, value in self.parts(data, path)), memoryview(b""))
        sizes: list[int | str] = []
        for _, dim in self.parts(data, 1):
            held = dict(self.fields(dim))
            value = held.get(1, held.get(2, memoryview(b"?")))
            sizes.append(value if isinstance(value, int) else bytes(value).decode("utf-8", "replace"))
        return tuple(sizes)


def _packed(data: memoryview) -> list[int]:
    """Whole numbers packed one after another, of which a negative one is written as its two's complement."""
    numbers, at = list[int](), 0
    while at < len(data) and len(numbers) * 8 <= _SHAPE_BYTES:
        value, at = _varint(data, at)
        numbers.append(value - (1 << 64) if value >> 63 else value)
    return numbers


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("it is cut short or damaged")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
