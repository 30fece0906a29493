"""The deep audit finds the model that cheats, clears the one that does not, and counts what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.datasets.sources import open_dataset
from deephealth.evaluation.evidence import ModelAudit
from deephealth.evaluation.results import plain
from deephealth.evaluation.shortcuts.answers import sample_films
from deephealth.evaluation.shortcuts.deep import audit_model
from deephealth.evaluation.shortcuts.masks import mask_source
from deephealth.evaluation.shortcuts.probes import SENTENCES
from deephealth.evaluation.terminal import model_audit_text
from deephealth.features import graph
from deephealth.features.backbones import Backbone, load_backbone, make_backbone
from deephealth.images.phantom_set import write_phantoms
from deephealth.model.file import Model
from deephealth.model.graph import compose
from deephealth.model.novelty import fit_novelty
from deephealth.model.record import ModelRecord
from deephealth.settings.progress import Progress
from deephealth.training.examples import class_numbers
from deephealth.training.heads import Examples, fit_head
from deephealth.training.recipe import HeadSettings


def films_of(folder: Path) -> tuple[Film, ...]:
    return open_dataset(folder).films


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Film, ...]]:
    """Phantom films with markers in a corner that give the label away and no disease at all, and clean ones; each to train and to test."""
    out = tmp_path_factory.mktemp("sets")
    drawn = {}
    for name, cue, lesion, seed in (
        ("cheat", "corner-marker", 0.0, 1),
        ("cheat test", "corner-marker", 0.0, 2),
        ("clean", None, 1.0, 1),
        ("clean test", None, 1.0, 2),
    ):
        drawn[name] = films_of(write_phantoms(out / name, per_class=36, seed=seed, size=96, cue=cue, lesion=lesion))
    return drawn


def trained(films: tuple[Film, ...], backbone: Backbone, strength: float = 0.0) -> Model:
    """A head on `backbone`, fitted on `films`."""
    labels, session = ("normal", "bacterial", "viral"), graph.open_session(backbone.model)
    features = np.stack([graph.run_features(session, np.asarray(Image.open(film.path))) for film in films])
    head = fit_head(Examples(features, class_numbers(films, labels)), classes=3, settings=HeadSettings(strength=strength))
    record = ModelRecord(name="trained", labels=labels, novelty_threshold=100.0)
    return Model.load(compose(backbone, head, temperature=1.0, novelty=fit_novelty(features), record=record))


def mosaic() -> Backbone:
    """A backbone that sees where a film is bright: the mean grey of each of 8 x 8 places is a feature of its own."""
    constants = {
        "size": np.array([1, 1, 64, 64], dtype=np.int64),
        "batch": np.array([0, 1], dtype=np.int64),
        "first": np.array([0], dtype=np.int64),
        "space": np.array([1, 2], dtype=np.int64),
        "places": np.eye(64, dtype=np.float32).reshape(64, 8, 8),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "batch"], ["film"]),
        helper.make_node("Resize", ["film", "", "", "size"], ["square"], mode="linear", antialias=1),
        helper.make_node("AveragePool", ["square"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Squeeze", ["means", "first"], ["grid"]),
        helper.make_node("Mul", ["grid", "places"], ["feature_map"]),
        helper.make_node("ReduceMean", ["feature_map", "space"], ["features"], keepdims=0),
    ]
    drawn = helper.make_graph(
        nodes,
        "mosaic",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W"])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [64]),
            helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, [64, 8, 8]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(drawn, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    return make_backbone(model, name="mosaic", size=64, licence="CC0-1.0", provenance="written for tests")


def rows(found: ModelAudit) -> dict[str, float]:
    return {row.name: row.balanced_accuracy.value or 0.0 for row in found.masked}


@pytest.mark.slow
def test_a_model_that_reads_markers_is_found_out(sets: dict[str, tuple[Film, ...]]) -> None:
    found = audit_model(trained(sets["cheat"], mosaic(), strength=3.0), sets["cheat test"], draws=200)
    assert found.sentence in (SENTENCES["sufficient"], SENTENCES["partial"])
    assert (found.masks, found.left_out, found.n_films, found.n_patients) == ("given", 0, 108, 54)
    scores = rows(found)
    assert scores["whole film"] > 0.65
    assert scores["without lungs"] > 0.6
    assert scores["only lungs"] < 0.45 < scores["only corners"]
    assert all(energy.inside.value < 1.5 * energy.area.value for energy in found.lung_energy)


@pytest.mark.slow
def test_a_model_that_reads_lungs_is_cleared_and_falls_to_chance_without_them(sets: dict[str, tuple[Film, ...]]) -> None:
    found = audit_model(trained(sets["clean"], load_backbone()), sets["clean test"], draws=200)
    assert found.sentence == SENTENCES["none"]
    scores = rows(found)
    assert scores["whole film"] > 0.6
    assert scores["only lungs"] > max(scores["without lungs"], scores["only border"], scores["only corners"]) + 0.1
    assert max(scores["without lungs"], scores["only border"], scores["only corners"]) < 0.45
    probes = {probe.name: probe for probe in found.probes}
    assert probes["whole film"].beats_null and probes["only lungs"].beats_null
    assert {name for name, probe in probes.items() if probe.lung_free} == {"lungs blacked out", "border", "top corners", "picture size"}


def some(films: tuple[Film, ...], of_each: int = 12) -> list[Film]:
    """The first films of each label."""
    return [film for label in ("normal", "bacterial", "viral") for film in [x for x in films if x.label == label][:of_each]]


def test_films_without_masks_are_left_out_and_counted(phantoms: Path, tmp_path: Path) -> None:
    films = some(films_of(phantoms))
    for film in films[3:]:
        (tmp_path / f"{film.path.stem}.png").write_bytes((phantoms / "_lungs" / f"{film.path.stem}.png").read_bytes())
    events: list[object] = []
    found = audit_model(trained(tuple(films), mosaic()), films, masks=tmp_path, draws=50, listener=events.append)
    assert (found.n_films, found.left_out, found.masks) == (33, 3, "given")
    assert Progress("audit: model", 33, 33) in events and Progress("audit: lungs", 36, 36) in events
    assert [row.name for row in found.masked] == ["whole film", "only lungs", "without lungs", "only border", "only corners"]
    assert [energy.label for energy in found.lung_energy] == ["", "normal", "bacterial", "viral"]
    json.dumps(plain(found), allow_nan=False)
    told = model_audit_text(found)
    assert found.sentence in told and "3 films left out" in told and "heatmap in the lungs, films of viral" in told


def test_where_most_films_show_no_lungs_nothing_is_hidden_and_the_reason_is_said(phantoms: Path, tmp_path: Path) -> None:
    films = some(films_of(phantoms))
    (tmp_path / f"{films[0].path.stem}.png").write_bytes((phantoms / "_lungs" / f"{films[0].path.stem}.png").read_bytes())
    found = audit_model(trained(tuple(films), mosaic()), films, masks=tmp_path, draws=50)
    assert "1 of 36 films" in found.reason
    assert (found.masks, found.left_out, found.lung_energy) == ("", 0, ())
    assert [row.name for row in found.masked] == ["whole film", "only border", "only corners"]


@pytest.mark.slow
def test_the_finder_stands_in_where_no_masks_are(phantoms: Path, tmp_path: Path) -> None:
    films = some(films_of(phantoms))
    moved = [Film(film.name, tmp_path / film.label / film.path.name, film.label, film.patient) for film in films]
    for film, copy in zip(films, moved, strict=True):
        copy.path.parent.mkdir(exist_ok=True)
        copy.path.write_bytes(film.path.read_bytes())
    assert audit_model(trained(tuple(films), mosaic()), moved, draws=50).masks == "lung finder"
    assert mask_source(films).kind == "given", "a phantom set brings its own"


def test_too_few_patients_give_no_verdict(phantoms: Path) -> None:
    films = some(films_of(phantoms), 2)
    found = audit_model(trained(tuple(films), mosaic()), films[:2], draws=50)
    assert (found.verdict, found.sentence) == ("unknown", SENTENCES["unknown"])
    assert "two classes" in found.reason


def test_a_sample_keeps_patients_whole_and_the_shares_of_the_classes() -> None:
    films = [Film(f"{i}", Path(f"/{i}"), "abb"[i % 3], f"p{i % 3}-{i // 12}") for i in range(600)]
    kept = sample_films(films, 200, seed=1)
    assert kept == sample_films(films, 200, seed=1) != sample_films(films, 200, seed=2)
    assert len(sample_films(films, 600, seed=1)) == 600
    assert 180 <= len(kept) <= 200
    assert abs(sum(film.label == "a" for film in kept) / len(kept) - 1 / 3) < 0.05
    for patient in {film.patient for film in kept}:
        assert sum(film.patient == patient for film in kept) == sum(film.patient == patient for film in films)
