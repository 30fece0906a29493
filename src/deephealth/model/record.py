"""The record that rides in a model file: everything but the graph, as one typed tree <-> JSON.

It is the value of the file's metadata key "deephealth". The published schema is `deephealth/data/model.schema.json`, written from these
classes (`json_schema`). A record of an older version is brought up by `upgrade`; a newer one says what to do. It holds no clock time and no
path of the machine it was made on, so that the same films and settings give the same file to the byte.
"""

# ruff: noqa: RUF009 - `spec` returns a dataclass field, and the records used as defaults are frozen

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import deephealth
from deephealth.errors import ModelFileError
from deephealth.model import typed
from deephealth.model.typed import spec, wrong

METADATA_KEY = "deephealth"
SCHEMA_VERSION = 1
HASH_BYTES = 32  # of a film's perceptual hash
_SHA256: dict[str, Any] = {"pattern": "^([0-9a-f]{64})?$", "said": "a SHA-256 in 64 hexadecimal digits"}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A measured value with its 95 % interval and what it was measured on."""

    value: float | None = spec("the measured value; null where it is undefined")
    low: float | None = spec("lower end of the 95 % interval")
    high: float | None = spec("upper end of the 95 % interval")
    n_films: int = spec("films it was measured on", minimum=0)
    n_patients: int = spec("patients those films are of", default=0, minimum=0)


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A frozen rule: call a film positive when the summed probability of the positive labels is at least the threshold."""

    name: str = spec("name of the point, such as any-pneumonia/specificity-0.95", minLength=1, said="a name")
    positive: tuple[str, ...] = spec("labels that count as positive", minItems=1)
    negative: tuple[str, ...] = spec("labels that count as negative", minItems=1)
    threshold: float = spec("least summed probability of the positive labels", minimum=0, maximum=1)
    sensitivity: Estimate = spec("share of positive films called positive")
    specificity: Estimate = spec("share of negative films called negative")
    chosen_on: Literal["validation"] = spec("the split it was chosen on", default="validation")


@dataclass(frozen=True, kw_only=True)
class ConformalRecord:
    """A frozen rule for sets of labels: those whose probability is at least the threshold."""

    level: float = spec("share of films whose set was promised to hold their label", exclusiveMinimum=0, maximum=1)
    threshold: float = spec("least probability of a label in the set", minimum=0, maximum=1)
    films: int = spec("films the threshold was chosen on", minimum=0)
    chosen_on: Literal["validation"] = spec("the split it was chosen on", default="validation")


@dataclass(frozen=True, kw_only=True)
class BackboneRecord:
    """The network that turns a film into features."""

    name: str = spec("name of the backbone", default="")
    sha256: str = spec("SHA-256 of the backbone's own ONNX file", default="", **_SHA256)
    dim: int = spec("number of features, d", default=0, minimum=0)
    grid: int = spec("side of the feature map and of the heatmap", default=0, minimum=0)
    licence: str = spec("licence of the backbone's weights", default="")
    provenance: str = spec("where the weights come from", default="")


@dataclass(frozen=True, kw_only=True)
class HeadRecord:
    """The part that turns features into logits."""

    kind: Literal["linear", "dense"] = spec("linear: one layer; dense: one hidden layer with ReLU", default="linear")
    hidden: int = spec("hidden units of a dense head, 0 for a linear one", default=0, minimum=0)


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How the head was fitted."""

    seed: int = spec("seed of every random choice", default=0)
    recipe: Mapping[str, Any] = spec("every setting, as in the recipe file", default={})
    films: int = spec("films the head was fitted on, without their augmented views", default=0, minimum=0)
    views: int = spec("views of each film, the film itself included", default=1, minimum=1)
    allow_leakage: bool = spec("true: leakage was found and training was told to go on", default=False)
    commit: str = spec("the commit of the program that trained it, where that was recorded", default="")
    cost: str = spec("what the training took, in a sentence, where that was recorded", default="")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """One set of films, as it was found."""

    name: str = spec("name of the set", default="")
    layout: str = spec("how the set was laid out", default="")
    licence: str = spec("licence of the films", default="")
    films: int = spec("films used", default=0, minimum=0)
    patients: int = spec("patients those films are of", default=0, minimum=0)
    labels: Mapping[str, int] = spec("films of each label", default={}, minimum=0)
    left_out: int = spec("films left out, unreadable or otherwise unfit", default=0, minimum=0)
    sha256: str = spec("SHA-256 over the films' own SHA-256s in sorted order", default="", **_SHA256)


@dataclass(frozen=True, kw_only=True)
class DataRecord:
    """The films behind the model."""

    sources: tuple[DataSource, ...] = spec("the sets of films", default=())
    leakage: str = spec("what the leakage check found, in one sentence", default="")
    shortcuts: str = spec("verdict of the shortcut audit: can the labels be predicted without the lungs", default="")


@dataclass(frozen=True, kw_only=True)
class SplitRecord:
    """How the films were divided."""

    sha256: str = spec("SHA-256 of the split", default="", **_SHA256)
    seed: int = spec("seed of the split", default=0)
    by: Literal["patient", "film"] = spec("what was kept whole", default="patient")
    films: Mapping[str, int] = spec("films in each split", default={}, minimum=0)
    patients: Mapping[str, int] = spec("patients in each split", default={}, minimum=0)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A drawn film and what this model answers to it, so that anyone can check a copy of the file or another runtime."""

    name: str = spec("what the film is", minLength=1, said="a name")
    png: str = spec("the film, a PNG in base64", minLength=1, said="a PNG in base64")
    probabilities: tuple[float, ...] = spec("expected probabilities, in the order of the labels", minItems=1, minimum=0, maximum=1)
    novelty: float = spec("expected novelty", minimum=0)
    heatmap_mean: tuple[float, ...] = spec("mean of each label's heatmap")
    heatmap_max: tuple[float, ...] = spec("maximum of each label's heatmap")
    heatmap_peak: tuple[int, ...] = spec("place of each label's maximum, row x width + column", minimum=0)


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """The record of a Deep Health model file, the JSON text under the metadata key "deephealth"."""

    schema_version: int = spec(
        "version of this record", default=SCHEMA_VERSION, required=True, minimum=SCHEMA_VERSION, maximum=SCHEMA_VERSION
    )
    name: str = spec("name of the model", minLength=1, said="a name")
    created_with: str = spec("version of Deep Health that wrote the file", default=deephealth.__version__, required=True)
    licence: str = spec("licence of the model file", default="")
    labels: tuple[str, ...] = spec(
        "names of the classes, in the order of every output", minItems=2, maxItems=1000, minLength=1, said="a name"
    )
    channels: Literal[1, 3] = spec("1: input uint8 [H, W], 3: input uint8 [H, W, 3]", default=1, required=True)
    size: int = spec("side of the square the graph resizes a film to, pixels", default=1, required=True, minimum=1, maximum=8192)
    backbone: BackboneRecord = spec("the network that turns a film into features", default=BackboneRecord(), required=True)
    head: HeadRecord = spec("the part that turns features into logits", default=HeadRecord(), required=True)
    temperature: float = spec("divisor of the logits before the softmax, inside the graph", default=1.0, required=True, exclusiveMinimum=0)
    heatmap_scale: float = spec("evidence, in logits, that a drawn heatmap shows at full colour", default=10.0, exclusiveMinimum=0)
    novelty_threshold: float | None = spec(
        "a film is refused when its novelty is above this; null: nothing is known of the model's films, and none is refused",
        exclusiveMinimum=0,
    )
    operating_points: tuple[OperatingPoint, ...] = spec("frozen decision rules", default=())
    conformal: ConformalRecord | None = spec("frozen rule for sets of labels; null or absent where none was chosen", default=None)
    training: TrainingRecord = spec("how the head was fitted", default=TrainingRecord())
    data: DataRecord = spec("the films behind the model", default=DataRecord())
    split: SplitRecord = spec("how the films were divided", default=SplitRecord())
    metrics: Mapping[str, Mapping[str, Estimate]] = spec("split -> name of the metric -> estimate", default={})
    population: str = spec("whose films these are and where the labels come from, in a sentence", default="")
    limits: tuple[str, ...] = spec("known limits of this model, a sentence each", default=())
    seen: str = spec("base64 of the perceptual hashes, 32 bytes each, of the films the backbone learned from", default="")
    fitted_on: str = spec("the same of the films the head was fitted or calibrated on", default="")
    goldens: tuple[Golden, ...] = spec("drawn films with the expected answers", default=())
    card: str = spec("the model card, Markdown", default="")

    def __post_init__(self) -> None:
        _check_agreement(self)

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return dict(typed.encode(self))

    def to_text(self) -> str:
        """The record as compact JSON text, as it stands in the file. ModelFileError when a value could not be read back."""
        text = typed.dumps(self)
        typed.decode(ModelRecord, typed.loads(text))
        return text

    @classmethod
    def from_json(cls, data: Any) -> ModelRecord:
        """Check a JSON object of this or an older version. ModelFileError says what is wrong, or which version to install."""
        if not isinstance(data, dict):
            raise wrong("", data, "an object")
        return typed.decode(cls, upgrade(data))

    @classmethod
    def from_text(cls, text: str) -> ModelRecord:
        """Read and check a record from the text that stands in a file."""
        return cls.from_json(typed.loads(text))

    @property
    def seen_hashes(self) -> NDArray[np.uint8]:
        """Perceptual hashes uint8 [m, 32] of the films the backbone learned from."""
        return unpack_hashes(self.seen)

    @property
    def fitted_on_hashes(self) -> NDArray[np.uint8]:
        """Perceptual hashes uint8 [m, 32] of the films the head was fitted or calibrated on."""
        return unpack_hashes(self.fitted_on)


def pack_hashes(hashes: NDArray[np.uint8]) -> str:
    """Base64 of perceptual hashes uint8 [m, 32], sorted and without repeats, so that their order tells nothing."""
    if not hashes.size:
        return ""
    return base64.b64encode(np.unique(hashes, axis=0).tobytes()).decode("ascii")


def unpack_hashes(text: str) -> NDArray[np.uint8]:
    """The hashes uint8 [m, 32] that `pack_hashes` wrote. ModelFileError when `text` is something else."""
    try:
        data = base64.b64decode(text, validate=True)
        return np.frombuffer(data, dtype=np.uint8).reshape(-1, HASH_BYTES)
    except (binascii.Error, ValueError) as error:
        raise ModelFileError(
            f"The model's record has film hashes that cannot be read, expected base64 of {HASH_BYTES} bytes each."
        ) from error


def json_schema() -> dict[str, Any]:
    """The published JSON schema, as a Python object."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:deephealth:model-record:{SCHEMA_VERSION}",
        "title": "Deep Health model record",
        **typed.schema(ModelRecord),
    }


def upgrade(data: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a record of any older version to the current one, a version at a time. ModelFileError for a newer or unknown version."""
    record = dict(data)
    version = record.get("schema_version", 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise wrong("schema_version", version, "a whole number of 0 or more")
    if version > SCHEMA_VERSION:
        raise ModelFileError(
            f"The model file is of version {version} and this is Deep Health {deephealth.__version__}, which reads up to version "
            f"{SCHEMA_VERSION}; install a newer one with: pip install --upgrade deephealth"
        )
    for step in range(version, SCHEMA_VERSION):
        record = _UPGRADES[step](record)
    return record


def _from_draft(old: dict[str, Any]) -> dict[str, Any]:
    """Version 0, the draft: labels under "classes", size and channels under "input", the gate under "gate", no operating points."""
    new = {key: held for key, held in old.items() if key not in ("classes", "input", "gate")}
    network = old.get("input", {})
    gate = old.get("gate", {})
    if not isinstance(network, dict) or not isinstance(gate, dict):
        raise wrong("input", network, "an object")
    moved = {
        "schema_version": 1,
        "created_with": old.get("created_with", "draft"),
        "labels": old.get("classes"),
        "channels": network.get("channels", 1),
        "size": network.get("size"),
        "head": old.get("head", {"kind": "linear"}),
        "temperature": old.get("temperature", 1.0),
        "novelty_threshold": gate.get("threshold"),
    }
    return {**new, **moved}


_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: _from_draft}


def _check_agreement(record: ModelRecord) -> None:
    """What no schema can say: that the parts agree with each other."""
    labels = record.labels
    if len(set(labels)) != len(labels):
        raise wrong("labels", labels, "each name once")
    for place, point in enumerate(record.operating_points):
        where = f"operating_points[{place}]"
        if not set(point.positive) | set(point.negative) <= set(labels) or set(point.positive) & set(point.negative):
            raise wrong(where, (*point.positive, *point.negative), f"labels of the model, {', '.join(labels)}, each on one side")
    for place, golden in enumerate(record.goldens):
        for name in ("probabilities", "heatmap_mean", "heatmap_max", "heatmap_peak"):
            if len(getattr(golden, name)) != len(labels):
                raise wrong(f"goldens[{place}].{name}", len(getattr(golden, name)), f"{len(labels)} values, one a label")
    unpack_hashes(record.seen)
    unpack_hashes(record.fitted_on)


def with_values(record: ModelRecord, **changes: Any) -> ModelRecord:
    """A copy of `record` with some fields changed, checked again."""
    return dataclasses.replace(record, **changes)
