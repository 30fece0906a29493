"""The formats, as a table: add a row, its writer and its runtime, and it is certified like the others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deephealth.model.exports import frozen_format, keras_formats, onnx_formats, openvino_format
from deephealth.model.exports.artefact import Format

_KERAS = ("keras", "tensorflow")
_TF = ("tensorflow",)
_LITERT = (*_KERAS, "ai_edge_litert")
_TABLE = (
    Format("onnx", "ONNX, the model file as it is: any film in, all outputs", "fp32", "onnx_runtime", onnx_formats.as_it_is),
    Format("onnx-fixed", "ONNX for squares of a fixed size and batch", "fp32", "onnx_runtime", onnx_formats.fixed),
    Format("onnx-fp16", "ONNX in half precision", "fp16", "onnx_runtime", onnx_formats.half),
    Format("onnx-int8", "ONNX in whole numbers", "int8", "onnx_runtime", onnx_formats.whole_numbers),
    Format("openvino", "OpenVINO IR for Intel processors", "fp32", "openvino_runtime", openvino_format.write, ("openvino",), "openvino"),
    Format("keras", "Keras 3's own file", "fp32", "keras_runtime", keras_formats.keras, _KERAS, "tensorflow"),
    Format(
        "teachable-machine",
        "Keras .h5 and labels as Teachable Machine exports them",
        "fp32",
        "keras_runtime",
        keras_formats.teachable_machine,
        _KERAS,
        "tensorflow",
    ),
    Format("savedmodel", "TensorFlow SavedModel", "fp32", "savedmodel_runtime", keras_formats.saved_model, _KERAS, "tensorflow"),
    Format(
        "frozen-graph", "frozen TensorFlow graph, as retrain.py wrote", "fp32", "frozen_runtime", frozen_format.write, _TF, "tensorflow"
    ),
    Format("litert", "LiteRT (TensorFlow Lite)", "fp32", "litert_runtime", keras_formats.litert, _LITERT, "tensorflow"),
    Format("litert-int8", "LiteRT in whole numbers", "int8", "litert_runtime", keras_formats.litert_int8, _LITERT, "tensorflow"),
    Format("tfjs", "TensorFlow.js layers as Teachable Machine exports them", "fp32", "tfjs_runtime", keras_formats.tensorflow_js),
)
FORMATS: Mapping[str, Format] = MappingProxyType({form.name: form for form in _TABLE})
"""Every format by name."""
