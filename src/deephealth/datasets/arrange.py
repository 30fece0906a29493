"""What a prepared data set will hold: each file with its new name, before any of them is written."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from deephealth.datasets.balance import class_weights, cut_films, plan_copies
from deephealth.datasets.index import DatasetIndex, Film


@dataclass(frozen=True)
class Task:
    """One file to make: `film` as the new index has it, from `source`.

    copy: 0 for the film itself, else the number of its augmented copy.
    """

    film: Film
    source: Film
    copy: int


def arrange(index: DatasetIndex, splits: Mapping[str, str], balance: str, per_class: int | None, seed: int) -> list[Task]:
    """The files of a prepared data set, sorted by new name; for `balance` and `per_class` see `prepare.prepare`."""
    films: Sequence[Film] = index.films
    if balance in ("cut", "augment"):
        counts = index.by_label().values()
        size = per_class or (min(counts) if balance == "cut" else max(counts))
        films = cut_films(films, splits, size, seed=seed)
    weights = class_weights(films, splits) if balance == "weight" else {}
    names = new_names(films)
    tasks = {film.name: _task(film, names, splits, weights) for film in films}
    copies = plan_copies(films, splits, size, seed=seed) if balance == "augment" else []
    used = set(names.values())
    return sorted(
        [*tasks.values(), *(_copy_task(tasks[film.name], number, used) for film, number in copies)], key=lambda task: task.film.name
    )


def new_names(films: Sequence[Film]) -> dict[str, str]:
    """Old name -> new name, "<class>/<file name>"; where two would get the same, both also carry a hash of the old name."""
    folders = _folders({film.label for film in films})
    wanted = {film.name: f"{folders[film.label]}/{_plain(PurePosixPath(film.name).name)}" for film in films}
    # Folded, because some file systems take a.PNG and A.png for the same file.
    times = Counter(name.casefold() for name in wanted.values())
    return {old: new if times[new.casefold()] == 1 else _marked(new, _digest(old)) for old, new in wanted.items()}


def _task(film: Film, names: Mapping[str, str], splits: Mapping[str, str], weights: Mapping[str, float]) -> Task:
    name = names[film.name]
    changed = replace(
        film,
        name=name,
        path=Path(name),
        # A film that is its own patient, and copies of such a film, follow the new name.
        patient=names.get(film.patient, film.patient),
        split=splits[film.name],
        origin=names.get(film.origin, film.origin),
        weight=film.weight * weights.get(film.label, 1.0),
    )
    return Task(changed, film, 0)


def _copy_task(task: Task, number: int, used: set[str]) -> Task:
    name = str(PurePosixPath(_marked(task.film.name, f"aug{number}")).with_suffix(".png"))
    while name in used:
        name = _marked(name, _digest(name))
    used.add(name)
    return Task(replace(task.film, name=name, path=Path(name), origin=task.film.name), task.source, number)


def _folders(labels: set[str]) -> dict[str, str]:
    plain = {label: _plain(label) for label in labels}
    times = Counter(folder.casefold() for folder in plain.values())
    return {label: folder if times[folder.casefold()] == 1 else f"{folder}-{_digest(label)}" for label, folder in plain.items()}


def _plain(name: str) -> str:
    """A name that every file system takes and no index skips: no separators or control characters, no "." or "_" in front."""
    kept = "".join(letter if letter.isprintable() and letter not in '/\\:*?"<>|' else "-" for letter in name)
    return re.sub(r"^[._\s]+", "", kept).rstrip() or "film"


def _marked(name: str, mark: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{mark}{path.suffix}"))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:10]
