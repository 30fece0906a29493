"""Heads: against scikit-learn, against their own closed forms, and the same file for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from deephealth.errors import DatasetError
from deephealth.model.heads import DenseHead, LinearHead
from deephealth.training.events import EpochDone, Event, HeadStep, StepDone
from deephealth.training.heads import (
    Examples,
    _dense_gradients,
    class_uniform_batches,
    cross_entropy_and_accuracy,
    example_weights,
    fit_head,
    softmax,
)
from deephealth.training.recipe import HeadSettings

KINDS = ("logistic", "softmax", "dense")


def blobs(n: int = 240, classes: int = 3, features: int = 12, *, seed: int = 0, spread: float = 1.0) -> Examples:
    """Gaussian classes around fixed centres, of unequal size."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, features)) * 1.2
    labels = rng.choice(classes, size=n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    return Examples((centres[labels] + spread * rng.normal(size=(n, features))).astype(np.float32), labels.astype(np.int64))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_and_repeats_itself(kind: str) -> None:
    settings = HeadSettings(kind=kind, steps=1500, epochs=40)
    train, test = blobs(seed=1), blobs(seed=2)
    heads = [fit_head(train, classes=3, settings=settings, validation=blobs(seed=3), seed=5) for _ in range(2)]
    assert cross_entropy_and_accuracy(heads[0], test)[1] > 0.85
    np.testing.assert_array_equal(heads[0].logits(test.features), heads[1].logits(test.features))


@pytest.mark.parametrize("kind", ("softmax", "dense"))
def test_another_seed_gives_another_head(kind: str) -> None:
    train = blobs()
    a, b = (fit_head(train, classes=3, settings=HeadSettings(kind=kind, steps=50, epochs=2), seed=seed) for seed in (0, 1))
    assert not np.array_equal(a.logits(train.features), b.logits(train.features))


@pytest.mark.parametrize("classes", (2, 3, 5))
def test_logistic_equals_scikit_learn_on_standardised_features(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = blobs(classes=classes)
    settings = HeadSettings(kind="logistic", strength=0.1, class_weights="none")
    head = fit_head(train, classes=classes, settings=settings)
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500, tol=1e-4)).fit(train.features, train.labels)
    np.testing.assert_allclose(softmax(head.logits(train.features)), reference.predict_proba(train.features), atol=2e-3)


def test_softmax_by_gradient_descent_approaches_the_unpenalised_optimum() -> None:
    from sklearn.linear_model import LogisticRegression

    train = blobs(n=400, spread=3.0)
    settings = HeadSettings(kind="softmax", steps=8000, learning_rate=0.05, batch=100)
    head = fit_head(train, classes=3, settings=settings)
    optimum = LogisticRegression(C=1e6, class_weight="balanced", max_iter=2000).fit(train.features, train.labels)
    weights = example_weights(train, 3, "balanced")
    best = -np.average(np.log(optimum.predict_proba(train.features)[np.arange(len(train)), train.labels]), weights=weights)
    assert cross_entropy_and_accuracy(head, train, weights)[0] < best + 0.02


def test_softmax_starts_as_retrain_py() -> None:
    train = blobs(features=2000)
    head = fit_head(train, classes=3, settings=HeadSettings(kind="softmax", steps=0))
    assert isinstance(head, LinearHead)
    assert not head.bias.any()
    assert 0.0008 < head.weight.std() < 0.0010  # a normal law of deviation 0.001 cut at two deviations has deviation 0.00088
    assert np.abs(head.weight).max() <= 0.002


def test_dense_head_has_teachable_machines_shape() -> None:
    head = fit_head(blobs(), classes=3, settings=HeadSettings(kind="dense", epochs=1))
    assert isinstance(head, DenseHead)
    assert head.hidden_weight.shape == (100, 12)
    assert not head.bias.any()


def test_dense_gradients_equal_finite_differences() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(7, 4)), np.array([0, 1, 2, 0, 1, 2, 1])
    weights = [rng.normal(size=(5, 4)), rng.normal(size=5), rng.normal(size=(3, 5))]
    importance = rng.uniform(0.5, 2, size=7)

    def loss() -> float:
        hidden = np.maximum(x @ weights[0].T + weights[1], 0)
        p = softmax(hidden @ weights[2].T)
        return float((-np.log(p[np.arange(7), labels]) * importance).mean())

    for weight, gradient in zip(weights, _dense_gradients(weights, x, labels, importance), strict=True):
        for place in [(0,) * weight.ndim, tuple(side - 1 for side in weight.shape)]:
            kept = weight[place]
            weight[place] = kept + 1e-6
            above = loss()
            weight[place] = kept - 1e-6
            below = loss()
            weight[place] = kept
            assert gradient[place] == pytest.approx((above - below) / 2e-6, rel=1e-3, abs=1e-6)


def test_balanced_weights_let_classes_count_equally() -> None:
    train = blobs()
    weights = example_weights(train, 3, "balanced")
    sums = np.bincount(train.labels, weights=weights)
    np.testing.assert_allclose(sums, sums[0])
    assert weights.mean() == pytest.approx(1)


def test_film_weights_are_kept_and_scaled() -> None:
    train = Examples(np.zeros((4, 1), np.float32), np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 1.0, 1.0]))
    np.testing.assert_allclose(example_weights(train, 2, "none"), np.array([1, 3, 1, 1]) / 1.5)
    np.testing.assert_allclose(example_weights(train, 2, "balanced"), [0.5, 1.5, 1, 1])


@pytest.mark.parametrize("kind", ("softmax", "dense"))
def test_early_stopping_keeps_the_best_head(kind: str) -> None:
    rng = np.random.default_rng(0)
    noise = Examples(rng.normal(size=(60, 200)).astype(np.float32), rng.integers(3, size=60))
    other = Examples(rng.normal(size=(60, 200)).astype(np.float32), rng.integers(3, size=60))
    events: list[Event] = []
    settings = HeadSettings(kind=kind, steps=4000, epochs=400, patience=5, learning_rate=0.05)
    head = fit_head(noise, classes=3, settings=settings, validation=other, listener=events.append)
    measured = [event.validation_loss for event in events if isinstance(event, StepDone | EpochDone)]
    losses = [loss for loss in measured if loss is not None]
    assert sum(isinstance(event, HeadStep) for event in events) == len(losses)
    assert len(losses) < 400
    weights = example_weights(other, 3, "balanced")
    assert cross_entropy_and_accuracy(head, other, weights)[0] == pytest.approx(min(losses), rel=1e-6)


def test_a_class_without_films_is_refused() -> None:
    train = Examples(np.zeros((3, 2), np.float32), np.array([0, 1, 0]))
    with pytest.raises(DatasetError, match="no film in the training split"):
        fit_head(train, classes=3, settings=HeadSettings())


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras 3.15 with numpy 2
def test_dense_head_agrees_with_keras_on_the_same_start_and_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    train = blobs(n=64)
    settings = HeadSettings(kind="dense", epochs=3, batch=64, class_weights="none")
    head = fit_head(train, classes=3, settings=settings, seed=4)
    start = fit_head(train, classes=3, settings=HeadSettings(kind="dense", epochs=0 + 1, batch=64, learning_rate=1e-30), seed=4)
    assert isinstance(start, DenseHead)
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(100, activation="relu"), keras.layers.Dense(3, use_bias=False)])
    model.set_weights([start.hidden_weight.T, start.hidden_bias, start.weight.T])
    model.compile(keras.optimizers.Adam(0.001), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(train.features, train.labels, batch_size=64, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(head.logits(train.features), model.predict(train.features, verbose=0), atol=2e-4)


def test_softmax_draws_classes_alike_and_films_by_their_weight() -> None:
    labels = np.array([0, 1, 0, 1, 1, 0], np.int64)
    examples = Examples(np.zeros((6, 1), np.float32), labels, np.array([1.0, 5, 2, 4, 1, 1]))
    drawn = np.concatenate(list(class_uniform_batches(examples, 2, 100, 400, np.random.default_rng(0))))
    shares = np.bincount(drawn, minlength=6) / len(drawn)
    np.testing.assert_allclose(shares, [1 / 8, 1 / 4, 1 / 4, 1 / 5, 1 / 20, 1 / 8], atol=0.01)
