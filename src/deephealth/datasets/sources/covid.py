"""The covid-chestxray-dataset (Cohen and others, 2020, github.com/ieee8023/covid-chestxray-dataset): metadata.csv beside its images.

Two classes, as in the Teachable Machine study of it: "covid-19" for a finding that names COVID-19, "other" for any other stated finding,
"No Finding" among them. Frontal films only (PA, AP, AP Supine); CT slices are left out.
"""

from __future__ import annotations

from pathlib import Path

from deephealth.datasets.index import Film, Problem
from deephealth.datasets.sources.fields import Found, age_of, frontal_view, patient_notes, sex_of
from deephealth.datasets.sources.tables import Row, header_of, locate, once, read_rows
from deephealth.errors import DatasetError

TABLE = "metadata.csv"
_NEEDED = {"patientid", "finding", "view", "modality", "filename"}
_UNSTATED = frozenset({"", "todo", "unknown"})


def is_covid_table(path: Path) -> bool:
    """True for a CSV with the columns of the collection's metadata."""
    return set(header_of(path)) >= _NEEDED


def read_covid(path: Path) -> Found:
    """Films that the table lists. Raises DatasetError when the table lacks one of its columns."""
    table = path / TABLE if path.is_dir() else path
    header, rows = read_rows(table)
    absent = sorted(_NEEDED - set(header))
    if absent:
        raise DatasetError(f"{table} lacks the columns {', '.join(absent)}; expected the metadata.csv of covid-chestxray-dataset.")
    listed = [_film(row, table.parent) for row in rows]
    films, problems = once([film for film in listed if isinstance(film, Film)])
    notes = ['Films whose finding names COVID-19 are "covid-19", all others with a stated finding are "other".']
    notes += patient_notes(films, named=True)
    return films, problems + [entry for entry in listed if isinstance(entry, Problem)], notes


def finding_label(finding: str) -> str | None:
    """ "covid-19" or "other"; None when no finding is stated."""
    folded = finding.strip().lower()
    if folded in _UNSTATED:
        return None
    return "covid-19" if "covid-19" in folded else "other"


def _film(row: Row, folder: Path) -> Film | Problem:
    written = "/".join(part for part in (row.get("folder", "images"), row["filename"]) if part)
    label, view = finding_label(row["finding"]), frontal_view(row["view"])
    # A copy converted to JPEG carries the new suffix after the old one.
    located = locate(written, folder) or locate(written + ".jpg", folder)
    if row["modality"].lower() != "x-ray":
        return Problem(written, "not an X-ray film")
    if label is None:
        return Problem(written, "no finding is stated")
    if not view:
        return Problem(written, "its view is not PA or AP")
    if located is None:
        return Problem(written, "file not found")
    name, path = located
    patient = row["patientid"] or name
    age, sex = age_of(row.get("age", "")), sex_of(row.get("sex", ""))
    return Film(name, path, label, patient, source=row.get("location", ""), view=view, age=age, sex=sex)
