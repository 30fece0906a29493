"""From layers as Keras has them, channels last, to an ONNX network up to its last feature map, and the dense layers behind it as a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features.keras_graph import IDLE, draw_network
from deephealth.features.keras_layers import Described, Step
from deephealth.model.heads import DenseHead, Head, LinearHead

if TYPE_CHECKING:
    import onnx

_BEHIND = IDLE | {"Dense", "Flatten", "Reshape", "Softmax", "Activation"}


@dataclass(frozen=True, eq=False)
class Imported:
    """A network float32 [1, C, S, S] -> feature map [1, d, g, g], and the head on the map's means."""

    network: onnx.ModelProto
    head: Head
    size: int
    channels: int
    layers: int


def network_of(described: Described) -> Imported:
    """The two halves of a classifier: what stands before its global average pooling, and behind it one or two dense layers.

    Raises ModelFileError when it has another form, naming the layer.
    """
    steps = described.steps
    pooled = [place for place, step in enumerate(steps) if step.kind == "GlobalAveragePooling2D" and not _leads_on(steps, place)]
    if len(pooled) != 1:
        raise ModelFileError(
            f"The model has {len(steps)} layers and no single global average pooling before its dense layers, expected a classifier as "
            "Teachable Machine makes them; other networks can be brought as ONNX backbones."
        )
    head = _head(described, steps[pooled[0] + 1 :])
    drawn = draw_network(described, steps[: pooled[0]], steps[pooled[0]].inputs[0])
    if head.features != drawn.width:
        raise ModelFileError(
            f"The dense layer takes {head.features} features and the map has {drawn.width}, expected as many; export it again."
        )
    return Imported(drawn.network, head, drawn.size, drawn.channels, len(steps))


def _leads_on(steps: Sequence[Step], place: int) -> bool:
    """Whether convolutions follow: then the pooling is a gate's, not the last one."""
    return any(step.kind not in _BEHIND for step in steps[place + 1 :])


def _head(described: Described, steps: Sequence[Step]) -> Head:
    """The dense layers: one, or two with a ReLU between, softmax last."""
    dense = [step for step in steps if step.kind == "Dense"]
    activations = [str(step.config.get("activation") or "linear") for step in dense]
    activations += ["softmax"] * any(
        step.kind == "Softmax" or step.config.get("activation") == "softmax" for step in steps if step.kind != "Dense"
    )
    told = [name for name in activations if name != "linear"]
    if len(dense) == 2 and told == ["softmax"]:  # MobileNet's 1001 answers, which retrain.py took for features: two linear layers are one
        (first, shift), (second, last) = (_dense(described, step) for step in dense)
        return LinearHead(second @ first, second @ shift + last)
    if len(dense) not in (1, 2) or told != ["relu", "softmax"][2 - len(dense) :]:
        raise ModelFileError(
            f"Behind the pooling stand {len(dense)} dense layers with {', '.join(activations) or 'nothing'}, expected one with softmax, or "
            "one with relu and one with softmax; sigmoid outputs, of findings that may come together, are not imported."
        )
    parts = [_dense(described, step) for step in dense]
    try:
        return DenseHead(*parts[0], *parts[1]) if len(parts) == 2 else LinearHead(*parts[0])
    except ValueError as error:
        raise ModelFileError(f"The dense layers do not fit each other ({error}); export the model again.") from error


def _dense(described: Described, step: Step) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    units = int(step.config["units"])
    kernel = described.weight(step, "kernel", (None, units))
    bias = described.weight(step, "bias", (units,)) if step.config.get("use_bias", True) else np.zeros(units, np.float32)
    return np.ascontiguousarray(kernel.T), bias
