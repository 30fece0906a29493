"""A `.h5` of ours, loaded by Keras on TensorFlow and written in the formats that only these two write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Write `h5` as `to` (keras, savedmodel, litert, litert-int8) at `out`; `calibration`: a file of float32 [n, S, S, C] for the last."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    model = keras.models.load_model(request["h5"], compile=False)
    _WRITERS[request["to"]](model, request)
    return _names(request["out"]) if request["to"] == "savedmodel" else {}


def _keras(model: Any, request: Mapping[str, Any]) -> None:
    model.save(request["out"])


def _savedmodel(model: Any, request: Mapping[str, Any]) -> None:
    model.export(request["out"], verbose=False)


def _names(folder: str) -> dict[str, str]:
    """What the serving signature calls its input and output."""
    import tensorflow as tf

    serve = tf.saved_model.load(folder).signatures["serving_default"]
    return {"input": next(iter(serve.structured_input_signature[1])), "output": next(iter(serve.structured_outputs))}


def _litert(model: Any, request: Mapping[str, Any]) -> None:
    Path(request["out"]).write_bytes(_converter(model, request).convert())


def _litert_int8(model: Any, request: Mapping[str, Any]) -> None:
    """Convolutions in whole numbers; what standardises a film stays in float32, since its sums and squares do not fit."""
    import tensorflow as tf

    films = np.load(request["calibration"], allow_pickle=False)

    def representative() -> Iterator[list[Any]]:
        for film in films:
            yield [film[None]]

    converter = _converter(model, request)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=["MEAN", "SQUARED_DIFFERENCE", "RSQRT", "SQRT", "SUB", "MUL", "DIV", "SOFTMAX", "FULLY_CONNECTED"]
    )
    debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_dataset=representative, debug_options=options)
    Path(request["out"]).write_bytes(debugger.get_nondebug_quantized_model())


def _converter(model: Any, request: Mapping[str, Any]) -> Any:
    import tensorflow as tf

    folder = str(Path(request["out"]).with_suffix("")) + "-saved"
    model.export(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(folder)


_WRITERS: Mapping[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "keras": _keras,
    "savedmodel": _savedmodel,
    "litert": _litert,
    "litert-int8": _litert_int8,
}

if __name__ == "__main__":
    own_process.serve(answer)
