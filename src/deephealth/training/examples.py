"""From a table of film features to what a head is fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import DatasetIndex, Film
from deephealth.features.extract import FeatureTable
from deephealth.training.heads import Examples


def examples_of(index: DatasetIndex, table: FeatureTable, views: int) -> Examples:
    """A table's features with class numbers and weights; each of the first `views` views of a film is a row."""
    films = films_of(index, table)
    features = np.ascontiguousarray(table.features[:, :views]).reshape(len(films) * views, -1)
    labels = np.repeat(class_numbers(films, index.classes), views)
    weights = np.repeat([film.weight for film in films], views)
    return Examples(features, labels, weights)


def films_of(index: DatasetIndex, table: FeatureTable) -> list[Film]:
    """The films of a table, in its order."""
    films = {film.name: film for film in index.films}
    return [films[name] for name in table.names]


def points_of(index: DatasetIndex, tables: Mapping[str, FeatureTable]) -> dict[str, tuple[list[Film], NDArray[np.float32]]]:
    """The films of each split's table and the features [n, d] of the films themselves, without their views."""
    return {split: (films_of(index, table), np.asarray(table.features[:, 0])) for split, table in tables.items()}


def class_numbers(films: Sequence[Film], classes: Sequence[str]) -> NDArray[np.int64]:
    """The place of each film's label in `classes`, int64 [n]."""
    number = {label: k for k, label in enumerate(classes)}
    return np.array([number[film.label] for film in films], dtype=np.int64)
