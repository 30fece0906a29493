from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.features.checkpoint import read_checkpoint
from deephealth.features.mobilenet import mobilenet_backbone

WEIGHTS = {
    "mobilenet_v2_0.35_224": "mobilenet_v2_0.35_224_imagenet/mobilenet_v2_0.35_224_notop_bn.pth",
    "mobilenet_v2_1.0_224": "mobilenet_v2_1.0_224_imagenet/mobilenet_v2_1.0_folded_fp32.pth",
}
_TABLE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def random_weights(widths: tuple[int, ...] = (8,) * 18, top: int = 20) -> dict[str, np.ndarray]:
    """Weights of MobileNetV2's form with batch normalisation, a few channels wide."""
    rng = np.random.default_rng(0)
    state: dict[str, np.ndarray] = {}

    def convolution(kernel: str, norm: str, shape: tuple[int, ...]) -> None:
        state[f"{kernel}.weight"] = (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for part in ("weight", "running_var"):
            state[f"{norm}.{part}"] = rng.uniform(0.5, 1.5, shape[0]).astype(np.float32)
        for part in ("bias", "running_mean"):
            state[f"{norm}.{part}"] = rng.normal(size=shape[0]).astype(np.float32) / 4

    convolution("features.0.0", "features.0.1", (widths[0], 3, 3, 3))
    for number in range(1, 18):
        at, width = f"features.{number}.conv", widths[number - 1]
        hidden = width if number == 1 else 6 * width
        if number > 1:
            convolution(f"{at}.0.0", f"{at}.0.1", (hidden, width, 1, 1))
        last = 0 if number == 1 else 1
        convolution(f"{at}.{last}.0", f"{at}.{last}.1", (hidden, 1, 3, 3))
        convolution(f"{at}.{last + 1}", f"{at}.{last + 2}", (widths[number], hidden, 1, 1))
    convolution("features.18.0", "features.18.1", (top, widths[17], 1, 1))
    return state


def answer(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    return graph.run_features(graph.open_session(graph.serialise(model)), pixels)


def test_a_grey_film_answers_as_the_film_in_three_colours(random_film) -> None:
    state = random_weights()
    pixels = random_film(3, 100, 90)
    grey = answer(mobilenet_backbone(state, size=64), pixels)
    colour = answer(mobilenet_backbone(state, size=64, channels=3), np.stack([pixels] * 3, axis=-1))
    assert grey.shape == (20,)
    np.testing.assert_allclose(grey, colour, atol=1e-4)


def test_the_same_weights_give_the_same_bytes() -> None:
    assert graph.serialise(mobilenet_backbone(random_weights())) == graph.serialise(mobilenet_backbone(random_weights()))


@pytest.mark.parametrize("size", [100, 225])
def test_the_square_is_a_multiple_of_32(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        mobilenet_backbone(random_weights(), size=size)


def test_weights_of_another_network_are_refused() -> None:
    state = random_weights()
    state["features.3.conv.1.1.weight"] = state["features.3.conv.1.1.weight"][None]
    with pytest.raises(ModelFileError, match=r"features\.3\.conv\.1\.1\.weight"):
        mobilenet_backbone(state)
    with pytest.raises(ModelFileError, match="torchvision's layout"):
        mobilenet_backbone({"layer1.0.conv1.weight": np.zeros((1, 1, 1, 1))})
    with pytest.raises(ModelFileError, match="TensorFlow's padding"):
        mobilenet_backbone(random_weights() | {"features.0.1.num_batches_tracked": np.zeros(())})


def reference_in_torch(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """MobileNetV2's features, written with PyTorch's functions from the paper's table, batch normalisation unfolded."""
    import torch
    from torch.nn import functional

    weights = {name: torch.from_numpy(values) for name, values in state.items()}

    def layer(x, kernel: str, norm: str, folded: str, stride: int = 1, depthwise: bool = False, relu: bool = True):
        done = f"{folded}.weight" in weights
        weight = weights[f"{folded}.weight" if done else f"{kernel}.weight"]
        if stride == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        padding = 1 if weight.shape[-1] == 3 and stride == 1 else 0
        x = functional.conv2d(
            x, weight, weights[f"{folded}.bias"] if done else None, stride, padding, groups=len(weight) if depthwise else 1
        )
        if not done:
            mean, var, gain, shift = (weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
            x = functional.batch_norm(x, mean, var, gain, shift, eps=1e-3)
        return functional.relu6(x) if relu else x

    x = layer(torch.from_numpy(x), "features.0.0", "features.0.1", "features.0.c", stride=2)
    number = 0
    for expand, _, repeats, first in _TABLE:
        for repeat in range(repeats):
            number += 1
            stride, at, entry, place = first if repeat == 0 else 1, f"features.{number}.conv", x, 0
            if expand > 1:
                x, place = layer(x, f"{at}.0.0", f"{at}.0.1", f"{at}.0.c"), 1
            x = layer(x, f"{at}.{place}.0", f"{at}.{place}.1", f"{at}.{place}.c", stride, depthwise=True)
            x = layer(x, f"{at}.{place + 1}", f"{at}.{place + 2}", f"{at}.{place + 1}.c", relu=False)
            if stride == 1 and x.shape == entry.shape:
                x = x + entry
    return layer(x, "features.18.0", "features.18.1", "features.18.c").mean(dim=(2, 3))[0].numpy()


@pytest.mark.train
def test_random_weights_answer_as_in_pytorch(random_film) -> None:
    state, pixels = random_weights(), random_film(9, 130, 110)
    x = (graph.resize_film(pixels, 64) - 127.5) / np.float32(127.5)
    expected = reference_in_torch(state, np.stack([x] * 3)[None])
    assert np.abs(answer(mobilenet_backbone(state, size=64), pixels) - expected).max() < 1e-4


@pytest.mark.train
@pytest.mark.shared
@pytest.mark.parametrize("name", WEIGHTS)
def test_the_published_weights_answer_as_in_pytorch(shared: Path, name: str) -> None:
    from deephealth.images.read import read_film

    state = read_checkpoint(shared / "weights" / WEIGHTS[name])
    session = graph.open_session(graph.serialise(mobilenet_backbone(state)))
    for path in sorted((shared / "data/kermany-originals").rglob("*.jp*g"))[:1]:
        pixels = read_film(path).pixels
        x = (graph.resize_film(pixels, 224) - 127.5) / np.float32(127.5)
        expected = reference_in_torch(state, np.stack([x] * 3)[None])
        assert expected.shape == (1280,)
        assert np.abs(graph.run_features(session, pixels) - expected).max() < 1e-4
