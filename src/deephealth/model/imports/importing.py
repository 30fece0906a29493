"""`deephealth model import`: a model of another tool, with labels and the pixels it expects, as a model file of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError
from deephealth.features.adopt import backbone_from_network
from deephealth.features.backbones import Backbone, make_backbone
from deephealth.features.keras_layers import Described
from deephealth.model.file import Model
from deephealth.model.graph import compose, with_record
from deephealth.model.imports import sources
from deephealth.model.imports.crop import crop_centre
from deephealth.model.imports.frozen_graph import frozen_model
from deephealth.model.imports.network import Imported, network_of
from deephealth.model.imports.tflite_file import tflite_model
from deephealth.model.novelty import NoveltyModel, choose_threshold, fit_novelty
from deephealth.model.record import ModelRecord, TrainingRecord
from deephealth.model.verify import make_goldens
from deephealth.settings.progress import Listener, Progress, silent

if TYPE_CHECKING:
    from deephealth.images.radiograph import Radiograph

Crop = Literal["centre", "squash"]
FEWEST_FILMS = 20
"""Films without which the gate is left open: from fewer its threshold would be a guess."""
_NORMALISE: dict[sources.Kind, tuple[float, float]] = {
    "tfjs": (127.0, 1 / 127),
    "keras": (127.5, 1 / 127.5),
    "tflite": (127.5, 1 / 127.5),
    "frozen": (0.0, 1.0),
}
"""Values are (x - first) * second, x in 0..255: @teachablemachine/image divides by 127, Teachable Machine's Python programs by 127.5, and a
frozen graph does it itself."""
_TOOLS: dict[sources.Kind, str] = {"tfjs": "TensorFlow.js", "keras": "Keras .h5", "tflite": "TensorFlow Lite", "frozen": "TensorFlow graph"}
_LIMIT = (
    "This model was made by another tool; which films it learned from, how patients were kept apart and how good it is are not known here. "
    "Evaluate it on films of your own before you believe it."
)


def import_model(
    source: Path,
    *,
    labels: Path | None = None,
    name: str = "",
    crop: Crop | None = None,
    licence: str = "",
    films: Sequence[Path] = (),
    listener: Listener = silent,
) -> Model:
    """The model of another tool at `source` (a file, zip or folder) as a model file.

    labels: a file with a class name a line, instead of the one beside the model. crop: "centre" cuts the middle square, as Teachable
    Machine does, "squash" squeezes the whole film, as retrain.py and this program's own models do; None: as the tool it comes from.
    films: pictures the model learned from, at least 20, from which the gate learns what to refuse; without them it refuses nothing. Raises
    ModelFileError for anything that is no such model.
    """
    files = sources.read_files(source)
    kind = sources.kind_of(files)
    crop = crop or ("squash" if kind == "frozen" else "centre")
    imported = network_of(_READERS[kind](files))
    names = _labels(files, labels, imported.head.classes)
    backbone = _backbone(imported, kind, source.name)
    novelty, threshold = _gate(backbone, films, crop, listener)
    record = ModelRecord(
        name=name or source.stem,
        licence=licence or "unknown",
        labels=names,
        novelty_threshold=threshold,
        training=TrainingRecord(recipe={"imported": _TOOLS[kind], "file": source.name, "layers": imported.layers, "crop": crop}),
        limits=(_LIMIT,) + ((_CROPPED,) if crop == "centre" else ()),
    )
    data = compose(backbone, imported.head, temperature=1.0, novelty=novelty, record=record)
    model = Model.load(_cropped(data) if crop == "centre" else data)
    return Model.load(with_record(model.data, dataclasses.replace(model.record, goldens=make_goldens(model))))


_CROPPED = "It looks at the middle square of a film only, as the tool it comes from does; the rest is not seen."


_READERS: dict[sources.Kind, Callable[[sources.Files], Described]] = {
    "tfjs": sources.tfjs_model,
    "keras": sources.keras_model,
    "tflite": tflite_model,
    "frozen": frozen_model,
}


def _labels(files: sources.Files, given: Path | None, classes: int) -> tuple[str, ...]:
    if given is not None:
        files = dataclasses.replace(files, held={"labels.txt": given.read_bytes()})
    found = sources.labels_of(files)
    if not found:
        found = tuple(f"class {number}" for number in range(1, classes + 1))
    if len(found) != classes or len(set(found)) != classes:
        raise ModelFileError(
            f"The labels are {len(found)} ({', '.join(found)[:80]}) and the model has {classes} classes, expected one name each; "
            "give a file with --labels."
        )
    return found


def _backbone(imported: Imported, kind: sources.Kind, file: str) -> Backbone:
    mean, scale = _NORMALISE[kind]
    proto = backbone_from_network(imported.network, size=imported.size, channels=imported.channels, mean=mean, scale=scale)
    return make_backbone(
        proto, name=f"imported-{imported.size}", size=imported.size, licence="unknown", provenance=f"imported from {file} ({_TOOLS[kind]})"
    )


def _gate(backbone: Backbone, films: Sequence[Path], crop: Crop, listener: Listener) -> tuple[NoveltyModel, float | None]:
    """The distance from `films`, every fifth kept back for the threshold; without films a distance that says nothing, and no threshold."""
    if not films:
        nothing = np.zeros(backbone.dim, np.float32)
        return NoveltyModel(nothing, nothing[None], np.ones(1, np.float32), 1 / float(np.sqrt(backbone.dim))), None
    features = _features(backbone, films, crop, listener)
    if len(features) < FEWEST_FILMS:
        raise ModelFileError(
            f"{len(features)} of the films could be read, expected at least {FEWEST_FILMS} for the gate; give more or none."
        )
    held_out = np.arange(len(features)) % 5 == 4
    novelty = fit_novelty(features[~held_out])
    return novelty, choose_threshold(novelty.distance(features[held_out]))


def _features(backbone: Backbone, films: Sequence[Path], crop: Crop, listener: Listener) -> NDArray[np.float32]:
    from deephealth.errors import DeepHealthError
    from deephealth.features.graph import open_session, run_features
    from deephealth.images.read import read_film

    session, found = open_session(backbone.model), []
    for done, path in enumerate(films, start=1):
        try:
            film: Radiograph = read_film(path, channels=backbone.channels)
        except DeepHealthError:
            continue  # counted where too few are left
        pixels: Any = film.pixels
        if backbone.channels == 3 and pixels.ndim == 2:
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        if crop == "centre":
            side = min(pixels.shape[:2])
            top, left = ((length - side) // 2 for length in pixels.shape[:2])
            pixels = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        found.append(run_features(session, pixels))
        listener(Progress("films for the gate", done, len(films)))
    return np.array(found, np.float32).reshape(len(found), -1)


def _cropped(data: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(data)
    crop_centre(model)
    onnx.checker.check_model(model, full_check=True)
    return with_record(model.SerializeToString(deterministic=True), Model.load(data).record)
