"""A SavedModel in TensorFlow, by its serving signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deephealth.model.exports.runtimes.asking import ask
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    import tensorflow as tf

    interface = request["interface"]
    serve = tf.saved_model.load(str(Path(request["folder"]) / interface["file"])).signatures["serving_default"]

    def one(pixels: Any) -> Any:
        return serve(**{interface["input"]: tf.constant(pixels)})[interface["output"]].numpy()

    return ask(request, one, f"tensorflow {tf.__version__}")


if __name__ == "__main__":
    own_process.serve(answer)
