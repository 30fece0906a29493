"""The section "heatmaps", with a network whose evidence is known: it says "bacterial" where a cell of the film is bright."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.features.backbones import make_backbone
from deephealth.images.phantom import Phantom
from deephealth.model.file import Model
from deephealth.model.graph import compose
from deephealth.model.heads import LinearHead
from deephealth.model.novelty import fit_novelty
from deephealth.model.record import ModelRecord
from studies.shipped import pointing
from studies.shipped.runs import Runs

GRID, CELL = 4, 16


def bright_network() -> onnx.ModelProto:
    """feature_map [1, 4, 4] = relu(mean brightness of the cell - 0.5)."""
    tensors = {"size": np.array([1, 1, 64, 64]), "axes": np.array([0, 1]), "batch": np.array([0]), "space": np.array([1, 2])}
    floats = {"white": np.float32(255), "half": np.float32(0.5)}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "axes"], ["film"]),
        helper.make_node("Resize", ["film", "", "", "size"], ["square"], mode="linear"),
        helper.make_node("Div", ["square", "white"], ["scaled"]),
        helper.make_node("AveragePool", ["scaled"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Sub", ["cells", "half"], ["over"]),
        helper.make_node("Relu", ["over"], ["maps"]),
        helper.make_node("Squeeze", ["maps", "batch"], ["feature_map"]),
        helper.make_node("ReduceMean", ["feature_map", "space"], ["features"], keepdims=0),
    ]
    outputs = [("features", [1]), ("feature_map", [1, GRID, GRID])]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (tensors | floats).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    backbone = make_backbone(bright_network(), name="bright", size=64, licence="CC0-1.0", provenance="made for this test")
    head = LinearHead(np.array([[-256], [256]], np.float32), np.array([4, -4], np.float32))
    novelty = fit_novelty(np.random.default_rng(0).random((9, 1)).astype(np.float32))
    record = ModelRecord(name="bright", labels=("normal", "bacterial"), novelty_threshold=None)
    path = tmp_path / "bright.onnx"
    path.write_bytes(compose(backbone, head, temperature=1.0, novelty=novelty, record=record))
    return path


def film_with(row: int, column: int) -> NDArray[np.uint8]:
    """A black film of which one cell of the map is white."""
    film = np.zeros((GRID * CELL, GRID * CELL), np.uint8)
    film[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = 255
    return film


@pytest.mark.parametrize("cell", [(0, 0), (1, 2), (3, 1), (3, 3)])
@pytest.mark.parametrize("shape", [(64, 64), (90, 131)])
def test_the_peak_lies_in_the_cell_of_most_evidence(bright: Path, cell: tuple[int, int], shape: tuple[int, int]) -> None:
    answer = Model.load(bright).run(film_with(*cell))
    assert answer.probabilities.argmax() == 1
    place = pointing.peak(answer.heatmap[1], *shape)
    assert [int(part * GRID) for part in place] == list(cell)


def test_a_peak_is_found_above_full_evidence_and_below_none() -> None:
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[0, 3], heatmap[2, 1] = 15, 30  # both above what the last colour stands for
    for shift in (0, -100):
        assert pointing.peak(heatmap + np.float32(shift), 64, 64) == pytest.approx((2.5 / 4, 1.5 / 4), abs=1 / 64)


def test_of_the_level_part_at_the_films_edge_the_middle_is_taken() -> None:
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[0, 3] = 1
    assert pointing.peak(heatmap, 64, 64) == pytest.approx((1 / 16, 15 / 16), abs=1 / 64)


def test_a_mask_is_widened_by_one_cell_on_every_side() -> None:
    mask = np.zeros((40, 60), bool)
    mask[20, 30] = True
    found = np.argwhere(pointing.widened(mask, 4))
    assert (found.min(axis=0).tolist(), found.max(axis=0).tolist()) == ([10, 15], [30, 45])


@pytest.mark.parametrize(("lesion", "hit", "near"), [((1, 1), 1.0, 1.0), ((1, 2), 0.0, 1.0), ((3, 3), 0.0, 0.0)])
def test_the_game_is_won_where_the_lesion_is(
    bright: Path, monkeypatch: pytest.MonkeyPatch, lesion: tuple[int, int], hit: float, near: float
) -> None:
    def drawn(label: str, *, seed: int, patient: int, size: int) -> Phantom:
        mask, lungs = film_with(*lesion) > 0, np.zeros((64, 64), bool)
        lungs[16:] = True
        return Phantom(film_with(1, 1), mask, lungs, label, ambiguous=False)

    monkeypatch.setattr(pointing, "draw_phantom", drawn)
    monkeypatch.setattr(pointing, "with_head_for_phantoms", lambda *args, **kwargs: Model.load(bright))
    found = pointing.pointing_game(bright, 1, learned=1, pointed=5)
    assert [found["answered right"][name]["value"] for name in ("bacterial", "viral", "together")] == [1.0, 0.0, 0.5]
    inside, beside = found["bacterial"]["in the lesion"], found["bacterial"]["within one cell"]
    assert (inside["hits"]["value"], beside["hits"]["value"], inside["hits"]["films"]) == (hit, near, 5)
    assert inside["chance on the film"]["value"] == pytest.approx(1 / 16)
    assert inside["chance in the lungs"]["value"] == pytest.approx(1 / 12, abs=1e-4)
    assert inside["peaks of other films"]["value"] == hit  # all these films have their lesion at the same place
    assert found["together"] == found["bacterial"]
    assert found["viral"]["in the lesion"]["hits"] == {"value": None, "low": None, "high": None, "films": 0, "patients": 0}
    json.dumps(found, allow_nan=False)


def test_a_head_is_fitted_on_phantoms_over_the_backbone_as_it_is(tiny: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.model_bytes())
    model = pointing.with_head_for_phantoms(path, 1, learned=6, size=64)
    assert model.labels == ("normal", "bacterial", "viral")
    assert model.record.backbone.sha256 == tiny.backbone().sha256
    found = [pointing.point(model, label, 3, 64, 1) for label in pointing.LESIONS]
    assert [one.phantom.label for one in found] == list(pointing.LESIONS)
    assert found[0].phantom.age != found[1].phantom.age  # another patient, not only another lesion
    assert all(one.phantom.lesion_mask.any() and one.grid == 4 for one in found)


def test_gradcam_is_the_gradient_of_the_logit(tiny: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.model_bytes())
    gradcam, head, (film,) = pointing.GradCam.of(path), tiny.linear_head(), tiny.films(1)
    (maps,) = gradcam.session.run(["feature_map"], {"image": film})
    expected = np.zeros(maps.shape[1:])
    for k in range(len(maps)):
        gradients = [(_logit(head, maps, (k, row, column), 1.0) - _logit(head, maps, None, 0.0)) for row, column in np.ndindex(4, 4)]
        expected += np.mean(gradients) * maps[k]
    assert (expected < 0).any() and (expected > 0).any()
    np.testing.assert_allclose(gradcam.map(film, 2), np.maximum(expected, 0), rtol=1e-4, atol=1e-6)
    assert gradcam.gap(gradcam.map(film, 2), Model.load(path).run(film).heatmap[2], 2) < 1e-5
    assert gradcam.gap(gradcam.map(film, 2), Model.load(path).run(film).heatmap[1], 2) > 0.1


def _logit(head: LinearHead, maps: np.ndarray, where: tuple[int, int, int] | None, more: float) -> float:
    changed = maps.astype(np.float64)
    if where:
        changed[where] += more
    return float(head.weight[2].astype(np.float64) @ changed.mean(axis=(1, 2)) + head.bias[2])


def test_gradcam_of_another_head_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.model_bytes(tiny.dense_head()))
    with pytest.raises(ValueError, match="is not linear"):
        pointing.GradCam.of(path)


def test_cells_are_ranked_by_evidence_and_equal_ones_by_lot() -> None:
    values = np.array([[0.0, 3.0], [0.0, 5.0]])
    ranks = [pointing.ranked(values, np.random.default_rng(seed)) for seed in range(20)]
    assert all(rank[1, 1] == 0 and rank[0, 1] == 1 for rank in ranks)
    assert {int(rank[0, 0]) for rank in ranks} == {2, 3}


def test_steps_and_areas() -> None:
    assert pointing.steps(100).tolist() == list(range(0, 101, 5))
    assert pointing.steps(25).tolist() == list(range(26))
    assert pointing.steps(64).tolist() == [*range(0, 64, 3), 64]
    counts = pointing.steps(64)
    np.testing.assert_allclose(pointing.area(np.stack([np.full(len(counts), 0.3), counts / 64]), counts), [0.3, 0.5])


def test_cells_are_hidden_and_shown_in_turn() -> None:
    film = np.random.default_rng(0).integers(0, 256, (40, 52), dtype=np.uint8)
    rank = np.random.default_rng(1).permutation(16).reshape(4, 4)
    hidden, shown = ([np.array(one) for one in pointing.pictures(way, film, rank)] for way in pointing.WAYS)
    assert len(hidden) == len(shown) == 17
    np.testing.assert_array_equal(hidden[0], film)
    np.testing.assert_array_equal(shown[-1], film)
    assert (hidden[-1] == round(film.mean())).all() and shown[0].std() < film.std() / 4
    row, column = np.argwhere(rank == 0)[0]
    cell = (slice(row * 10, row * 10 + 10), slice(column * 13, column * 13 + 13))
    assert (hidden[1] != film).sum() == (hidden[1][cell] != film[cell]).sum() > 0
    np.testing.assert_array_equal(shown[1][cell], film[cell])


def test_hiding_what_speaks_for_the_answer_first_ends_it_soonest(bright: Path, tmp_path: Path) -> None:
    films = []
    for k in range(8):
        Image.fromarray(film_with(k % 4, k // 2)).save(tmp_path / f"{k}.png")
        films.append(Film(f"{k}.png", tmp_path / f"{k}.png", "bacterial", str(k)))
    found = pointing.deletion_and_insertion(SimpleNamespace(tested=lambda k: tuple(films)), bright, 1, films=16)
    areas = {way: {order: row["value"] for order, row in each.items()} for way, each in found["areas"].items()}
    for order in ("class activation map", "Grad-CAM"):
        assert areas["deletion"][order] < 0.1 and areas["insertion"][order] > 0.9
    assert 0.2 < areas["deletion"]["random"] < 0.8
    better = found["differences"]["deletion"]["class activation map less random"]
    assert better["value"] == pytest.approx(areas["deletion"]["class activation map"] - areas["deletion"]["random"], abs=1e-3)
    assert better["high"] < 0 and better["films"] == 8
    assert found["by answer"]["bacterial"] == found["differences"]
    assert found["Grad-CAM's largest gap"] < 1e-4
    assert [len(curve) for curve in (found["curves"]["share"], found["curves"]["deletion"]["random"])] == [17, 17]
    json.dumps(found, allow_nan=False)


def test_films_are_spread_over_labels_and_over_each_labels_films() -> None:
    films = [Film(f"{label}{k}", Path(f"{label}{k}"), label, str(k)) for label in "abc" for k in range(10 if label == "b" else 50)]
    chosen = pointing.spread_over_labels(films, ("a", "b", "c"), 20)
    assert [sum(film.label == label for film in chosen) for label in "abc"] == [7, 7, 6]
    assert chosen[0].name == "a0" and chosen[6].name == "a49"
    assert len(pointing.spread_over_labels(films, ("a", "b", "c"), 60)) == 50


def test_the_section_asks_the_shipped_model_unless_another_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pointing, "pointing_game", lambda path, threads: path)
    monkeypatch.setattr(pointing, "deletion_and_insertion", lambda children, path, threads: path)
    runs = Runs(tmp_path)
    assert pointing.measure(None, runs, 1) == {"pointing game": runs.shipped, "deletion and insertion": runs.fold(0)}
    assert pointing.measure(None, runs, 1, model=tmp_path)["pointing game"] == tmp_path
