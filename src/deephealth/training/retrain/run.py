"""One retraining, from films to frozen graph: read it top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deephealth.features.backbones import Backbone, load_backbone
from deephealth.model.exports.exporting import find_format, require
from deephealth.model.exports.frozen_format import frozen_graph
from deephealth.model.file import Model, save_model
from deephealth.model.graph import compose
from deephealth.model.heads import LinearHead
from deephealth.model.novelty import choose_threshold, fit_novelty
from deephealth.model.record import ModelRecord, TrainingRecord
from deephealth.settings import atomic, own_process
from deephealth.settings.progress import Listener, silent
from deephealth.training.events import HeadStep, StepDone
from deephealth.training.heads import Examples, class_uniform_batches, cross_entropy_and_accuracy, output_error, softmax, truncated_normal
from deephealth.training.retrain.board import show_retraining
from deephealth.training.retrain.bottlenecks import Bottlenecks
from deephealth.training.retrain.films import SPLITS, Sorted, sort_films
from deephealth.training.retrain.options import Options
from deephealth.training.tensorboard import Board

Say = Callable[[str], None]
_FEWEST_FOR_GATE = 20


@dataclass(frozen=True, eq=False)
class Retrained:
    """What came of it. misclassified: path and label of each test film answered wrongly."""

    model: Model
    accuracy: float
    films: int
    misclassified: tuple[tuple[str, str], ...]

    @property
    def last_line(self) -> str:
        """retrain.py's last line, which scripts read."""
        return f"Final test accuracy = {100 * self.accuracy:.1f}% (N={self.films})"


def retrain(options: Options, *, say: Say = print, warn: Say = print, listener: Listener = silent) -> Retrained:
    """Train a softmax layer on a frozen network as retrain.py did; write graph, labels, model file, summaries and SavedModel.

    say: takes the lines that retrain.py logged; warn: one sentence where its way misleads. Raises MissingExtra before any work when a
    SavedModel is asked for without TensorFlow, ModelFileError without the network's weights, DatasetError, FilmError.
    """
    if options.saved_model_dir:
        require(find_format("savedmodel"))
    found = sort_films(options)
    for sentence in found.warnings:
        warn(sentence)
    backbone = load_backbone(options.architecture, weights=options.weights, folder=options.model_dir, listener=listener)
    bottlenecks = Bottlenecks(backbone, options)
    sets = {split: _examples(found, split, bottlenecks, listener) for split in SPLITS}
    with Board(options.summaries_dir) as board:
        head = _fit(options, found, sets, bottlenecks, board, say, lambda head: _model(options, found, backbone, head, sets))
        model = _model(options, found, backbone, head, sets)
        show_retraining(board, model, head, found.films, sets, options.told())
    _write(options, model)
    return _judged(options, found, sets["testing"], head, model)


def _examples(found: Sorted, split: str, bottlenecks: Bottlenecks, listener: Listener) -> Examples:
    films = found.films[split]
    numbers = np.array([found.index.classes.index(film.label) for film in films], np.int64)
    return Examples(bottlenecks.of(films, listener, f"bottlenecks, {split}"), numbers)


def _fit(
    options: Options,
    found: Sorted,
    sets: dict[str, Examples],
    bottlenecks: Bottlenecks,
    board: Board,
    say: Say,
    finish: Callable[[LinearHead], Model],
) -> LinearHead:
    """Plain gradient descent on batches that draw a class, then a film of it; the layer begins as a truncated normal of 0.001."""
    random, train = np.random.default_rng(options.seed), sets["training"]
    classes, dim = len(found.index.classes), train.features.shape[1]
    weight = truncated_normal(random, (classes, dim), 0.001)
    bias = np.zeros(classes, np.float32)
    batches = class_uniform_batches(train, classes, options.train_batch_size, options.how_many_training_steps, random)
    for step, rows in enumerate(batches):
        x, labels = train.features[rows], train.labels[rows]
        if options.distorts:
            x = bottlenecks.distorted([found.films["training"][row] for row in rows], random)
        error = output_error(softmax(x @ weight.T + bias), labels)
        weight -= options.learning_rate * error.T @ x
        bias -= options.learning_rate * error.sum(axis=0)
        head = LinearHead(weight.copy(), bias.copy())
        last = step + 1 == options.how_many_training_steps
        if step % options.eval_step_interval == 0 or last:
            _tell(step, head, Examples(x, labels), _some(sets["validation"], options.validation_batch_size, random), board, say)
        if options.intermediate_store_frequency and step % options.intermediate_store_frequency == 0 and step > 0:
            graph = frozen_graph(finish(head), options.final_tensor_name)
            atomic.write_bytes(options.intermediate_output_graphs_dir / f"intermediate_{step}.pb", graph)
    return LinearHead(weight, bias)


def _some(examples: Examples, size: int, random: np.random.Generator) -> Examples:
    """A batch of the validation films, as they come; all with -1 or where there are no more."""
    if size < 0 or size >= len(examples):
        return examples
    rows = random.choice(len(examples), size, replace=False)
    return Examples(examples.features[rows], examples.labels[rows])


def _tell(step: int, head: LinearHead, train: Examples, validation: Examples, board: Board, say: Say) -> None:
    """retrain.py's three lines of an evaluation, and the curves."""
    loss, accuracy = cross_entropy_and_accuracy(head, train)
    validation_loss, validation_accuracy = cross_entropy_and_accuracy(head, validation)
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    say(f"{now}: Step {step}: Train accuracy = {100 * accuracy:.1f}%")
    say(f"{now}: Step {step}: Cross entropy = {loss:f}")
    say(f"{now}: Step {step}: Validation accuracy = {100 * validation_accuracy:.1f}% (N={len(validation)})")
    board(StepDone(step, loss, accuracy, validation_loss, validation_accuracy))
    board(HeadStep(step, head, train.features))


def _model(options: Options, found: Sorted, backbone: Backbone, head: LinearHead, sets: dict[str, Examples]) -> Model:
    """The model file: no temperature, so that it answers as the frozen graph does."""
    novelty = fit_novelty(sets["training"].features)
    held_out = sets["validation"].features
    record = ModelRecord(
        name="retrained",
        labels=tuple(found.index.classes),
        novelty_threshold=choose_threshold(novelty.distance(held_out)) if len(held_out) >= _FEWEST_FOR_GATE else None,
        training=TrainingRecord(
            seed=options.seed,
            recipe={"retrain": {"architecture": options.architecture, "split": options.split_rule}},
            films=len(sets["training"]),
        ),
        limits=("It was made by `deephealth retrain`, whose only score is an accuracy; judge it with `deephealth evaluate`.",),
    )
    return Model.load(compose(backbone, head, temperature=1.0, novelty=novelty, record=record))


def _write(options: Options, model: Model) -> None:
    """The frozen graph, its labels, the model file beside it, and a SavedModel where one is asked for."""
    atomic.write_bytes(options.output_graph, frozen_graph(model, options.final_tensor_name))
    atomic.write_text(options.output_labels, "\n".join(model.labels) + "\n")
    save_model(model.data, options.output_graph.with_suffix(".onnx"))
    if options.saved_model_dir:
        request = {"graph": str(options.output_graph), "output": options.final_tensor_name, "out": str(options.saved_model_dir)}
        own_process.run("deephealth.model.exports.runtimes.frozen_to_saved", request, needs=("tensorflow",))


def _judged(options: Options, found: Sorted, test: Examples, head: LinearHead, model: Model) -> Retrained:
    count = len(test) if options.test_batch_size < 0 else min(options.test_batch_size, len(test))
    guesses = head.logits(test.features[:count]).argmax(axis=1)
    right = guesses == test.labels[:count]
    films = found.films["testing"][:count]
    wrong = tuple((str(film.path), found.index.classes[guess]) for film, guess, good in zip(films, guesses, right, strict=True) if not good)
    return Retrained(model, float(right.mean()), count, wrong)
