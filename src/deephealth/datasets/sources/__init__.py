"""A folder or a list of films, in any of the layouts that people have them in, to one index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deephealth.datasets.index import DatasetIndex, Film, Problem, build_index
from deephealth.datasets.sources.covid import TABLE, is_covid_table, read_covid
from deephealth.datasets.sources.dicom_tree import is_dicom_tree, read_dicom_tree
from deephealth.datasets.sources.fields import Found
from deephealth.datasets.sources.folders import read_folders
from deephealth.datasets.sources.kaggle import is_kaggle, read_kaggle
from deephealth.datasets.sources.tables import header_of, read_table
from deephealth.errors import DatasetError, UsageError

READERS: dict[str, Callable[[Path], Found]] = {
    "folders": read_folders,
    "kaggle-pneumonia": read_kaggle,
    "covid-chestxray": read_covid,
    "csv": read_table,
    "dicom": read_dicom_tree,
}
LAYOUTS = ("auto", *READERS)
_TABLES = ("index.csv", "patients.csv")


def open_dataset(path: str | Path, *, layout: str = "auto", fewest_classes: int = 2, confined: bool = False) -> DatasetIndex:
    """Index the data set at `path`, a folder or a CSV, without decoding any film.

    layout: one of `LAYOUTS`; "auto" recognises which.
    fewest_classes: 2 to train on; 1 suffices to score a model on a set of one class.
    confined: leave out films whose real place is outside the data set's folder, for data that somebody else sent.

    Raises DatasetError when there is nothing to index, UsageError for an unknown layout.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout {layout!r}; expected one of {', '.join(LAYOUTS)}.")
    given = Path(path).expanduser().absolute()
    if not given.exists():
        raise DatasetError(f"{given} does not exist; expected a folder of films or a CSV that lists them.")
    if given.is_file() and not header_of(given):
        raise DatasetError(f"{given} is no CSV in UTF-8; expected a folder of films or a CSV that lists them (unpack an archive first).")
    try:
        place, layout = recognise(given, layout)
        films, problems, notes = READERS[layout](place)
    except OSError as error:
        raise DatasetError(f"{error.filename or given} cannot be read ({error.strerror}); expected a folder of films or a CSV.") from error
    root = place if place.is_dir() else place.parent
    if confined:
        films, outside = _inside(films, root)
        problems = problems + outside
    return build_index(root, layout, films, problems, notes=notes, fewest_classes=fewest_classes)


def recognise(given: Path, layout: str = "auto") -> tuple[Path, str]:
    """(folder or table to read, layout) for what the user pointed at; a `layout` other than "auto" is kept."""
    if given.is_file():
        return given, (_table_layout(given) if layout == "auto" else layout)
    listed = next((given / name for name in _TABLES if layout == "csv" or {"path", "label"} <= set(header_of(given / name))), None)
    if listed and layout in ("auto", "csv"):
        return listed, "csv"
    if layout in ("auto", "covid-chestxray") and is_covid_table(given / TABLE):
        return given / TABLE, "covid-chestxray"
    inner = given / "chest_xray"
    folder = inner if inner.is_dir() and layout in ("auto", "kaggle-pneumonia") else given
    return folder, (_folder_layout(folder) if layout == "auto" else layout)


def _table_layout(table: Path) -> str:
    return "covid-chestxray" if is_covid_table(table) else "csv"


def _folder_layout(folder: Path) -> str:
    if is_kaggle(folder):
        return "kaggle-pneumonia"
    return "dicom" if is_dicom_tree(folder) else "folders"


def _inside(films: list[Film], root: Path) -> tuple[list[Film], list[Problem]]:
    real = root.resolve()
    inside = {film.name for film in films if film.path.resolve().is_relative_to(real)}
    outside = [Problem(film.name, "lies outside the data set's folder") for film in films if film.name not in inside]
    return [film for film in films if film.name in inside], outside
