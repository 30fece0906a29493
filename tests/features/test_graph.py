from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.features.adopt import backbone_from_network


def triangle_weights(source: int, target: int) -> np.ndarray:
    """The antialiased linear resize of one side as a matrix, written from its definition."""
    ratio = source / target
    support = max(ratio, 1.0)
    weights = np.zeros((target, source))
    for row in range(target):
        centre = (row + 0.5) * ratio - 0.5
        for column in range(source):
            weights[row, column] = max(0.0, 1 - abs(column - centre) / support)
    return weights / weights.sum(axis=1, keepdims=True)


def reference(pixels: np.ndarray, size: int) -> np.ndarray:
    return triangle_weights(pixels.shape[0], size) @ pixels.astype(float) @ triangle_weights(pixels.shape[1], size).T


def film(seed: int, height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 10), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def identity_network(size: int, planes: int = 1):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, planes, size, size])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, planes, size, size])]
    return graph.assemble(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", inputs, outputs))


def normalised(pixels: np.ndarray, size: int, planes: int = 1, **how) -> np.ndarray:
    model = backbone_from_network(identity_network(size, planes), size=size, channels=1 if pixels.ndim == 2 else 3, **how)
    return graph.open_session(graph.serialise(model)).run(["feature_map"], {"image": pixels})[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([8, 32, 50]), st.integers(0, 2**32 - 1))
def test_resize_is_the_antialiased_linear_resize(height: int, width: int, size: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    found = graph.resize_film(pixels, size)
    assert found.shape == (size, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(pixels, size), atol=0.01)


@pytest.mark.parametrize("shape", [(900, 700), (300, 1200), (224, 224), (100, 80)])
def test_resize_differs_from_pillow_by_rounding_only(shape: tuple[int, int]) -> None:
    pixels = film(1, *shape)
    pillow = np.asarray(Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR), dtype=float)
    difference = np.abs(graph.resize_film(pixels, 224) - pillow)
    assert difference.max() < 1.02
    assert difference.mean() < 0.32


def test_a_colour_film_is_resized_plane_by_plane() -> None:
    pixels = np.stack([film(seed, 70, 90) for seed in range(3)], axis=-1)
    found = graph.resize_film(pixels, 32)
    for plane in range(3):
        np.testing.assert_array_equal(found[plane], graph.resize_film(pixels[..., plane].copy(), 32))


def test_the_graph_sees_the_pixels_of_resize_film_to_the_bit() -> None:
    pixels = film(2, 150, 130)
    np.testing.assert_array_equal(normalised(pixels, 64)[0], graph.resize_film(pixels, 64))


def test_normalisation_is_shift_then_scale() -> None:
    pixels = film(3, 150, 130)
    expected = (graph.resize_film(pixels, 64) - 127.5) / 127.5
    np.testing.assert_allclose(normalised(pixels, 64, mean=127.5, scale=1 / 127.5)[0], expected, atol=1e-6)


def test_a_normalisation_for_each_plane_makes_three_planes_of_a_grey_film() -> None:
    pixels = film(3, 150, 130)
    found = normalised(pixels, 64, planes=3, mean=(124, 116, 104), scale=(0.017, 0.018, 0.019))
    assert found.shape == (3, 64, 64)
    resized = graph.resize_film(pixels, 64)
    for plane, (mean, scale) in enumerate(zip((124, 116, 104), (0.017, 0.018, 0.019), strict=True)):
        np.testing.assert_allclose(found[plane], (resized - mean) * np.float32(scale), atol=1e-5)


@pytest.mark.parametrize("planes", [1, 3])
def test_standardising_gives_mean_0_and_sd_1(planes: int) -> None:
    pixels = film(4, 150, 130)
    found = normalised(pixels, 64, planes=planes, standardise=True)
    resized = graph.resize_film(pixels, 64).astype(float)
    expected = (resized - resized.mean()) / np.sqrt(resized.var() + graph.STANDARDISE_EPSILON)
    assert found.shape == (planes, 64, 64)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-4)
    assert abs(found.std() - 1) < 1e-3


@pytest.mark.parametrize("grey", [0, 17, 255])
def test_standardising_a_blank_film_gives_zeros(grey: int) -> None:
    found = normalised(np.full((70, 50), grey, np.uint8), 32, standardise=True)
    assert np.abs(found).max() < 1e-3


def test_features_are_the_mean_of_the_feature_map(backbone) -> None:
    features, feature_map = graph.open_session(backbone.model).run(["features", "feature_map"], {"image": film(5, 77, 99)})
    np.testing.assert_allclose(features, feature_map.mean(axis=(1, 2)), rtol=1e-5)


def test_pruning_names_what_is_missing(backbone) -> None:
    import onnx

    with pytest.raises(ModelFileError, match="'heat'"):
        graph.prune(onnx.ModelProto.FromString(backbone.model).graph, ["features", "heat"])


def test_a_graph_that_onnx_runtime_refuses_is_one_sentence() -> None:
    with pytest.raises(ModelFileError, match=r"^ONNX Runtime does not accept the network"):
        graph.open_session(b"not a model")


def test_only_grey_and_colour_films_exist() -> None:
    with pytest.raises(ValueError, match="1 or 3"):
        graph.build_preprocess(32, 2)
