"""The zip of an export: the artefact in `model/`, labels, interface, card with certificate, golden films, and snippets to start from.

The same model gives the same bytes: files are sorted, dates fixed.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephealth.errors import ModelFileError
from deephealth.model.card import card
from deephealth.model.exports.artefact import Artefact, Format
from deephealth.model.exports.certificate import Certificate
from deephealth.model.exports.snippets import snippets
from deephealth.model.file import Model

_FOLDER = "model/"
_DATE = (2020, 1, 1, 0, 0, 0)
_LARGEST = 2**30  # bytes of all members, unpacked
_MOST_MEMBERS = 2000


def bundle(model: Model, form: Format, artefact: Artefact, certificate: Certificate | None) -> bytes:
    """The zip's bytes; without `certificate`, what is measured."""
    files: dict[str, bytes] = {_FOLDER + name: data for name, data in artefact.files.items()}
    files["labels.txt"] = "".join(f"{number} {label}\n" for number, label in enumerate(model.labels)).encode()
    files["interface.json"] = _json(dataclasses.asdict(artefact.interface) | {"format": form.name})
    files["LICENSE.txt"] = f"{model.record.licence or 'unknown: ask whoever made the model'}\n".encode()
    files |= {f"goldens/{name}": data for name, data in _goldens(model).items()}
    files |= {f"snippets/{name}": text.encode() for name, text in snippets(form, artefact.interface).items()}
    text = card(model.record)
    if certificate:
        files["certificate.json"] = _json(certificate.to_json())
        text += "\n" + certificate.markdown()
    files["CARD.md"] = text.encode()
    return _zip(files)


def artefact_of(
    path: Path, *, certified: bool = True
) -> tuple[Certificate, dict[str, Any], list[tuple[NDArray[np.uint8], list[float]]], dict[str, bytes]]:
    """A zip read again: certificate, interface, golden films with the expected probabilities, and the artefact's files.

    Raises ModelFileError when it is not a zip of ours. Nothing is written, and no name in it is used as a path before `unpack` checks it.
    """
    members = _members(path)
    try:
        interface = json.loads(members["interface.json"])
        expected = json.loads(members["goldens/goldens.json"])
        goldens = [(_pixels(members[f"goldens/{golden['film']}"], interface["channels"]), golden["probabilities"]) for golden in expected]
        certificate = Certificate.from_json(json.loads(members["certificate.json"])) if certified else None
    except (KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path.name} lacks {error}, expected a zip written by `deephealth model export`; export it again.") from error
    files = {name.removeprefix(_FOLDER): data for name, data in members.items() if name.startswith(_FOLDER)}
    return certificate, interface, goldens, files  # type: ignore[return-value]  # None only where it is not asked for


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write an artefact's files below `folder`. ModelFileError for a name that leads out of it."""
    for name, data in files.items():
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
            raise ModelFileError(f"The zip has a file named {name[:80]!r}, expected plain names; export it again.")
        place = folder.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def _members(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > _MOST_MEMBERS or sum(info.file_size for info in infos) > _LARGEST:
                raise ModelFileError(f"{path.name} unpacks to more than an export has, which is refused; export it again.")
            return {info.filename: archive.read(info) for info in infos}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise ModelFileError(
            f"{path.name} cannot be read as a zip ({error}), expected one of `deephealth model export`; get it again."
        ) from error


def _goldens(model: Model) -> dict[str, bytes]:
    """The model file's own golden films, as pictures and expected probabilities."""
    told, files = [], {}
    for number, golden in enumerate(model.record.goldens, start=1):
        name = f"{number}.png"
        files[name] = base64.b64decode(golden.png)
        told.append({"film": name, "name": golden.name, "probabilities": list(golden.probabilities)})
    return files | {"goldens.json": _json(told)}


def _pixels(png: bytes, channels: int) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]).convert("L" if channels == 1 else "RGB"))


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
