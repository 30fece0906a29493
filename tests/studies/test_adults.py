"""Adults' films as features that were made up: a shortcut by source is told from knowledge that carries over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.index import Film
from studies.shipped.adults import left_out, pooled, source_alone, which_source

SHARES = {"A": 0.8, "B": 0.2, "C": 0.5}


def films(n: int = 80) -> dict[str, tuple[Film, ...]]:
    found = {}
    for name, ill in SHARES.items():
        labels = ["ill" if k < ill * n else "normal" for k in range(n)]
        found[name] = tuple(Film(f"{name}{k}", Path(f"{name}{k}.png"), labels[k], f"p{k}") for k in range(n))
    return found


def features(found: dict[str, tuple[Film, ...]], *, source: float, illness: float) -> dict[str, np.ndarray]:
    """Noise, one direction that tells the source and one that tells the illness."""
    random = np.random.default_rng(0)
    x = {}
    for number, (name, part) in enumerate(found.items()):
        x[name] = random.normal(size=(len(part), 6)).astype(np.float32)
        x[name][:, number] += source
        x[name][:, 4] += illness * np.array([film.label == "ill" for film in part])
    return x


def test_the_sources_shares_of_ill_films_tell_much_by_themselves() -> None:
    found = source_alone(films())
    assert found["value"] == pytest.approx(0.7667, abs=1e-3)  # counted by hand: (64 x 112 + 40 x 84 + 16 x 32) of 120 x 120
    assert (found["films"], found["patients"]) == (240, 240)


def test_what_was_learned_by_source_does_not_carry_over() -> None:
    found = films()
    cheating = features(found, source=6.0, illness=0.0)
    assert which_source(cheating, found)["balanced accuracy"]["value"] > 0.95
    assert pooled(cheating, found)["value"] > 0.65
    assert left_out("C", cheating, found, list(found))["learned elsewhere"]["value"] < 0.65


def test_what_was_learned_of_the_illness_carries_over() -> None:
    found = films()
    honest = features(found, source=0.0, illness=3.0)
    assert which_source(honest, found)["balanced accuracy"]["value"] < 0.5
    scores = left_out("C", honest, found, list(found))
    assert scores["learned elsewhere"]["value"] > 0.9
    assert scores["learned here"]["value"] > 0.9
