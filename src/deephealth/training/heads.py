"""Heads on frozen features: multinomial logistic regression, retrain.py's softmax layer, Teachable Machine's two dense layers.

All three are fitted in seconds on one core. The two trained by gradient descent are written in numpy, because scikit-learn's networks can
neither leave out a bias nor start as those systems did; tests hold them against scikit-learn and Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import DatasetError
from deephealth.model.heads import DenseHead, Head, LinearHead
from deephealth.training.events import EpochDone, EventListener, HeadStep, Note, StepDone, ignore
from deephealth.training.recipe import HeadSettings

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
_STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Examples:
    """Features float32 [n, d], the class of each row, int [n] in 0..classes-1, and how much each row counts, positive (None: all alike)."""

    features: Floats
    labels: Labels
    weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def fit_head(
    train: Examples,
    *,
    classes: int,
    settings: HeadSettings,
    validation: Examples | None = None,
    seed: int = 0,
    listener: EventListener = ignore,
) -> Head:
    """Fit the head that `settings.kind` names; `validation` chooses the penalty and stops early, and is never learned from.

    Raises DatasetError when a class has no training example.
    """
    counts = np.bincount(train.labels, minlength=classes)
    if (counts == 0).any():
        raise DatasetError(
            f"Class number {int(counts.argmin())} has no film in the training split; add films of it or leave the class out."
        )
    fit = {"logistic": _fit_logistic, "softmax": _fit_softmax, "dense": _fit_dense}[settings.kind]
    held_out = validation if validation is not None and len(validation) else None
    return fit(train, classes, settings, held_out, np.random.default_rng(seed), listener)


def example_weights(examples: Examples, classes: int, how: str) -> NDArray[np.float64]:
    """A weight for each example, mean 1: their own weights, scaled with "balanced" so that every class counts equally in sum."""
    own: NDArray[np.float64] = np.ones(len(examples)) if examples.weights is None else examples.weights
    if how == "balanced":
        own = own / np.bincount(examples.labels, weights=own, minlength=classes)[examples.labels]
    return np.asarray(own / own.mean(), dtype=np.float64)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities along the last axis, in float64."""
    exponent = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), dtype=np.float64)


def cross_entropy_and_accuracy(head: Head, examples: Examples, weights: NDArray[np.float64] | None = None) -> tuple[float, float]:
    """Mean cross-entropy in nats (weighted if told) and share of rows whose largest logit is their class."""
    probabilities = softmax(head.logits(examples.features))
    losses = -np.log(np.maximum(probabilities[np.arange(len(examples)), examples.labels], 1e-12))
    return float(np.average(losses, weights=weights)), float((probabilities.argmax(axis=1) == examples.labels).mean())


def _fit_logistic(
    train: Examples, classes: int, settings: HeadSettings, validation: Examples | None, rng: np.random.Generator, listener: EventListener
) -> Head:
    strengths = (settings.strength,) if settings.strength else _STRENGTHS if validation is not None else (0.03,)
    best: tuple[float, LinearHead] | None = None
    for number, strength in enumerate(strengths, start=1):
        head = _logistic(train, classes, strength, settings.class_weights)
        listener(_step(number, head, train, validation, classes, settings))
        listener(HeadStep(number, head, train.features))
        judge = validation if validation is not None else train
        loss, _ = cross_entropy_and_accuracy(head, judge, example_weights(judge, classes, settings.class_weights))
        if best is None or loss < best[0]:
            best = (loss, head)
            chosen = strength
    assert best is not None
    listener(Note(f"logistic head: penalty strength C = {chosen:g}" + (" chosen on the validation films" if len(strengths) > 1 else "")))
    return best[1]


def _logistic(train: Examples, classes: int, strength: float, class_weights: str) -> LinearHead:
    """One multinomial fit on standardised features, folded back into a head for the features as they are."""
    from sklearn.linear_model import LogisticRegression

    mean = train.features.mean(axis=0, dtype=np.float64)
    scale = np.maximum(train.features.std(axis=0, dtype=np.float64), 1e-6)
    model = LogisticRegression(C=strength, max_iter=500, tol=1e-4)
    model.fit((train.features - mean) / scale, train.labels, sample_weight=example_weights(train, classes, class_weights))
    weight, bias = model.coef_, model.intercept_
    if classes == 2:  # scikit-learn keeps one row for two classes; half of it on either side gives the same probabilities
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    return LinearHead(weight.astype(np.float32), (bias - weight @ mean).astype(np.float32))


def _fit_softmax(
    train: Examples, classes: int, settings: HeadSettings, validation: Examples | None, rng: np.random.Generator, listener: EventListener
) -> Head:
    """retrain.py (TensorFlow, 2015): truncated normal 0.001, plain gradient descent, a class drawn uniformly and then a film of it."""
    weight = truncated_normal(rng, (classes, train.features.shape[1]), 0.001)
    bias = np.zeros(classes, np.float32)
    rate = settings.learning_rate or 0.01
    stop = _EarlyStop(settings.patience)
    for step, rows in enumerate(class_uniform_batches(train, classes, settings.batch or 100, settings.steps, rng), start=1):
        x = train.features[rows]
        error = output_error(softmax(x @ weight.T + bias), train.labels[rows])
        weight -= rate * error.T @ x
        bias -= rate * error.sum(axis=0)
        if step % settings.eval_every == 0 or step == settings.steps:
            head = LinearHead(weight.copy(), bias.copy())
            event = _step(step, head, Examples(x, train.labels[rows]), validation, classes, settings, weighted=False)
            listener(event)
            listener(HeadStep(step, head, x))
            if stop.after(event.validation_loss, head):
                break
    return stop.best or LinearHead(weight, bias)


def _fit_dense(
    train: Examples, classes: int, settings: HeadSettings, validation: Examples | None, rng: np.random.Generator, listener: EventListener
) -> Head:
    """Teachable Machine's head: Dense(100, ReLU) and Dense(classes) without bias, Adam, batches of 16, 50 epochs by default."""
    features, hidden = train.features.shape[1], settings.hidden
    weights = [
        truncated_normal(rng, (hidden, features), (1 / features) ** 0.5),
        np.zeros(hidden, np.float32),
        truncated_normal(rng, (classes, hidden), (1 / hidden) ** 0.5),
    ]
    importance = example_weights(train, classes, settings.class_weights).astype(np.float32)
    adam = _Adam(weights, settings.learning_rate or 0.001)
    stop = _EarlyStop(settings.patience)
    for epoch in range(1, settings.epochs + 1):
        order = rng.permutation(len(train))
        for start in range(0, len(order), settings.batch or 16):
            rows = order[start : start + (settings.batch or 16)]
            adam.step(weights, _dense_gradients(weights, train.features[rows], train.labels[rows], importance[rows]))
        head = DenseHead(weights[0].copy(), weights[1].copy(), weights[2].copy(), np.zeros(classes, np.float32))
        step = _step(epoch, head, train, validation, classes, settings)
        listener(EpochDone(epoch, settings.epochs, step.loss, step.accuracy, step.validation_loss, step.validation_accuracy))
        listener(HeadStep(epoch, head, train.features))
        if stop.after(step.validation_loss, head):
            break
    return stop.best or head


def _dense_gradients(weights: list[Floats], x: Floats, labels: Labels, importance: Floats) -> list[Floats]:
    """Gradients of the mean weighted cross-entropy with respect to hidden weight, hidden bias and output weight."""
    before = x @ weights[0].T + weights[1]
    active = np.maximum(before, 0)
    error = output_error(softmax(active @ weights[2].T), labels) * importance[:, None]
    back = (error @ weights[2]) * (before > 0)
    return [back.T @ x, back.sum(axis=0), error.T @ active]


def output_error(probabilities: NDArray[np.float64], labels: Labels) -> Floats:
    """Derivative of the mean cross-entropy with respect to the logits."""
    error = probabilities.astype(np.float32)
    error[np.arange(len(labels)), labels] -= 1
    return error / np.float32(len(labels))


def _step(
    number: int,
    head: Head,
    train: Examples,
    validation: Examples | None,
    classes: int,
    settings: HeadSettings,
    weighted: bool = True,
) -> StepDone:
    """Measure a head as an event. `weighted`: the training loss as it is minimised; batches drawn by class need no weights."""
    weights = example_weights(train, classes, settings.class_weights) if weighted else None
    loss, accuracy = cross_entropy_and_accuracy(head, train, weights)
    if validation is None:
        return StepDone(number, loss, accuracy)
    held_out = example_weights(validation, classes, settings.class_weights)
    return StepDone(number, loss, accuracy, *cross_entropy_and_accuracy(head, validation, held_out))


def class_uniform_batches(train: Examples, classes: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Rows drawn with replacement: each class with the same chance, its rows by their weights."""
    members = [np.flatnonzero(train.labels == label) for label in range(classes)]
    weights = np.ones(len(train)) if train.weights is None else train.weights
    # Class c's rows share the numbers from c to c + 1.
    upto = np.concatenate([c + np.cumsum(weights[rows]) / weights[rows].sum() for c, rows in enumerate(members)])
    rows, last = np.concatenate(members), np.cumsum([len(rows) for rows in members]) - 1
    for _ in range(steps):
        drawn = rng.integers(classes, size=batch)
        yield rows[np.minimum(np.searchsorted(upto, drawn + rng.random(batch), side="right"), last[drawn])]


def truncated_normal(rng: np.random.Generator, shape: tuple[int, int], deviation: float) -> Floats:
    """Normal values, those beyond two deviations drawn again (TensorFlow's rule)."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return (values * deviation).astype(np.float32)


class _Adam:
    """Adam (Kingma & Ba 2015) with Keras's defaults."""

    def __init__(self, weights: list[Floats], rate: float) -> None:
        self.rate, self.time = rate, 0
        self.first = [np.zeros_like(weight) for weight in weights]
        self.second = [np.zeros_like(weight) for weight in weights]

    def step(self, weights: list[Floats], gradients: list[Floats]) -> None:
        self.time += 1
        rate = self.rate * (1 - 0.999**self.time) ** 0.5 / (1 - 0.9**self.time)
        for weight, gradient, first, second in zip(weights, gradients, self.first, self.second, strict=True):
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            weight -= rate * first / (np.sqrt(second) + 1e-7)


class _EarlyStop:
    """Remembers the head of the lowest validation loss; tells when `patience` evaluations brought no better one. Off at patience 0."""

    def __init__(self, patience: int) -> None:
        self.patience, self.waited, self.lowest = patience, 0, np.inf
        self.best: Head | None = None

    def after(self, loss: float | None, head: Head) -> bool:
        if not self.patience or loss is None:
            return False
        if loss < self.lowest:
            self.lowest, self.waited, self.best = loss, 0, head
            return False
        self.waited += 1
        return self.waited >= self.patience
