"""From a model file to a zip in another format, measured in its own runtime before it is written.

    model -> format writes the artefact -> zip -> reopened, asked about films in its own runtime -> certificate -> zip with certificate

Nothing bears the name that was asked for before the certificate holds.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import MissingExtra, ModelFileError, UsageError
from deephealth.model.exports import films as exports_films
from deephealth.model.exports.artefact import Artefact, Format, Source
from deephealth.model.exports.bundle import artefact_of, bundle, unpack
from deephealth.model.exports.certificate import Certificate, compare, machine
from deephealth.model.exports.films import Films
from deephealth.model.exports.formats import FORMATS
from deephealth.model.exports.network import network_of, square_model
from deephealth.model.exports.runtimes.asking import write_pictures
from deephealth.model.file import Model
from deephealth.settings import atomic, own_process
from deephealth.settings.progress import Listener, silent

FILMS, FILMS_OF_WHOLE_NUMBERS = 50, 300  # a label in a hundred that changes must show


def export_model(
    model: Model,
    to: str,
    out: Path,
    *,
    films: Path | None = None,
    calibration: Path | None = None,
    overwrite: bool = False,
    listener: Listener = silent,
    stage: Callable[[str], None] = lambda name: None,
) -> Certificate:
    """Write `model` in the format named `to` as the zip `out`, with its certificate; returns what was measured.

    films: a folder to measure on instead of phantoms; class folders give accuracy too. calibration: a folder of films for formats in whole
    numbers. Raises UsageError for an unknown format or an `out` that is there, MissingExtra before any work, ModelFileError for a model the
    format cannot hold, ParityError when the answers are too far apart; then nothing is written.
    """
    form = find_format(to)
    require(form)
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already, expected a new name; give another --out, or --overwrite.")
    record = model.record
    source = Source(model, functools.cache(lambda: exports_films.calibration(calibration, record.size, record.channels, listener)))
    stage(f"writing {form.title}")
    artefact = form.write(source)
    stage(f"asking it in {form.runtime}")
    judges = _films(films, form, record.channels, listener)
    certificate = _certify(model, form, artefact, judges)
    atomic.write_bytes(out, bundle(model, form, artefact, certificate))
    return certificate


def find_format(name: str) -> Format:
    """The format of that name. UsageError with the nearest names otherwise."""
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=3) or list(FORMATS)
    raise UsageError(f"There is no format {name!r}, expected one of {', '.join(near)}; `deephealth model formats` lists them all.")


def require(form: Format) -> None:
    """MissingExtra when a package that the format needs is not installed."""
    if any(importlib.util.find_spec(package) is None for package in form.needs):
        raise MissingExtra(f"The format {form.name}", form.extra)


def ask(form: Format, folder: Path, interface: dict[str, Any], films: list[NDArray[np.uint8]]) -> dict[str, Any]:
    """What the artefact unpacked in `folder` answers in its own runtime: probabilities, runtime, milliseconds."""
    with tempfile.TemporaryDirectory(prefix="deephealth-") as place:
        pictures = Path(place) / "pictures.npz"
        write_pictures(pictures, films, interface)
        request = {"folder": str(folder), "interface": interface, "pictures": str(pictures), **form.settings}
        module = f"deephealth.model.exports.runtimes.{form.runtime}"
        return own_process.run(module, request, needs=form.needs, extra=form.extra)


def recheck(path: Path) -> tuple[Certificate, float, float]:
    """Ask an exported zip its golden films again, on this machine: its certificate, the largest difference now, and what it may be.

    Raises ModelFileError when the zip is none of ours or was changed, MissingExtra without its runtime.
    """
    certificate, interface, goldens, files = artefact_of(path)
    for name, digest in certificate.files.items():
        if name not in files or hashlib.sha256(files[name]).hexdigest() != digest:
            raise ModelFileError(f"{path.name} does not hold the {name} that was certified; get the file again.")
    form = find_format(certificate.format)
    with tempfile.TemporaryDirectory(prefix="deephealth-") as place:
        unpack(files, Path(place))
        answer = ask(form, Path(place), interface, [pixels for pixels, _ in goldens])
    apart = np.abs(np.asarray(answer["probabilities"]) - np.array([expected for _, expected in goldens])).max()
    return certificate, float(apart), max(certificate.largest_difference, 1e-4) + 1e-4


def _films(folder: Path | None, form: Format, channels: int, listener: Listener) -> Films:
    count = FILMS_OF_WHOLE_NUMBERS if form.precision == "int8" else FILMS
    if folder:
        return exports_films.of_folder(folder, count, channels, listener=listener, stage="films to compare on")
    return exports_films.drawn(count, channels, listener=listener, stage="films to compare on")


def _certify(model: Model, form: Format, artefact: Artefact, films: Films) -> Certificate:
    interface = dataclasses.asdict(artefact.interface)
    started = time.perf_counter()
    before = np.array([model.run(film).probabilities for film in films.pixels], np.float64)
    spent = (time.perf_counter() - started) / len(before) * 1000
    with tempfile.TemporaryDirectory(prefix="deephealth-") as place:
        packed = Path(place) / "export.zip"
        packed.write_bytes(bundle(model, form, artefact, None))
        unpack(artefact_of(packed, certified=False)[3], Path(place) / "files")
        answer = ask(form, Path(place) / "files", interface, list(films.pixels))
    measured = compare(model.labels, before, np.asarray(answer["probabilities"]), films, form.precision)
    return Certificate(
        format=form.name,
        precision=form.precision,
        model_sha256=model.sha256,
        files={name: hashlib.sha256(data).hexdigest() for name, data in sorted(artefact.files.items())},
        runtime=answer["runtime"],
        machine=machine(),
        film_source=films.name,
        films_sha256=films.sha256,
        resize="inside" if artefact.interface.film else "outside",
        plain_resize=None if artefact.interface.film else _plain_resize(model, films, before),
        milliseconds=answer["milliseconds"],
        milliseconds_before=spent,
        notes=artefact.notes,
        **measured,
    )


def _plain_resize(model: Model, films: Films, before: NDArray[np.float64]) -> float:
    """The largest difference of a probability if the caller resized without antialiasing, as most programs do unasked."""
    from PIL import Image

    from deephealth.features.graph import open_session, serialise

    size = model.record.size
    session = open_session(serialise(square_model(network_of(model))))
    largest = 0.0
    for film, expected in zip(films.pixels, before, strict=True):
        planes = [film] if film.ndim == 2 else [film[:, :, plane] for plane in range(3)]
        shrunk = [
            Image.fromarray(plane).transform((size, size), Image.Transform.EXTENT, (0, 0, plane.shape[1], plane.shape[0]), 2)
            for plane in planes
        ]
        pixels = np.stack([np.asarray(plane, np.float32) for plane in shrunk])[None]
        found = session.run(["probabilities"], {"pixels": pixels})[0][0]
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest
