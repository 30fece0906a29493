"""A `.keras` or `.h5` in Keras on TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from deephealth.model.exports.runtimes.asking import ask
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf

    model = keras.models.load_model(Path(request["folder"]) / request["interface"]["file"], compile=False)
    traced = tf.function(lambda pixels: model(pixels, training=False))
    return ask(request, lambda pixels: traced(pixels).numpy(), f"keras {keras.__version__} on tensorflow {tf.__version__}")


if __name__ == "__main__":
    own_process.serve(answer)
