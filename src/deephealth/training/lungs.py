"""Train the lung finder: a small U-Net of dense 3x3 convolutions at 128 px, from a grey film to the lungs.

U-Net after Ronneberger, Fischer and Brox, "U-Net: Convolutional networks for biomedical image segmentation", 2015, with residual blocks on
the way down and sums instead of concatenations across, which halves the arithmetic. Loss: cross-entropy of every pixel and soft Dice of
every film (Milletari, Navab and Ahmadi, "V-Net", 2016).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deephealth.errors import ParityError
from deephealth.features import graph
from deephealth.model import from_torch, typed
from deephealth.settings.progress import Listener, Progress, silent
from deephealth.training.lung_films import IGNORED, LUNG, LungExamples, batches
from deephealth.training.networks import Normalisation, ResidualBlock, convolution
from deephealth.training.recipe import FineTuneAugmentation
from deephealth.training.torch_augment import augment_with_masks, coarsen
from deephealth.training.trainer import parameter_groups, torch_threads

PARITY_LIMIT = 1e-4
"""Largest difference of a pixel's probability between the torch network and the exported file."""
OUTPUT = "lungs"
_CLIP = 5.0
_AVERAGE = 0.995


_AUGMENTATION = FineTuneAugmentation(
    rotate=15, shift=0.1, crop=0.35, aspect=0.35, gamma=0.7, contrast=0.7, brightness=0.15, noise=0.03, border=0.3, patch=0.3, flip=0.5
)


@dataclass(frozen=True)
class LungSettings:
    """Everything that decides the file besides the films. side, in pixels, is divisible by 16; widths: channels at each half of it."""

    side: int = 128
    widths: tuple[int, ...] = (16, 32, 64, 96)
    epochs: int = 10
    batch: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    half_precision: bool = True  # bfloat16 in the convolutions: 1.75 times as fast where the processor knows it
    coarse: float = 0.5  # share of the films that look like an enlarged thumbnail
    coarsest: int = 32  # side of the smallest thumbnail
    augmentation: FineTuneAugmentation = _AUGMENTATION

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return dict(typed.encode(self))


class LungNetwork(nn.Module):
    """Normalised grey films [N, 1, S, S] -> logits of lung [N, 1, S, S]. Works at half the side; the last step is a pixel shuffle."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        self.stem = convolution(1, widths[0], side=5, stride=2)
        self.first = convolution(widths[0], widths[0])
        self.down = nn.ModuleList(ResidualBlock(fine, coarse, 2) for fine, coarse in pairs)
        self.across = nn.ModuleList(convolution(coarse, fine, side=1) for fine, coarse in pairs)
        self.up = nn.ModuleList(convolution(fine, fine) for fine, _ in pairs)
        self.head = nn.Conv2d(widths[0], 4, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.head:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits of lung."""
        x = functional.relu(self.first(functional.relu(self.stem(x))))
        seen = []
        for down in self.down:
            seen.append(x)
            x = down(x)
        for k in reversed(range(len(self.up))):
            enlarged = functional.interpolate(self.across[k](x), scale_factor=2.0, mode="nearest")
            x = self.up[k](functional.relu(enlarged + seen[k]))
            x = functional.relu(x) if k else x  # signed at the end: lung is not to be told by the absence of everything else
        return functional.pixel_shuffle(self.head(x), 2)


def train(examples: LungExamples, settings: LungSettings, *, seed: int = 0, threads: int = 1, progress: Listener = silent) -> LungNetwork:
    """The averaged network after the last step, in evaluation mode. The same examples, seed, machine and threads give the same weights."""
    with torch_threads(threads):
        torch.manual_seed(seed)
        network: LungNetwork = LungNetwork(settings.widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = {key: value.detach().clone() for key, value in network.state_dict().items()}
        optimizer = torch.optim.AdamW(parameter_groups(network, settings.weight_decay), lr=settings.learning_rate)
        size = min(settings.batch, len(examples.films))
        steps = settings.epochs * (len(examples.films) // size)
        step = 0
        for epoch in range(settings.epochs):
            for which in batches(len(examples.films), size, epoch, seed):
                rate = settings.learning_rate * _schedule(step, steps)
                _step(network, optimizer, rate, examples, which, settings, np.random.default_rng([seed, 1, step]))
                step += 1
                _update_average(average, network, step)
                progress(Progress("training the lung finder", step, steps))
        network.load_state_dict(average)
        network.eval()
    return network


def _schedule(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _step(
    network: LungNetwork,
    optimizer: torch.optim.Optimizer,
    rate: float,
    examples: LungExamples,
    which: NDArray[np.int64],
    settings: LungSettings,
    random: np.random.Generator,
) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    films, masks = torch.from_numpy(examples.films[which]), torch.from_numpy(examples.masks[which])
    channels = torch.stack([masks == LUNG, masks == IGNORED], dim=1).float()
    grey, channels = augment_with_masks(films, channels, settings.augmentation, random)
    grey = coarsen(grey, settings.coarse, settings.coarsest, random)
    normalised = Normalisation(standardise=True)(grey).contiguous(memory_format=torch.channels_last)
    network.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.half_precision):
        logits = network(normalised)
    loss = loss_of(logits.float(), channels[:, :1], channels[:, 1:] < 0.5)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
    optimizer.step()


def loss_of(logits: Tensor, lung: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of the known pixels plus one less soft Dice of each film; all tensors [n, 1, S, S], lung 0..1, known bool."""
    weight = known.float()
    entropy = functional.binary_cross_entropy_with_logits(logits, lung, weight, reduction="sum") / weight.sum().clamp(min=1)
    found, wanted = torch.sigmoid(logits) * weight, lung * weight
    dice = (2 * (found * wanted).sum((1, 2, 3)) + 1) / (found.sum((1, 2, 3)) + wanted.sum((1, 2, 3)) + 1)
    return entropy + (1 - dice).mean()


def _update_average(average: dict[str, Tensor], network: LungNetwork, step: int) -> None:
    # Early on the average would be mostly the random start, so its decay grows with the steps taken.
    decay = min(_AVERAGE, (1 + step) / (10 + step))
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                average[key].lerp_(value, 1 - decay)
            else:
                average[key].copy_(value)


def to_onnx(network: LungNetwork, side: int) -> bytes:
    """The finder as one ONNX graph without metadata: `image` uint8 [H, W] of any size -> `lungs` float32 [side, side], 0..1.

    The same network gives the same bytes.
    """
    from onnx import TensorProto, helper

    traced = from_torch.network_graph(network.cpu().float().eval(), side).graph
    body = graph.Fragment(tuple(traced.node), tuple(traced.initializer))
    logits = traced.output[0].name
    head = graph.Fragment(
        (
            helper.make_node("Sigmoid", [logits], ["finder/probabilities"]),
            helper.make_node("Squeeze", ["finder/probabilities", "finder/single"], [OUTPUT]),
        ),
        (graph.initializer("finder/single", [0, 1], np.int64),),
    )
    whole = graph.join(graph.build_preprocess(side, standardise=True, output=traced.input[0].name), body, head)
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [side, side])
    model = graph.assemble(helper.make_graph(whole.nodes, "lungs", [graph.image_input(1)], [output], whole.initializers))
    return graph.serialise(model)


def check_parity(data: bytes, network: LungNetwork, films: Sequence[NDArray[np.uint8]], side: int) -> float:
    """Largest difference of a pixel's probability between torch and ONNX Runtime over `films`, uint8 [H, W] of any sizes.

    Raises ParityError when it is not below PARITY_LIMIT.
    """
    session = graph.open_session(data)
    largest = 0.0
    for film in films:
        (found,) = session.run([OUTPUT], {"image": film})
        with torch.no_grad():
            grey = torch.from_numpy(graph.resize_film(film, side))[None, None]
            expected = torch.sigmoid(network(Normalisation(standardise=True)(grey)))[0, 0].numpy()
        largest = float(np.maximum(largest, np.abs(found - expected).max()))  # keeps NaN
    if not largest < PARITY_LIMIT:
        raise ParityError(
            f"The exported lung finder's probabilities differ by {largest:.2g} from the trained network's, expected less than "
            f"{PARITY_LIMIT:g}; the file was not written, please report it."
        )
    return largest
