"""ONNX to OpenVINO's IR. Reading and saving by the core; its converter tool would report to its maker."""

from __future__ import annotations

from typing import Any

from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Write the IR of the ONNX file `onnx` as `xml` and its .bin."""
    import openvino

    openvino.save_model(openvino.Core().read_model(request["onnx"]), request["xml"], compress_to_fp16=False)
    return {}


if __name__ == "__main__":
    own_process.serve(answer)
