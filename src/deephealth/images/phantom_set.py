"""Folders of phantom films, as a data set of class folders with masks and an index, and sheets of many films to look at."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import UsageError
from deephealth.images.phantom_draw import LABELS, Phantom, draw_phantom
from deephealth.images.phantom_frame import resize
from deephealth.settings.atomic import alone_in, write_bytes, write_text
from deephealth.settings.progress import Listener, Progress, silent

COLUMNS = ("path", "label", "patient", "view", "age", "sex", "ambiguous", "cue")
FILE_FORMATS = ("png", "dicom")
_SUFFIX = {"png": ".png", "dicom": ".dcm"}
_MASKS, _LUNGS, _INDEX = "_masks", "_lungs", "index.csv"
# Also the hidden name under which a kill may have left one that was being written.
_FILM_NAME = re.compile(rf"\.?({'|'.join(LABELS)})-p\d{{4,}}-f\d+\.(png|dcm)(\..*\.part)?")


def write_phantoms(
    out: Path,
    *,
    per_class: int = 60,
    seed: int = 0,
    size: int = 256,
    lesion: float = 1.0,
    cue: str | None = None,
    cue_strength: float = 1.0,
    films_per_patient: int = 2,
    file_format: str = "png",
    masks: bool = True,
    overwrite: bool = False,
    progress: Listener = silent,
) -> Path:
    """Write `per_class` films of each label under `out`, and return `out`.

    OUT/<label>/<label>-p0001-f1.png (.dcm for "dicom"), OUT/_masks and OUT/_lungs (PNG, 255 inside, same stem) unless `masks` is off, and
    OUT/index.csv (COLUMNS; written last, so a folder with an index is whole). A patient has one label and `films_per_patient` films.
    A folder that is not empty is refused with UsageError, unless it holds nothing but a phantom set whose drawing was stopped: it is drawn
    anew. With `overwrite`, a whole set is replaced too.
    """
    if file_format not in FILE_FORMATS:
        raise UsageError(f"there is no file format {file_format!r} for phantoms; choose one of {', '.join(FILE_FORMATS)}")
    if per_class < 1 or films_per_patient < 1:
        raise UsageError("a phantom set needs at least one film of each label and one film of each patient")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the phantom films that is new or empty")
    out.mkdir(parents=True, exist_ok=True)
    with alone_in(out):
        _make_room(out, overwrite)
        rows = []
        total = per_class * len(LABELS)
        for label, patient, film in _plan(per_class, films_per_patient):
            phantom = draw_phantom(
                label, seed=seed, patient=patient, film=film, size=size, lesion=lesion, cue=cue, cue_strength=cue_strength
            )
            stem = f"{label}-p{patient:04d}-f{film}"
            path = f"{label}/{stem}{_SUFFIX[file_format]}"
            write_bytes(out / path, _encode(phantom, file_format, seed, patient, film))
            if masks:
                write_bytes(out / _MASKS / f"{stem}.png", _png(phantom.lesion_mask.astype(np.uint8) * 255))
                write_bytes(out / _LUNGS / f"{stem}.png", _png(phantom.lung_mask.astype(np.uint8) * 255))
            facts = (phantom.view, phantom.age, phantom.sex, int(phantom.ambiguous), cue or "")
            rows.append((path, label, f"p{patient:04d}", *facts))
            progress(Progress("drawing phantom films", len(rows), total))
        write_text(out / _INDEX, _table(rows))
    return out


def contact_sheet(phantoms: Sequence[Phantom], columns: int) -> NDArray[np.uint8]:
    """All films side by side, row by row, each fitted into one square cell; uint8 [H, W]."""
    if not phantoms or columns < 1:
        raise UsageError("a contact sheet needs at least one film and one column")
    cell = max(max(phantom.pixels.shape) for phantom in phantoms)
    rows = -(-len(phantoms) // columns)
    sheet = np.zeros((rows * cell, columns * cell), np.uint8)
    for place, phantom in enumerate(phantoms):
        height, width = phantom.pixels.shape
        share = cell / max(height, width)
        fitted = resize(phantom.pixels.astype(np.float32), round(height * share), round(width * share))
        top = place // columns * cell + (cell - fitted.shape[0]) // 2
        left = place % columns * cell + (cell - fitted.shape[1]) // 2
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = np.clip(fitted + 0.5, 0, 255)
    return sheet


def _plan(per_class: int, films_per_patient: int) -> Iterator[tuple[str, int, int]]:
    """Label, patient (numbered from 1 over all labels) and film (from 1) of every film of a set."""
    patients = -(-per_class // films_per_patient)
    for number, label in enumerate(LABELS):
        for film in range(per_class):
            yield label, 1 + number * patients + film // films_per_patient, 1 + film % films_per_patient


def _make_room(out: Path, overwrite: bool) -> None:
    if not any(out.iterdir()):
        return
    whole = (out / _INDEX).is_file()
    if not _only_phantoms(out) or (whole and not overwrite):
        raise UsageError(f"{out} is not empty; expected a new or empty folder: give another name")
    for path in _files(out):
        path.unlink()


def _files(out: Path) -> list[Path]:
    return [path for path in sorted(out.rglob("*")) if path.is_file() or path.is_symlink()]


def _only_phantoms(out: Path) -> bool:
    for path in _files(out):
        parts = path.relative_to(out).parts
        film = len(parts) == 2 and parts[0] in (*LABELS, _MASKS, _LUNGS) and _FILM_NAME.fullmatch(parts[1])
        if not film and parts != (_INDEX,):
            return False
    return True


def _encode(phantom: Phantom, file_format: str, seed: int, patient: int, film: int) -> bytes:
    if file_format == "png":
        return _png(phantom.pixels)
    from deephealth.images.phantom_dicom import dicom_bytes

    return dicom_bytes(phantom, seed=seed, patient=patient, film=film)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _table(rows: Sequence[tuple[object, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return buffer.getvalue()
