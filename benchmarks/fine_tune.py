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
STEMS = "the small network at 224 px in bfloat16, batch 32: a first stride of 4 at once against 2 twice"
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
        stems = _stems(options)
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
    gains = [fine / coarse for coarse, fine in stems]
    yield Figure(
        STEMS,
        statistics.median(gains),
        min(gains),
        max(gains),
        "x",
        f"{len(gains)} pairs",
        "forward and backward of SmallResNet() against the same with a 3 x 3 stem and a first block of stride 2 each",
    )


def _stems(options: Options) -> list[tuple[float, float]]:
    """Seconds of a forward and backward pass of the small network, and of the same with a stride of 2 twice instead of 4 at once."""
    import torch

    from deephealth.training.networks import ResidualBlock, SmallResNet, convolution

    networks = [SmallResNet(), SmallResNet()]
    networks[1].stem, networks[1].blocks[0] = convolution(1, 32, stride=2), ResidualBlock(32, 32, 2)
    side = options.sized(224, 64)
    films = torch.rand(options.sized(32, 2), 1, side, side).contiguous(memory_format=torch.channels_last)

    def once(network: Any) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            maps = network(films)
        maps.float().mean().backward()

    for network in networks:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        once(network)
    return [(timed(lambda: once(networks[0]))[0], timed(lambda: once(networks[1]))[0]) for _ in range(options.sized(10, 1))]


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
