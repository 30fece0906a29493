"""The small residual network, normalisation, and how a network is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from deephealth.errors import ModelFileError, UsageError
from deephealth.features import graph
from deephealth.training.networks import Classifier, Normalisation, SmallResNet, build_network, read_checkpoint
from deephealth.training.recipe import FineTuneSettings

pytestmark = pytest.mark.train


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_default_network_is_small_and_its_map_is_fine() -> None:
    network = SmallResNet().eval()
    assert network(torch.zeros(2, 1, 160, 160)).shape == (2, 192, 10, 10)
    assert 1.2e6 < parameters(network) < 1.3e6


@pytest.mark.parametrize(("width", "size"), [(8, 32), (16, 100), (24, 224)])
def test_shapes_follow_width_and_size(width: int, size: int) -> None:
    network = SmallResNet(width).eval()
    side = -(-size // 16)
    assert network(torch.zeros(1, 1, size, size)).shape == (1, 6 * width, side, side)


def test_features_are_the_maps_spatial_mean() -> None:
    model = Classifier(SmallResNet(8), 48, 3).eval()
    film = torch.randn(2, 1, 64, 64)
    feature_map = model.network(film)
    with torch.no_grad():
        expected = model.head(feature_map.flatten(2).mean(2))
        torch.testing.assert_close(model(film), expected)


@pytest.mark.parametrize("standardise", [True, False])
def test_normalisation_is_the_graphs(standardise: bool) -> None:
    """Torch and the model file's own nodes agree on a film with every grey level and on a blank one."""
    films = [np.arange(256, dtype=np.uint8).reshape(16, 16), np.full((16, 16), 9, np.uint8)]
    normalise = Normalisation(standardise)
    parts = graph.build_preprocess(16, 1, normalise.mean, normalise.scale, standardise)
    output = onnx.helper.make_tensor_value_info("normalised", onnx.TensorProto.FLOAT, [1, 1, 16, 16])
    proto = onnx.helper.make_graph(parts.nodes, "normalise", [graph.image_input(1)], [output], parts.initializers)
    session = graph.open_session(graph.assemble(proto).SerializeToString())
    for film in films:
        expected = session.run(["normalised"], {"image": film})[0]
        found = normalise(torch.from_numpy(film[None, None].astype(np.float32))).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_unknown_architecture_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match=r"'resnet9000' is unknown, expected one of small-resnet, mobilenet-v2-WIDTH, keras:DenseNet121"):
        build_network(FineTuneSettings(architecture="resnet9000"))


def test_the_small_network_has_no_official_weights() -> None:
    with pytest.raises(UsageError, match="starts from 'scratch' or a checkpoint"):
        build_network(FineTuneSettings(start="imagenet"))


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    model = Classifier(SmallResNet(8), 48, 3)
    torch.save({"average": model.state_dict()}, tmp_path / "run.pt")
    start = str(tmp_path / "run.pt")
    network, _ = build_network(FineTuneSettings(channels_width=8, start=start))
    torch.testing.assert_close(network.state_dict(), model.network.state_dict())
    with pytest.raises(ModelFileError, match=r"run.pt holds \d+ tensors of another network"):
        build_network(FineTuneSettings(channels_width=16, start=start))


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(ModelFileError, match="damaged"):
        read_checkpoint(path)
    torch.save({"average": {}}, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelFileError, match="damaged"):
        read_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelFileError, match="holds a list"):
        read_checkpoint(path)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code in a checkpoint was run')",))


def test_no_code_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    torch.save({"average": Harmful()}, tmp_path / "evil.pt")
    with pytest.raises(ModelFileError, match="damaged"):
        read_checkpoint(tmp_path / "evil.pt")
