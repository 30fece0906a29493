"""Networks of keras.applications with their official ImageNet weights, as backbones, without Keras: downloaded once, checked, kept.

The layers of each network lie in `data/keras_networks.json`; the weights come from the file that Keras itself downloads, read by place in
the order in which Keras sorts layers, which is how Keras reads it.
"""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deephealth.errors import DeepHealthError, ModelFileError
from deephealth.features.adopt import backbone_from_network
from deephealth.features.backbones import Backbone, make_backbone
from deephealth.features.keras_graph import draw_network
from deephealth.features.keras_layers import Array, Described, Step
from deephealth.settings import own_process, table
from deephealth.settings.download import download
from deephealth.settings.progress import Listener, silent

_HOME = "https://storage.googleapis.com/tensorflow/keras-applications"
_NETWORKS = Path(__file__).parent.parent / "data" / "keras_networks.json"
_TOP = 2  # layers with weights that a file with top has more, at most
_HALF = (127.5, 1 / 127.5)  # values in -1..1
_RAW = (0.0, 1.0)  # values in 0..255: the network rescales by itself
_IMAGENET = ((0.485 * 255, 0.456 * 255, 0.406 * 255), (1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)))
_PERCENT = {"1.0": "1_0", "0.75": "7_5", "0.50": "5_0", "0.25": "2_5"}


@dataclass(frozen=True)
class Official:
    """One network with weights that Keras publishes. layers: its name in keras_networks.json; normalise: mean and scale of grey levels."""

    name: str
    layers: str
    size: int
    path: str
    md5: str
    normalise: tuple[Any, Any]

    @property
    def file(self) -> str:
        """The weights file's own name."""
        return self.path.rpartition("/")[2]

    @property
    def address(self) -> str:
        """Where Keras downloads it from."""
        return f"{_HOME}/{self.path}"


def official(name: str) -> Official | None:
    """The network of that name; None when there is none. retrain.py's names of MobileNet, mobilenet_<width>_<size>, are understood.

    >>> official("mobilenet_0.50_160").file
    'mobilenet_5_0_160_tf_no_top.h5'
    """
    if found := _FIXED.get(name):
        return found
    if match := re.fullmatch(r"mobilenet_(1\.0|0\.75|0\.50|0\.25)_(224|192|160|128)", name):
        width, size = match.groups()
        return Official(name, "mobilenet", int(size), f"mobilenet/mobilenet_{_PERCENT[width]}_{size}_tf_no_top.h5", "", _HALF)
    if match := re.fullmatch(r"mobilenet_v2_keras_(1\.4|1\.3|1\.0|0\.75|0\.5|0\.35)_(224|192|160|128|96)", name):
        width, size = match.groups()
        path = f"mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{size}_no_top.h5"
        return Official(name, "mobilenet_v2", int(size), path, "", _HALF)
    return None


NAMES = (
    "inception_v3",
    "mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128>",
    "mobilenet_v2_keras_<1.4|1.3|1.0|0.75|0.5|0.35>_<224|192|160|128|96>",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "densenet121",
    "efficientnet_v2_b0",
    "resnet50_v2",
)
"""What `official` knows, for people."""


def _known(name: str, size: int, folder: str, file: str, md5: str, normalise: tuple[Any, Any]) -> Official:
    return Official(name, name, size, f"{folder}/{file}", md5, normalise)


_TF = "weights_tf_dim_ordering_tf_kernels_notop.h5"
_V3 = "224_1.0_float_no_top_v2.h5"
_FIXED: Mapping[str, Official] = {
    one.name: one
    for one in (
        _known("inception_v3", 299, "inception_v3", f"inception_v3_{_TF}", "bcbd6486424b2319ff4ef7d526e38f63", _HALF),
        _known("mobilenet_v3_small", 224, "mobilenet_v3", f"weights_mobilenet_v3_small_{_V3}", "d3e8ec802a04aa4fc771ee12a9a9b836", _RAW),
        _known("mobilenet_v3_large", 224, "mobilenet_v3", f"weights_mobilenet_v3_large_{_V3}", "07fb09a5933dd0c8eaafa16978110389", _RAW),
        _known("densenet121", 224, "densenet", f"densenet121_{_TF}", "30ee3e1110167f948a6b9946edeeb738", _IMAGENET),
        _known("efficientnet_v2_b0", 224, "efficientnet_v2", "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff", _RAW),
        _known("resnet50_v2", 224, "resnet", f"resnet50v2_{_TF}", "fac2f116257151a9d068a22e544a4917", _HALF),
    )
}
"""MD5 sums as Keras tells them; of MobileNet 1 and 2 Keras tells none."""


def official_backbone(
    chosen: Official, *, weights: Path | None = None, folder: Path | None = None, address: str = "", listener: Listener = silent
) -> Backbone:
    """The backbone of a network, from a weights file or from the official one.

    weights: a local file in the official layout, with or without top; without it the official file in `folder` (default: the cache) is
    used, and downloaded when it is not there; `address` replaces where from. Raises ModelFileError when the file does not hold this
    network's weights, or cannot be had: the sentence names the file and where to put it.
    """
    if weights is None:
        place = (folder or table.cache_dir() / "weights") / chosen.file
        try:
            path = (
                place
                if place.is_file() and not chosen.md5
                else download(address or chosen.address, place, md5=chosen.md5, listener=listener, stage=chosen.file)
            )
        except DeepHealthError as error:
            raise ModelFileError(f"The weights of {chosen.name} are not here: {error}") from error
    else:
        path = weights
    described = _described(chosen, path)
    drawn = draw_network(described, described.steps, described.steps[-1].name)
    mean, scale = chosen.normalise
    proto = backbone_from_network(drawn.network, size=chosen.size, channels=1, mean=mean, scale=scale)
    return make_backbone(
        proto,
        name=chosen.name,
        size=chosen.size,
        licence="Apache-2.0 (Keras)" if weights is None else "unknown",
        provenance=f"keras.applications, {path.name}. Learned from ImageNet photographs; has seen no chest film.",
    )


def _described(chosen: Official, path: Path) -> Described:
    """The network's layers with the file's weights, by place; layers of the file's top, which stand last, are left out."""
    layers = _networks()[chosen.layers]
    steps = [Step(name, kind, config, tuple(inputs)) for name, kind, config, inputs in layers]
    side = {"batch_input_shape": [None, chosen.size, chosen.size, 3]}
    steps[0] = Step(steps[0].name, "InputLayer", side, ())
    weighted = [step for step in steps if step.kind in ("Conv2D", "DepthwiseConv2D", "BatchNormalization")]
    held = _read(path)
    if not len(weighted) <= len(held) <= len(weighted) + _TOP:
        raise ModelFileError(
            f"{path.name} holds weights of {len(held)} layers, expected the {len(weighted)} of {chosen.name}; give the official file."
        )
    return Described(steps, {step.name: values for step, (_, values) in zip(weighted, held, strict=False)})


@functools.cache
def _networks() -> Mapping[str, Sequence[Any]]:
    told: Mapping[str, Sequence[Any]] = json.loads(_NETWORKS.read_text(encoding="utf-8"))
    return told


def _read(path: Path) -> list[tuple[str, dict[str, Array]]]:
    """The layers of a weights file that have weights, in its order."""
    if not path.is_file():
        raise ModelFileError(f"There is no weights file {path}, expected an .h5 of keras.applications; give its path.")
    with tempfile.TemporaryDirectory(prefix="deephealth-") as folder:
        out = Path(folder) / "weights.npz"
        told = own_process.run("deephealth.features.h5_file", {"h5": str(path), "out": str(out), "name": path.name, "weights": True})
        with np.load(out, allow_pickle=False) as archive:
            found: dict[str, dict[str, Array]] = {}
            for number, (layer, weight) in enumerate(told["names"]):
                found.setdefault(layer, {})[weight] = archive[f"arr_{number}"]
    return list(found.items())
