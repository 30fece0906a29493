"""Files of other tools, read with caps and without running anything that is in them: what is described, weights, labels.

Nothing is unpacked to a path that an archive names, and no pickle, Lambda layer or custom code is ever read.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deephealth.errors import ModelFileError
from deephealth.features.keras_layers import Array, Described, steps_of
from deephealth.settings import own_process

LARGEST = 2**30
"""Bytes of a file, or of all that is in a zip."""
_MOST_MEMBERS = 200
_LABELS = ("labels.txt", "output_labels.txt", "retrained_labels.txt")
Kind = Literal["tfjs", "keras", "tflite", "frozen"]


@dataclass(frozen=True, eq=False)
class Files:
    """What lies in a folder or a zip, by its last name; of two with the same name the one nearest to the top."""

    held: Mapping[str, bytes] = field(repr=False)
    name: str

    def first(self, ending: str) -> str | None:
        """The first name with this ending."""
        return next((name for name in sorted(self.held) if name.lower().endswith(ending)), None)


def read_files(source: Path) -> Files:
    """A folder, a zip, or one file with what lies beside it by the names Teachable Machine gives."""
    if source.is_dir():
        return Files(_capped({path.name: path for path in sorted(source.iterdir()) if path.is_file()}), source.name)
    if not source.is_file():
        raise ModelFileError(f"There is no file {source}, expected a model of another tool; give its path.")
    with source.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        if source.stat().st_size > LARGEST:
            raise ModelFileError(f"{source.name} is larger than 1 GB, expected one exported model; give that.")
        return Files(_unzipped(source.read_bytes(), source.name), source.name)
    beside = {name: source.parent / name for name in (*_LABELS, "metadata.json") if (source.parent / name).is_file()}
    if source.name.endswith(".json"):
        beside |= {path.name: path for path in source.parent.glob("*.bin")}
    return Files(_capped({**beside, source.name: source}), source.name)


def _capped(paths: Mapping[str, Path]) -> dict[str, bytes]:
    wanted = {name: path for name, path in paths.items() if name.lower().endswith((".json", ".bin", ".h5", ".tflite", ".pb", ".txt"))}
    if len(wanted) > _MOST_MEMBERS or sum(path.stat().st_size for path in wanted.values()) > LARGEST:
        raise ModelFileError(f"The folder holds more than {_MOST_MEMBERS} files or 1 GB, expected one exported model; give its own folder.")
    return {name: path.read_bytes() for name, path in wanted.items()}


def _unzipped(data: bytes, name: str) -> dict[str, bytes]:
    """A zip's files by their last names; macOS's shadows of files are left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
            if len(infos) > _MOST_MEMBERS or sum(info.file_size for info in infos) > LARGEST:
                raise ModelFileError(
                    f"{name} unpacks to more than {_MOST_MEMBERS} files or 1 GB, which is refused; give one exported model."
                )
            deepest_first = sorted(infos, key=lambda info: -info.filename.count("/"))
            return {info.filename.rpartition("/")[2]: archive.read(info) for info in deepest_first}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise ModelFileError(f"{name} cannot be read as a zip ({str(error)[:80]}), expected an exported model; get it again.") from error


def kind_of(files: Files) -> Kind:
    """Which tool wrote it. ModelFileError naming what was looked for."""
    if "model.json" in files.held:
        return "tfjs"
    if files.first(".h5"):
        return "keras"
    if files.first(".tflite"):
        return "tflite"
    if files.first(".pb"):
        return "frozen"
    raise ModelFileError(f"{files.name} holds none of model.json, .h5, .tflite and .pb, expected an export of another tool; give it.")


def labels_of(files: Files) -> tuple[str, ...]:
    """The class names of a file of labels ("0 normal" a line, or only the name) or of metadata.json; none when there is neither."""
    if told := next((name for name in _LABELS if name in files.held), ""):
        lines = files.held[told][:1_000_000].decode("utf-8", "replace").splitlines()
        return tuple(re.sub(r"^\d+\s+", "", line.strip()) for line in lines if line.strip())
    if "metadata.json" in files.held:
        described = _json(files.held["metadata.json"], "metadata.json")
        found = described.get("labels") if isinstance(described, dict) else None
        if isinstance(found, list):
            return tuple(str(label) for label in found)
    return ()


def tfjs_model(files: Files) -> Described:
    """`model.json` and its weights."""
    told = _json(files.held["model.json"], "model.json")
    try:
        topology = told["modelTopology"]
        groups = [([str(path) for path in group["paths"]], group["weights"]) for group in told["weightsManifest"]]
        configuration = topology.get("model_config", topology)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"model.json lacks {str(error)[:60]}, expected a TensorFlow.js layers model; a graph model cannot be imported."
        ) from error
    weights: dict[str, dict[str, Array]] = {}
    for paths, specs in groups:
        missing = [path for path in paths if path.rpartition("/")[2] not in files.held]
        if missing:
            raise ModelFileError(
                f"The model's {missing[0][:80]!r} is not beside its model.json, expected all its files; give the whole folder."
            )
        _read_group(b"".join(files.held[path.rpartition("/")[2]] for path in paths), specs, weights)
    return Described(steps_of(configuration), weights)


def _read_group(data: bytes, specs: Any, weights: dict[str, dict[str, Array]]) -> None:
    """Weights one after another in `data`, as a manifest says, those in whole numbers turned back."""
    place = 0
    try:
        for spec in specs:
            shape = tuple(int(side) for side in spec["shape"])
            told = spec.get("quantization")
            dtype = np.dtype({"float32": "<f4", "float16": "<f2", "uint8": "u1", "uint16": "<u2"}[(told or spec)["dtype"]])
            length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            if min(shape, default=1) < 0 or length > len(data) - place:
                raise ModelFileError(
                    f"The weights end before {str(spec['name'])[:60]!r} is whole, expected {length} bytes; get the file again."
                )
            values = np.frombuffer(data, dtype, length // dtype.itemsize, place).astype(np.float32).reshape(shape)
            if told and "scale" in told:
                values = values * np.float32(told["scale"]) + np.float32(told["min"])
            _keep(weights, str(spec["name"]), values)
            place += length
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"The list of weights cannot be read ({type(error).__name__} {str(error)[:60]}); export the model again."
        ) from error
    if place != len(data):
        raise ModelFileError(f"The weights are {len(data)} bytes, expected {place} as model.json says; get the files again.")


def _keep(weights: dict[str, dict[str, Array]], path: str, values: Array) -> None:
    """A weight under its layer's name: `Conv1/kernel:0`, or with the names of outer models before it."""
    parts = path.split(":", maxsplit=1)[0].split("/")
    layer = weights.setdefault(parts[-2] if len(parts) > 1 else "", {})
    if parts[-1] in layer:
        raise ModelFileError(f"The weight {path[:80]!r} is there twice, expected one a layer; export the model again.")
    layer[parts[-1]] = np.ascontiguousarray(values, np.float32)


def keras_model(files: Files) -> Described:
    """A `.h5`: read by a process of its own, since a broken one may take its reader with it."""
    name = files.first(".h5")
    assert name is not None
    with tempfile.TemporaryDirectory(prefix="deephealth-") as folder:
        place = Path(folder) / "model.h5"
        place.write_bytes(files.held[name])
        request = {"h5": str(place), "out": str(Path(folder) / "weights.npz"), "name": name}
        told = own_process.run("deephealth.features.h5_file", request, seconds=300)
        weights: dict[str, dict[str, Array]] = {}
        with np.load(request["out"], allow_pickle=False) as archive:
            for number, path in enumerate(told["names"]):
                _keep(weights, path, archive[f"arr_{number}"])
    return Described(steps_of(_json(told["configuration"].encode(), name)), weights)


def _json(data: bytes, name: str) -> Any:
    if len(data) > 100_000_000:
        raise ModelFileError(f"{name} has {len(data)} bytes, expected at most 100 MB; get the file again.")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name} is not JSON ({str(error)[:60]}); get the file again.") from error
