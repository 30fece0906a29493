"""Networks of keras.applications: shape, preprocessing, weights, training and export. Without any download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from deephealth.errors import ModelFileError, UsageError
from deephealth.features import keras_backbones
from deephealth.features.keras_backbones import FAMILIES, build
from deephealth.model.from_torch import backbone_of, check_parity
from deephealth.model.heads import LinearHead
from deephealth.training.film_array import array_of
from deephealth.training.networks import build_network
from deephealth.training.recipe import FineTuneAugmentation, FineTuneSettings
from deephealth.training.trainer import Trainer, torch_threads

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")]

DIMS = {"DenseNet121": 1024, "EfficientNetV2B0": 1280, "InceptionV3": 2048, "MobileNetV2": 1280, "ResNet50V2": 2048}


def settle(network: torch.nn.Module, size: int) -> None:
    """Give batch normalisation statistics of its own, so that folding has something to fold."""
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 1, size, size) * 0.5)
    network.eval()


def exported_difference(name: str, size: int) -> tuple[float, set[str]]:
    settings = FineTuneSettings(architecture=f"keras:{name}", size=size, standardise=False)
    network, normalise = build_network(settings)
    settle(network, size)
    backbone = backbone_of(network, name=name, size=size, standardise=False, mean=normalise.mean, scale=normalise.scale)
    assert backbone.dim == DIMS[name]
    random = np.random.default_rng(0)
    weight = (0.05 * random.normal(size=(3, backbone.dim))).astype(np.float32)
    film = random.integers(0, 256, (90, 110)).astype(np.uint8)
    difference = check_parity(backbone, LinearHead(weight, np.zeros(3, np.float32)), network, normalise, [film])
    return difference, {node.op_type for node in onnx.load_from_string(backbone.model).graph.node}


def test_mobilenet_exports_folded_and_exact() -> None:
    difference, kinds = exported_difference("MobileNetV2", 64)
    assert difference < 1e-4
    assert not kinds & {"Transpose", "BatchNormalization", "Identity"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"MobileNetV2"}))
def test_every_family_exports_exact(name: str) -> None:
    difference, kinds = exported_difference(name, 96)
    assert difference < 1e-4
    assert not kinds & {"Transpose", "BatchNormalization", "Identity"}


def test_it_trains_in_the_one_loop(tmp_path: Path) -> None:
    """Keras's own batch statistics move, every trainable value gets a gradient step, and a checkpoint brings all of it back."""
    settings = FineTuneSettings(architecture="keras:MobileNetV2", size=32, epochs=2, batch=4)
    random = np.random.default_rng(0)
    films = array_of(random.integers(0, 256, (8, 32, 32)).astype(np.uint8), np.arange(8) % 2)
    with torch_threads(1):
        subject, other = (Trainer(films, 2, settings, FineTuneAugmentation()) for _ in range(2))
        before = {key: value.clone() for key, value in subject.model.state_dict().items()}
        torch.testing.assert_close(dict(other.model.state_dict()), before, atol=0, rtol=0, msg="the seed decides the first values")
        subject.step()
        after = subject.model.state_dict()
        moved = [key for key, value in after.items() if not torch.equal(value, before[key])]
        assert any("moving_mean" in key for key in moved)
        assert any("kernel" in key for key in moved)
        subject.save(tmp_path / "k.pt")
        other.restore(tmp_path / "k.pt")
        subject.step()
        other.step()
    for key, value in subject.model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[key], value, atol=0, rtol=0)


@pytest.mark.slow
def test_dropout_resumes_too(tmp_path: Path) -> None:
    settings = FineTuneSettings(architecture="keras:EfficientNetV2B0", size=32, epochs=2, batch=4)
    films = array_of(np.random.default_rng(0).integers(0, 256, (8, 32, 32)).astype(np.uint8), np.arange(8) % 2)
    with torch_threads(1):
        subject, other = (Trainer(films, 2, settings, FineTuneAugmentation()) for _ in range(2))
        subject.step()
        subject.save(tmp_path / "k.pt")
        other.restore(tmp_path / "k.pt")
        losses = [(subject.step().loss, other.step().loss) for _ in range(2)]
    assert all(one == two for one, two in losses)


def test_local_weights_are_loaded(tmp_path: Path) -> None:
    network = build("MobileNetV2", 32)
    settle(network, 32)
    path = tmp_path / "mobilenet.weights.h5"
    network.model.save_weights(path)
    again = build("MobileNetV2", 32, str(path))
    film = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(film), network(film))


def test_weights_that_do_not_fit_or_are_absent(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"There is no weights file .*gone.h5"):
        build("MobileNetV2", 32, str(tmp_path / "gone.h5"))
    (tmp_path / "bad.weights.h5").write_bytes(b"not hdf5")
    with pytest.raises(ModelFileError, match=r"bad\.weights\.h5 does not hold weights of MobileNetV2"):
        build("MobileNetV2", 32, str(tmp_path / "bad.weights.h5"))


def test_without_network_the_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that nobody serves stands for a machine without network."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(
        ModelFileError,
        match=r"weights of MobileNetV2 could not be downloaded from https://\S+; fetch that file elsewhere and put it at \S+h5\.",
    ):
        build("MobileNetV2", 64, "imagenet")


def test_unknown_names_and_too_small_films() -> None:
    with pytest.raises(UsageError, match="'VGG99' is unknown here, expected one of DenseNet121"):
        build("VGG99", 160)
    with pytest.raises(UsageError, match="InceptionV3 was given films of 64 px, expected at least 75"):
        build("InceptionV3", 64)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_preprocessing_is_keras_own(name: str) -> None:
    """Grey levels, normalised to [-1, 1] and taken through the family's affine map, are what Keras's preprocess_input gives."""
    keras = keras_backbones._keras()
    module = {"DenseNet121": "densenet", "EfficientNetV2B0": "efficientnet_v2", "InceptionV3": "inception_v3"}
    module |= {"MobileNetV2": "mobilenet_v2", "ResNet50V2": "resnet_v2"}
    levels = np.repeat(np.array([0, 1, 100, 255], np.float32)[:, None], 3, axis=1).reshape(1, 2, 2, 3)
    expected = getattr(keras.applications, module[name]).preprocess_input(levels.copy(), data_format="channels_last")
    family = FAMILIES[name]
    found = (levels - 127.5) / 127.5 * np.array(family.scale) + np.array(family.shift)
    np.testing.assert_allclose(found, expected, atol=1e-4)
