"""Draw the model file: the backbone's graph, then head, temperature, class activation map and novelty, in one ONNX graph.

    image -> [backbone: resize, normalise, network] -> features [d], feature_map [d, g, g]
    features -> head -> logits [C] -> / temperature -> softmax -> probabilities [C]
    feature_map, weights of the head at this film -> heatmap [C, g, g]
    features -> probabilistic-PCA distance -> novelty []

The same inputs give the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.model.card import card
from deephealth.model.heads import DenseHead, Head, LinearHead
from deephealth.model.novelty import NoveltyModel
from deephealth.model.record import METADATA_KEY, BackboneRecord, HeadRecord, ModelRecord, pack_hashes, with_values

if TYPE_CHECKING:
    from deephealth.features.backbones import Backbone

OPSET = 19
NEWEST_IR = 10  # what the oldest supported ONNX Runtime, and onnxruntime-web, read
_PREFIX = "deephealth/"


def compose(backbone: Backbone, head: Head, *, temperature: float, novelty: NoveltyModel, record: ModelRecord) -> bytes:
    """The bytes of a model file. The same inputs give the same bytes.

    `record` says what only the caller knows; backbone, head, temperature, size, channels, seen and card are filled in.
    ModelFileError when the parts do not fit each other; the graph is checked by onnx.checker in full.
    """
    import onnx

    _check_fit(backbone, head, temperature, novelty, record)
    model = _parse(backbone.model)
    drawing = _Drawing(model.graph)
    logits = _draw_head(drawing, head, backbone)
    drawing.add("Div", [logits, drawing.constant("temperature", np.float32(temperature))], "scaled")
    drawing.add("Softmax", [drawing.last], "probabilities", own=False, axis=-1)
    _draw_novelty(drawing, novelty)
    shapes = [("probabilities", [head.classes]), ("logits", [head.classes]), ("features", [backbone.dim])]
    shapes += [("heatmap", [head.classes, backbone.grid, backbone.grid]), ("novelty", [])]
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes)
    model.graph.name = "deephealth"
    _check_graph(model)
    return _serialise(model, _complete(record, backbone, head, temperature))


def with_record(data: bytes, record: ModelRecord) -> bytes:
    """The model file `data` with another record; the graph stays as it is, to the byte."""
    import onnx

    return _serialise(onnx.load_from_string(data), record)


def _complete(record: ModelRecord, backbone: Backbone, head: Head, temperature: float) -> ModelRecord:
    return with_values(
        record,
        backbone=BackboneRecord(
            name=backbone.name,
            sha256=backbone.sha256,
            dim=backbone.dim,
            grid=backbone.grid,
            licence=backbone.licence,
            provenance=backbone.provenance,
        ),
        head=HeadRecord(kind=head.kind, hidden=len(head.hidden_bias) if isinstance(head, DenseHead) else 0),
        temperature=float(temperature),
        size=backbone.size,
        channels=backbone.channels,
        seen=pack_hashes(backbone.seen),
    )


def _check_fit(backbone: Backbone, head: Head, temperature: float, novelty: NoveltyModel, record: ModelRecord) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ModelFileError(f"The temperature is {temperature}, expected a finite number above 0; fit it again on the validation films.")
    if head.classes != len(record.labels):
        raise ModelFileError(f"The head has {head.classes} classes and the record {len(record.labels)} labels; give one label a class.")
    for name, width in (("head", head.features), ("novelty model", len(novelty.mean))):
        if width != backbone.dim:
            raise ModelFileError(
                f"The {name} takes {width} features and the backbone {backbone.name} gives {backbone.dim}; fit it on this backbone."
            )


def _parse(data: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise ModelFileError("The backbone is not an ONNX file; give the path of one made by Deep Health.") from error
    opsets = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    found = [output.name for output in model.graph.output]
    if opsets.get("ai.onnx") != OPSET or model.ir_version > NEWEST_IR:
        raise ModelFileError(
            f"The backbone is of ONNX opset {opsets.get('ai.onnx')} and IR version {model.ir_version}, expected opset {OPSET} and IR "
            f"version {NEWEST_IR} or older; export it again."
        )
    if not {"features", "feature_map"} <= set(found):
        raise ModelFileError(f"The backbone gives {', '.join(found) or 'nothing'}, expected the outputs features and feature_map.")
    return model


class _Drawing:
    """Nodes added to a graph, under names of our own."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.last = ""

    def constant(self, name: str, values: NDArray[Any] | np.generic) -> str:
        import onnx

        array = np.ascontiguousarray(values) if np.ndim(values) else np.asarray(values)
        self.graph.initializer.append(onnx.numpy_helper.from_array(array, _PREFIX + name))
        return _PREFIX + name

    def add(self, operator: str, inputs: list[str], name: str, *, own: bool = True, **attributes: Any) -> str:
        """One node with one output, called `name` (under our prefix unless not `own`)."""
        import onnx

        self.last = _PREFIX + name if own else name
        self.graph.node.append(onnx.helper.make_node(operator, inputs, [self.last], name=_PREFIX + name, **attributes))
        return self.last


def _draw_head(draw: _Drawing, head: Head, backbone: Backbone) -> str:
    if isinstance(head, LinearHead):
        weight, bias = draw.constant("weight", _f32(head.weight)), draw.constant("bias", _f32(head.bias))
        draw.add("MatMul", [weight, "features"], "weighted")
        draw.add("Add", [draw.last, bias], "logits", own=False)
    else:
        weight, bias = _draw_dense(draw, head)
    cells = draw.add("Reshape", ["feature_map", draw.constant("flat", _i64(backbone.dim, -1))], "cells")
    draw.add("MatMul", [weight, cells], "map_weighted")
    column = draw.add("Reshape", [bias, draw.constant("column", _i64(head.classes, 1))], "bias_column")
    draw.add("Add", ["deephealth/map_weighted", column], "map_flat")
    square = draw.constant("square", _i64(head.classes, backbone.grid, backbone.grid))
    draw.add("Reshape", [draw.last, square], "heatmap", own=False)
    return "logits"


def _draw_dense(draw: _Drawing, head: DenseHead) -> tuple[str, str]:
    """Logits of the dense head; returns the names of its effective weight and bias at this film (`DenseHead.effective`)."""
    hidden_weight, hidden_bias = (
        draw.constant("hidden_weight", _f32(head.hidden_weight)),
        draw.constant("hidden_bias", _f32(head.hidden_bias)),
    )
    weight, bias = draw.constant("weight", _f32(head.weight)), draw.constant("bias", _f32(head.bias))
    draw.add("MatMul", [hidden_weight, "features"], "hidden_weighted")
    before = draw.add("Add", [draw.last, hidden_bias], "before_relu")
    draw.add("Relu", [before], "hidden")
    draw.add("MatMul", [weight, draw.last], "weighted")
    draw.add("Add", [draw.last, bias], "logits", own=False)
    draw.add("Greater", [before, draw.constant("zero", np.float32(0))], "on")
    draw.add("Cast", [draw.last], "gate", to=1)
    gated = draw.add("Mul", [weight, draw.last], "gated")
    effective = draw.add("MatMul", [gated, hidden_weight], "effective_weight")
    draw.add("MatMul", [gated, hidden_bias], "gated_bias")
    return effective, draw.add("Add", [draw.last, bias], "effective_bias")


def _draw_novelty(draw: _Drawing, novelty: NoveltyModel) -> None:
    """The formula of `NoveltyModel.distance`."""
    components = draw.constant("components", _f32(novelty.components))
    centred = draw.add("Sub", ["features", draw.constant("mean", _f32(novelty.mean))], "centred")
    along = draw.add("MatMul", [components, centred], "along")
    draw.add("Mul", [along, draw.constant("inverse_scale", _f32(novelty.inverse_scale))], "along_scaled")
    inside = draw.add("ReduceSumSquare", [draw.last], "inside", keepdims=0)
    draw.add("MatMul", [along, components], "explained")
    draw.add("Sub", [centred, draw.last], "across")
    draw.add("Mul", [draw.last, draw.constant("residual_scale", np.float32(novelty.residual_scale))], "across_scaled")
    outside = draw.add("ReduceSumSquare", [draw.last], "outside", keepdims=0)
    draw.add("Add", [inside, outside], "squared")
    draw.add("Sqrt", [draw.last], "novelty", own=False)


def _check_graph(model: Any) -> None:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelFileError(f"The backbone and head do not make a valid ONNX graph ({str(error).splitlines()[0]}).") from error


def _serialise(model: Any, record: ModelRecord) -> bytes:
    record = with_values(record, card=card(record))
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=record.to_text())
    model.producer_name, model.producer_version = "deephealth", record.created_with
    model.doc_string = "For research, education and model evaluation. Not a medical device. The record is in the metadata, key deephealth."
    return bytes(model.SerializeToString(deterministic=True))


def _f32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _i64(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
