"""The formats, as a table: add a row, its writer and its runtime, and it is certified like the others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deephealth.model.exports import onnx_formats, openvino_format
from deephealth.model.exports.artefact import Format

_TABLE = (
    Format("onnx", "ONNX, the model file as it is: any film in, all outputs", "fp32", "onnx_runtime", onnx_formats.as_it_is),
    Format("onnx-fixed", "ONNX for squares of a fixed size and batch", "fp32", "onnx_runtime", onnx_formats.fixed),
    Format("onnx-fp16", "ONNX in half precision", "fp16", "onnx_runtime", onnx_formats.half),
    Format("onnx-int8", "ONNX in whole numbers", "int8", "onnx_runtime", onnx_formats.whole_numbers),
    Format("openvino", "OpenVINO IR for Intel processors", "fp32", "openvino_runtime", openvino_format.write, ("openvino",), "openvino"),
)
FORMATS: Mapping[str, Format] = MappingProxyType({form.name: form for form in _TABLE})
"""Every format by name."""
