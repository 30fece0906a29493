"""An IR in OpenVINO on the processor, one thread, in the precision it was written in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deephealth.model.exports.runtimes.asking import ask
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    import openvino

    interface = request["interface"]
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(Path(request["folder"]) / interface["file"]), "CPU", settings)
    return ask(request, lambda picture: compiled(picture)[0], f"openvino {openvino.__version__.split('-')[0]}")


if __name__ == "__main__":
    own_process.serve(answer)
