"""A Keras model's configuration as one flat list of layers, whatever is nested in what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError

Array = NDArray[np.float32]
MOST_LAYERS = 2000
_MODELS = frozenset({"Sequential", "Functional", "Model"})
_DEEPEST = 8
_LARGEST_VALUE = 1e12  # of a weight; products of two such do not overflow


@dataclass(frozen=True)
class Step:
    """One layer: its class, its configuration, and which tensors it reads. Tensors are named after the layer that gives them."""

    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Described:
    """A model as a file of another tool describes it: layers in order, the last one its output, and weights by layer and by name."""

    steps: Sequence[Step]
    weights: Mapping[str, Mapping[str, Array]] = field(repr=False)

    def weight(self, step: Step, name: str, shape: Sequence[int | None]) -> Array:
        """The layer's weight of that name. ModelFileError when it is not there or has another shape; None stands for any number."""
        held = self.weights.get(step.name, {}).get(name)
        if held is None:
            raise ModelFileError(f"The layer {step.name[:60]!r} has no {name}, expected its values; export the model again.")
        if held.ndim != len(shape) or any(wanted not in (None, side) for wanted, side in zip(shape, held.shape, strict=True)):
            wanted_text = ", ".join("any" if side is None else str(side) for side in shape)
            raise ModelFileError(
                f"The layer {step.name[:60]!r} has a {name} of shape {list(held.shape)}, expected [{wanted_text}]; export the model again."
            )
        if held.size and not np.abs(held).max() < _LARGEST_VALUE:  # so that NaN is refused too
            raise ModelFileError(f"The layer {step.name[:60]!r} has a {name} that is no usable number; the file is damaged, get it again.")
        return held


def steps_of(configuration: Any) -> list[Step]:
    """The layers of a model's configuration (`model_config` of a .h5, `modelTopology` of a model.json), inner models unpacked.

    Raises ModelFileError when it is no configuration of Keras 2, a layer is used twice, or a class is none that this program may read.
    """
    steps: list[Step] = []
    try:
        _unpack(configuration, None, steps, 0)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ModelFileError(
            f"The model's layers are not described as Keras does ({type(error).__name__} {str(error)[:80]}); export the model again."
        ) from error
    if len({step.name for step in steps}) != len(steps):
        raise ModelFileError("Two of the model's layers have the same name, expected one of each; export the model again.")
    return steps


def _unpack(spec: Mapping[str, Any], source: str | None, steps: list[Step], depth: int) -> str:
    """Add the layers of a model that reads `source` (None: its own input); the name of its output."""
    if depth > _DEEPEST:
        raise ModelFileError(f"The model is nested more than {_DEEPEST} deep, expected models of layers; export it flat.")
    kind, config = spec["class_name"], spec["config"]
    layers = config if isinstance(config, list) else config["layers"]
    if kind not in _MODELS or not isinstance(layers, list) or len(layers) + len(steps) > MOST_LAYERS:
        raise ModelFileError(
            f"The file holds a {str(kind)[:40]}, expected a Sequential or Functional model of at most {MOST_LAYERS} layers."
        )
    return _chain(layers, source, steps, depth) if kind == "Sequential" else _functional(config, source, steps, depth)


def _chain(layers: Sequence[Mapping[str, Any]], source: str | None, steps: list[Step], depth: int) -> str:
    last = source
    for layer in layers:
        last = _place(layer, [last] if last is not None else [], steps, depth)
    if last is None:
        raise ModelFileError("The file holds a model without layers; export it again.")
    return last


def _functional(config: Mapping[str, Any], source: str | None, steps: list[Step], depth: int) -> str:
    """Each layer once all it reads is there."""
    waiting = list(config["layers"])
    (first,), (last,) = config["input_layers"], config["output_layers"]
    given: dict[str, str] = {}
    while waiting:
        ready = [layer for layer in waiting if all(name in given for name in _sources(layer))]
        if not ready:
            raise ModelFileError("The model's layers read from each other in a circle; export it again.")
        for layer in ready:
            own = layer["config"]["name"] if "name" not in layer else layer["name"]
            if own == first[0] and source is not None:
                given[own] = source
            else:
                given[own] = _place(layer, [given[name] for name in _sources(layer)], steps, depth)
        waiting = [layer for layer in waiting if not any(layer is one for one in ready)]
    return given[last[0]]


def _sources(layer: Mapping[str, Any]) -> list[str]:
    nodes = layer.get("inbound_nodes") or []
    if len(nodes) > 1:
        raise ModelFileError(
            f"The layer {str(layer.get('name'))[:60]!r} is used {len(nodes)} times, expected once; export the model without."
        )
    return [str(edge[0]) for edge in nodes[0]] if nodes else []


def _place(layer: Mapping[str, Any], inputs: Sequence[str], steps: list[Step], depth: int) -> str:
    """One layer, or the layers of an inner model; a second InputLayer, which old exports have at every level, is nothing."""
    kind, config = str(layer["class_name"]), layer["config"]
    if kind in _MODELS:
        return _unpack(layer, inputs[0] if inputs else None, steps, depth + 1)
    if kind == "InputLayer" and inputs:
        return inputs[0]
    if not inputs and kind != "InputLayer":  # a chain may say its input's shape with its first layer
        steps.append(Step("input", "InputLayer", config, ()))
        inputs = ["input"]
    steps.append(Step(str(config["name"]), kind, config, tuple(inputs)))
    return str(config["name"])
