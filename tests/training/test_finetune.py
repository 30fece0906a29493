"""The training loop: it learns, it resumes to the same values, it refuses what belongs to another run."""

from __future__ import annotations

import dataclasses
import importlib.util
import random
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn import functional

from deephealth.datasets.index import Film
from deephealth.errors import DatasetError, DeepHealthError, ModelFileError, UsageError
from deephealth.features.graph import open_session, resize_film
from deephealth.images.read import read_film
from deephealth.settings.progress import Progress
from deephealth.training import finetune
from deephealth.training import trainer as training
from deephealth.training.counterexamples import LUNG_SIDE
from deephealth.training.events import EpochDone, Event, Note, StepDone
from deephealth.training.film_array import array_of, load_films
from deephealth.training.recipe import FineTuneAugmentation, FineTuneSettings
from deephealth.training.settle import answers, fit_offsets, settle
from deephealth.training.trainer import Trainer, learning_rate, run, weighted_cross_entropy

pytestmark = pytest.mark.train
PROGRAM = Path(__file__).parent / "tiny_finetune.py"


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_finetune", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = load_program()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    return list(tiny.write_films(tmp_path_factory.mktemp("set") / "films"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, films: list[Film]) -> tuple[finetune.FineTuned, list[Event]]:
    """A run that nobody disturbed, and its events."""
    events: list[Event] = []
    return tiny.train(tmp_path_factory.mktemp("whole"), films, events.append), events


def trainer(films: list[Film], folder: Path, **changes: object) -> Trainer:
    array = load_films(films, tiny.CLASSES, 32, folder)
    return Trainer(array, 2, FineTuneSettings(**{**vars(tiny.SETTINGS), **changes}), FineTuneAugmentation(), seed=5)  # type: ignore[arg-type]


def test_it_learns_a_blobs_side(whole: tuple[finetune.FineTuned, list[Event]], films: list[Film]) -> None:
    tuned, _ = whole
    assert tuned.history[-1].validation_accuracy == 1.0
    session = open_session(tuned.backbone.model)
    for film in films:
        features, _ = session.run(["features", "feature_map"], {"image": read_film(film.path).pixels})
        assert tiny.CLASSES[int(tuned.head.logits(features[None]).argmax())] == film.label


def test_events_tell_films_steps_and_epochs(whole: tuple[finetune.FineTuned, list[Event]]) -> None:
    tuned, events = whole
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert tuple(epochs) == tuned.history
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in events if isinstance(event, StepDone)] == [10, 20]
    assert any(isinstance(event, Progress) and event.stage == "films" for event in events)


def test_the_backbone_says_what_it_is(whole: tuple[finetune.FineTuned, list[Event]]) -> None:
    tuned, _ = whole
    assert (tuned.backbone.size, tuned.backbone.dim, tuned.backbone.grid, tuned.backbone.channels) == (32, 24, 2, 1)
    np.testing.assert_array_equal(tuned.backbone.seen, tiny.SEEN)


def test_tiny_set_is_overfitted_without_augmentation() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 32)).astype(np.uint8)
    labels = np.arange(16) % 4
    settings = FineTuneSettings(size=32, channels_width=8, epochs=40, batch=8, learning_rate=5e-3, mixup=0, label_smoothing=0, average=0.8)
    nothing = FineTuneAugmentation(**dict.fromkeys(FineTuneAugmentation.__dataclass_fields__, 0.0))
    with training.torch_threads(1):
        subject = Trainer(array_of(pixels, labels), 4, settings, nothing)
        history = run(subject, None, None, lambda event: None)
    assert history[-1].loss < 0.05
    assert history[-1].validation_loss is None
    assert (subject.logits(subject.films).argmax(1) == labels).all()


def test_calling_again_after_the_end_gives_the_same_at_once(
    tmp_path: Path, films: list[Film], whole: tuple[finetune.FineTuned, list[Event]]
) -> None:
    first = tiny.train(tmp_path, films)
    events: list[Event] = []
    second = tiny.train(tmp_path, films, events.append)
    assert not [event for event in events if isinstance(event, StepDone)]
    assert Note("Fine-tuning goes on after step 24 of 24.") in events
    for other in (second, whole[0]):
        assert other.backbone.model == first.backbone.model
        np.testing.assert_array_equal(other.head.weight, first.head.weight)
        assert other.history == first.history


def test_stopping_in_the_middle_changes_nothing(tmp_path: Path, films: list[Film]) -> None:
    with training.torch_threads(1):
        straight, first, second = (trainer(films, tmp_path) for _ in range(3))
        for _ in range(9):
            straight.step()
        for _ in range(4):
            first.step()
        first.save(tmp_path / "x.pt")
        second.restore(tmp_path / "x.pt")
        for _ in range(5):
            second.step()
    for key, value in straight.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[key], value, atol=0, rtol=0)
        torch.testing.assert_close(second.average[key], straight.average[key], atol=0, rtol=0)
    torch.testing.assert_close(second.sums, straight.sums, atol=0, rtol=0)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, films: list[Film]) -> None:
    with training.torch_threads(1):
        trainer(films, tmp_path).save(tmp_path / "x.pt")
        for other in (trainer(films[:-1], tmp_path), trainer(films, tmp_path, mixup=0.5)):
            with pytest.raises(UsageError, match="is the checkpoint of a run with other films, settings"):
                other.restore(tmp_path / "x.pt")
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ModelFileError, match="damaged"):
        trainer(films, tmp_path).restore(tmp_path / "x.pt")


def test_the_averaged_classifier_follows_and_changes_nothing(tmp_path: Path, films: list[Film]) -> None:
    subject = trainer(films, tmp_path)
    for _ in range(3):
        subject.step()
    before = {key: value.clone() for key, value in subject.model.state_dict().items()}
    subject.logits(subject.films)
    assert not subject.averaged.training
    assert not torch.equal(subject.averaged.head.weight, before["head.weight"])
    torch.testing.assert_close(dict(subject.model.state_dict()), before, atol=0, rtol=0)


def test_average_switched_off_is_the_last_step(tmp_path: Path, films: list[Film]) -> None:
    subject = trainer(films, tmp_path, average=0.0)
    subject.step()
    torch.testing.assert_close(subject.average, dict(subject.model.state_dict()), atol=1e-6, rtol=1e-6)


def test_offsets_are_fitted_on_the_lungs_alone_too_where_they_are_shown(films: list[Film], tmp_path: Path) -> None:
    array = load_films(films, tiny.CLASSES, 32, tmp_path)
    lungs = np.zeros((len(array), LUNG_SIDE, LUNG_SIDE), dtype=bool)
    lungs[1:, :, : LUNG_SIDE // 2] = True  # of the first film nobody knows the lungs
    bits = np.packbits(lungs.reshape(len(array), -1), axis=1)
    subject = trainer(films, tmp_path)
    hidden = array.batch(slice(1, None)).copy()
    hidden[:, :, 16:] = 0
    alone = subject.logits(array_of(hidden, array.labels[1:]))
    n = len(array)
    assert answers(subject.averaged, array, subject.normalisation, np.arange(1, n), bits) == pytest.approx(alone, abs=1e-4)

    def settled(lungs: np.ndarray | None) -> tuple[float, np.ndarray]:
        return settle(subject.averaged, array, np.ones(n, np.float32), subject.normalisation, order=np.arange(n), lungs=lungs)

    whole, both = settled(None), settled(bits)
    logits = subject.logits(array)  # with the statistics that settling has measured
    alone = subject.logits(array_of(hidden, array.labels[1:]))
    weights = np.concatenate([np.ones(n), np.full(n - 1, 0.5)]).astype(np.float32)
    expected = fit_offsets(np.concatenate([logits, alone]), np.concatenate([array.labels, array.labels[1:]]), weights)
    assert both[0] == pytest.approx(expected[0], rel=1e-3)
    assert both[1] == pytest.approx(expected[1], abs=1e-3)
    assert whole[1] != pytest.approx(both[1], abs=1e-3)


def test_bfloat16_trains_too(tmp_path: Path, films: list[Film]) -> None:
    subject = trainer(films, tmp_path, precision="bfloat16", epochs=1)
    assert subject.dtype == torch.bfloat16
    assert np.isfinite([subject.step().loss for _ in range(4)]).all()
    assert next(subject.model.parameters()).dtype == torch.float32


def test_the_learning_rate_warms_up_and_falls() -> None:
    settings = FineTuneSettings(learning_rate=1.0, warmup=0.2)
    rates = [learning_rate(k, 100, settings) for k in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[19] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.5)
    assert rates[99] < 0.001
    assert learning_rate(0, 1, FineTuneSettings(warmup=0.0)) == FineTuneSettings().learning_rate


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_cross_entropy(smoothing: float) -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    expected = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(weighted_cross_entropy(logits, torch.eye(3)[labels], smoothing), expected)


def test_classes_and_weights_count_as_they_should() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = np.array([1, 1, 2, 1], np.float32)
    mass = training._class_mass(array_of(np.zeros((4, 8, 8), np.uint8), labels, weights), 3, 1.0)
    assert mass.sum() == pytest.approx(4)
    np.testing.assert_allclose(mass.sum(0), [2, 2, 0])
    assert mass[2, 0] == pytest.approx(2 * mass[0, 0])
    unbalanced = training._class_mass(array_of(np.zeros((4, 8, 8), np.uint8), labels, weights), 3, 0.0)
    np.testing.assert_allclose(unbalanced.sum(0), [3.2, 0.8, 0], rtol=1e-6)
    between = training._class_mass(array_of(np.zeros((4, 8, 8), np.uint8), labels, weights), 3, 0.5).sum(0)
    assert between[0] / between[1] == pytest.approx(2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetV2B0"])
def test_a_keras_network_goes_all_the_way(tmp_path: Path, films: list[Film], name: str) -> None:
    tuned = tiny.train(tmp_path, films[:24], architecture=f"keras:{name}", epochs=1, standardise=False)
    assert (tuned.backbone.dim, tuned.backbone.grid) == (1280, 1)
    again = tiny.train(tmp_path, films[:24], architecture=f"keras:{name}", epochs=1, standardise=False)
    assert again.backbone.model == tuned.backbone.model


def test_films_are_the_graphs_pixels_and_bad_ones_are_left_out(tmp_path: Path, films: list[Film]) -> None:
    (tmp_path / "torn.png").write_bytes(films[0].path.read_bytes()[:50])
    bad = [Film("torn.png", tmp_path / "torn.png", "normal", "x"), Film("gone.png", tmp_path / "gone.png", "normal", "y")]
    array = load_films([*films[:3], *bad, films[3]], tiny.CLASSES, 32, tmp_path)
    assert [problem.name for problem in array.problems] == ["torn.png", "gone.png"]
    assert array.names == tuple(film.name for film in films[:4])
    np.testing.assert_array_equal(array.labels, [0, 1, 0, 1])
    expected = resize_film(read_film(films[1].path).pixels, 32)
    np.testing.assert_allclose(array.batch(np.array([1]))[0], expected, atol=0.5001)
    with pytest.raises(DatasetError, match="None of the 2 films"):
        load_films(bad, tiny.CLASSES, 32, tmp_path)


def test_films_are_decoded_once(tmp_path: Path, films: list[Film]) -> None:
    load_films(films[:5], tiny.CLASSES, 32, tmp_path)
    seen: list[Progress] = []
    load_films(films[:6], tiny.CLASSES, 32, tmp_path, threads=2, progress=seen.append)
    assert seen == [Progress("films", 6, 6, 5)]


def run_and_kill(folder: Path, out: Path, moments: int, seed: int) -> int:
    """Run the program until it ends, with kill -9 at up to `moments` random moments of its work; how often it was killed."""
    dice = random.Random(seed)
    for kills in range(moments + 1):
        process = subprocess.Popen([sys.executable, PROGRAM, folder, out], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if kills < moments:
            time.sleep(dice.uniform(0, 0.3))
            process.kill()
        process.stdout.close()
        if process.wait() == 0:
            return kills
    raise AssertionError("the run never ended")


@pytest.mark.parametrize("moments", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_resumed_gives_the_same_bytes(tmp_path: Path, moments: int) -> None:
    undisturbed, disturbed = tmp_path / "a" / "one", tmp_path / "b" / "two"
    assert run_and_kill(tmp_path / "a" / "run", undisturbed, 0, seed=0) == 0
    assert run_and_kill(tmp_path / "b" / "run", disturbed, moments, seed=moments) >= moments // 2
    assert undisturbed.with_suffix(".onnx").read_bytes() == disturbed.with_suffix(".onnx").read_bytes()
    one, two = (np.load(path.with_suffix(".npz")) for path in (undisturbed, disturbed))
    for key in ("weight", "bias"):
        np.testing.assert_array_equal(one[key], two[key])


def test_a_network_remembers_the_films_of_the_checkpoint_it_started_from(tmp_path: Path, films: list[Film]) -> None:
    tiny.train(tmp_path / "first", films, epochs=1)
    start = str(tmp_path / "first" / finetune.CHECKPOINT)
    np.testing.assert_array_equal(finetune.learned_before(FineTuneSettings(start=start)), tiny.SEEN)
    other = np.full((1, 32), 7, np.uint8)
    further = tiny.train(tmp_path / "second", films, epochs=1, start=start, seen=other)
    np.testing.assert_array_equal(further.backbone.seen, np.concatenate([tiny.SEEN, other]))


def test_a_checkpoint_that_does_not_say_what_it_learned_from_is_no_start(tmp_path: Path) -> None:
    torch.save({"average": {}}, tmp_path / "x.pt")
    with pytest.raises(ModelFileError, match="which films it learned from"):
        finetune.learned_before(FineTuneSettings(start=str(tmp_path / "x.pt")))


def test_a_film_replaced_by_another_of_its_name_ends_a_resume(tmp_path: Path, films: list[Film]) -> None:
    subject, other = trainer(films, tmp_path), trainer(films, tmp_path)
    subject.save(tmp_path / "x.pt")
    other.restore(tmp_path / "x.pt")
    other = trainer(films, tmp_path)
    other.films = array_of(255 - other.films.batch(slice(None)), other.films.labels)
    other.films = dataclasses.replace(other.films, names=subject.films.names)
    with pytest.raises(UsageError, match="other films"):
        other.restore(tmp_path / "x.pt")


def test_a_loss_that_is_no_number_ends_training_in_a_sentence(tmp_path: Path, films: list[Film]) -> None:
    with pytest.raises(DeepHealthError, match=r"loss is nan .* lower fine_tune.learning_rate"):
        tiny.train(tmp_path / "run", films, learning_rate=1e30)
    assert not (tmp_path / "run" / finetune.CHECKPOINT).exists()
