"""Heads on frozen features: how films are drawn, what is compared with what, and the whole section on pictures made up for it."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from deephealth.datasets.index import Film
from deephealth.errors import DatasetError, ModelFileError
from deephealth.features.backbones import save_backbone
from deephealth.images.phantom import write_phantoms
from deephealth.training.heads import Examples
from studies.shipped import transfer
from studies.shipped.films import Children
from studies.shipped.runs import Runs
from studies.shipped.transfer import MOBILENETS, OURS, Draw, Task

CHILD, SHENZHEN = "children: normal, bacterial, viral", "Shenzhen: normal, tuberculosis"
NIH, COVID = "NIH: no finding, pneumonia", "covid-chestxray: other, COVID-19"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few draws and few penalties to choose from."""
    monkeypatch.setattr(transfer, "SEEDS", 4)
    monkeypatch.setattr(transfer, "STRENGTHS", (0.01, 0.1))


def made_up(n: int, films_a_patient: int = 2, sizes: tuple[int, ...] = (6, 12)) -> Task:
    """`n` films of each of two classes; every tenth patient has a film of either."""
    films = []
    for c, label in enumerate(("normal", "ill")):
        for k in range(n):
            patient = f"both-{k}" if k % 10 == 0 else f"{label}-{k // films_a_patient}"
            films.append(Film(f"{c}-{k}.png", Path(f"{c}-{k}.png"), label, patient))
    return Task(tuple(films), tuple(film.patient for film in films), ("normal", "ill"), sizes)


def informative(task: Task, how_much: float, seed: int = 0, features: int = 6) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(len(task.films), features))
    x[:, 0] += how_much * task.labels
    return x.astype(np.float32)


def test_a_draw_takes_whole_patients_and_equally_many_films_of_each_class() -> None:
    task = made_up(80, films_a_patient=3)
    patients = np.array(task.patients)
    seen = []
    for seed in range(10):
        drawn = transfer.draw(task, 20, seed)
        assert drawn is not None
        assert np.bincount(task.labels[drawn.train]).tolist() == [20, 20]
        assert len(set(drawn.train)) == 40
        assert not set(patients[drawn.train]) & set(patients[drawn.test])
        everyone_else = ~np.isin(patients, patients[drawn.train])
        np.testing.assert_array_equal(np.flatnonzero(everyone_else), drawn.test)
        seen.append(frozenset(drawn.train))
    assert len(set(seen)) == 10
    smaller, larger = transfer.draw(task, 10, 3), transfer.draw(task, 20, 3)
    assert smaller is not None and larger is not None
    assert set(smaller.train) <= set(larger.train)


def test_a_class_that_would_leave_too_few_patients_to_judge_is_not_drawn_from() -> None:
    films = tuple(Film(f"{c}{k}", Path(f"{c}{k}"), c, f"{c}{k}") for c, n in (("normal", 80), ("ill", 30)) for k in range(n))
    task = Task(films, tuple(film.patient for film in films), ("normal", "ill"), ())
    drawn = transfer.draw(task, 20, 0)
    assert drawn is not None and task.labels[drawn.test].tolist() == [0] * 60 + [1] * 10
    assert transfer.draw(task, 21, 0) is None, "only 9 ill patients would be left"
    assert transfer.draw(task, 31, 0) is None, "there are no 31 ill films"


def test_no_inner_fold_holds_all_of_a_class_or_cuts_a_patient() -> None:
    labels = np.array([0] * 12 + [1] * 5 + [0])
    patients = [f"a{k // 2}" for k in range(12)] + ["b0", "b1", "b1", "b2", "b2"] + ["b0"]
    folds = transfer.inner_folds(labels, patients)
    assert set(folds) == {0, 1, 2}
    for patient in set(patients):
        assert len({folds[row] for row, name in enumerate(patients) if name == patient}) == 1
    for k in range(3):
        assert set(labels[folds != k]) == {0, 1}


def test_the_penalty_is_the_one_that_patients_held_out_ask_for() -> None:
    task = made_up(60, films_a_patient=1)
    # Two useful features, small differences of large ones: only a weak penalty finds them. Beside them, much that is of no use.
    rng = np.random.default_rng(0)
    common = rng.normal(size=len(task.films))
    hidden = np.stack([common, common + 0.05 * (2 * task.labels - 1) + 0.01 * rng.normal(size=len(task.films))], axis=1)
    broad = rng.normal(size=(len(task.films), 300)) + 0.15 * task.labels[:, None]
    chosen = []
    for x in (hidden, broad):
        examples = Examples(x.astype(np.float32), task.labels)
        head = transfer.fitted(examples, task.patients, 2)
        every = {s: transfer._head(examples, 2, s).weight for s in transfer.STRENGTHS}
        chosen.append(next(s for s, weight in every.items() if np.array_equal(weight, head.weight)))
    assert chosen[0] == max(transfer.STRENGTHS)
    assert chosen[1] < chosen[0]


def test_the_more_informative_features_win_and_the_gain_is_paired(quick: None) -> None:
    task = made_up(80)
    features = {OURS: informative(task, 2.5), "weak": informative(task, 0.2, 1), "better": informative(task, 1.0, 2)}
    found = transfer.curves(task, features)
    assert (found["films"], found["patients"]) == (160, len(set(task.patients)))
    assert found["classes"] == {"normal": 80, "ill": 80}
    assert found["metric"] == "AUC"
    assert list(found["sizes"]) == list(found["accuracy"]) == ["6", "12"]
    for row in found["sizes"].values():
        assert row["gain"]["against"] == "better"
        assert row["gain"]["value"] == pytest.approx(row[OURS]["value"] - row["better"]["value"], abs=2e-4)
        assert row["gain"]["low"] > 0
        assert row["weak"]["value"] < row["better"]["value"] < row[OURS]["value"]
        assert row[OURS]["lowest"] <= row[OURS]["value"] <= row[OURS]["highest"]
    assert found["sizes"]["12"][OURS]["films"] < found["sizes"]["6"][OURS]["films"]
    assert transfer.won({"one": found}) == {"tasks": 1, "at every size": 1, "at most sizes": 1, "at every size, surely": 1}
    turned = transfer.curves(task, {**features, OURS: features["weak"], "weak": features[OURS]})
    assert transfer.won({"one": found, "other": turned}) == {"tasks": 2, "at every size": 1, "at most sizes": 1, "at every size, surely": 1}


def test_features_that_say_nothing_are_worth_a_half(quick: None) -> None:
    task = made_up(80)
    found = transfer.curves(task, {OURS: informative(task, 0.0), "other": informative(task, 0.0, 1)})
    assert 0.35 < found["sizes"]["12"][OURS]["value"] < 0.65


def test_a_size_that_is_too_large_is_told_and_left_out(quick: None) -> None:
    task = made_up(40, sizes=(6, 39))
    found = transfer.curves(task, {OURS: informative(task, 1.0), "other": informative(task, 1.0, 1)})
    assert list(found["sizes"]) == ["6"] and found["too few films for"] == [39]


def test_most_sizes_are_more_than_half_of_them() -> None:
    def task(*gains: float) -> dict:
        return {"sizes": {str(k): {"gain": {"value": gain, "low": gain - 0.1}} for k, gain in enumerate(gains)}}

    found = transfer.won({"a": task(0.2, 0.05, 0.3), "b": task(0.2, -0.1, 0.3), "c": task(0.2, -0.1), "d": task(0.2, 0.2), "e": task()})
    assert found == {"tasks": 5, "at every size": 2, "at most sizes": 3, "at every size, surely": 1}


def test_the_interval_over_draws_is_students() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, 10)
    found = transfer.over_draws(values, least=0.0)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=6e-5)
    assert found["value"] == pytest.approx(values.mean(), abs=6e-5)
    assert transfer.over_draws(np.array([0.2, 0.99, 1.0]), least=0.0)["high"] == 1.0
    assert transfer.over_draws(np.array([0.01, -0.01, 0.0]), least=-1.0)["low"] < 0


def test_heads_are_judged_on_the_films_they_were_not_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    task = made_up(30, films_a_patient=1)
    x = informative(task, 1.0)
    drawn = Draw(np.array([1, 2, 31, 32]), np.array([5, 6, 7, 45, 46]))
    seen: list[np.ndarray] = []
    fitted = transfer.fitted

    def noted(train: Examples, patients: list[str], classes: int) -> object:
        seen.append(train.features)
        assert patients == [task.patients[row] for row in drawn.train]
        return fitted(train, patients, classes)

    monkeypatch.setattr(transfer, "fitted", noted)
    before = transfer.scored(task, x, drawn)
    np.testing.assert_array_equal(seen[0], x[drawn.train])
    worse = x.copy()
    worse[drawn.test, 0] = np.where(task.labels[drawn.test] == 1, -9, 9)
    assert transfer.scored(task, worse, drawn)[0] < before[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_adults: Any, write_picture: Any) -> Path:
    """The folders that the section asks about; a film of each class is a copy of another patient's."""
    root = tmp_path_factory.mktemp("data")
    write_phantoms(root / "kermany" / "chest_xray", per_class=25, seed=5, size=64, films_per_patient=1, masks=False)
    write_adults(root, lambda source, label: 40 * label)
    cohen = ["patientid,finding,view,modality,filename"]
    for number in range(16):
        label = number % 2
        write_picture(root / "cohen-covid-chestxray" / "images" / f"{number}.png", 300 + number - (number == 15) * 2, 40 * label)
        cohen.append(f"{number},{('No Finding', 'Pneumonia/Viral/COVID-19')[label]},PA,X-ray,{number}.png")
    (root / "cohen-covid-chestxray" / "metadata.csv").write_text("\n".join(cohen))
    write_picture(root / "hannover-covid" / "images" / "a.png", 400, 40)
    (root / "hannover-covid" / "data.csv").write_text("patient_id,image_id\np,a\n")
    return root


@pytest.fixture(scope="module")
def children(data: Path) -> Children:
    return Children.open(data, 1)


def test_tasks_are_of_the_films_they_are_called_after(children: Children) -> None:
    found = transfer.tasks(children, 1)
    assert tuple(found) == (CHILD, SHENZHEN, NIH, COVID)
    assert set(found[CHILD].films) == set(children.tested(0))
    assert found[CHILD].classes == ("normal", "bacterial", "viral") and found[CHILD].sizes == (20, 50, 200)
    assert {film.name[:6] for film in found[SHENZHEN].films} == {"CHNCXR"}
    # Each of the eight patients of NIH has a normal and an ill film; two of the 16 of covid-chestxray have the same picture.
    counts = {name: (len(task.films), len(set(task.patients))) for name, task in found.items() if name != CHILD}
    assert counts == {SHENZHEN: (16, 16), NIH: (16, 8), COVID: (16, 15)}
    assert found[COVID].classes == ("covid-19", "other")


def test_the_whole_section(
    quick: None, children: Children, data: Path, tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SEEDS": 2, "FEWEST": 1, "SIZES": (3, 50), "CHILDRENS_SIZES": (3, 4)}.items():
        monkeypatch.setattr(transfer, name, value)
    monkeypatch.setattr(transfer, "backbones", lambda runs, weights: {name: tiny.backbone(k) for k, name in enumerate((OURS, *MOBILENETS))})
    found = transfer.measure(children, Runs(tmp_path), 1)
    assert set(found) == {CHILD, SHENZHEN, NIH, COVID, "won"}
    assert found["won"]["tasks"] == 4
    assert found[CHILD]["metric"] == "macro AUC" and list(found[CHILD]["sizes"]) == ["3", "4"]
    assert found[NIH]["too few films for"] == [50]
    for name in (CHILD, SHENZHEN, NIH, COVID):
        row = found[name]["sizes"]["3"]
        assert list(row) == [OURS, *MOBILENETS, "gain"], "the order of the page's columns"
        for figure in row.values():
            assert set(figure) - {"against"} == {"value", "low", "high", "lowest", "highest", "films", "patients"}
    # The pictures of adults of either label are of different greys, which any network's features keep.
    assert found[SHENZHEN]["sizes"]["3"][OURS]["value"] > 0.9
    json.dumps(found, allow_nan=False)


def test_ours_is_fold_0s_and_absent_weights_are_named(tiny: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "fold-0").mkdir()
    (tmp_path / "fold-0" / "model.onnx").write_bytes(tiny.model_bytes())
    with pytest.raises(ModelFileError, match=r"mobilenet_v2_0\.35_224_imagenet"):
        transfer.backbones(Runs(tmp_path), tmp_path / "weights")


def test_weights_other_than_the_published_ones_are_refused(tiny: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "fold-0").mkdir()
    save_backbone(tiny.backbone(), tmp_path / "fold-0" / "model.onnx")
    folder = tmp_path / "weights" / "mobilenet_v2_0.35_224_imagenet"
    folder.mkdir(parents=True)
    (folder / "any.pth").write_bytes(b"no weights")
    with pytest.raises(ModelFileError):
        transfer.backbones(Runs(tmp_path), tmp_path / "weights")


@pytest.mark.shared
def test_the_two_mobilenets_are_the_published_ones(shared: Path, tiny: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "fold-0").mkdir()
    (tmp_path / "fold-0" / "model.onnx").write_bytes(tiny.model_bytes())
    found = transfer.backbones(Runs(tmp_path), shared / "weights")
    assert {name: (backbone.name, backbone.dim) for name, backbone in found.items()} == {
        OURS: ("tiny", 8), **{name: (name, 1280) for name in MOBILENETS},
    }  # fmt: skip


def test_a_film_without_features_stops_the_study(tiny: ModuleType, tmp_path: Path, write_picture: Any) -> None:
    write_picture(tmp_path / "good.png", 0, 0)
    (tmp_path / "bad.png").write_text("no picture")
    films = [Film(name, tmp_path / name, "normal", name) for name in ("good.png", "bad.png")]
    assert transfer.features_of(films[:1], tiny.backbone(), 1).shape == (1, 8)
    with pytest.raises(DatasetError, match=r"bad\.png"):
        transfer.features_of(films, tiny.backbone(), 1)
