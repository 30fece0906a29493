"""What the cells and tags of a data set mean: splits, views, ages, sexes, and the patients that file names carry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from deephealth.datasets.index import Film, Problem

Found = tuple[list[Film], list[Problem], list[str]]  # what reading a layout gives: films, films left out, notes

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_FRONTAL = {"": "", "PA": "PA", "AP": "AP", "AP SUPINE": "AP", "AP ERECT": "AP"}
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}
_AGE_UNITS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}

# Collections whose file names say whose film it is: (how a note calls them, the name's pattern with the patient as group "patient").
_PATIENT_NAMES = (
    ("Kermany", re.compile(r"(?P<patient>person\d+_(?:bacteria|virus))_\d+(?:_\d+)*")),
    ("Kermany", re.compile(r"(?P<patient>(?:NORMAL\d+-)?IM-\d+)-\d+(?:-\d+)*")),
    ("Kermany", re.compile(r"(?P<patient>(?:NORMAL|BACTERIA|VIRUS)-\d+)-\d+")),
    ("NIH", re.compile(r"(?P<patient>\d{8})_\d{3}")),
    ("Montgomery and Shenzhen", re.compile(r"(?P<patient>(?:MCUCXR|CHNCXR)_\d{4})_[01]")),
    ("phantom", re.compile(r"(?P<patient>(?:normal|bacterial|viral)-p\d+)-f\d+")),
)


def patient_in_name(file_name: str) -> tuple[str, str] | None:
    """(patient, collection) when `file_name` is of a collection whose names carry the patient; None for any other name."""
    stem = file_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for collection, pattern in _PATIENT_NAMES:
        match = pattern.fullmatch(stem)
        if match:
            return match["patient"], collection
    return None


def patient_of(name: str) -> str:
    """The patient that the film's name carries, or else the name: a film of which nothing is known is its own patient."""
    found = patient_in_name(name)
    return found[0] if found else name


def patient_notes(films: Sequence[Film], *, named: bool = False) -> list[str]:
    """Sentences that say where the patients of `films` come from; `named`: the data set itself names them."""
    unknown = sum(film.patient == film.name for film in films)
    found = [patient_in_name(film.name) for film in films if film.patient != film.name and not named]
    counts = Counter(entry[1] for entry in found if entry)
    notes = [f"Patients of {count} films are read from their {name} file names." for name, count in sorted(counts.items())]
    if unknown:
        notes.append(
            f"{unknown} films carry no patient: each is counted as its own patient, so films of one patient may fall into two splits."
        )
    return notes


def split_of(text: str) -> str | None:
    """ "", "train", "validation" or "test" for what a data set calls a split; None when it is none of these."""
    folded = text.strip().lower()
    return SPLIT_NAMES.get(folded) if folded else ""


def sex_of(text: str) -> str:
    """ "M", "F", or "" for anything else."""
    return _SEXES.get(text.strip().lower(), "")


def age_of(text: str) -> float | None:
    """Age in years from "65", "58.5", or DICOM's "058Y", "018M", "003W", "002D"; None when absent or outside 0-120."""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)([YMWD]?)", text.strip().upper())
    if not match:
        return None
    years = round(float(match[1]) * _AGE_UNITS[match[2]], 2)
    return years if years <= 120 else None


def frontal_view(text: str) -> str | None:
    """ "PA", "AP" or "" (not said) for a frontal view; None for a view that is not frontal or not known to be."""
    return _FRONTAL.get(" ".join(text.strip().upper().split()))
