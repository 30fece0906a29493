"""Layers written as Keras 2 wrote them, which Keras 2 and 3, TensorFlow.js and Teachable Machine's users all read; needs no TensorFlow."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from deephealth.model.exports.layers import Layer

VERSION = "2.15.0"
"""Keras's version named in the files: the last whose functional models look like this."""


def topology(layers: Sequence[Layer], name: str) -> dict[str, Any]:
    """The functional model's configuration; the first layer is its input, the last its output."""
    return {
        "class_name": "Functional",
        "config": {
            "name": name,
            "trainable": True,
            "layers": [_layer(layer) for layer in layers],
            "input_layers": [[layers[0].name, 0, 0]],
            "output_layers": [[layers[-1].name, 0, 0]],
        },
    }


def _layer(layer: Layer) -> dict[str, Any]:
    inbound = [[[source, 0, 0, {}] for source in layer.inputs]] if layer.inputs else []
    config = {"name": layer.name, **({} if layer.kind == "InputLayer" else {"trainable": True, "dtype": "float32"}), **layer.config}
    return {"class_name": layer.kind, "config": config, "name": layer.name, "inbound_nodes": inbound}


def h5(layers: Sequence[Layer], name: str) -> bytes:
    """A `.h5` with configuration and weights, the weights in the order in which Keras sorts the layers, since it reads them by place."""
    import h5py

    layers = as_keras_sorts(layers)

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["backend"], file.attrs["keras_version"] = "tensorflow", VERSION
        file.attrs["model_config"] = json.dumps(topology(layers, name))
        group = file.create_group("model_weights")
        group.attrs["backend"], group.attrs["keras_version"] = "tensorflow", VERSION
        group.attrs["layer_names"] = np.array([layer.name.encode() for layer in layers])
        for layer in layers:
            held = group.create_group(layer.name)
            names = [f"{layer.name}/{weight}:0" for weight in layer.weights]
            held.attrs["weight_names"] = np.array([name.encode() for name in names]) if names else np.zeros(0, "S1")
            for weight, values in zip(names, layer.weights.values(), strict=True):
                held.create_dataset(weight, data=values)
    return buffer.getvalue()


def as_keras_sorts(layers: Sequence[Layer]) -> list[Layer]:
    """Farthest from the output first; of those equally far, the one met first on the way from the output back to the input."""
    named = {layer.name: layer for layer in layers}
    depth = dict.fromkeys(named, 0)
    for layer in reversed(layers):  # each layer stands behind its inputs
        for source in layer.inputs:
            depth[source] = max(depth[source], depth[layer.name] + 1)
    met: dict[str, int] = {}
    waiting = [layers[-1].name]
    while waiting:
        name = waiting.pop()
        if name not in met:
            met[name] = len(met)
            waiting.extend(reversed(named[name].inputs))
    return sorted(layers, key=lambda layer: (-depth[layer.name], met[layer.name]))


def tfjs(layers: Sequence[Layer], name: str, written_by: str) -> dict[str, bytes]:
    """`model.json` and `weights.bin` of a TensorFlow.js layers model."""
    weights = [(f"{layer.name}/{weight}", values) for layer in layers for weight, values in layer.weights.items()]
    manifest = [{"name": name, "shape": list(values.shape), "dtype": "float32"} for name, values in weights]
    model = {
        "format": "layers-model",
        "generatedBy": written_by,
        "convertedBy": None,
        "modelTopology": {"keras_version": VERSION, "backend": "tensorflow", "model_config": topology(layers, name)},
        "weightsManifest": [{"paths": ["weights.bin"], "weights": manifest}],
    }
    return {"model.json": json.dumps(model).encode(), "weights.bin": b"".join(values.astype("<f4").tobytes() for _, values in weights)}
