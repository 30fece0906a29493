"""Networks of PyTorch and Hugging Face as backbones, one ONNX graph each: needs deephealth[train] or deephealth[huggingface].

```python
from transformers import AutoModel
from deephealth.features.backbones import save_backbone
from deephealth.model.adapters import huggingface_backbone

network = AutoModel.from_pretrained("facebook/convnextv2-tiny-22k-224")
save_backbone(huggingface_backbone(network, name="convnextv2-tiny", size=224, licence="CC BY-NC 4.0"), Path("convnextv2.onnx"))
```

then `deephealth train films --backbone convnextv2.onnx --out run`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from deephealth.errors import ModelFileError
from deephealth.features.backbones import Backbone
from deephealth.model.from_torch import backbone_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def torch_backbone(
    network: nn.Module,
    *,
    name: str,
    size: int,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    deviation: tuple[float, float, float] = IMAGENET_DEVIATION,
    licence: str = "unknown",
    provenance: str = "",
) -> Backbone:
    """The backbone that shows a grey film to `network` as (x / 255 - mean) / deviation for each of red, green and blue.

    network: float32 [1, 3, size, size] -> feature map [1, d, g, g]. Raises ModelFileError when it gives another shape or cannot be
    exported.
    """
    shown = _Shown(network, mean, deviation)
    with torch.no_grad():
        found = list(shown.eval()(torch.zeros(1, 1, size, size)).shape)
    if len(found) != 4 or found[0] != 1:
        raise ModelFileError(f"The network gives {found}, expected a feature map [1, d, g, g]; cut it off before its pooling.")
    return backbone_of(
        shown,
        name=name,
        size=size,
        standardise=False,
        mean=0.0,
        scale=1 / 255,
        licence=licence,
        provenance=provenance or "a PyTorch network",
    )


def huggingface_backbone(network: nn.Module, *, name: str, size: int, licence: str = "unknown", **normalise: Any) -> Backbone:
    """The backbone of a Hugging Face vision model, convolutional or a transformer of square patches.

    network: a model whose output has `last_hidden_state`, [1, d, g, g] or tokens [1, k + g * g, d], of which the k first (class and
    register tokens) are left out. normalise: mean and deviation, as in `torch_backbone`. Raises ModelFileError for another output.
    """
    kind = type(network).__name__
    return torch_backbone(_LastState(network), name=name, size=size, licence=licence, provenance=f"Hugging Face {kind}", **normalise)


class _Shown(nn.Module):
    """Films [N, 1, S, S] in 0..1 -> the network's map."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.network((x - self.mean) / self.deviation)
        return found


class _LastState(nn.Module):
    """What a Hugging Face model saw last, as a map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        state = self.network(pixel_values=x).last_hidden_state
        if state.dim() != 4:
            side = math.isqrt(state.shape[1])
            patches = state[:, state.shape[1] - side * side :]
            state = patches.transpose(1, 2).reshape(1, -1, side, side)
        found: Tensor = state
        return found
