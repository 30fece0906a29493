"""A CSV that lists films: one row a film, with its path and label, and as much more as is known.

Paths are relative to the CSV's folder; an absolute path, or one that leaves the folder by "..", is allowed, since whoever may read the CSV
here may read the film too. `open_dataset(..., confined=True)` forbids it, for lists that somebody else sent.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from deephealth.datasets.index import Film, Problem, canonical_label
from deephealth.datasets.sources.fields import Found, age_of, patient_notes, patient_of, sex_of, split_of
from deephealth.errors import DatasetError

# The names of each column in order of preference, folded to lower case with "_" between words.
COLUMNS: dict[str, tuple[str, ...]] = {
    "path": ("path", "image_path", "filepath", "file_path", "filename", "file_name", "file", "image", "image_index"),
    "label": ("label", "class", "finding", "category", "diagnosis", "finding_labels"),
    "patient": ("patient", "patient_id", "patientid", "patient_key", "subject", "subject_id"),
    "split": ("split", "subset", "set", "partition"),
    "view": ("view", "view_position", "projection"),
    "age": ("age", "age_years", "patient_age"),
    "sex": ("sex", "gender", "patient_sex", "patient_gender"),
    "source": ("source", "dataset", "site", "hospital"),
    "origin": ("origin",),
    "weight": ("weight",),
}
Row = Mapping[str, str]


def read_rows(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The folded column names and the rows of a CSV. UTF-8 with or without a byte-order mark; comma, semicolon, tab or bar.

    Raises DatasetError when it cannot be read as such.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        header = tuple(_fold(cell) for cell in next(lines, []))
        rows = [dict(zip_longest(header, (cell.strip() for cell in line[: len(header)]), fillvalue="")) for line in lines if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a CSV ({error}); expected UTF-8 text with a header row.") from error
    return header, rows


def header_of(path: Path) -> tuple[str, ...]:
    """The folded column names of a CSV; empty when it is not one."""
    if not path.is_file():
        return ()
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = file.readline(65536)
        return tuple(_fold(cell) for cell in next(csv.reader([line], delimiter=_delimiter(line)), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def read_table(path: Path) -> Found:
    """Films of a CSV with the columns of `COLUMNS`; path and label are needed. Raises DatasetError when one of them is absent."""
    header, rows = read_rows(path)
    columns = columns_of(header)
    absent = [field for field in ("path", "label") if field not in columns]
    if absent:
        found = ", ".join(header) or "nothing"
        raise DatasetError(f"{path} has the columns {found}; expected path and label at least: add {' and '.join(absent)}.")
    listed = [_film({field: row.get(name, "") for field, name in columns.items()}, path.parent) for row in rows]
    films, problems = once([film for film in listed if isinstance(film, Film)])
    notes = patient_notes(films, named="patient" in columns)
    return films, problems + [problem for problem in listed if isinstance(problem, Problem)], notes


def columns_of(header: Sequence[str]) -> dict[str, str]:
    """Which column of a folded `header` holds each field of `COLUMNS`; fields without a column are absent."""
    present = {field: next((name for name in names if name in header), "") for field, names in COLUMNS.items()}
    return {field: name for field, name in present.items() if name}


def once(films: Sequence[Film]) -> tuple[list[Film], list[Problem]]:
    """Each film once: of equal names the first stays, unless their labels differ: then which is right is unknown, and none stays."""
    first: dict[str, Film] = {}
    problems, contradicted = [], set()
    for film in films:
        kept = first.setdefault(film.name, film)
        if kept is not film and kept.label == film.label:
            problems.append(Problem(film.name, "listed more than once; the first row is used"))
        elif kept is not film:
            contradicted.add(film.name)
    problems += [Problem(name, "listed more than once, with different labels") for name in sorted(contradicted)]
    return [film for name, film in first.items() if name not in contradicted], problems


def locate(text: str, folder: Path) -> tuple[str, Path] | None:
    """(name, absolute path) of the film that a table in `folder` calls `text`; None when there is no such file.

    The name is relative to `folder`, or as the table has it for a film outside. A path written with "\\" is understood.
    """
    for written in (text, text.replace("\\", "/")):
        path = folder / written
        if not path.is_file():
            continue
        if ".." in path.parts:
            path, folder = path.resolve(), folder.resolve()
        return (path.relative_to(folder).as_posix() if path.is_relative_to(folder) else Path(written).as_posix()), path
    return None


def _film(cells: Row, folder: Path) -> Film | Problem:
    written, label = cells["path"], cells["label"]
    if not written:
        return Problem("(a row)", "no path")
    if not label:
        return Problem(written, "no label")
    split = split_of(cells.get("split", ""))
    if split is None:
        return Problem(written, "its split is none of train, validation, test")
    weight = weight_of(cells.get("weight", ""))
    if weight is None:
        return Problem(written, "its weight is not a positive number")
    located = locate(written, folder)
    if located is None:
        return Problem(written, "file not found")
    name, path = located
    return Film(
        name=name,
        path=path,
        label=canonical_label(label),
        patient=cells.get("patient", "") or patient_of(name),
        source=cells.get("source", ""),
        split=split,
        view=cells.get("view", "").upper(),
        age=age_of(cells.get("age", "")),
        sex=sex_of(cells.get("sex", "")),
        origin=cells.get("origin", ""),
        weight=weight,
    )


def weight_of(text: str) -> float | None:
    """The weight that a cell gives: 1 when empty, None when it is not a positive finite number."""
    try:
        value = float(text or "1")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    return max(",;\t|", key=header.count)


def _fold(cell: str) -> str:
    return re.sub(r"[\s_\-]+", "_", cell.strip().lower())
