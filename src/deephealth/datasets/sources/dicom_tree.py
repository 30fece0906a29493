"""A folder of DICOM files, in class folders at its top and in any depth below; patient, view, age and sex from the files' tags.

Only the tags are read. The patient is PatientID as the file has it, so an index of files that are not de-identified is personal data.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.datasets.index import ALIASES, Film, Problem, canonical_label
from deephealth.datasets.sources.fields import Found, age_of, frontal_view, patient_notes, sex_of
from deephealth.datasets.sources.folders import class_files, class_folders
from deephealth.datasets.sources.walk import films_below
from deephealth.errors import DatasetError
from deephealth.images.read import first_bytes

if TYPE_CHECKING:
    from pydicom import Dataset

_TAGS = (
    "PatientID",
    "PatientAge",
    "PatientBirthDate",
    "PatientSex",
    "ViewPosition",
    "Modality",
    "BodyPartExamined",
    "StudyDate",
    "InstitutionName",
    "Rows",
)
_MODALITIES = frozenset({"", "CR", "DX", "RG", "OT"})
_CHEST = ("CHEST", "THORAX", "LUNG")


def is_dicom_file(path: Path) -> bool:
    """True when the file begins as DICOM PS3.10 section 7.1 says: 128 bytes of anything, then DICM."""
    return first_bytes(path, 132)[128:] == b"DICM"


def is_dicom_tree(root: Path) -> bool:
    """True when the first film of every class folder is a DICOM file."""
    firsts = [(folder.path, next(films_below(folder.path), None)) for folder in class_folders(root)]
    return any(name for _, name in firsts) and all(is_dicom_file(path / name) for path, name in firsts if name)


def read_dicom_tree(root: Path) -> Found:
    """Films of class folders of DICOM files. Files that are no frontal chest film by their own tags are left out.

    Raises DatasetError when the folders are patients rather than classes.
    """
    listed = [_film(name, path, canonical_label(folder.path.name), folder.split) for folder, name, path in class_files(root)]
    films = [entry for entry in listed if isinstance(entry, Film)]
    _refuse_patient_folders(root, films)
    return films, [entry for entry in listed if isinstance(entry, Problem)], patient_notes(films, named=True)


def _film(name: str, path: Path, label: str, split: str) -> Film | Problem:
    tags = _read_tags(path)
    if tags is None:
        return Problem(name, "not a readable DICOM film")
    if _text(tags, "Modality").upper() not in _MODALITIES:
        return Problem(name, "its modality is not CR, DX or RG")
    body_part = _text(tags, "BodyPartExamined").upper()
    if body_part and not any(word in body_part for word in _CHEST):
        return Problem(name, "its body part is not the chest")
    view = frontal_view(_text(tags, "ViewPosition"))
    if view is None:
        return Problem(name, "its view is not PA or AP")
    return Film(
        name,
        path,
        label,
        _text(tags, "PatientID") or name,
        source=_text(tags, "InstitutionName"),
        split=split,
        view=view,
        age=age_of(_text(tags, "PatientAge")) or _age_at_study(tags),
        sex=sex_of(_text(tags, "PatientSex")),
    )


def _read_tags(path: Path) -> Dataset | None:
    import pydicom
    from pydicom.errors import InvalidDicomError

    if not path.is_file():  # a pipe would block
        return None
    # Odd values in tags that are not used here are no concern of an index; reading the film reports them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tags = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        except (InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError, NotImplementedError):
            return None
        return tags if "Rows" in tags else None  # reports and directories have no picture


def _text(tags: Dataset, keyword: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = tags.get(keyword)
    return "" if value is None else str(value).strip()


def _age_at_study(tags: Dataset) -> float | None:
    born, seen = _text(tags, "PatientBirthDate"), _text(tags, "StudyDate")
    if not (len(born) == len(seen) == 8 and born.isdecimal() and seen.isdecimal()):
        return None
    years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
    return float(years) if 0 <= years <= 120 else None


def _refuse_patient_folders(root: Path, films: Sequence[Film]) -> None:
    patients: dict[str, set[str]] = {}
    for film in films:
        patients.setdefault(film.label, set()).add(film.patient)
    unknown = not set(patients) & set(ALIASES.values())
    one_each = all(len(found) == 1 for found in patients.values())
    named = all(label in found for label, found in patients.items())
    if patients and unknown and one_each and (named or len(patients) > 2):
        raise DatasetError(
            f"Each of the {len(patients)} folders of {root} holds one patient, so they are no classes; "
            "expected a folder per class (such as normal, bacterial, viral) with the DICOM files below, or a CSV with path and label."
        )
