"""The films that the shipped model learns from and is judged on, and the fold of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import find_duplicates
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.sources.tables import read_rows
from deephealth.datasets.split import Split, folds, make_split
from deephealth.errors import DatasetError
from deephealth.images.read import read_film
from deephealth.training.lung_films import LUNG, read_mask
from deephealth.training.scan import look_at

FOLDS = 5
VALIDATION = 0.1
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Children:
    """The children's films of Kermany et al., in ../shared/data, and what is known of them."""

    data: Path
    index: DatasetIndex
    facts: FilmFacts

    @classmethod
    def open(cls, data: Path, threads: int) -> Children:
        """Read the index and look at every film once."""
        index, facts = look_at(open_dataset(data / "kermany" / "chest_xray"), threads=threads, listener=lambda event: None)
        find_duplicates(facts)
        return cls(data, index, facts)

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """One split a fold: its films are the test, and of the others a tenth of the patients, by hash, calibrates."""
        drawn = make_split(self.index, validation=VALIDATION, test=0.0, facts=self.facts).assignments
        found = []
        for split in folds(self.index, n=FOLDS, facts=self.facts):
            places = {name: place if place == "test" else drawn[name] for name, place in split.assignments.items()}
            found.append(Split(places, split.seed, split.by))
        return tuple(found)

    def tested(self, fold: int) -> tuple[Film, ...]:
        """The films of one fold."""
        return self.splits[fold].films(self.index, "test")

    def mask(self, film: Film) -> NDArray[np.bool_] | None:
        """The lungs as an anatomist drew them, bool [H, W] of the film, or None where nobody did."""
        path = self._masks.get(film.path.stem)
        if path is None:
            return None
        height, width = read_film(film.path).pixels.shape
        return np.asarray(read_mask(path, height, width) == LUNG)

    @cached_property
    def _masks(self) -> dict[str, Path]:
        return {path.stem: path for path in (self.data / "kermany" / "lung_masks").rglob("*.png")}

    def original(self, film: Film) -> Path | None:
        """The film at the size it was taken with, where that is at hand."""
        return self._originals.get(film.path.stem)

    @cached_property
    def _originals(self) -> dict[str, Path]:
        return {path.stem: path for path in (self.data / "kermany-originals").rglob("*.jpeg")}


def pictures_in(folder: Path, pattern: str = "*") -> tuple[Path, ...]:
    """All files of a folder. DatasetError when there is none."""
    found = tuple(sorted(path for path in folder.glob(pattern) if path.is_file()))
    if not found:
        raise DatasetError(f"{folder} holds no picture; expected the folders that ../shared/data/README.md describes.")
    return found


def adults(data: Path) -> dict[str, DatasetIndex]:
    """Films of adults, by source, with the labels "normal" and "ill" (pneumonia, COVID-19 or tuberculosis, as the source has it)."""
    found = {
        "NIH": _labelled(data / "nih", {"No_findings": "normal", "Pneumonia": "ill"}, lambda path: path.stem.split("_")[0]),
        "Hannover": _hannover(data / "hannover-covid"),
    }
    for name, prefix in (("Shenzhen", "CHNCXR"), ("Montgomery", "MCUCXR")):
        paths = pictures_in(data / "tb-shenzhen-montgomery" / "cxr", f"{prefix}*")
        films = tuple(Film(path.name, path, "normal" if path.stem.endswith("_0") else "ill", path.stem) for path in paths)
        found[name] = DatasetIndex(paths[0].parent, "folders", films, ("normal", "ill"), ())
    return found


def _labelled(root: Path, folders: dict[str, str], patient: Callable[[Path], str]) -> DatasetIndex:
    films = tuple(
        Film(f"{folder}/{path.name}", path, label, patient(path))
        for folder, label in folders.items()
        for path in pictures_in(root / folder)
    )
    return DatasetIndex(root, "folders", films, ("normal", "ill"), ())


def _hannover(root: Path) -> DatasetIndex:
    """Films of COVID-19 patients, of whom many have several; data.csv says which."""
    patients = patients_in(root / "data.csv", "image_id", "patient_id")
    films = tuple(Film(path.name, path, "ill", patients.get(bare(path.name), path.stem)) for path in pictures_in(root / "images"))
    return DatasetIndex(root, "folders", films, ("normal", "ill"), ())


def patients_in(table: Path, film: str, patient: str) -> dict[str, str]:
    """The patient of each film that a table names, by the film's bare name."""
    _, rows = read_rows(table)
    return {bare(row[film]): row[patient] for row in rows if row[patient]}


def bare(name: str) -> str:
    """A file's name without its suffixes: copies that were converted carry the new one after the old."""
    suffixes = (".jpg", ".jpeg", ".png", ".dcm")
    while name.lower().endswith(suffixes):
        name = name[: name.rindex(".")]
    return name
