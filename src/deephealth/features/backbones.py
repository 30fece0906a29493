"""Backbones: networks that turn a film into features, by name or from a file.

A backbone is an ONNX graph from `image` to `features` and `feature_map` (see `graph`) and a few facts about it. It comes from three kinds
of file: a Deep Health model (its backbone is cut out), a backbone written by `save_backbone`, or MobileNetV2 weights (.pth). The graph is
brought to one canonical form, so a backbone has the same bytes, and the same SHA-256, wherever it was read from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError, UsageError
from deephealth.settings import atomic
from deephealth.settings.progress import Listener, silent

if TYPE_CHECKING:
    import onnx

MODEL_KEY = "deephealth"
BACKBONE_KEY = "deephealth_backbone"
_HASH_BYTES = 32
_SHIPPED = Path(__file__).parent.parent / "data"


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network that turns a film into features.

    model: the ONNX graph's bytes, canonical and without metadata; sha256 is their SHA-256. size: side of the network's square, px.
    dim: number of features. grid: side of the feature map. channels: of the film, 1 grey or 3 colour. seen: uint8 [m, 32], perceptual
    hashes of the films it learned from with labels (scores on those films are worthless).
    """

    name: str
    model: bytes
    size: int
    dim: int
    grid: int
    channels: int
    sha256: str
    seen: NDArray[np.uint8]
    provenance: str
    licence: str


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone that has a name. `file` ships with the package; without one, the weights with SHA-256 `weights_sha256` must be given."""

    description: str
    licence: str
    provenance: str
    file: str = ""
    weights_sha256: str = ""


_IMAGENET = "Learned from ImageNet photographs; has seen no chest film."
BACKBONES: Mapping[str, BackboneEntry] = MappingProxyType(
    {
        "deephealth-small": BackboneEntry(
            "small residual network trained on public chest films; ships with the package",
            licence="Apache-2.0",
            provenance="Trained by the recipe in the Deep Health repository.",
            file="deephealth-small.onnx",
        ),
        "mobilenet_v2_0.35_224": BackboneEntry(
            "MobileNetV2 0.35 at 224 px, the network inside Teachable Machine; needs its weights file",
            licence="Apache-2.0",
            provenance=f"googlecreativelab/teachablemachine-community, 55aa0bb8. {_IMAGENET}",
            weights_sha256="9db2bca0961a8ac97b70d739d0399c61ca96d3bbcf0fd24e9f4e316deeab0603",
        ),
        "mobilenet_v2_1.0_224": BackboneEntry(
            "MobileNetV2 1.0 at 224 px, batch normalisation folded; needs its weights file",
            licence="Apache-2.0",
            provenance=f"google-coral/test_data, 104342d2, dequantised from int8. {_IMAGENET}",
            weights_sha256="a8fb1ae5afde0cd16d303066d7373b14055f2dad57bc922fdc97290f82c33c01",
        ),
    }
)


def load_backbone(
    name_or_path: str = "deephealth-small", *, weights: Path | None = None, folder: Path | None = None, listener: Listener = silent
) -> Backbone:
    """The backbone of that name (a key of BACKBONES; `weights` is its weights file where it does not ship), or the one in a file.

    Networks of keras.applications have names too (`features.official.NAMES`): their official weights are downloaded once into `folder`
    (default: the cache), or given as `weights`.

    A path may be a Deep Health model or backbone (.onnx) or MobileNetV2 weights (.pth, read without PyTorch and without pickle). Raises
    ModelFileError when there is no such name or file, when weights are missing or are not the named ones, or when the file is refused;
    UsageError when weights are given for a backbone that takes none.
    """
    from deephealth.features import official

    entry = BACKBONES.get(name_or_path)
    if entry is None and (known_network := official.official(name_or_path)):
        return official.official_backbone(known_network, weights=weights, folder=folder, listener=listener)
    if weights is not None and (entry is None or entry.file):
        raise UsageError(
            f"{name_or_path} takes no weights file, and {weights.name} was given; leave it out, or name the backbone it is for."
        )
    if entry is None:
        path = Path(name_or_path)
        if not path.exists():
            known = ", ".join((*BACKBONES, *official.NAMES))
            raise ModelFileError(f"There is no backbone or file {name_or_path!r}; expected one of {known}, or a path; check the spelling.")
        return _load_weights(path) if path.suffix.lower() in (".pth", ".pt") else backbone_from_bytes(path, name=path.stem)
    if entry.file:
        return backbone_from_bytes(_SHIPPED / entry.file, name=name_or_path)
    if weights is None:
        raise ModelFileError(f"{name_or_path} does not ship with the package, expected its weights file; give it with --weights FILE.")
    backbone = _load_weights(weights)
    if backbone.name != name_or_path:
        raise ModelFileError(f"{weights.name} does not hold the published weights of {name_or_path}; give the file itself as the backbone.")
    return backbone


def _load_weights(path: Path) -> Backbone:
    from deephealth.features import mobilenet
    from deephealth.features.checkpoint import read_checkpoint

    state = read_checkpoint(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = [(name, entry) for name, entry in BACKBONES.items() if entry.weights_sha256 == digest]
    name, licence, provenance = (known[0][0], known[0][1].licence, known[0][1].provenance) if known else (path.stem, "unknown", "")
    return make_backbone(
        mobilenet.mobilenet_backbone(state),
        name=name,
        size=mobilenet.SIZE,
        licence=licence,
        provenance=provenance or f"MobileNetV2 weights from {path.name}, SHA-256 {digest}.",
    )


def make_backbone(
    model: onnx.ModelProto, *, name: str, size: int, licence: str, provenance: str, seen: NDArray[np.uint8] | None = None
) -> Backbone:
    """A backbone from any graph in which `image` leads to `features` and `feature_map`: pruned to these and brought to canonical form.

    `size` is the side of the network's square in px, `seen` the hashes of films it learned from. Raises ModelFileError when the graph
    lacks a part or does not run.
    """
    from deephealth.features import graph

    channels = _film_channels(model)
    fragment = graph.prune(model.graph, ["features", "feature_map"])
    shape = _declared_shape(model.graph)
    if shape is None:
        canonical = graph.finish_backbone(fragment, channels=channels, size=size)
    else:
        canonical = graph.backbone_graph(fragment, channels=channels, dim=shape[0], grid=shape[1])
    data = graph.serialise(canonical)
    dim, grid = (dim.dim_value for dim in canonical.graph.output[1].type.tensor_type.shape.dim[:2])
    hashes = np.empty((0, _HASH_BYTES), np.uint8) if seen is None else np.ascontiguousarray(seen, np.uint8).reshape(-1, _HASH_BYTES)
    return Backbone(name, data, size, dim, grid, channels, hashlib.sha256(data).hexdigest(), hashes, provenance, licence)


def _film_channels(model: onnx.ModelProto) -> int:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if [value.name for value in inputs] != ["image"]:
        found = ", ".join(value.name for value in inputs)[:100]
        raise ModelFileError(f"The network's input is {found!r}, expected 'image'; give a model or backbone made by Deep Health.")
    return 3 if len(inputs[0].type.tensor_type.shape.dim) == 3 else 1


def _declared_shape(graph: onnx.GraphProto) -> tuple[int, int] | None:
    """Features and grid side as the file states them, or None; a false statement is found when the graph runs."""
    for value in (*graph.output, *graph.value_info):
        if value.name == "feature_map":
            dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            if len(dims) == 3 and all(dims) and dims[1] == dims[2]:
                return dims[0], dims[1]
    return None


def backbone_from_bytes(source: Path | bytes, *, name: str = "") -> Backbone:
    """The backbone of a Deep Health model file or of a file written by `save_backbone`; `name` is used when the file does not say one.

    Raises ModelFileError when the file is neither, or is refused (see `untrusted`).
    """
    from deephealth.features.untrusted import read_onnx

    model = read_onnx(source)
    record = _record(model)
    about = record["backbone"] if isinstance(record.get("backbone"), dict) else record
    return make_backbone(
        model,
        name=str(about.get("name") or name or "unnamed"),
        size=_size(record),
        licence=str(about.get("licence", "unknown")),
        provenance=str(about.get("provenance", "")),
        seen=decode_hashes(record.get("seen", "")),
    )


def _record(model: onnx.ModelProto) -> dict[str, Any]:
    properties = {entry.key: entry.value for entry in model.metadata_props}
    text = properties.get(BACKBONE_KEY) or properties.get(MODEL_KEY)
    if text is None:
        raise ModelFileError(
            "The ONNX file carries no Deep Health record, expected a model or backbone made by Deep Health; import it first."
        )
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError("The ONNX file's Deep Health record is damaged, expected JSON; copy or export the file again.") from error
    if not isinstance(record, dict):
        raise ModelFileError("The ONNX file's Deep Health record is damaged, expected a JSON object; copy or export the file again.")
    return record


def _size(record: Mapping[str, Any]) -> int:
    size = record.get("size")
    if not isinstance(size, int) or not 8 <= size <= 4096:
        raise ModelFileError(f"The backbone's size is {str(size)[:40]!r}, expected 8 to 4096 pixels; export the file again.")
    return size


def save_backbone(backbone: Backbone, path: Path) -> None:
    """Write a backbone as one ONNX file with its facts in the metadata, whole or not at all; `load_backbone(path)` gives it back."""
    from onnx import ModelProto, helper

    from deephealth.features import graph

    model = ModelProto.FromString(backbone.model)
    record = {
        "name": backbone.name,
        "licence": backbone.licence,
        "provenance": backbone.provenance,
        "size": backbone.size,
        "channels": backbone.channels,
        "seen": encode_hashes(backbone.seen),
    }
    helper.set_model_props(model, {BACKBONE_KEY: json.dumps(record, sort_keys=True, ensure_ascii=False)})
    atomic.write_bytes(path, graph.serialise(model))


def encode_hashes(seen: NDArray[np.uint8]) -> str:
    """Perceptual hashes, uint8 [m, 32], as base64."""
    return base64.b64encode(np.ascontiguousarray(seen, np.uint8).tobytes()).decode("ascii")


def decode_hashes(text: Any) -> NDArray[np.uint8]:
    """The hashes, uint8 [m, 32], of `encode_hashes`. Raises ModelFileError when the text is something else."""
    try:
        data = base64.b64decode(text, validate=True)
        return np.frombuffer(data, np.uint8).reshape(-1, _HASH_BYTES)
    except (ValueError, TypeError, binascii.Error) as error:
        raise ModelFileError(
            "The backbone's list of seen films is damaged, expected base64 of 32-byte hashes; export the file again."
        ) from error
