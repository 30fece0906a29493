"""Networks of keras.applications as backbones: files of the official layout from a real server, the same features as Keras."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.features.backbones import load_backbone
from deephealth.features.official import NAMES, Official, official, official_backbone
from deephealth.settings import table
from deephealth.settings.download import digest

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "inception_v3": ("InceptionV3", {}),
    "mobilenet_0.25_128": ("MobileNet", {"alpha": 0.25}),
    "mobilenet_v2_keras_0.35_96": ("MobileNetV2", {"alpha": 0.35}),
    "mobilenet_v3_small": ("MobileNetV3Small", {}),
    "mobilenet_v3_large": ("MobileNetV3Large", {}),
    "densenet121": ("DenseNet121", {}),
    "efficientnet_v2_b0": ("EfficientNetV2B0", {}),
    "resnet50_v2": ("ResNet50V2", {}),
}


def keras_network(name: str) -> Any:
    """A Keras network with random weights, its batch normalisation other than the identity."""
    from deephealth.features.keras_backbones import _keras

    keras = _keras()
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    kind, settings = KINDS[name]
    size = chosen(name).size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(keras.applications, kind)(include_top=False, weights=None, input_shape=(size, size, 3), **settings)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([values + np.abs(random.normal(0, 0.05, values.shape)) for values in layer.get_weights()])
            layer.momentum = 0.0  # so that one call gives it the statistics of what it sees, as training would
    mean, scale = (np.asarray(value, np.float32) for value in chosen(name).normalise)
    model((random.uniform(0, 255, (2, size, size, 3)).astype(np.float32) - mean) * scale, training=True)
    return model


def chosen(name: str) -> Official:
    found = official(name)
    assert found is not None
    return found


def write_official(model: Any, path: Path) -> None:
    """As the official files are laid out: layer_names and weight_names as attributes, a group a layer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            named = [(f"{layer.name}/{weight.name}:0", value) for weight, value in zip(layer.weights, layer.get_weights(), strict=True)]
            group.attrs["weight_names"] = [name.encode() for name, _ in named] or np.zeros(0, "S1")
            for name, value in named:
                group.create_dataset(name, data=value)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_features_are_those_of_keras(name: str, tmp_path: Path) -> None:
    model, network = keras_network(name), chosen(name)
    write_official(model, tmp_path / network.file)
    backbone = official_backbone(network, weights=tmp_path / network.file)
    film = np.random.default_rng(3).integers(0, 256, (network.size, network.size)).astype(np.uint8)
    grey = np.repeat(film[None, :, :, None], 3, axis=3).astype(np.float32)
    mean, scale = (np.asarray(value, np.float32) for value in network.normalise)
    expected = np.asarray(model((grey - mean) * scale, training=False).detach())[0].mean((0, 1))
    assert np.ptp(expected) > 0.01
    assert (backbone.size, backbone.dim, backbone.channels) == (network.size, len(expected), 1)
    apart = np.abs(graph.run_features(graph.open_session(backbone.model), film) - expected).max()
    assert apart < 1e-4 * max(1.0, float(expected.max()))  # random networks give features of up to hundreds


@pytest.mark.slow
def test_weights_are_downloaded_once_and_kept(serve_folder: tuple[Path, str]) -> None:
    served, address = serve_folder
    network = chosen("mobilenet_0.25_128")
    write_official(keras_network(network.name), served / network.path)
    first = official_backbone(network, address=f"{address}/{network.path}")
    assert (table.cache_dir() / "weights" / network.file).is_file()
    (served / network.path).unlink()
    assert load_backbone("mobilenet_0.25_128").sha256 == first.sha256
    assert "has seen no chest film" in first.provenance


@pytest.mark.slow
def test_inception_v3_comes_from_a_server_too(serve_folder: tuple[Path, str]) -> None:
    """A file of the official layout and of the size of the real one, checked by its MD5."""
    served, address = serve_folder
    network = chosen("inception_v3")
    write_official(keras_network(network.name), served / network.path)
    told = dataclasses.replace(network, md5=digest(served / network.path, "md5"))
    backbone = official_backbone(told, address=f"{address}/{network.path}")
    assert (backbone.dim, backbone.size, backbone.grid) == (2048, 299, 8)
    assert (served / network.path).stat().st_size > 80_000_000


def test_a_file_that_is_not_the_official_one_is_refused(serve_folder: tuple[Path, str]) -> None:
    served, address = serve_folder
    network = chosen("mobilenet_v3_small")
    (served / network.path).parent.mkdir(parents=True)
    (served / network.path).write_bytes(b"something else")
    with pytest.raises(ModelFileError, match=r"mobilenet_v3_small.*MD5"):
        official_backbone(network, address=f"{address}/{network.path}")


def test_without_a_network_the_sentence_names_the_file_and_the_place(serve_folder: tuple[Path, str], tmp_path: Path) -> None:
    network = chosen("inception_v3")
    with pytest.raises(ModelFileError) as caught:
        official_backbone(network, folder=tmp_path / "mine", address=f"{serve_folder[1]}/absent.h5")
    assert network.file in str(caught.value)
    assert str(tmp_path / "mine") in str(caught.value)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_official(keras_network("mobilenet_0.25_128"), tmp_path / "mobilenet.h5")
    with pytest.raises(ModelFileError, match=r"holds weights of 54 layers|holds weights of \d+ layers, expected the 188"):
        load_backbone("inception_v3", weights=tmp_path / "mobilenet.h5")
    with pytest.raises(ModelFileError, match="expected \\["):
        load_backbone("mobilenet_0.50_128", weights=_mixed(tmp_path))
    (tmp_path / "no.h5").write_bytes(b"not HDF5")
    with pytest.raises(ModelFileError, match="cannot be read as HDF5"):
        load_backbone("inception_v3", weights=tmp_path / "no.h5")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file.create_dataset("kernel", data=np.zeros(3))
    with pytest.raises(ModelFileError, match="order of its layers"):
        load_backbone("inception_v3", weights=tmp_path / "bare.h5")


def _mixed(folder: Path) -> Path:
    """Weights of one width with one layer of another."""
    write_official(keras_network("mobilenet_0.25_128"), folder / "mixed.h5")
    with h5py.File(folder / "mixed.h5", "r+") as file:
        del file["conv_dw_3/conv_dw_3"]
        file["conv_dw_3"].create_dataset("conv_dw_3/kernel:0", data=np.zeros((3, 3, 7, 1), np.float32))
        file["conv_dw_3"].attrs["weight_names"] = [b"conv_dw_3/kernel:0"]
    return folder / "mixed.h5"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mobilenet_1.0_224", "mobilenet_1_0_224_tf_no_top.h5"),
        ("mobilenet_0.50_160", "mobilenet_5_0_160_tf_no_top.h5"),
        ("mobilenet_v2_keras_1.0_224", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
    ],
)
def test_names_lead_to_the_official_files(name: str, file: str) -> None:
    assert chosen(name).file == file
    assert chosen(name).address.startswith("https://")


def test_unknown_names_are_told_the_known_ones() -> None:
    assert official("mobilenet_0.3_224") is None
    with pytest.raises(ModelFileError, match="inception_v3") as caught:
        load_backbone("inception_v4")
    assert all(name in str(caught.value) for name in NAMES)


@pytest.mark.slow
def test_the_layers_on_file_are_those_that_keras_builds() -> None:
    """Whoever raises Keras's version sees at once whether its networks are still the ones on file."""
    command = [sys.executable, str(Path(__file__).parents[2] / "tools" / "keras_architectures.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "torch"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-500:]
