"""One epoch of fine-tuning against a bare torch loop on films in memory.

Ours: `Trainer.step` as `deephealth train --fine-tune` runs it (augmentation, normalisation, mix-up, averaged weights, clipped gradients)
and the checkpoint at the epoch's end. Bare: the same network, batch size and optimiser on normalised float batches that lie in memory:
forward, cross-entropy, backward, step, and the loss read for the log. Steps alternate, so both see the same machine.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Bar, Figure, Options, timed

TITLE = "one epoch of fine-tuning (small-resnet, 160 px, batch 32) against a bare torch loop on films in memory"
BAR = Bar("at most", 1.15)


def run(options: Options) -> Iterator[Figure]:
    """Epochs of alternating steps."""
    from deephealth.settings.threads import available
    from deephealth.training import trainer as training
    from deephealth.training.recipe import FineTuneAugmentation, FineTuneSettings

    epochs, count = options.sized(4, 1), options.sized(256, 8)
    settings = FineTuneSettings(epochs=epochs + 1, batch=options.sized(32, 4), size=options.sized(160, 64))
    threads = available()
    with training.torch_threads(threads):
        trainer = training.Trainer(_films(count, settings.size), 3, settings, FineTuneAugmentation(), threads=threads)
        bare = bare_step(trainer)
        # The first step of each builds what later steps reuse.
        trainer.step()
        bare(0)
        timings = [_epoch(trainer, bare, options.work / "checkpoint.pt") for _ in range(epochs)]
    ratios = [ours / theirs for ours, theirs, _ in timings]
    ours, theirs, saved = (statistics.median(column) for column in zip(*timings, strict=True))
    yield Figure(
        TITLE,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        "x",
        f"{epochs} epochs of {trainer.steps_per_epoch} steps",
        "Trainer.step() and Trainer.save() against forward, backward, AdamW.step()",
        BAR,
        notes=(
            f"{count / ours:.1f} against {count / theirs:.1f} films/s on {trainer.device}, {threads} processors; "
            f"the checkpoint takes {1000 * saved:.0f} ms of the epoch.",
        ),
    )


def _films(count: int, size: int) -> Any:
    from deephealth.training.film_array import array_of

    rng = np.random.default_rng(0)
    return array_of(rng.integers(0, 256, (count, size, size), dtype=np.uint8), np.arange(count) % 3)


def bare_step(trainer: Any) -> Callable[[int], None]:
    """A step of the bare loop on a network of its own, of the same form as the trainer's, on batch k of the same films."""
    import torch
    from torch.nn import functional

    from deephealth.training.networks import Classifier, build_network

    network, normalisation = build_network(trainer.settings)
    classes = trainer.mass.shape[1]
    model = Classifier(network, trainer.model.head.in_features, classes).to(trainer.device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=trainer.settings.learning_rate, fused=True)
    grey = torch.from_numpy(trainer.films.batch(slice(None)))[:, None].float()
    films = normalisation(grey).contiguous(memory_format=torch.channels_last).to(trainer.device)
    labels = torch.from_numpy(trainer.films.labels).to(trainer.device)

    def step(k: int) -> None:
        chosen = slice(k * trainer.batch, (k + 1) * trainer.batch)
        model.train()
        with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.dtype == torch.bfloat16):
            logits = model(films[chosen])
        loss = functional.cross_entropy(logits.float(), labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        float(loss.detach())

    return step


def _epoch(trainer: Any, bare: Callable[[int], None], checkpoint: Path) -> tuple[float, float, float]:
    """Seconds of our epoch, of the bare one, and of ours for the checkpoint."""
    ours = theirs = 0.0
    for k in range(trainer.steps_per_epoch):
        ours += timed(trainer.step)[0]
        theirs += timed(lambda k=k: bare(k))[0]  # type: ignore[misc]
    saved, _ = timed(lambda: trainer.save(checkpoint))
    return ours + saved, theirs, saved
