"""One folder a class: plain, under train/val/test, and the Kaggle pneumonia layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deephealth.datasets.index import Film, canonical_label
from deephealth.datasets.sources.fields import SPLIT_NAMES, Found, patient_notes, patient_of
from deephealth.datasets.sources.walk import films_below, is_mask_folder, subfolders
from deephealth.errors import DatasetError


@dataclass(frozen=True)
class ClassFolder:
    """A folder that holds films of one class; `split` is the official split that it lies in, or ""."""

    path: Path
    split: str


def class_folders(root: Path) -> list[ClassFolder]:
    """The class folders of `root`, also those under train, val and test. Raises DatasetError when there are none.

    Train and val are pooled (split "train"): what a user trains on is split anew, by patient. An official test stays "test".
    """
    folders = subfolders(root)
    if not folders:
        raise DatasetError(f"{root} holds no class folders; expected a folder per class (such as normal, bacterial, viral), or a CSV.")
    if all(folder.name.lower() in SPLIT_NAMES for folder in folders):
        return [ClassFolder(inner, _pooled(folder.name)) for folder in folders for inner in subfolders(folder)]
    return [ClassFolder(folder, "") for folder in folders]


def read_folders(root: Path) -> Found:
    """Films of class folders; the class is the folder's name, the patient is taken from names that carry one."""
    films = [
        Film(name, path, canonical_label(folder.path.name), patient_of(name), split=folder.split)
        for folder, name, path in class_files(root)
    ]
    return films, [], _folder_notes(root, films) + patient_notes(films)


def _folder_notes(root: Path, films: Sequence[Film]) -> list[str]:
    """Sentences about folders that a user may have meant as classes but that add no film."""
    masks = [entry.name for entry in sorted(root.iterdir()) if is_mask_folder(entry.name) and entry.is_dir()]
    used = {film.path.relative_to(root).parts[: 2 if film.split else 1] for film in films}
    empty = [relative for folder in class_folders(root) if (relative := folder.path.relative_to(root)).parts not in used]
    notes = [f"The folder {name} is taken for masks, not for a class." for name in masks]
    return notes + [f"The folder {folder.as_posix()} holds no film." for folder in empty]


def class_files(root: Path) -> Iterator[tuple[ClassFolder, str, Path]]:
    """(class folder, name relative to `root`, path) of every file in class folders that may be a film."""
    for folder in class_folders(root):
        prefix = folder.path.relative_to(root).as_posix()
        for inner in films_below(folder.path):
            name = f"{prefix}/{inner}"
            yield folder, name, root / name


def _pooled(name: str) -> str:
    return "test" if SPLIT_NAMES[name.lower()] == "test" else "train"
