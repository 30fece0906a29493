"""The training loop itself: one step, the averaged weights, the checkpoint; `finetune` says what goes in and what comes out.

    films -> augment -> mix-up -> counter-examples -> normalise -> network -> loss -> AdamW -> averaged weights

Everything random in step k is drawn from the seed and k alone, so a checkpoint needs no random state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deephealth.datasets.duplicates import HASH_BYTES
from deephealth.errors import DeepHealthError, UsageError
from deephealth.settings import atomic
from deephealth.training.counterexamples import conceal, not_chest, outside, unpacked
from deephealth.training.events import EpochDone, EventListener, Note, StepDone
from deephealth.training.film_array import FilmArray
from deephealth.training.networks import Classifier, Normalisation, build_network, read_checkpoint
from deephealth.training.recipe import CounterExamples
from deephealth.training.settle import answers, settle
from deephealth.training.torch_augment import augment, augment_with_masks, mix

if TYPE_CHECKING:
    from deephealth.model.heads import LinearHead
    from deephealth.training.recipe import FineTuneAugmentation, FineTuneSettings

NOTHING_SEEN: NDArray[np.uint8] = np.empty((0, HASH_BYTES), np.uint8)
NO_COUNTEREXAMPLES = CounterExamples()
_FORMAT = 2
_REPORT_EVERY = 10  # steps between StepDone events
_CLIP = 1.0  # largest norm of a step's gradient
_EVALUATION_BATCH = 64
_CHEST_WEIGHT = 0.5  # of the loss of "this is a chest film" beside that of the classes
_DRAW_ORDER, _DRAW_STEP, _DRAW_WEIGHTS = 0, 1, 2  # what a seed is used for


@dataclasses.dataclass(frozen=True, eq=False)
class _Batch:
    """Normalised pictures [n + k, 1, S, S]: n films and k pictures that are no chest films.

    mass [n + k, C]: what each class should get, alike for all classes where nothing may be told. told [n + k]: 1 where a label holds.
    lungs [n, 1, L, L]: 0..1, where they are known.
    """

    films: Tensor
    mass: Tensor
    told: Tensor
    strangers: int
    lungs: Tensor | None


class Trainer:
    """The state of one training run, and the one step that changes it; `benchmarks` time its `step` against a bare loop."""

    def __init__(
        self,
        films: FilmArray,
        classes: int,
        settings: FineTuneSettings,
        augmentation: FineTuneAugmentation,
        counterexamples: CounterExamples = NO_COUNTEREXAMPLES,
        *,
        lungs: NDArray[np.uint8] | None = None,
        seed: int = 0,
        threads: int = 1,
        seen: NDArray[np.uint8] = NOTHING_SEEN,
    ) -> None:
        """lungs: bits of each film's lung mask, as `counterexamples.unpacked` takes them, where counter-examples need them."""
        if counterexamples.need_lungs and lungs is None:
            raise ValueError("counter-examples that hide lungs need to know where the lungs are")
        self.films, self.settings, self.augmentation, self.seed, self.threads = films, settings, augmentation, seed, threads
        self.counterexamples, self.lungs, self.seen = counterexamples, lungs, seen
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = torch.float32 if settings.precision == "float32" else torch.bfloat16
        if settings.precision == "auto" and self.device.type == "cpu":
            self.dtype = torch.float32
        self._seed_torch(_DRAW_WEIGHTS, 0)
        self.model, self.normalisation = self._classifier(classes)
        self.averaged, _ = self._classifier(classes)  # what comes out in the end
        self.averaged.load_state_dict(self.model.state_dict())
        self.averaged.eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, settings.weight_decay), lr=settings.learning_rate, fused=True)
        self.mass = torch.from_numpy(_class_mass(films, classes, settings.balance))
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

    def _classifier(self, classes: int) -> tuple[Classifier, Normalisation]:
        network, normalisation = build_network(self.settings)
        model = Classifier(network, _dim(network, self.settings.size), classes).to(self.device)
        return model.to(memory_format=torch.channels_last), normalisation  # type: ignore[call-overload]

    @property
    def average(self) -> dict[str, Tensor]:
        """The averaged weights and batch statistics, by name; changing a tensor changes the averaged classifier."""
        return self.averaged.state_dict()

    def step(self) -> StepDone:
        """Take the next batch and improve the network by one step."""
        k = self.done
        batch = self._next_batch(k)
        rate = learning_rate(k, self.steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._seed_torch(_DRAW_STEP, k)  # for networks with dropout
        self.model.train()
        with self._precision():
            maps = self.model.network(batch.films)
            features = maps.mean((2, 3))
            logits = self.model.head(features)
        loss = weighted_cross_entropy(logits.float(), batch.mass, self.settings.label_smoothing)
        if batch.strangers:
            loss = loss + _CHEST_WEIGHT * self._chest_loss(features, batch)
        if self.counterexamples.in_lungs and batch.lungs is not None:
            n = len(batch.lungs)
            elsewhere = outside(maps[:n].float(), batch.mass[:n], self.model.head, batch.lungs, batch.told[:n])
            loss = loss + self.counterexamples.in_lungs * elsewhere
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        self.optimizer.step()
        self._update_average()
        hits = (logits.argmax(1) == batch.mass.argmax(1)).float() * batch.told
        right, value = float(hits.sum() / batch.told.sum().clamp(min=1)), float(loss.detach())
        self.sums += torch.tensor([value, right], dtype=torch.float64)
        self.done += 1
        return StepDone(self.done, value, right, learning_rate=rate)

    def _chest_loss(self, features: Tensor, batch: _Batch) -> Tensor:
        """Cross-entropy of "this is a chest film". Films whose label was taken away are neither one nor the other, and do not count."""
        chest = self.model.chest(features.float())[:, 0]
        films = len(chest) - batch.strangers
        truth = (torch.arange(len(chest), device=chest.device) < films).float()
        counts = torch.cat([batch.told[:films], torch.ones_like(truth[films:])])
        return functional.binary_cross_entropy_with_logits(chest, truth, counts)

    def _next_batch(self, k: int) -> _Batch:
        epoch, place = divmod(k, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, _DRAW_ORDER, epoch]).permutation(len(self.films))
        which = np.sort(order[place * self.batch : (place + 1) * self.batch])
        random = np.random.default_rng([self.seed, _DRAW_STEP, k])
        pixels = torch.from_numpy(self.films.batch(which)).to(self.device)
        mass = self.mass[which].to(self.device)
        lungs = None
        if self.lungs is None:
            films = augment(pixels, self.augmentation, random)
            films, mass, _ = mix(films, mass, films[:, :0], self.settings.mixup, random)
            told = np.ones(len(which), dtype=bool)
        else:
            films, masks = augment_with_masks(pixels, self._lungs_of(which), self.augmentation, random)
            films, mass, lungs = mix(films, mass, masks, self.settings.mixup, random)
            films, told = conceal(films, lungs, self.counterexamples, random)
        films, mass, told = self._with_strangers(films, mass, told, random)
        films = self.normalisation(films).contiguous(memory_format=torch.channels_last)
        known = torch.from_numpy(told.astype(np.float32)).to(self.device)
        return _Batch(films, mass, known, len(films) - len(which), lungs)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def _lungs_of(self, which: NDArray[np.int64]) -> Tensor:
        assert self.lungs is not None
        return unpacked(self.lungs[which]).to(self.device)

    def _with_strangers(
        self, films: Tensor, mass: Tensor, told: NDArray[np.bool_], random: np.random.Generator
    ) -> tuple[Tensor, Tensor, NDArray[np.bool_]]:
        """The films, and behind them the pictures that are no chest films; what may not be told from is taken out of `mass`."""
        count = round(self.counterexamples.not_chest * len(films))
        strangers = not_chest(films[random.permutation(len(films))[:count]], random)
        told = np.concatenate([told, np.zeros(count, dtype=bool)])
        mass = torch.cat([mass, mass.new_zeros(count, mass.shape[1])])
        mass[torch.from_numpy(~told)] = 1 / mass.shape[1]
        return torch.cat([films, strangers]), mass, told

    def _seed_torch(self, purpose: int, number: int) -> None:
        torch.manual_seed(int(np.random.default_rng([self.seed, purpose, number, 1]).integers(2**62)))

    def _update_average(self) -> None:
        # Early on the average would be mostly the random start, so its decay grows with the steps taken.
        decay = min(self.settings.average, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for average, value in zip(self.average.values(), self.model.state_dict().values(), strict=True):
                if value.is_floating_point():
                    average.lerp_(value, 1 - decay)
                else:
                    average.copy_(value)

    def logits(self, films: FilmArray) -> NDArray[np.float32]:
        """What the averaged network answers: float32 [n, classes]."""
        return answers(self.averaged, films, self.normalisation)

    def finished(self) -> tuple[nn.Module, LinearHead]:
        """The averaged network on the CPU, and its head, settled on the films as they are; the trainer is not to be used again."""
        from deephealth.model.heads import LinearHead

        order = np.random.default_rng([self.seed, _DRAW_ORDER, self.settings.epochs]).permutation(len(self.films))
        lungs = self.lungs if self.counterexamples.only_lungs else None
        scale, offsets = settle(self.averaged, self.films, self.mass.sum(1).numpy(), self.normalisation, order=order, lungs=lungs)
        model = self.averaged.cpu()
        weight, bias = (scale * values.detach().numpy() for values in (model.head.weight, model.head.bias))
        return model.network, LinearHead(weight.astype(np.float32), (bias + offsets).astype(np.float32))

    def fingerprint(self) -> str:
        """A hash of all that decides the run's outcome, so that a checkpoint is never continued with anything else."""
        films = [self.films.names, self.films.labels.tolist(), self.films.weights.tolist()]
        facts = [
            dataclasses.asdict(self.settings),
            dataclasses.asdict(self.augmentation),
            dataclasses.asdict(self.counterexamples),
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
        self.averaged.load_state_dict(state["average"])
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


def _class_mass(films: FilmArray, classes: int, balance: float) -> NDArray[np.float32]:
    """One row a film, its weight on its class; the mean film weighs 1.

    A class weighs as its films do to the power of 1 - balance: at 1 all classes alike, at 0 each as its films.
    """
    totals = np.bincount(films.labels, films.weights, minlength=classes)
    share = films.weights / totals[films.labels] ** balance
    mass = np.zeros((len(films), classes), dtype=np.float32)
    mass[np.arange(len(films)), films.labels] = share * (len(films) / share.sum())
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
