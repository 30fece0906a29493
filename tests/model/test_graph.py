from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from deephealth.errors import ModelFileError
from deephealth.features.backbones import backbone_from_bytes
from deephealth.model.file import OUTPUTS, Model
from deephealth.model.graph import compose, with_record
from deephealth.model.heads import Head, class_map
from deephealth.model.record import with_values

KINDS = ["linear", "dense"]


def head_of(tiny: ModuleType, kind: str) -> Head:
    return tiny.linear_head() if kind == "linear" else tiny.dense_head()


def maps_of(tiny: ModuleType, pixels: np.ndarray, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(tiny.backbone(channels=channels).model, providers=["CPUExecutionProvider"])
    features, feature_map = session.run(["features", "feature_map"], {"image": pixels})
    return features, feature_map


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_computes_what_numpy_does(tiny: ModuleType, kind: str) -> None:
    head, novelty = head_of(tiny, kind), tiny.novelty()
    model = Model.load(tiny.model_bytes(head, temperature=1.7))
    for pixels in tiny.films(8):
        features, feature_map = maps_of(tiny, pixels)
        outputs = model.run(pixels)
        logits = head.logits(features[None])[0]
        shares = np.exp((logits - logits.max()).astype(np.float64) / 1.7)
        np.testing.assert_allclose(outputs.features, features, atol=1e-5)
        np.testing.assert_allclose(outputs.logits, logits, atol=1e-4)
        np.testing.assert_allclose(outputs.probabilities, shares / shares.sum(), atol=1e-5)
        np.testing.assert_allclose(outputs.heatmap, class_map(head, features, feature_map), atol=1e-4)
        assert outputs.novelty == pytest.approx(float(novelty.distance(features[None])[0]), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_heatmaps_mean_is_the_logit(tiny: ModuleType, kind: str) -> None:
    model = Model.load(tiny.model_bytes(head_of(tiny, kind)))
    for pixels in tiny.films(5):
        outputs = model.run(pixels)
        np.testing.assert_allclose(outputs.heatmap.mean(axis=(1, 2)), outputs.logits, atol=1e-4)


def test_the_dense_class_map_equals_finite_differences(tiny: ModuleType) -> None:
    """A place's share of the map is what the logit loses when that place's features are scaled down a little."""
    head = tiny.dense_head()
    model = Model.load(tiny.model_bytes(head))
    pixels = tiny.films(1)[0]
    features, feature_map = maps_of(tiny, pixels)
    heat, (_, bias) = model.run(pixels).heatmap, head.effective(features)
    step = 1e-3
    for row, column in ((0, 0), (1, 2), (3, 3)):
        scaled = feature_map.astype(np.float64).copy()
        scaled[:, row, column] *= 1 - step
        change = (head.logits(features[None]) - head.logits(scaled.mean(axis=(1, 2))[None]))[0] * 16 / step
        np.testing.assert_allclose(heat[:, row, column] - bias, change, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_same_inputs_same_bytes(tiny: ModuleType, kind: str) -> None:
    first, second = tiny.model_bytes(head_of(tiny, kind)), tiny.model_bytes(head_of(tiny, kind))
    assert first == second
    assert tiny.model_bytes(head_of(tiny, kind), temperature=1.8) != first


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_valid_onnx_of_the_promised_form(tiny: ModuleType, kind: str) -> None:
    model = onnx.load_from_string(tiny.model_bytes(head_of(tiny, kind)))
    onnx.checker.check_model(model, full_check=True)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 19)]
    assert model.ir_version <= 10
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.output}
    assert list(shapes.items()) == [
        ("probabilities", [3]),
        ("logits", [3]),
        ("features", [8]),
        ("heatmap", [3, 4, 4]),
        ("novelty", []),
    ]
    assert tuple(shapes) == OUTPUTS
    assert {"features", "feature_map"} <= {name for node in model.graph.node for name in node.output}
    assert [prop.key for prop in model.metadata_props] == ["deephealth"]


def test_any_size_of_film(tiny: ModuleType) -> None:
    model = Model.load(tiny.model_bytes())
    for shape in ((1, 1), (7, 900), (900, 7), (32, 32), (1500, 1200)):
        outputs = model.run(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
        assert outputs.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert np.isfinite(outputs.heatmap).all()


def test_three_channels(tiny: ModuleType) -> None:
    model = Model.load(tiny.model_bytes(channels=3))
    assert model.record.channels == 3
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    np.testing.assert_allclose(model.run(pixels).features, maps_of(tiny, pixels, channels=3)[0], atol=1e-5)


def test_the_record_is_completed_from_the_parts(tiny: ModuleType) -> None:
    backbone = tiny.backbone()
    record = Model.load(tiny.model_bytes(tiny.dense_head(), temperature=2.5)).record
    assert (record.size, record.channels, record.temperature) == (32, 1, 2.5)
    assert (record.head.kind, record.head.hidden) == ("dense", 20)
    assert (record.backbone.name, record.backbone.sha256, record.backbone.dim, record.backbone.grid) == ("tiny", backbone.sha256, 8, 4)
    assert record.seen_hashes.tolist() == tiny.SEEN.tolist()
    assert record.card.startswith("# tiny")


def test_the_backbone_can_be_cut_out_again(tiny: ModuleType) -> None:
    again = backbone_from_bytes(tiny.model_bytes())
    assert again.sha256 == tiny.backbone().sha256
    assert again.seen.tolist() == tiny.SEEN.tolist()


def test_a_new_record_leaves_the_graph_alone(tiny: ModuleType) -> None:
    data = tiny.model_bytes()
    changed = with_record(data, with_values(Model.load(data).record, name="other"))
    before, after = onnx.load_from_string(data), onnx.load_from_string(changed)
    assert before.graph.SerializeToString(deterministic=True) == after.graph.SerializeToString(deterministic=True)
    assert Model.load(changed).record.name == "other"
    assert with_record(changed, Model.load(data).record) == data


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": "two classes"}, "2 classes and the record 3 labels"),
        ({"head": "nine features"}, "takes 9 features and the backbone tiny gives 8"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"novelty": "nine"}, "novelty model takes 9 features"),
        ({"backbone": "bytes"}, "not an ONNX file"),
        ({"backbone": "outputs"}, "expected the outputs features and feature_map"),
        ({"backbone": "opset"}, "expected opset 19"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tiny: ModuleType, changes: dict[str, object], said: str) -> None:
    heads = {"two classes": tiny.linear_head(classes=2), "nine features": tiny.linear_head(features=9)}
    backbone = {
        name: getattr(tiny.backbone(), name) for name in ("name", "size", "dim", "grid", "channels", "sha256", "seen", "provenance")
    }
    network = tiny.network()
    if changes.get("backbone") == "outputs":
        del network.graph.output[:]
    elif changes.get("backbone") == "opset":
        network.opset_import[0].version = 17
    data = b"not onnx at all" if changes.get("backbone") == "bytes" else network.SerializeToString()
    novelty = tiny.fit_novelty(np.random.default_rng(0).normal(size=(20, 9))) if "novelty" in changes else tiny.novelty()
    with pytest.raises(ModelFileError, match=said):
        compose(
            SimpleNamespace(**backbone, licence="", model=data),  # type: ignore[arg-type]
            heads.get(str(changes.get("head")), tiny.linear_head()),
            temperature=float(changes.get("temperature", 1.0)),  # type: ignore[arg-type]
            novelty=novelty,
            record=tiny.record(),
        )
