"""Training a whole network: one plain loop for any torch module that turns normalised films [N, 1, S, S] into a feature map [N, d, g, g].

    films (decoded once, memory-mapped) -> augment -> normalise -> mix-up -> network -> loss -> AdamW -> averaged weights

What comes out are the averaged weights after the last epoch. No best epoch is picked: averaging and a falling learning rate make the last
one good, and picking by the validation films would make their scores look better than they are.

Everything random in step k is drawn from the seed and k alone, so a checkpoint needs no random state, and a run that is killed and resumed
ends with the same values, to the bit, as one that was not (same machine, packages and number of threads; on a GPU, as far as its
convolutions add in a fixed order).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import DeepHealthError, MissingExtra, ModelFileError, UsageError

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as _error:
    raise MissingExtra("Training a whole network", "train") from _error

from deephealth.datasets.duplicates import HASH_BYTES
from deephealth.settings import atomic
from deephealth.training.events import EpochDone, EventListener, Note, StepDone, ignore, progress_of
from deephealth.training.film_array import FilmArray, load_films
from deephealth.training.networks import CHECKPOINT_SUFFIX, Classifier, build_network, read_checkpoint
from deephealth.training.torch_augment import augment, mix

if TYPE_CHECKING:
    from deephealth.datasets.index import Film
    from deephealth.features.backbones import Backbone
    from deephealth.model.heads import LinearHead
    from deephealth.training.recipe import FineTuneAugmentation, FineTuneSettings

CHECKPOINT = "fine-tune.pt"
NOTHING_SEEN: NDArray[np.uint8] = np.empty((0, HASH_BYTES), np.uint8)
_FORMAT = 1
_REPORT_EVERY = 10  # steps between StepDone events
_CLIP = 1.0  # largest norm of a step's gradient
_EVALUATION_BATCH = 64
_DRAW_ORDER, _DRAW_STEP, _DRAW_WEIGHTS = 0, 1, 2  # what a seed is used for


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A trained network as a backbone, its linear head, and what happened epoch by epoch."""

    backbone: Backbone
    head: LinearHead
    history: tuple[EpochDone, ...]


def fine_tune(
    train: Sequence[Film],
    validation: Sequence[Film],
    classes: tuple[str, ...],
    settings: FineTuneSettings,
    augmentation: FineTuneAugmentation,
    *,
    seed: int,
    threads: int,
    folder: Path,
    seen: NDArray[np.uint8],
    name: str,
    licence: str = "unknown",
    provenance: str = "",
    listener: EventListener = ignore,
) -> FineTuned:
    """Train a network on `train` and export it, checked against the ONNX file it becomes.

    `folder` keeps the decoded films and the checkpoint; calling again with the same arguments goes on where the last call stopped.
    `seen`: uint8 [m, 32], the perceptual hashes of `train`; with those of the checkpoint it starts from, they go into the backbone.
    Raises UsageError when the checkpoint in `folder` belongs to another run, ModelFileError when it or the weights to start from cannot be
    read, DatasetError when no film can be read, ParityError when the exported file answers differently.
    """
    from deephealth.model import from_torch

    seen = np.unique(np.concatenate([learned_before(settings), seen]), axis=0)
    load = _loader(classes, settings.size, folder, threads, listener)
    films, held_out = load(train), load(validation) if validation else None
    with torch_threads(threads):
        trainer = Trainer(films, len(classes), settings, augmentation, seed=seed, threads=threads, seen=seen)
        history = run(trainer, held_out, folder / CHECKPOINT, listener)
        network, head = trainer.finished()
    samples = [films.batch(slice(k, k + 1))[0] for k in range(min(len(films), 8))]
    backbone = from_torch.backbone_of(
        network,
        name=name,
        size=settings.size,
        standardise=trainer.normalisation.standardise,
        mean=trainer.normalisation.mean,
        scale=trainer.normalisation.scale,
        seen=seen,
        licence=licence,
        provenance=provenance,
    )
    from_torch.check_parity(backbone, head, network, trainer.normalisation, samples)
    return FineTuned(backbone, head, history)


def learned_before(settings: FineTuneSettings) -> NDArray[np.uint8]:
    """Perceptual hashes uint8 [m, 32] of the films that the checkpoint to start from has learned from; none for another start.

    Raises ModelFileError when the checkpoint cannot be read or does not say.
    """
    if not settings.start.endswith(CHECKPOINT_SUFFIX):
        return NOTHING_SEEN
    seen = read_checkpoint(Path(settings.start)).get("seen")
    if not isinstance(seen, Tensor) or seen.dtype != torch.uint8 or seen.ndim != 2 or seen.shape[1] != HASH_BYTES:
        raise ModelFileError(
            f"The checkpoint {settings.start} does not say which films it learned from, expected one written by `deephealth train "
            "--fine-tune`; train it again."
        )
    return seen.numpy()


class Trainer:
    """The state of one training run, and the one step that changes it; `benchmarks` time its `step` against a bare loop."""

    def __init__(
        self,
        films: FilmArray,
        classes: int,
        settings: FineTuneSettings,
        augmentation: FineTuneAugmentation,
        *,
        seed: int = 0,
        threads: int = 1,
        seen: NDArray[np.uint8] = NOTHING_SEEN,
    ) -> None:
        self.films, self.settings, self.augmentation, self.seed, self.threads = films, settings, augmentation, seed, threads
        self.seen = seen
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = torch.float32 if settings.precision == "float32" else torch.bfloat16
        if settings.precision == "auto" and self.device.type == "cpu":
            self.dtype = torch.float32
        self._seed_torch(_DRAW_WEIGHTS, 0)
        network, self.normalisation = build_network(settings)
        dim = _dim(network, settings.size)
        self.model = Classifier(network, dim, classes).to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, settings.weight_decay), lr=settings.learning_rate, fused=True)
        self.average = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        self.mass = torch.from_numpy(_class_mass(films, classes))
        self.batch = min(settings.batch, len(films))
        self.steps_per_epoch = len(films) // self.batch
        self.steps = self.steps_per_epoch * settings.epochs
        self.done = 0
        self.sums = torch.zeros(2, dtype=torch.float64)  # of this epoch: loss and share of right answers, summed over steps
        self.history: list[EpochDone] = []

    @property
    def epoch(self) -> int:
        """Whole epochs behind us."""
        return self.done // self.steps_per_epoch

    def step(self) -> StepDone:
        """Take the next batch and improve the network by one step."""
        k = self.done
        films, mass = self._next_batch(k)
        rate = learning_rate(k, self.steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._seed_torch(_DRAW_STEP, k)  # for networks with dropout
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            logits = self.model(films)
        loss = weighted_cross_entropy(logits.float(), mass, self.settings.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        self.optimizer.step()
        self._update_average()
        right = float((logits.argmax(1) == mass.argmax(1)).float().mean())
        value = float(loss.detach())
        self.sums += torch.tensor([value, right], dtype=torch.float64)
        self.done += 1
        return StepDone(self.done, value, right, learning_rate=rate)

    def _next_batch(self, k: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(k, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, _DRAW_ORDER, epoch]).permutation(len(self.films))
        which = np.sort(order[place * self.batch : (place + 1) * self.batch])
        random = np.random.default_rng([self.seed, _DRAW_STEP, k])
        pixels = torch.from_numpy(self.films.batch(which)).to(self.device)
        films = self.normalisation(augment(pixels, self.augmentation, random))
        films, mass = mix(films, self.mass[which].to(self.device), self.settings.mixup, random)
        return films.contiguous(memory_format=torch.channels_last), mass

    def _seed_torch(self, purpose: int, number: int) -> None:
        torch.manual_seed(int(np.random.default_rng([self.seed, purpose, number, 1]).integers(2**62)))

    def _update_average(self) -> None:
        # Early on the average would be mostly the random start, so its decay grows with the steps taken.
        decay = min(self.settings.average, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for key, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[key].lerp_(value, 1 - decay)
                else:
                    self.average[key].copy_(value)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[Classifier]:
        """The classifier with its averaged weights and batch statistics, ready to answer, until the block ends."""
        now = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        try:
            yield self.model
        finally:
            self.model.load_state_dict(now)

    def logits(self, films: FilmArray) -> NDArray[np.float32]:
        """What the averaged network answers: float32 [n, classes]."""
        answers = []
        with self.averaged() as model, torch.no_grad():
            for start in range(0, len(films), _EVALUATION_BATCH):
                pixels = torch.from_numpy(films.batch(slice(start, start + _EVALUATION_BATCH))).to(self.device)
                grey = self.normalisation(pixels[:, None].float()).contiguous(memory_format=torch.channels_last)
                answers.append(model(grey).float().cpu())
        return torch.cat(answers).numpy()

    def finished(self) -> tuple[nn.Module, LinearHead]:
        """The averaged network on the CPU, and its head; the run is over, and the trainer not to be used again."""
        from deephealth.model.heads import LinearHead

        self.model.load_state_dict(self.average)
        model = self.model.cpu().eval()
        weight, bias = model.head.weight.detach().numpy().copy(), model.head.bias.detach().numpy().copy()
        return model.network, LinearHead(weight, bias)

    def fingerprint(self) -> str:
        """A hash of all that decides the run's outcome, so that a checkpoint is never continued with anything else."""
        films = [self.films.names, self.films.labels.tolist(), self.films.weights.tolist()]
        facts = [
            dataclasses.asdict(self.settings),
            dataclasses.asdict(self.augmentation),
            films,
            [self.seed, self.threads, str(self.device), str(self.dtype), torch.__version__],
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @cached_property
    def pixels(self) -> str:
        """A hash of what the films show: a film may be replaced by another of its name between a kill and the restart."""
        found = hashlib.sha256()
        for start in range(0, len(self.films), _EVALUATION_BATCH):
            found.update(self.films.batch(slice(start, start + _EVALUATION_BATCH)).tobytes())
        return found.hexdigest()

    def save(self, path: Path) -> None:
        """Write the checkpoint: tensors and plain values only, whole or not at all."""
        state = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint(),
            "done": self.done,
            "sums": self.sums,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "seen": torch.from_numpy(self.seen.copy()),
            "pixels": self.pixels,
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
        }
        with atomic.replacing(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Go on from the checkpoint at `path`. Raises UsageError when it is of another run, ModelFileError when it cannot be read."""
        state = read_checkpoint(path)
        same = state.get("fingerprint") == self.fingerprint() and state.get("pixels", self.pixels) == self.pixels
        if state.get("format") != _FORMAT or not same:
            raise UsageError(
                f"{path} is the checkpoint of a run with other films, settings, seed, threads or packages; "
                "repeat that run as it was, or choose another folder."
            )
        self.model.load_state_dict(state["model"])
        self.average = {key: value.to(self.device) for key, value in state["average"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        self.done, self.sums = state["done"], state["sums"]
        self.history = [EpochDone(**epoch) for epoch in state["history"]]


def run(trainer: Trainer, validation: FilmArray | None, checkpoint: Path | None, listener: EventListener) -> tuple[EpochDone, ...]:
    """Train to the end, from the checkpoint if there is one; evaluate the averaged weights on `validation` after each epoch."""
    if checkpoint is not None and checkpoint.exists():
        trainer.restore(checkpoint)
        listener(Note(f"Fine-tuning goes on after step {trainer.done} of {trainer.steps}."))
    while trainer.done < trainer.steps:
        done = trainer.step()
        if not math.isfinite(done.loss):
            raise DeepHealthError(
                f"The loss is {done.loss} after step {done.step}, expected a number; lower fine_tune.learning_rate and train again."
            )
        if done.step % _REPORT_EVERY == 0:
            listener(done)
        if done.step % trainer.steps_per_epoch == 0:
            trainer.history.append(_close_epoch(trainer, validation))
            listener(trainer.history[-1])
        elif done.step % trainer.settings.checkpoint_every:
            continue
        if checkpoint is not None:
            trainer.save(checkpoint)
    return tuple(trainer.history)


def _close_epoch(trainer: Trainer, validation: FilmArray | None) -> EpochDone:
    loss, accuracy = (trainer.sums / trainer.steps_per_epoch).tolist()
    trainer.sums = torch.zeros_like(trainer.sums)
    epoch = EpochDone(trainer.epoch, trainer.settings.epochs, loss, accuracy)
    if validation is None:
        return epoch
    logits = torch.from_numpy(trainer.logits(validation))
    labels = torch.from_numpy(validation.labels)
    return dataclasses.replace(
        epoch,
        validation_loss=float(functional.cross_entropy(logits, labels)),
        validation_accuracy=float((logits.argmax(1) == labels).float().mean()),
    )


def learning_rate(step: int, steps: int, settings: FineTuneSettings) -> float:
    """Linear warm-up over the first share of the steps, then half a cosine down to nearly zero."""
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def weighted_cross_entropy(logits: Tensor, mass: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy of logits [n, C] against class masses [n, C]: a film's weight on its class, or on two classes after mix-up.

    `smoothing` spreads that share of each film's mass evenly over the classes (Szegedy et al. 2016).
    """
    mass = torch.lerp(mass, mass.mean(1, keepdim=True).expand_as(mass), smoothing)
    return -(mass * functional.log_softmax(logits, 1)).sum(1).mean()


def _class_mass(films: FilmArray, classes: int) -> NDArray[np.float32]:
    """One row a film, its weight on its class, scaled so that the classes weigh the same and the mean film weighs 1."""
    totals = np.bincount(films.labels, films.weights, minlength=classes)
    present = totals > 0
    share = films.weights / totals[films.labels] * len(films) / present.sum()
    mass = np.zeros((len(films), classes), dtype=np.float32)
    mass[np.arange(len(films)), films.labels] = share
    return mass


def parameter_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """For an optimiser. Biases and batch normalisation are left free of weight decay: shrinking them does not regularise."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _dim(network: nn.Module, size: int) -> int:
    network.eval()
    with torch.no_grad():
        shape = network(torch.zeros(1, 1, size, size)).shape
    return int(shape[1])


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use `threads` threads until the block ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _loader(classes: tuple[str, ...], size: int, folder: Path, threads: int, listener: EventListener) -> Any:
    def load(films: Sequence[Film]) -> FilmArray:
        array = load_films(films, classes, size, folder, threads=threads, progress=progress_of(listener))
        for problem in array.problems:
            listener(Note(f"{problem.name} was left out: {problem.reason}"))
        return array

    return load
