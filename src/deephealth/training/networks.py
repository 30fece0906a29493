"""Networks that are trained here: a small residual network of plain 3x3 convolutions, and whatever `build_network` finds by name.

For a start from nothing, dense convolutions: on ordinary processors they are faster in training than depthwise ones.
Residual blocks after He et al., "Deep residual learning for image recognition", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deephealth.errors import ModelFileError, UsageError
from deephealth.features import keras_backbones
from deephealth.features.graph import STANDARDISE_EPSILON
from deephealth.training.mobilenet import MobileNetV2

if TYPE_CHECKING:
    from deephealth.training.recipe import FineTuneSettings

SMALL_RESNET = "small-resnet"
MOBILENET_PREFIX = "mobilenet-v2-"
KERAS_PREFIX = "keras:"
WIDTHS = ("0.35", "0.50", "0.75", "1.0", "1.3", "1.4")
CHECKPOINT_SUFFIX = ".pt"


def convolution(inputs: int, outputs: int, *, side: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the side (or divides it by `stride`), and the batch normalisation that gives it its bias."""
    layer = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: [N, inputs, H, W] -> [N, outputs, H / stride, W / stride], values >= 0."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride=stride)
        self.second = convolution(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else convolution(inputs, outputs, side=1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find to the shortcut."""
        return functional.relu(self.second(functional.relu(self.first(x))) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Grey film [N, 1, S, S] -> feature map [N, 6 * width, S / 16, S / 16].

    A first convolution of 7 x 7 px and stride 4, and four stages of `width` x (1, 2, 4, 6) channels with 1, 2, 2, 1 blocks; the last
    stage keeps the side, so that the class map stays fine (14 x 14 at 224 px). 1.25 million values at width 32. The stride of 4 at once
    makes a training step much faster than twice 2 (`python -m benchmarks fine-tune` says how much): at half the film's side it is memory,
    not arithmetic, that takes the time.
    """

    def __init__(self, width: int = 32, counts: tuple[int, int, int, int] = (1, 2, 2, 1)) -> None:
        super().__init__()
        stages = zip((width, 2 * width, 4 * width, 6 * width), counts, (1, 2, 2, 1), strict=True)
        self.stem = convolution(1, width, side=7, stride=4)
        blocks: list[nn.Module] = []
        channels = width
        for outputs, count, stride in stages:
            for k in range(count):
                blocks.append(ResidualBlock(channels, outputs, stride if k == 0 else 1))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.dim = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """The feature map of normalised films."""
        features: Tensor = self.blocks(functional.relu(self.stem(x)))
        return features


@dataclass(frozen=True)
class Normalisation:
    """Grey levels 0-255 -> network input: standardised film by film (mean 0, standard deviation 1), or (x - mean) * scale."""

    standardise: bool
    mean: float = 127.5
    scale: float = 1 / 127.5

    def __call__(self, grey: Tensor) -> Tensor:
        """Normalise films [N, 1, S, S] of float32 in [0, 255]; the same arithmetic as the model file's graph."""
        if not self.standardise:
            return (grey - self.mean) * self.scale
        centred = grey - grey.mean((1, 2, 3), keepdim=True)
        return centred / (centred.square().mean((1, 2, 3), keepdim=True) + STANDARDISE_EPSILON).sqrt()


class Classifier(nn.Module):
    """A network and its linear head: [N, 1, S, S] normalised -> logits [N, classes]; the features are the map's spatial mean.

    `chest` turns features into the logit of "this is a chest film" [N, 1]. It learns only where there are counter-examples, and shapes the
    features for the novelty gate; the model file does without it.
    """

    def __init__(self, network: nn.Module, dim: int, classes: int) -> None:
        super().__init__()
        self.network = network
        self.head = nn.Linear(dim, classes)
        nn.init.zeros_(self.head.bias)
        self.chest = nn.Linear(dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, classes]."""
        logits: Tensor = self.head(self.network(x).mean((2, 3)))
        return logits


def build_network(settings: FineTuneSettings) -> tuple[nn.Module, Normalisation]:
    """The network that `settings` name, with fresh or given weights, and the normalisation it wants.

    `start` may be "scratch", for MobileNetV2 its ImageNet weights (.pth), for Keras's networks "imagenet" or a .weights.h5 file, or a
    checkpoint (.pt) of an earlier fine-tuning of the same architecture. Raises UsageError for an unknown architecture, ModelFileError for
    weights that are absent or do not fit.
    """
    name, start = settings.architecture, settings.start
    resumed = start if start.endswith(CHECKPOINT_SUFFIX) else ""
    start = "scratch" if resumed else start
    network: nn.Module
    if name == SMALL_RESNET:
        if start != "scratch":
            raise UsageError(
                f"{SMALL_RESNET} starts from 'scratch' or a checkpoint ({CHECKPOINT_SUFFIX}), not {start!r}; correct fine_tune.start."
            )
        network = SmallResNet(settings.channels_width)
    elif name.startswith(MOBILENET_PREFIX):
        network = _mobilenet(name.removeprefix(MOBILENET_PREFIX), start, standardised=settings.standardise)
    elif name.startswith(KERAS_PREFIX):
        network = keras_backbones.build(name.removeprefix(KERAS_PREFIX), settings.size, start, standardised=settings.standardise)
    else:
        known = ", ".join([SMALL_RESNET, f"{MOBILENET_PREFIX}WIDTH", *(KERAS_PREFIX + family for family in keras_backbones.FAMILIES)])
        raise UsageError(f"The architecture {name!r} is unknown, expected one of {known}; correct fine_tune.architecture.")
    if resumed:
        load_weights(network, Path(resumed))
    return network, Normalisation(settings.standardise)


def _mobilenet(width: str, start: str, *, standardised: bool) -> MobileNetV2:
    if width not in WIDTHS:
        raise UsageError(
            f"MobileNetV2 was published with the widths {', '.join(WIDTHS)}, and {width!r} is none of them; correct fine_tune.architecture."
        )
    network = MobileNetV2(float(width))
    if start != "scratch":
        network.load_imagenet(Path(start), deviation=1 / keras_backbones.FILM_SPREAD if standardised else 1.0)
    return network


def load_weights(network: nn.Module, path: Path) -> None:
    """Give `network` the averaged weights of a fine-tuning checkpoint, without its head. Raises ModelFileError when they do not fit."""
    average = read_checkpoint(path).get("average", {})
    prefix = "network."
    weights = {key.removeprefix(prefix): value for key, value in average.items() if key.startswith(prefix)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path.name} holds {len(weights)} tensors of another network, expected {len(network.state_dict())} of certain shapes; "
            "choose the architecture and width it was trained with."
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The tensors and plain values of a checkpoint; no code in it is run. Raises ModelFileError when it cannot be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelFileError(f"The checkpoint {path} cannot be read ({error.strerror}); give the path of a file that exists.") from error
    except Exception as error:  # a damaged file raises any of a dozen kinds, from EOFError to zipfile's and pickle's own
        raise ModelFileError(f"The checkpoint {path} is damaged ({type(error).__name__}); remove it to begin again.") from error
    if not isinstance(state, dict):
        raise ModelFileError(
            f"The checkpoint {path} holds a {type(state).__name__}, expected one written by fine-tuning; remove it to begin again."
        )
    return state
