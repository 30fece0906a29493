"""The split rules of two systems of 2020, by name: to reproduce what was published with them, and to take up old projects.

Both ignore patients, near copies and augmented copies, so scores on such splits flatter; new work takes `split.make_split`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping

import numpy as np

from deephealth.datasets.index import DatasetIndex
from deephealth.datasets.split import Split
from deephealth.errors import DatasetError, UsageError

_MOST_IMAGES = 2**27 - 1  # retrain.py's MAX_NUM_IMAGES_PER_CLASS


def retrain_position(path: str) -> float:
    """Where retrain.py (TensorFlow, 2015) places a file between 0 and 100: SHA-1 of its whole path, up to "_nohash_", modulo 2^27."""
    digest = hashlib.sha1(re.sub(r"_nohash_.*$", "", path).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return int(digest, 16) % (_MOST_IMAGES + 1) * (100.0 / _MOST_IMAGES)


def retrain_split(
    index: DatasetIndex, image_dir: str, *, validation: float = 10, test: float = 10, paths: Mapping[str, str] | None = None
) -> Split:
    """retrain.py's split: a position under `validation` is validation, under `validation + test` is test, else train (percentages).

    image_dir: the folder as it was typed; it is part of what is hashed, so another spelling of the same folder gives another split.
    paths: film name -> path below `image_dir`, for films that stood elsewhere then; default: the film's own name.
    Raises UsageError for percentages outside [0, 100).
    """
    if not (validation >= 0 and test >= 0 and validation + test < 100):
        raise UsageError(f"The percentages are {validation:g} and {test:g}, expected 0 or more each and less than 100 together.")
    places = {}
    for film in index.films:
        position = retrain_position(f"{image_dir}/{(paths or {}).get(film.name, film.name)}")
        places[film.name] = "validation" if position < validation else "test" if position < validation + test else "train"
    return Split(places, 0, "film")


def teachable_machine_split(index: DatasetIndex, *, seed: int = 0, share: float = 0.15) -> Split:
    """Teachable Machine's split: of every class the last ceil(share * n) films in random order are validation; there is no test.

    Raises UsageError for a share outside (0, 1), DatasetError for a class that would keep no film to train on.
    """
    if not 0 < share < 1:
        raise UsageError(f"The share for validation is {share:g}, expected a number between 0 and 1.")
    rng = np.random.default_rng(seed)
    places: dict[str, str] = {}
    for label in index.classes:
        names = [film.name for film in index.films if film.label == label]
        held_out = math.ceil(share * len(names))
        if held_out >= len(names):
            raise DatasetError(f"Class {label!r} has {len(names)} films, too few to hold {share:.0%} out; expected 2 or more: add films.")
        shuffled = [names[k] for k in rng.permutation(len(names))]
        places |= dict.fromkeys(shuffled[:-held_out], "train") | dict.fromkeys(shuffled[-held_out:], "validation")
    return Split(places, seed, "film")
