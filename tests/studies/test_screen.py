"""Trials: the recipe they run is the shipped one with the changes that their row names, and films are changed as said."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.training.recipe import load_recipe
from studies.shipped.runs import NAIVE_RECIPE, RECIPE
from studies.shipped.screen import CHANGES, TRIALS, as_toml, changed

ROOT = Path(__file__).parents[2]
FILM = np.tile(np.linspace(0, 255, 120).astype(np.uint8), (100, 1))


def test_every_trial_is_a_recipe_that_can_be_read_back(tmp_path: Path) -> None:
    shipped = tomllib.loads((ROOT / RECIPE).read_text())
    trials = tomllib.loads((ROOT / TRIALS).read_text())["trial"]
    assert len({trial["name"] for trial in trials}) == len(trials)
    for trial in trials:
        path = tmp_path / f"{trial['name']}.toml"
        path.write_text(as_toml(changed(shipped, trial.get("changes", {}))))
        recipe = load_recipe(path)
        for section, values in trial["changes"].items():
            for key, value in values.items():
                assert getattr(getattr(recipe, section), key) == value
        assert recipe.licence == "Apache-2.0"
    assert load_recipe(ROOT / NAIVE_RECIPE).counterexamples.need_lungs is False


def test_a_trial_may_not_hold_what_a_recipe_may_not() -> None:
    with pytest.raises(UsageError, match="unknown key"):
        changed(tomllib.loads((ROOT / RECIPE).read_text()), {"fine_tune": {"epoch": 3}})


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_film_is_another_film(name: str) -> None:
    other = CHANGES[name](FILM)
    assert other.dtype == np.uint8
    assert other.shape != FILM.shape or not np.array_equal(other, FILM)


def test_changes_go_the_way_they_are_called() -> None:
    assert CHANGES["lighter"](FILM).mean() > FILM.mean() > CHANGES["darker"](FILM).mean()
    assert CHANGES["harder"](FILM).std() > 0.9 * FILM.std()
    assert CHANGES["wider"](FILM).shape == (100, 96)
    assert CHANGES["higher"](FILM).shape == (80, 120)
    assert CHANGES["closer"](FILM).shape == (84, 102)
    shaded = CHANGES["shaded"](np.full((10, 50), 100, np.uint8))
    assert (shaded[0, 0], shaded[0, -1]) == (60, 140)
