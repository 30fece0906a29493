"""A `.tflite` in LiteRT, one thread."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from deephealth.model.exports.runtimes.asking import ask
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(Path(request["folder"]) / request["interface"]["file"]), num_threads=1)
    interpreter.allocate_tensors()
    before, after = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def one(pixels: Any) -> Any:
        interpreter.set_tensor(before, pixels)
        interpreter.invoke()
        return interpreter.get_tensor(after)

    return ask(request, one, f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}")


if __name__ == "__main__":
    own_process.serve(answer)
