"""The layout of "Chest X-Ray Images (Pneumonia)": chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}, the kind of pneumonia in the file's name.

Films and names: Kermany, Zhang, Goldbaum, Mendeley Data, doi 10.17632/rscbjbr9sj (versions 2 and 3 name films differently).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deephealth.datasets.index import Film, Problem, canonical_label
from deephealth.datasets.sources.fields import Found
from deephealth.datasets.sources.folders import class_folders, read_folders
from deephealth.datasets.sources.walk import films_below

_KINDS = {"bacteria": "bacterial", "virus": "viral"}


def kind_in_name(file_name: str) -> str | None:
    """ "bacterial" or "viral" as the file's name says; None when it says neither, or both."""
    folded = file_name.rsplit("/", 1)[-1].lower()
    kinds = [label for word, label in _KINDS.items() if word in folded]
    return kinds[0] if len(kinds) == 1 else None


def read_kaggle(root: Path) -> Found:
    """Films of the layout. A film under PNEUMONIA whose name gives no kind is left out, not guessed."""
    films, problems, notes = read_folders(root)
    kept: list[Film] = []
    for film in films:
        kind = kind_in_name(film.name) if film.label == "pneumonia" else film.label
        if kind is None:
            problems.append(Problem(film.name, "its name says neither bacteria nor virus"))
        else:
            kept.append(replace(film, label=kind))
    return kept, problems, notes


def is_kaggle(root: Path) -> bool:
    """True when a class folder of `root` is called pneumonia and some film in it says its kind by name."""
    folders = [folder for folder in class_folders(root) if canonical_label(folder.path.name) == "pneumonia"]
    return any(kind_in_name(name) for folder in folders for name in films_below(folder.path))
