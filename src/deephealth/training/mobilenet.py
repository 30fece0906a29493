"""MobileNetV2 as a torch module that goes on learning from its ImageNet weights, with a class map as fine as that of the small network.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018, as TensorFlow trained it: see `features.mobilenet`, which
draws the same network, unchanged, as a frozen backbone. Here the last stage does not halve the side: its depthwise kernels are spread
instead ("atrous", after Chen et al., "DeepLab", 2016), so the weights fit and the map has 14 x 14 cells at 224 px instead of 7 x 7.

Since TensorFlow pads the right and the bottom only, a cell is centred 7.5 px to the right of and below the place where a map draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from deephealth.errors import ModelFileError
from deephealth.features.checkpoint import read_checkpoint
from deephealth.features.mobilenet import EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_SPREAD_FROM = 5  # this stage's stride becomes a spread of the kernels after it
_TOP = 1280


def _normed(inputs: int, outputs: int, *, side: int = 1, stride: int = 1, groups: int = 1, spread: int = 1) -> list[nn.Module]:
    """A convolution and its batch normalisation; TensorFlow's SAME: at stride 2 only right and bottom are padded, by the caller."""
    padding = 0 if stride == 2 else spread * (side // 2)
    layer = nn.Conv2d(inputs, outputs, side, stride, padding, dilation=spread, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs, eps=EPSILON)]


class _Activated(nn.Sequential):
    """Convolution, batch normalisation, ReLU6; numbered as in torchvision's layout, so the padding stands outside the sequence."""

    def __init__(self, inputs: int, outputs: int, *, side: int = 1, stride: int = 1, groups: int = 1, spread: int = 1) -> None:
        layers = _normed(inputs, outputs, side=side, stride=stride, groups=groups, spread=spread)
        super().__init__(*layers, nn.ReLU6())
        self.pad = stride == 2

    def forward(self, x: Tensor) -> Tensor:
        """The layers in turn, the film's right and bottom padded first where the stride is 2."""
        found: Tensor = super().forward(nn.functional.pad(x, (0, 1, 0, 1)) if self.pad else x)  # type: ignore[no-untyped-call]
        return found


class _InvertedResidual(nn.Module):
    """Expand, filter each channel, project; beside a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, *, stride: int, spread: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [_Activated(inputs, hidden)] if expansion > 1 else []
        depthwise = _Activated(hidden, hidden, side=3, stride=stride, groups=hidden, spread=spread)
        self.conv = nn.Sequential(*expand, depthwise, *_normed(hidden, outputs))
        self.same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """What the block finds, added to what came in where the shape stays."""
        found: Tensor = self.conv(x)
        return x + found if self.same else found


class MobileNetV2(nn.Module):
    """Grey film [N, 1, S, S] -> feature map [N, 1280, S / 16, S / 16], values in 0..6. S is a multiple of 16."""

    dim = _TOP

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = _channels(32 * width)
        layers: list[nn.Module] = [_Activated(1, channels, side=3, stride=2)]
        for outputs, expansion, stride, spread in _blocks(width):
            layers.append(_InvertedResidual(channels, outputs, expansion, stride=stride, spread=spread))
            channels = outputs
        self.features = nn.Sequential(*layers, _Activated(channels, _TOP))

    def forward(self, x: Tensor) -> Tensor:
        """The feature map of normalised films."""
        found: Tensor = self.features(x)
        return found

    def load_imagenet(self, path: Path, *, deviation: float) -> None:
        """Take the weights of a .pth file in torchvision's layout, batch normalisation not folded.

        deviation: the standard deviation that films reach the network with, over that of photographs in [-1, 1]; the first kernel is made
        smaller by it, and summed over red, green and blue, which is exact for grey. Raises ModelFileError when the weights do not fit.
        """
        found = {name: torch.from_numpy(value.copy()) for name, value in self._fitting(path).items()}
        stem = "features.0.0.weight"
        found[stem] = found[stem].sum(dim=1, keepdim=True) / deviation
        self.load_state_dict(found, strict=False)  # all but the counts of batches, which the file does not have

    def _fitting(self, path: Path) -> Mapping[str, np.ndarray]:
        weights = read_checkpoint(path)
        wanted = {name: tuple(value.shape) for name, value in self.state_dict().items() if not name.endswith("num_batches_tracked")}
        stem = wanted["features.0.0.weight"]
        wanted["features.0.0.weight"] = (stem[0], 3, *stem[2:])
        missing = [name for name, shape in wanted.items() if name not in weights or weights[name].shape != shape]
        if missing:
            raise ModelFileError(
                f"{path.name} has no {missing[0]} of shape {wanted[missing[0]]}, expected MobileNetV2 of this width with its batch "
                "normalisation; choose the width that it was trained with, or a file in which nothing is folded."
            )
        return {name: weights[name] for name in wanted}


def _blocks(width: float) -> Iterator[tuple[int, int, int, int]]:
    """Output channels, expansion, stride and spread of the kernel, of each block in turn."""
    spread = 1
    for number, (expansion, outputs, count, stride) in enumerate(_STAGES):
        for k in range(count):
            undone = number == _SPREAD_FROM and k == 0
            yield _channels(outputs * width), expansion, stride if k == 0 and not undone else 1, spread
            spread = 2 if undone else spread


def _channels(wanted: float) -> int:
    """The multiple of 8 nearest to `wanted`, 8 at least, and not below nine tenths of it."""
    found = max(8, int(wanted + 4) // 8 * 8)
    return found + 8 if found < 0.9 * wanted else found
