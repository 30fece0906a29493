"""The films of a retraining: where they stand in the split, by the old rule or a better one, and the sentences that warn."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import make_split
from deephealth.errors import DatasetError
from deephealth.training.retrain.options import Options

_MOST_PER_CLASS = 2**27 - 1
_FEW = 20
SPLITS = ("training", "validation", "testing")


@dataclass(frozen=True, eq=False)
class Sorted:
    """The index, the films of each split, and what should be known of them."""

    index: DatasetIndex
    films: Mapping[str, Sequence[Film]]
    warnings: tuple[str, ...]


def sort_films(options: Options) -> Sorted:
    """Read the folders of `image_dir` and put each film into training, validation or testing. DatasetError when a split has a class not."""
    index = open_dataset(options.image_dir, layout="folders")
    if options.split_rule == "patient":
        shares = options.validation_percentage / 100, options.testing_percentage / 100
        drawn = make_split(index, seed=options.seed, validation=shares[0], test=shares[1])
        names = {"train": "training", "validation": "validation", "test": "testing"}
        places = {film.name: names[drawn.assignments[film.name]] for film in index.films}
    else:
        places = {film.name: old_place(str(film.path) if options.split_rule == "old" else film.path.name, options) for film in index.films}
    films = {split: [film for film in index.films if places[film.name] == split] for split in SPLITS}
    for split, held in films.items():
        missing = set(index.classes) - {film.label for film in held}
        if (missing and split == "training") or not held:
            raise DatasetError(
                f"The {split} split has no film of {', '.join(sorted(missing))}, expected some; add films or change its share."
            )
    return Sorted(index, films, tuple(_warnings(options, index, films)))


def old_place(path: str, options: Options) -> str:
    """retrain.py's rule: SHA-1 of the path (without `_nohash_...`), modulo 2^27, as a percentage."""
    hashed = hashlib.sha1(re.sub(r"_nohash_.*$", "", path).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    percentage = (int(hashed, 16) % (_MOST_PER_CLASS + 1)) * (100.0 / _MOST_PER_CLASS)
    if percentage < options.validation_percentage:
        return "validation"
    return "testing" if percentage < options.testing_percentage + options.validation_percentage else "training"


def _warnings(options: Options, index: DatasetIndex, films: Mapping[str, Sequence[Film]]) -> list[str]:
    found = []
    if options.split_rule == "old":
        found.append("The old split hashes the whole path: a renamed folder, or another machine, gives another split and another score.")
    sides: dict[str, set[str]] = {}
    for split, held in films.items():
        for film in held:
            sides.setdefault(film.patient, set()).add(split)
    if many := sum(len(places) > 1 for places in sides.values()):
        found.append(f"{many} patients stand in two splits, so the accuracy is too good; --split_rule patient keeps them whole.")
    for label, count in index.by_label().items():
        if count < _FEW:
            found.append(f"The class {label} has {count} films, expected {_FEW} or more; the accuracy will say little.")
    steps, batch = options.how_many_training_steps, options.train_batch_size
    passes = steps * batch / max(len(films["training"]), 1)
    found.append(f"{steps} steps of {batch} films are {passes:.0f} passes over the training films.")
    return found
