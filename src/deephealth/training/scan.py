"""Look at every film of a data set once: what cannot be read is named and left out, whatever comes next."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import DatasetIndex, Problem
from deephealth.errors import DatasetError
from deephealth.training.events import EventListener, Note, StageStarted


def look_at(index: DatasetIndex, *, threads: int, listener: EventListener, fewest: int = 1) -> tuple[DatasetIndex, FilmFacts]:
    """The films of `index` that can be read, and their facts; the others leave the index as problems.

    Raises DatasetError when fewer than `fewest` are left.
    """
    counts = ", ".join(f"{count} {label}" for label, count in index.by_label().items())
    listener(StageStarted("index", f"{index.root.name}: {len(index.films)} films ({counts})"))
    facts = scan_films(index, threads=threads, progress=listener)
    readable = set(facts.names)
    films = tuple(film for film in index.films if film.name in readable)
    if len(films) < fewest:
        raise DatasetError(f"None of the {len(index.films)} films of {index.root} can be read ({facts.problems[0].reason})")
    index = dataclasses.replace(index, films=films, problems=(*index.problems, *facts.problems))
    tell_left_out(index.problems, listener)
    return index, facts


def tell_left_out(problems: Sequence[Problem], listener: EventListener) -> None:
    """A note with the number of films left out, and the first of them."""
    if problems:
        listener(Note(f"{len(problems)} films left out; the first: {problems[0].name}: {problems[0].reason}"))
