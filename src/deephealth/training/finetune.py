"""Training a whole network: one plain loop for any torch module that turns normalised films [N, 1, S, S] into a feature map [N, d, g, g].

    films (decoded once, memory-mapped) -> `trainer.Trainer`, step by step -> averaged weights -> backbone and head, checked

What comes out are the averaged weights after the last epoch. No best epoch is picked: averaging and a falling learning rate make the last
one good, and picking by the validation films would make their scores look better than they are.

Everything random in step k is drawn from the seed and k alone, so a checkpoint needs no random state, and a run that is killed and resumed
ends with the same values, to the bit, as one that was not (same machine, packages and number of threads; on a GPU, as far as its
convolutions add in a fixed order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import MissingExtra, ModelFileError

try:
    import torch
    from torch import Tensor
except ImportError as _error:
    raise MissingExtra("Training a whole network", "train") from _error

from deephealth.datasets.duplicates import HASH_BYTES
from deephealth.settings.progress import Progress
from deephealth.training.counterexamples import LUNG_SIDE
from deephealth.training.events import EpochDone, EventListener, Note, ignore, progress_of
from deephealth.training.film_array import FilmArray, load_films
from deephealth.training.networks import CHECKPOINT_SUFFIX, read_checkpoint
from deephealth.training.recipe import FineTuneSettings
from deephealth.training.trainer import NOTHING_SEEN, Trainer, run, torch_threads

if TYPE_CHECKING:
    from deephealth.datasets.index import Film
    from deephealth.features.backbones import Backbone
    from deephealth.model.heads import LinearHead
    from deephealth.training.recipe import Recipe

CHECKPOINT = "fine-tune.pt"
FindLungs = Callable[[NDArray[np.uint8], int], NDArray[np.bool_] | None]
"""From a film uint8 [S, S] and a side to the film's lungs, bool [side, side], or None where no plausible lungs are found."""
_TELL_EVERY = 64  # films between two reports while lungs are looked for


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
    recipe: Recipe,
    *,
    find_lungs: FindLungs | None = None,
    seed: int,
    threads: int,
    folder: Path,
    seen: NDArray[np.uint8],
    listener: EventListener = ignore,
) -> FineTuned:
    """Train a network on `train` as the recipe's `fine_tune` says (default: its defaults) and export it, checked against its ONNX file.

    `folder` keeps the decoded films and the checkpoint; calling again with the same arguments goes on where the last call stopped.
    `seen`: uint8 [m, 32], the perceptual hashes of `train`; with those of the checkpoint it starts from, they go into the backbone.
    `find_lungs` is needed where the recipe's counter-examples hide lungs; a film without plausible lungs is then shown as it is.
    Raises UsageError when the checkpoint in `folder` belongs to another run, ModelFileError when it or the weights to start from cannot be
    read, DatasetError when no film can be read, ParityError when the exported file answers differently.
    """
    from deephealth.model import from_torch

    settings, counterexamples = recipe.fine_tune or FineTuneSettings(), recipe.counterexamples
    seen = np.unique(np.concatenate([learned_before(settings), seen]), axis=0)
    load = _loader(classes, settings.size, folder, threads, listener)
    films, held_out = load(train), load(validation) if validation else None
    lungs = find_all_lungs(films, find_lungs, listener) if counterexamples.need_lungs and find_lungs else None
    with torch_threads(threads):
        trainer = Trainer(
            films,
            len(classes),
            settings,
            recipe.fine_tune_augmentation,
            counterexamples,
            lungs=lungs,
            seed=seed,
            threads=threads,
            seen=seen,
        )
        history = run(trainer, held_out, folder / CHECKPOINT, listener)
        network, head = trainer.finished()
    samples = [films.batch(slice(k, k + 1))[0] for k in range(min(len(films), 8))]
    backbone = from_torch.backbone_of(
        network,
        name=recipe.name,
        size=settings.size,
        standardise=trainer.normalisation.standardise,
        mean=trainer.normalisation.mean,
        scale=trainer.normalisation.scale,
        seen=seen,
        licence=recipe.licence,
        provenance=recipe.provenance,
    )
    from_torch.check_parity(backbone, head, network, trainer.normalisation, samples)
    return FineTuned(backbone, head, history)


def find_all_lungs(films: FilmArray, find: FindLungs, listener: EventListener = ignore) -> NDArray[np.uint8]:
    """The lungs of `films` as bits, uint8 [n, LUNG_SIDE^2 / 8]; none is set for a film without plausible lungs; a note tells how many."""
    bits = np.zeros((len(films), LUNG_SIDE * LUNG_SIDE // 8), np.uint8)
    without = 0
    for k in range(len(films)):
        mask = find(films.batch(slice(k, k + 1))[0], LUNG_SIDE)
        if mask is None:
            without += 1
        else:
            bits[k] = np.packbits(mask)
        if (k + 1) % _TELL_EVERY == 0 or k + 1 == len(films):
            listener(Progress("lungs", k + 1, len(films)))
    if without:
        listener(Note(f"On {without} of {len(films)} films no plausible lungs were found; they are never shown with parts hidden."))
    return bits


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


def _loader(classes: tuple[str, ...], size: int, folder: Path, threads: int, listener: EventListener) -> Any:
    def load(films: Sequence[Film]) -> FilmArray:
        array = load_films(films, classes, size, folder, threads=threads, progress=progress_of(listener))
        for problem in array.problems:
            listener(Note(f"{problem.name} was left out: {problem.reason}"))
        return array

    return load
