"""Keras and what comes from it: the network is rebuilt in layers, and Keras or TensorFlow writes their own formats.

Teachable Machine's zip and TensorFlow.js are written directly: the converter of that name is stale, and these files need no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from deephealth import __version__
from deephealth.model.exports import keras2
from deephealth.model.exports.artefact import Artefact, Interface, Source
from deephealth.model.exports.layers import layers_of
from deephealth.model.exports.network import network_of
from deephealth.settings import own_process

_CONVERT = "deephealth.model.exports.runtimes.keras_convert"
_SCALE, _OFFSET = 1 / 127.5, -1.0  # Teachable Machine's: colour in -1..1
_NAME = "chest_radiograph"
_COLOUR = "Red, green and blue in, as Teachable Machine's programs give them; a grey film is the same plane three times."
_SQUASHED = (
    "Teachable Machine's own library crops a picture to its middle square; this network learned from whole films squeezed to a square, "
    "as the snippet does."
)


def teachable_machine(source: Source) -> Artefact:
    """`keras_model.h5` and `labels.txt`, as Teachable Machine's Keras export names and feeds them."""
    interface = _interface(source, "keras_model.h5", machine=True)
    files = {interface.file: keras2.h5(_layers(source, machine=True), _NAME), "labels.txt": _labels(source)}
    return Artefact(files, interface, (_COLOUR, _SQUASHED))


def tensorflow_js(source: Source) -> Artefact:
    """`model.json`, `weights.bin` and `metadata.json`, as Teachable Machine's TensorFlow.js export names and feeds them."""
    record = source.model.record
    interface = _interface(source, "model.json", machine=True)
    metadata = {
        "tfjsVersion": "4.22.0",
        "packageName": "deephealth",
        "packageVersion": __version__,
        "modelName": record.name,
        "labels": list(record.labels),
        "imageSize": record.size,
        "userMetadata": {},
    }
    files = keras2.tfjs(_layers(source, machine=True), _NAME, f"Deep Health {__version__}")
    return Artefact({**files, "metadata.json": json.dumps(metadata).encode()}, interface, (_COLOUR, _SQUASHED))


def keras(source: Source) -> Artefact:
    """`model.keras`, Keras's own file."""
    data, _ = _converted(source, "keras", "model.keras")
    return Artefact(data, _interface(source, "model.keras"))


def saved_model(source: Source) -> Artefact:
    """A SavedModel with a serving signature."""
    data, names = _converted(source, "savedmodel", "saved_model")
    return Artefact(data, dataclasses.replace(_interface(source, "saved_model"), input=names["input"], output=names["output"]))


def litert(source: Source) -> Artefact:
    """`model.tflite` in float32."""
    data, _ = _converted(source, "litert", "model.tflite")
    return Artefact(data, _interface(source, "model.tflite"))


def litert_int8(source: Source) -> Artefact:
    """`model.tflite`, convolutions in whole numbers, input and output in float32."""
    data, _ = _converted(source, "litert-int8", "model.tflite", np.ascontiguousarray(source.calibration().transpose(0, 2, 3, 1)))
    return Artefact(data, _interface(source, "model.tflite"))


def _layers(source: Source, *, machine: bool = False) -> Any:
    return layers_of(network_of(source.model), _SCALE, _OFFSET, colour=True) if machine else layers_of(network_of(source.model))


def _interface(source: Source, file: str, *, machine: bool = False) -> Interface:
    record = source.model.record
    if machine:
        return Interface(file, record.size, 3, record.labels, scale=_SCALE, offset=_OFFSET, batch=0)
    return Interface(file, record.size, record.channels, record.labels, batch=1 if file.endswith(".tflite") else 0)


def _labels(source: Source) -> bytes:
    return "".join(f"{number} {label}\n" for number, label in enumerate(source.model.labels)).encode()


def _converted(source: Source, to: str, file: str, calibration: Any = None) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files that Keras on TensorFlow writes as `file`, a file or a folder, and what it says of them."""
    with tempfile.TemporaryDirectory(prefix="deephealth-") as name:
        place = Path(name)
        (place / "model.h5").write_bytes(keras2.h5(_layers(source), _NAME))
        request = {"h5": str(place / "model.h5"), "to": to, "out": str(place / file)}
        if calibration is not None:
            request["calibration"] = str(place / "calibration.npy")
            np.save(request["calibration"], calibration)
        told = own_process.run(_CONVERT, request, needs=("keras", "tensorflow"))
        whole = place / file
        found = [whole] if whole.is_file() else sorted(path for path in whole.rglob("*") if path.is_file())
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}, told
