"""Networks of PyTorch and Hugging Face as backbones: the same features as in their own library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deephealth.errors import ModelFileError
from deephealth.features import graph

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def features_in_torch(network: Any, film: np.ndarray) -> np.ndarray:
    import torch

    from deephealth.model.adapters import IMAGENET_DEVIATION, IMAGENET_MEAN

    grey = np.repeat(film[None, None].astype(np.float32) / 255, 3, axis=1)
    mean, deviation = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy((grey - mean) / deviation)))


def test_a_torch_network_gives_its_own_features() -> None:
    import torch
    from torch import nn

    from deephealth.model.adapters import torch_backbone

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.GELU(), nn.Conv2d(8, 16, 3, 2, 1)).eval()
    backbone = torch_backbone(network, name="mine", size=64, licence="MIT")
    film = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    expected = features_in_torch(network, film)[0].mean((1, 2))
    assert (backbone.dim, backbone.grid, backbone.licence) == (16, 16, "MIT")
    assert np.abs(graph.run_features(graph.open_session(backbone.model), film) - expected).max() < 1e-4
    with pytest.raises(ModelFileError, match="expected a feature map"):
        torch_backbone(nn.Sequential(network, nn.Flatten()), name="flat", size=64)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["convolutional", "transformer"])
def test_a_hugging_face_network_gives_its_own_features(kind: str) -> None:
    transformers = pytest.importorskip("transformers", reason="needs deephealth[huggingface]")
    import torch

    from deephealth.model.adapters import huggingface_backbone

    torch.manual_seed(0)
    if kind == "convolutional":
        sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        network = transformers.ResNetModel(transformers.ResNetConfig(num_channels=3, layer_type="basic", **sizes)).eval()
    else:
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        network = transformers.ViTModel(transformers.ViTConfig(image_size=64, patch_size=16, **sizes), add_pooling_layer=False).eval()
    backbone = huggingface_backbone(network, name="hf", size=64)
    film = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    state = features_in_torch(lambda pixels: network(pixel_values=pixels).last_hidden_state, film)
    expected = state[0].mean((1, 2)) if state.ndim == 4 else state[0, 1:].mean(0)
    assert backbone.dim == len(expected)
    assert np.abs(graph.run_features(graph.open_session(backbone.model), film) - expected).max() < 1e-4
