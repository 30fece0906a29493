"""Torch to ONNX: the same answers, the same bytes each time, nothing left unfolded, and a refusal when answers differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from deephealth.errors import ParityError
from deephealth.features import graph
from deephealth.model.from_torch import backbone_of, check_parity, network_graph
from deephealth.model.heads import LinearHead
from deephealth.training.networks import Normalisation, SmallResNet

pytestmark = pytest.mark.train


def trained(width: int = 8, size: int = 64) -> SmallResNet:
    """A network whose batch statistics and affine values are not the trivial ones."""
    torch.manual_seed(0)
    network = SmallResNet(width)
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(8, 1, size, size) * 2 + 1)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    return network.eval()


def head(dim: int) -> LinearHead:
    """A head whose probabilities are far from 0 and 1, so that they move when the features do."""
    random = np.random.default_rng(0)
    return LinearHead((0.05 * random.normal(size=(3, dim))).astype(np.float32), random.normal(size=3).astype(np.float32))


def noise(height: int = 70, width: int = 90) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width)).astype(np.uint8)


@pytest.mark.parametrize("standardise", [True, False])
def test_torch_and_onnx_runtime_agree(standardise: bool) -> None:
    network, normalise = trained(), Normalisation(standardise)
    backbone = backbone_of(network, name="n", size=64, standardise=standardise, mean=normalise.mean, scale=normalise.scale)
    films = [noise(), noise(200, 64), np.zeros((64, 64), np.uint8)]
    assert check_parity(backbone, head(48), network, normalise, films) < 1e-4
    assert (backbone.size, backbone.dim, backbone.grid, backbone.channels) == (64, 48, 4, 1)


@pytest.mark.shared
def test_they_agree_on_real_films_of_native_size(shared: Path) -> None:
    from deephealth.images.read import read_film

    paths = sorted((shared / "data/kermany-originals").rglob("*.jpeg"))[:3]
    assert paths
    network, normalise = trained(), Normalisation(True)
    backbone = backbone_of(network, name="n", size=64, standardise=True)
    films = [read_film(path).pixels for path in paths]
    assert check_parity(backbone, head(48), network, normalise, films) < 1e-4


def test_a_difference_is_an_error() -> None:
    network, normalise = trained(), Normalisation(True)
    backbone = backbone_of(network, name="n", size=64, standardise=True)
    with torch.no_grad():
        network.stem[0].weight.mul_(1.01)  # type: ignore[union-attr, operator]
    with pytest.raises(ParityError, match=r"differ by \d.*expected less than 0.0001"):
        check_parity(backbone, head(48), network, normalise, [noise()])
    with torch.no_grad():
        network.stem[0].weight.fill_(float("nan"))  # type: ignore[union-attr, operator]
    with pytest.raises(ParityError, match="differ by nan"):
        check_parity(backbone, head(48), network, normalise, [noise()])


def test_other_normalisation_than_in_training_is_caught() -> None:
    network = trained()
    backbone = backbone_of(network, name="n", size=64, standardise=False, mean=127.5, scale=1 / 127.5)
    with pytest.raises(ParityError):
        check_parity(backbone, head(48), network, Normalisation(True), [noise()])


def test_the_same_network_gives_the_same_bytes_and_nothing_of_this_machine() -> None:
    first, second = (backbone_of(trained(), name="n", size=64, standardise=True) for _ in range(2))
    assert first.model == second.model
    assert first.sha256 == second.sha256
    for word in (b"/home", b"/work", b"/tmp", b"site-packages", b".py", b"torch"):
        assert word not in first.model


def test_batch_normalisation_is_folded_into_the_convolutions() -> None:
    kinds = {node.op_type for node in network_graph(trained(), 64).graph.node}
    assert kinds == {"Conv", "Relu", "Add"}


def test_the_default_network_is_under_six_megabytes() -> None:
    backbone = backbone_of(SmallResNet(), name="n", size=160, standardise=True)
    assert len(backbone.model) < 6e6
    assert (backbone.dim, backbone.grid) == (192, 10)
    model = onnx.load_from_string(backbone.model)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == graph.OPSET


class KerasLikeNorm(nn.Module):
    """Batch normalisation as Keras traces it: arithmetic on the last axis between transpositions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean, self.deviation, self.beta = (nn.Parameter(torch.rand(channels) + 0.5) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = x.permute(0, 2, 3, 1)
        return ((last - self.mean) * (1 / self.deviation) + self.beta).permute(0, 3, 1, 2)


def test_arithmetic_after_a_convolution_is_folded_too() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 6, 3, 4), KerasLikeNorm(6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, bias=False), KerasLikeNorm(8)).eval()
    kinds = [node.op_type for node in network_graph(network, 64).graph.node]
    assert kinds == ["Conv", "Relu", "Conv"]
    backbone = backbone_of(network, name="n", size=64, standardise=True)
    assert check_parity(backbone, head(8), network, Normalisation(True), [noise()]) < 1e-4
