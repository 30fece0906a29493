"""The estimator keeps scikit-learn's contract, knows patients, and leaves as a model file that answers the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from deephealth.errors import UsageError
from deephealth.estimator import ChestXrayClassifier, PatientsUnknown
from deephealth.images.read import read_film
from deephealth.inference.predictor import Predictor
from deephealth.model.file import Model


@pytest.mark.slow
@parametrize_with_checks([ChestXrayClassifier()])
def test_it_passes_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def films(phantoms: Path) -> tuple[list[Path], list[str], list[str]]:
    """Paths, labels, patients."""
    from deephealth.datasets.sources import open_dataset

    index = open_dataset(phantoms)
    return [film.path for film in index.films], [film.label for film in index.films], [film.patient for film in index.films]


@pytest.mark.slow
def test_a_fitted_classifier_leaves_as_a_model_file_that_answers_the_same(films: Any, tmp_path: Path) -> None:
    paths, labels, patients = films
    classifier = ChestXrayClassifier().fit(paths, labels, groups=patients)
    model = Model.load(classifier.save(tmp_path / "model.onnx"))
    assert model.labels == tuple(classifier.classes_)
    for path, expected in zip(paths[:5], classifier.predict_proba(paths[:5]), strict=True):
        answer = Predictor(model).predict(path)
        np.testing.assert_allclose([answer.probabilities[label] for label in classifier.classes_], expected, atol=1e-5)
        assert answer.refused == classifier.refused([path])[0]
    assert classifier.score(paths, labels) > 0.6


@pytest.mark.slow
def test_films_may_come_in_any_form(films: Any) -> None:
    paths, labels, patients = films[0][::4], films[1][::4], films[2][::4]
    classifier = ChestXrayClassifier().fit(paths, labels, groups=patients)
    expected = classifier.predict_proba(paths)
    read = [read_film(path) for path in paths]
    np.testing.assert_allclose(classifier.predict_proba(read), expected)
    np.testing.assert_allclose(classifier.predict_proba([film.pixels for film in read]), expected)
    squares = [np.ascontiguousarray(film.pixels[:90, :90]) for film in read]
    np.testing.assert_allclose(classifier.predict_proba(np.array(squares)), classifier.predict_proba(squares))
    np.testing.assert_allclose(classifier.predict_proba(classifier.transform(paths)), expected)
    pandas = pytest.importorskip("pandas", reason="needs deephealth[notebook]")
    np.testing.assert_allclose(classifier.predict_proba(pandas.Series([str(path) for path in paths])), expected)


@pytest.mark.slow
def test_features_once_then_any_search(films: Any) -> None:
    paths, labels, patients = films
    features = ChestXrayClassifier().fit(paths[::3], labels[::3], groups=patients[::3]).transform(paths)
    scores = cross_val_score(
        ChestXrayClassifier(), features, labels, groups=patients, cv=GroupKFold(4), params={"groups": np.array(patients)}
    )
    assert scores.mean() > 0.5
    search = GridSearchCV(ChestXrayClassifier(), {"head": ["logistic", "dense"]}, cv=GroupKFold(2)).fit(features, labels, groups=patients)
    assert search.best_params_["head"] in ("logistic", "dense")
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


def test_films_without_patients_are_warned_of(films: Any) -> None:
    paths, labels, patients = films
    with pytest.warns(PatientsUnknown, match="groups=patients"):
        ChestXrayClassifier().fit(paths[::10], labels[::10])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChestXrayClassifier().fit(paths[::10], labels[::10], groups=patients[::10])


def test_patients_are_kept_whole() -> None:
    labels = np.tile([0, 1], 60)
    groups = np.repeat(np.arange(40), 3)
    train, held_out = ChestXrayClassifier()._split(labels, groups)
    assert len(held_out) > 10
    assert not set(groups[train]) & set(groups[held_out])


def test_bare_features_make_no_model_file() -> None:
    random = np.random.default_rng(0)
    classifier = ChestXrayClassifier().fit(random.normal(size=(40, 7)), np.tile(["a", "b"], 20))
    with pytest.raises(UsageError, match="fitted to 7 features"):
        classifier.model()
