"""Two model files before the same films: which films count, what is said of the rest, and the command from end to end."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from deephealth import compare, evaluate, train
from deephealth.cli.main import main
from deephealth.errors import DatasetError, UsageError
from deephealth.evaluation.comparison import run as comparison
from deephealth.evaluation.comparison.results import comparison_schema
from deephealth.evaluation.comparison.scores import Point
from deephealth.images.phantom_set import write_phantoms
from deephealth.inference.predictor import Prediction, Predictor
from deephealth.model.file import Model
from deephealth.model.graph import with_record
from deephealth.training.recipe import HeadSettings, Recipe


@pytest.fixture(scope="module")
def models(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Two heads on one backbone: one fitted to the end, one stopped after a few steps."""
    folder = tmp_path_factory.mktemp("models")
    recipes = Recipe(name="done"), Recipe(name="stopped", head=HeadSettings(kind="softmax", steps=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPHEALTH_CACHE_DIR", str(folder / "cache"))
        runs = [train(phantoms, folder / recipe.name, recipe=recipe, threads=1, with_films=False) for recipe in recipes]
        yield runs[0].folder.model, runs[1].folder.model


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("elsewhere") / "films", per_class=8, seed=5, size=192)


def relabelled(model: Path, labels: tuple[str, ...]) -> Model:
    """The model with other names for its outputs, and without operating points, which would name the old ones."""
    known = Model.load(model)
    return Model.load(
        with_record(known.data, dataclasses.replace(known.record, labels=labels, operating_points=(), goldens=(), metrics={}))
    )


@pytest.mark.slow
def test_the_command_runs_from_end_to_end(models: tuple[Path, Path], elsewhere: Path, tmp_path: Path, capsys) -> None:
    page, facts = tmp_path / "c.html", tmp_path / "c.json"
    arguments = ["compare", *map(str, models), "--data", str(elsewhere), "--html", str(page), "--json", str(facts)]
    assert main([*arguments, "--margin", "0.05", "--lang", "es", "--quiet", "--threads", "1"]) == 0
    shown = capsys.readouterr()
    assert "Exactitud equilibrada" in shown.out and "B − A" in shown.out
    assert shown.err == ""
    assert '<html lang="es">' in page.read_text(encoding="utf-8")
    data = json.loads(facts.read_text(encoding="utf-8"))
    jsonschema.validate(data, comparison_schema())
    assert data["n_films"] == 24 and data["n_patients"] == 12
    assert data["context"]["model_a"]["name"] == "done" and data["context"]["model_b"]["name"] == "stopped"
    assert data["verdict"]["margin"] == 0.05
    assert {row["name"] for row in data["points"]} >= {"specificity 0.90", "specificity 0.95"}


@pytest.mark.slow
def test_both_models_get_the_scores_of_their_own_evaluation(models: tuple[Path, Path], elsewhere: Path) -> None:
    found = compare(*models, elsewhere, threads=2)
    alone = [evaluate(model, elsewhere, threads=1) for model in models]
    assert [found.primary.a, found.primary.b] == [each.scores.balanced_accuracy for each in alone]
    assert found.refused.only_a + found.refused.both == len(alone[0].refused)
    sensitivity = next(entry for entry in found.differences if entry.score == "sensitivity")
    assert [sensitivity.a, sensitivity.b] == [each.operating_points[0].sensitivity for each in alone]
    assert found == compare(*models, elsewhere, threads=1)


def test_one_model_given_twice_differs_by_nothing(models: tuple[Path, Path], elsewhere: Path) -> None:
    found = compare(models[0], models[0], elsewhere, threads=1)
    assert (found.verdict.code, found.verdict.winner) == ("same", "")
    assert all(entry.difference.value == 0 for entry in (found.primary, *found.differences))


@pytest.mark.slow
def test_films_that_either_model_learned_from_are_left_out_for_both(models: tuple[Path, Path], phantoms: Path) -> None:
    first = Model.load(models[0])
    innocent = Model.load(with_record(first.data, dataclasses.replace(first.record, fitted_on="", goldens=())))
    found = compare(innocent, models[1], phantoms, threads=1)
    assert found.context.model_a.seen == 0 and found.context.model_b.seen == found.context.left_out > 50
    assert found.n_films == 120 - found.context.left_out
    kept = compare(innocent, models[1], phantoms, include_seen=True, threads=1)
    assert kept.n_films == 120 and kept.context.seen_included == found.context.left_out
    assert (kept.verdict.code, kept.verdict.winner) == ("seen", "")


def test_models_of_other_labels_meet_on_those_they_share(models: tuple[Path, Path], elsewhere: Path) -> None:
    other = relabelled(models[1], ("bacterial", "covid-19", "normal"))
    found = compare(models[0], other, elsewhere, threads=1)
    assert found.classes == ("normal", "bacterial")
    assert (found.n_films, found.context.other_labels) == (16, 8)
    assert found.points == ()
    with pytest.raises(UsageError, match="share normal of"):
        compare(models[0], relabelled(models[1], ("normal", "pneumonia", "covid-19")), elsewhere)
    with pytest.raises(UsageError, match="share no label of"):
        compare(models[0], relabelled(models[1], ("a", "b", "c")), elsewhere)


def test_the_order_of_labels_changes_nothing(models: tuple[Path, Path]) -> None:
    """A model that names its labels in another order gives the same columns, and its thresholds hold for all labels that it knows."""
    model = Model.load(models[0])
    given = [{"normal": 0.2, "bacterial": 0.5, "viral": 0.3}, {"normal": 0.7, "bacterial": 0.1, "viral": 0.2}]
    answers = [Prediction(str(i), "", p, 1.0, False, "", None, "") for i, p in enumerate(given)]
    turned = relabelled(models[0], ("viral", "normal", "bacterial"))
    assert comparison.shared_labels(model, turned) == model.labels
    for each in (model, turned):
        found = comparison._answers(each, answers, model.labels).probabilities
        np.testing.assert_allclose(found, [[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    some = comparison._answers(model, answers, ("normal", "bacterial"))
    np.testing.assert_allclose(some.probabilities, [[2 / 7, 5 / 7], [7 / 8, 1 / 8]])
    point = next(point for point in model.record.operating_points if point.name == "specificity 0.90")
    assert some.decisions[Point("specificity 0.90", ("bacterial",))].tolist() == [point.threshold <= 0.8, point.threshold <= 0.3]


def test_each_film_is_read_once_for_both(models: tuple[Path, Path], elsewhere: Path, monkeypatch) -> None:
    compare(*models, elsewhere, threads=1)  # the films' facts are known from here on
    names, read = [], comparison.read_film
    monkeypatch.setattr(comparison, "read_film", lambda path, **more: names.append(more["name"]) or read(path, **more))
    compare(*models, elsewhere, threads=1)
    assert len(names) == len(set(names)) == 24


def test_a_film_that_breaks_is_told_and_stops_nothing(models: tuple[Path, Path], elsewhere: Path, tmp_path: Path, monkeypatch) -> None:
    films = shutil.copytree(elsewhere, tmp_path / "films")
    first, second = sorted((films / "normal").glob("*.png"))[:2]
    first.write_bytes(b"no film")
    predict = Predictor.predict

    def failing(self: Predictor, source) -> Prediction:
        if source.name.endswith(second.name):
            raise RuntimeError("out of luck")
        return predict(self, source)

    monkeypatch.setattr(Predictor, "predict", failing)
    found = compare(*models, films, threads=1)
    assert found.n_films == 22
    reasons = {problem.name.split("/")[-1]: problem.reason for problem in found.context.problems}
    assert set(reasons) == {first.name, second.name}
    assert "out of luck" in reasons[second.name]


@pytest.mark.parametrize(("kept", "code", "limit"), [(("normal",), "unknown", "one_class"), (("normal", "viral"), "undecided", "few")])
def test_poor_sets_are_compared_as_far_as_they_go(
    models: tuple[Path, Path], elsewhere: Path, tmp_path: Path, kept: tuple[str, ...], code: str, limit: str
) -> None:
    for label in kept:
        (tmp_path / label).mkdir()
        film = min((elsewhere / label).glob("*.png"))
        shutil.copy(film, tmp_path / label / film.name)
    found = compare(*models, tmp_path, threads=1)
    assert found.verdict.code == code
    assert limit in {entry.code for entry in found.limits}
    assert found.primary.a.value is not None


def test_mistakes_give_one_sentence_before_any_work(models: tuple[Path, Path], elsewhere: Path, tmp_path: Path, capsys) -> None:
    assert main(["compare", *map(str, models), "--data", str(tmp_path / "nowhere"), "--quiet"]) == 3
    assert main(["compare", str(models[0]), "none.onnx", "--data", str(elsewhere)]) == 3
    assert main(["compare", *map(str, models), "--data", str(elsewhere), "--margin", "2"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
    with pytest.raises(SystemExit) as stop:
        main(["compare", *map(str, models)])
    assert stop.value.code == 2
    other = tmp_path / "films" / "lung-cancer"
    shutil.copytree(elsewhere / "viral", other)
    with pytest.raises(DatasetError, match="lung-cancer"):
        compare(*models, tmp_path / "films", threads=1)
