"""Making classes equal before training: which films stay when a class is cut, how many copies each film gets, what a film weighs.

Every choice is made by a hash of the seed and the patient's or film's name, so it depends on nothing else: not on the order of the films,
nor on the machine.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from deephealth.datasets.index import Film, order_classes
from deephealth.errors import DatasetError


def cut_films(films: Sequence[Film], splits: Mapping[str, str], size: int, *, seed: int) -> list[Film]:
    """At most `size` films of every class, the splits' shares of each class kept; films of an official test are all kept.

    Patients stay whole: they are taken in the order of their hash while they fit. What then is missing to `size` is taken from the first
    patient that did not fit, so at most one patient a class and split is divided.
    splits: film name -> split, or "" for none. Raises DatasetError when the official test alone holds more than `size` films of a class.
    """
    kept: list[Film] = []
    for label in order_classes(film.label for film in films):
        of_class = [film for film in films if film.label == label]
        official = [film for film in of_class if film.split == "test"]
        if len(official) > size:
            raise DatasetError(f"The official test holds {len(official)} films of class {label!r}, more than {size} a class; ask for more.")
        rest = [film for film in of_class if film.split != "test"]
        groups = {split: [film for film in rest if splits[film.name] == split] for split in sorted({splits[film.name] for film in rest})}
        quotas = _shares({split: len(group) for split, group in groups.items()}, size - len(official))
        kept += official
        for split, group in groups.items():
            kept += _whole_patients(group, quotas[split], seed)
    return sorted(kept, key=lambda film: film.name)


def plan_copies(films: Sequence[Film], splits: Mapping[str, str], size: int, *, seed: int) -> list[tuple[Film, int]]:
    """(origin, number of the copy from 1) for as many augmented copies as bring every class to `size` films.

    Only films to train on are copied (split "train", or "" when nothing is split yet): a copy of a test film adds no knowledge and
    makes the test look larger. Films take turns, so that no film has two copies more than another. Raises DatasetError for a class
    without such films.
    """
    planned: list[tuple[Film, int]] = []
    for label in order_classes(film.label for film in films):
        of_class = [film for film in films if film.label == label]
        missing = size - len(of_class)
        origins = sorted(
            (film for film in of_class if splits[film.name] in ("", "train") and not film.origin), key=lambda film: _rank(seed, film.name)
        )
        if missing > 0 and not origins:
            raise DatasetError(
                f"Class {label!r} has no film in the training split to copy; expected at least one: choose another seed or split."
            )
        planned += [(origins[number % len(origins)], number // len(origins) + 1) for number in range(max(0, missing))]
    return planned


def class_weights(films: Sequence[Film], splits: Mapping[str, str]) -> dict[str, float]:
    """What each film of a class weighs so that classes weigh the same in training; the mean over the films to train on is 1."""
    training = [film for film in films if splits[film.name] in ("", "train")] or list(films)
    counts = Counter(film.label for film in training)
    return {
        label: len(training) / (len(counts) * counts[label]) if counts[label] else 1.0 for label in order_classes(f.label for f in films)
    }


def _whole_patients(films: Sequence[Film], quota: int, seed: int) -> list[Film]:
    patients: dict[str, list[Film]] = {}
    for film in sorted(films, key=lambda film: film.name):
        patients.setdefault(film.patient, []).append(film)
    kept: list[Film] = []
    too_large: list[Film] = []
    for patient in sorted(patients, key=lambda patient: _rank(seed, patient)):
        group = patients[patient]
        if len(kept) + len(group) <= quota:
            kept += group
        else:
            too_large = too_large or group
    return kept + too_large[: quota - len(kept)]


def _shares(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """`total` shared out in proportion to `sizes`, by largest remainders; nobody gets more than its size."""
    whole = sum(sizes.values())
    if total >= whole:
        return dict(sizes)
    quotas = {name: size * total // whole for name, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda name: (-(sizes[name] * total % whole), name))
    for name in by_remainder[: total - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()
