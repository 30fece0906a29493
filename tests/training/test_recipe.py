"""Recipes: what a file says is what is done, and a slip of the pen is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from deephealth.errors import UsageError
from deephealth.training.recipe import FineTuneSettings, Recipe, load_recipe, recipe_from_dict, with_changes


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, "")) == Recipe()


def test_values_are_read(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, 'name = "mine"\n[head]\nkind = "dense"\nlearning_rate = 1\n[fine_tune]\nepochs = 3\n'))
    assert (recipe.name, recipe.head.kind, recipe.head.learning_rate) == ("mine", "dense", 1.0)
    assert recipe.fine_tune == FineTuneSettings(epochs=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[head]\nkindd = 'dense'", "head.kind;"),
        ("[heads]\n", "expected head;"),
        ("[head]\nkind = 'svm'", "logistic, softmax, dense"),
        ("[head]\nsteps = 'many'", "expected a int"),
        ("[head]\nsteps = true", "expected a int"),
        ("[head]\nsteps = -1", "expected 1 or more"),
        ("[head]\nlearning_rate = -1", "expected 0 or more"),
        ("[head]\neval_every = 0", "expected 1 or more"),
        ("[features]\nviews = 0", "expected 1 or more"),
        ("[fine_tune]\nbatch = 0", "expected 1 or more"),
        ("[fine_tune]\nsize = 8", "expected 16 to 4096"),
        ("[fine_tune]\nlabel_smoothing = 1.5", "expected 0 to 1"),
        ("[fine_tune]\nlearning_rate = nan", "expected 0 or more"),
        ("[gate]\nrefuse = 0", "expected 0.001 to 0.5"),
        ("head = 3", "section"),
        ("name = ", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_recipe(write(tmp_path, text))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")


def test_a_recipe_survives_the_record() -> None:
    recipe = with_changes(Recipe(), fine_tune=FineTuneSettings(epochs=2), head__kind="softmax")
    assert recipe_from_dict(recipe.to_dict()) == recipe
    assert recipe_from_dict(Recipe().to_dict()) == Recipe()


def test_options_override_fields_and_none_leaves_them() -> None:
    recipe = with_changes(Recipe(), head__kind="dense", head__steps=None, name="x")
    assert (recipe.head.kind, recipe.head.steps, recipe.name) == ("dense", 4000, "x")
    with pytest.raises(UsageError):
        with_changes(Recipe(), split__by="hospital")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "recipes").glob("*.toml")), ids=lambda path: path.name)
def test_the_recipes_of_the_project_are_valid(path: Path) -> None:
    load_recipe(path)
