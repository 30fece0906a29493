"""An ONNX artefact in ONNX Runtime, one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deephealth.features.graph import open_session
from deephealth.model.exports.runtimes.asking import ask
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    import onnxruntime

    interface = request["interface"]
    session = open_session((Path(request["folder"]) / interface["file"]).read_bytes())

    def one(picture: Any) -> Any:
        return session.run([interface["output"]], {interface["input"]: picture})[0]

    return ask(request, one, f"onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    own_process.serve(answer)
