"""The main path as a whole: what it writes, that it repeats itself, what it refuses, and that a kill loses nothing."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from deephealth import evaluate, load_model, train
from deephealth.datasets.split import Split
from deephealth.errors import DatasetError, LeakageError, ModelFileError, UsageError
from deephealth.evaluation.report import report_schema
from deephealth.evaluation.results import Problem
from deephealth.evaluation.terminal import evaluation_text
from deephealth.model.verify import verify
from deephealth.pipeline import Run, audit
from deephealth.training.recipe import FeatureSettings, FineTuneSettings, GateSettings, HeadSettings, Recipe, SplitSettings


@pytest.fixture(scope="module")
def run(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(phantoms, tmp_path_factory.mktemp("runs") / "run", threads=2)


def test_a_run_leaves_everything_a_reader_needs(run: Run) -> None:
    folder = run.folder.path
    assert {path.name for path in folder.iterdir()} == {
        "plan.json",
        "split.csv",
        "events.jsonl",
        "tensorboard",
        "model.onnx",
        "report.html",
        "report.json",
        "run.json",
    }
    jsonschema.validate(json.loads(run.folder.json.read_text(encoding="utf-8")), report_schema())
    events = [json.loads(line) for line in run.folder.events.read_text(encoding="utf-8").splitlines()]
    assert [event["stage"] for event in events if event["event"] == "StageStarted"] == [
        "index",
        "copies",
        "split",
        "audit",
        "features",
        "head",
        "calibrate",
        "evaluate",
        "evidence",
    ]
    assert events[-1]["event"] == "RunFinished"
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", run.folder.html.read_text(encoding="utf-8")))
    assert all(address.startswith("http://www.w3.org/") for address in addresses), addresses  # names of formats, never fetched


def test_the_record_says_where_the_model_comes_from(run: Run) -> None:
    record = run.model.record
    assert record.labels == ("normal", "bacterial", "viral")
    assert record.split.sha256 == Split.load(run.folder.split).sha256
    assert record.training.recipe["head"]["kind"] == "logistic"
    assert record.metrics["test"]["balanced_accuracy"].n_films == len(run.audit.split.films(run.audit.index, "test"))
    assert {point.name for point in record.operating_points} >= {"specificity 0.90", "specificity 0.95"}
    assert len(record.fitted_on_hashes) > 50
    assert verify(run.model).ok


def test_the_model_learned_something_and_the_audit_found_no_cheat(run: Run) -> None:
    assert run.evaluation.scores.balanced_accuracy.value > 0.5
    assert run.audit.shortcuts.verdict == "none"
    assert not run.audit.leakage.leaks


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file_to_the_byte(run: Run, phantoms: Path, tmp_path: Path) -> None:
    again = train(phantoms, tmp_path / "again", threads=2)
    assert again.folder.model.read_bytes() == run.folder.model.read_bytes()
    assert again.folder.html.read_bytes() == run.folder.html.read_bytes()
    assert again.folder.json.read_bytes() == run.folder.json.read_bytes()
    other = train(phantoms, tmp_path / "other", threads=2, seed=1)
    assert other.folder.model.read_bytes() != run.folder.model.read_bytes()


def test_evaluate_scores_only_films_the_model_never_saw(run: Run, phantoms: Path, tmp_path: Path) -> None:
    evaluation = evaluate(run.folder.model, phantoms, html=tmp_path / "report.html", json=tmp_path / "report.json", language="es")
    assert evaluation.scores.n_films == run.evaluation.scores.n_films
    assert evaluation.scores.accuracy == run.evaluation.scores.accuracy
    assert "apartado" in evaluation.context.notes[0]
    assert 'lang="es"' in (tmp_path / "report.html").read_text(encoding="utf-8")
    every = evaluate(run.folder.model, phantoms, include_seen=True)
    assert every.scores.n_films == 120
    assert "too high" in every.context.notes[0]


def test_a_run_tells_what_stands_behind_its_scores(run: Run) -> None:
    evidence, films = run.evaluation.evidence, run.audit.index.films
    assert evidence.data is not None and sum(evidence.data.films.values()) == len(films)
    assert evidence.data.attributes[0].attribute == "split"
    assert evidence.abstention is not None and evidence.abstention.conformal is not None
    assert evidence.abstention.curve[-1].risk.value == pytest.approx(1 - run.evaluation.scores.accuracy.value)
    assert evidence.abstention.conformal.threshold == run.model.record.conformal.threshold
    assert {group.attribute for group in evidence.subgroups} == {"sex", "age", "view"}
    gap, errors = evidence.leakage_gap, evidence.label_errors
    assert gap is not None and [row.score for row in gap.rows] == ["accuracy", "balanced_accuracy", "macro_auc"]
    assert errors is not None and (gap.n_films, errors.n_films) == (len(films), len(films))
    assert set(evidence.neighbours) == {case.name for case in run.evaluation.errors}
    train_names = {film.name for film in run.audit.split.films(run.audit.index, "train")}
    assert all(near.name in train_names for found in evidence.neighbours.values() for near in found)
    assert [row.name for row in evidence.gate] == ["test", "inverted", "upside down", "blank"]
    text = evaluation_text(run.evaluation)
    assert "leakage gap" in text and "label errors" in text and "abstention" in text


def test_without_names_no_film_is_named_anywhere(run: Run) -> None:
    named, stripped = (json.dumps(run.evaluation.to_json(names=names)) for names in (True, False))
    used = [film.name for film in run.audit.index.films if film.name in named]
    assert len(used) > 3
    assert not [name for name in used if name in stripped]
    jsonschema.validate(json.loads(stripped), report_schema())
    problem = Problem("viral/letter.png", "viral/letter.png is no picture (letter.png).")
    context = dataclasses.replace(run.evaluation.context, problems=(problem,))
    assert "letter" not in json.dumps(dataclasses.replace(run.evaluation, context=context).to_json(names=False))
    numbers = {str(case.index) for case in run.evaluation.errors}
    assert set(json.loads(stripped)["evidence"]["neighbours"]) == numbers


@pytest.mark.slow
def test_evaluate_asks_about_other_sets_pictures_and_training_films(run: Run, phantoms: Path, tmp_path: Path) -> None:
    from deephealth.images.phantom_set import write_phantoms

    other = write_phantoms(tmp_path / "other", per_class=4, seed=5, size=128)
    (tmp_path / "tb" / "tuberculosis").mkdir(parents=True)
    shutil.copy(next((other / "viral").iterdir()), tmp_path / "tb" / "tuberculosis" / "film.png")
    (tmp_path / "noise").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), dtype=np.uint8)).save(tmp_path / "noise" / "noise.png")
    found = evaluate(
        run.folder.model,
        phantoms,
        external=[other, tmp_path / "tb"],
        not_chest=[tmp_path / "noise"],
        training_films=phantoms,
        json=tmp_path / "report.json",
        command="deephealth evaluate model.onnx films",
    )
    evidence = found.evidence
    assert [(row.name, row.n_films) for row in evidence.external] == [("other", 12), ("tb", 0)]
    assert "tuberculosis" in evidence.external[1].notes[0]
    assert [(row.name, row.chest, row.refused.n_films) for row in evidence.gate] == [
        ("films", True, found.scores.n_films),
        ("noise", False, 1),
    ]
    assert evidence.data is not None and sum(evidence.data.films.values()) == found.scores.n_films
    assert found.errors == run.evaluation.errors
    learned = {film.name for split in ("train", "validation") for film in run.audit.split.films(run.audit.index, split)}
    for case in found.errors:
        nearest = run.evaluation.evidence.neighbours[case.name][0]  # of the training films; here the validation films are among them too
        assert evidence.neighbours[case.name][0].similarity > nearest.similarity - 0.05
        assert {near.name for near in evidence.neighbours[case.name]} <= learned
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(written, report_schema())
    assert written["context"]["command"] == "deephealth evaluate model.onnx films"
    assert {"deephealth", "python", "numpy", "onnxruntime", "scikit-learn"} == set(written["context"]["versions"])


def test_a_set_that_is_not_there_is_said_before_any_work(run: Run, phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        evaluate(run.folder.model, phantoms, external=[tmp_path / "absent"])
    with pytest.raises(UsageError, match="does not exist"):
        evaluate(run.folder.model, phantoms, not_chest=[tmp_path / "absent"])
    (tmp_path / "films" / "normal").mkdir(parents=True)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "films" / "normal" / "0.png")
    with pytest.raises(DatasetError, match="fitted on none"):
        evaluate(run.folder.model, phantoms, training_films=tmp_path / "films")


def test_evaluate_says_so_when_nothing_is_left(run: Run, phantoms: Path, tmp_path: Path) -> None:
    with (phantoms / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    training = {film.name for film in run.audit.split.films(run.audit.index, "train")}
    write_index(tmp_path, [{**row, "path": str(phantoms / row["path"])} for row in rows if row["path"] in training])
    with pytest.raises(DatasetError, match="learned from all"):
        evaluate(run.folder.model, tmp_path)


def write_index(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.slow
def test_leakage_is_refused_unless_allowed_and_then_stands_on_top(phantoms: Path, tmp_path: Path) -> None:
    by_film = Recipe(split=SplitSettings(by="film"))
    with pytest.raises(LeakageError, match=r"patient.*--allow-leakage"):
        train(phantoms, tmp_path / "run", recipe=by_film)
    assert not (tmp_path / "run" / "model.onnx").exists()
    allowed = train(phantoms, tmp_path / "allowed", recipe=by_film, allow_leakage=True)
    assert allowed.evaluation.context.notes == ("LEAKAGE ALLOWED BY USER",)
    assert allowed.model.record.training.allow_leakage
    assert "LEAKAGE ALLOWED BY USER" in allowed.folder.html.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_table_that_cuts_a_patient_in_two_is_mended(phantoms: Path, tmp_path: Path) -> None:
    """A table's own test films stay test, and the other films of their patients join them there."""
    with (phantoms / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    splits = np.random.default_rng(0).choice(["train", "test"], len(rows), p=(0.85, 0.15))
    write_index(tmp_path, [{**row, "path": str(phantoms / row["path"]), "split": split} for row, split in zip(rows, splits, strict=True)])
    found = audit(tmp_path, threads=2)
    assert not found.leakage.leaks
    test = {film.name for film in found.split.films(found.index, "test")}
    assert {film.name for film in found.index.films if film.split == "test"} < test


@pytest.mark.slow
def test_one_bad_film_is_named_and_stops_nothing(phantoms: Path, tmp_path: Path) -> None:
    films = shutil.copytree(phantoms, tmp_path / "films", ignore=shutil.ignore_patterns("index.csv", "_*"))
    (films / "viral" / "letter.png").write_text("not a film")
    (films / "normal" / "cut.png").write_bytes(next((phantoms / "normal").iterdir()).read_bytes()[:3000])
    found = audit(films, threads=2)
    assert {problem.name for problem in found.index.problems} == {"viral/letter.png", "normal/cut.png"}
    assert len(found.index.films) == 120


def test_a_class_that_cannot_be_read_is_named(phantoms: Path, tmp_path: Path) -> None:
    films = shutil.copytree(phantoms, tmp_path / "films", ignore=shutil.ignore_patterns("index.csv", "_*", "viral"))
    (films / "viral").mkdir()
    (films / "viral" / "letter.png").write_text("not a film")
    with pytest.raises(DatasetError, match="No film of the class viral can be read"):
        audit(films)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["softmax", "dense"])
def test_every_head_ends_in_a_model_that_verifies(kind: str, phantoms: Path, tmp_path: Path) -> None:
    recipe = Recipe(head=HeadSettings(kind=kind, steps=300, epochs=10), features=FeatureSettings(views=2))
    run = train(phantoms, tmp_path / "run", recipe=recipe)
    assert verify(load_model(run.folder.model)).ok
    assert run.model.record.head.kind == ("dense" if kind == "dense" else "linear")


@pytest.mark.slow
def test_the_gate_refuses_as_many_as_the_recipe_says(run: Run, phantoms: Path, tmp_path: Path) -> None:
    strict = train(phantoms, tmp_path / "run", recipe=Recipe(gate=GateSettings(refuse=0.4))).model.record.novelty_threshold
    usual = run.model.record.novelty_threshold
    assert strict is not None and usual is not None and strict < usual


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_a_killed_run_ends_as_if_nothing_had_happened(number: int, run: Run, phantoms: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deephealth", "train", str(phantoms), "--out", str(tmp_path / "run"), "--threads", "2", "--quiet"]
    process = subprocess.Popen(command)
    time.sleep(float(np.random.default_rng(number).uniform(0.5, 8)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*command, "--overwrite"] if (tmp_path / "run" / "run.json").exists() else command, check=True, timeout=200)
    assert (tmp_path / "run" / "model.onnx").read_bytes() == run.folder.model.read_bytes()


@pytest.mark.train
@pytest.mark.slow
def test_fine_tuning_goes_the_same_path(phantoms: Path, tmp_path: Path) -> None:
    recipe = Recipe(name="tiny", fine_tune=FineTuneSettings(size=64, channels_width=8, epochs=2))
    run = train(phantoms, tmp_path / "run", recipe=recipe, threads=2)
    assert len(run.model.record.seen_hashes) > 40
    assert verify(load_model(run.folder.model)).ok
    # Its own training films are known to it: as a backbone for the same films it is refused.
    with pytest.raises(LeakageError, match="backbone"):
        train(phantoms, tmp_path / "again", recipe=Recipe(features=FeatureSettings(backbone=str(run.folder.model))))


@pytest.mark.train
@pytest.mark.slow
def test_training_further_may_not_be_judged_on_films_of_the_first_training(phantoms: Path, tmp_path: Path) -> None:
    tiny = FineTuneSettings(size=32, channels_width=4, epochs=1)
    first = train(phantoms, tmp_path / "first", recipe=Recipe(fine_tune=tiny), threads=2)
    further = Recipe(fine_tune=dataclasses.replace(tiny, start=str(first.folder.network / "fine-tune.pt")))
    with pytest.raises(LeakageError, match="the backbone learned from"):
        train(phantoms, tmp_path / "other", recipe=further, seed=1, threads=2)
    second = train(phantoms, tmp_path / "second", recipe=further, split=first.folder.split, threads=2)
    np.testing.assert_array_equal(second.model.record.seen_hashes, first.model.record.seen_hashes)


@pytest.mark.slow
def test_real_films_with_a_backbone_that_never_saw_them(shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "mobilenet_v2_0.35_224_imagenet" / "mobilenet_v2_0.35_224_notop_bn.pth"
    films = some_kermany_films(shared, tmp_path)
    recipe = Recipe(features=FeatureSettings(backbone="mobilenet_v2_0.35_224", weights=str(weights)))
    run = train(films, tmp_path / "run", recipe=recipe, threads=2)
    normal = run.evaluation.scores.classes[0]
    assert normal.label == "normal"
    assert normal.auc.value > 0.85


@pytest.mark.slow
def test_the_gate_names_films_the_shipped_backbone_learned_from(shared: Path, tmp_path: Path) -> None:
    films = some_kermany_films(shared, tmp_path)
    with pytest.raises(LeakageError, match="backbone learned from"):
        train(films, tmp_path / "run", threads=2)


def some_kermany_films(shared: Path, tmp_path: Path) -> Path:
    """The films of every eighth patient or so, by link, in Kaggle's layout."""
    source = shared / "data" / "kermany" / "chest_xray"
    for path in source.rglob("*.jpeg"):
        key = "".join(character for character in path.name.split("_")[0].split("-000")[0] if character.isdigit())
        if int(key) % 8 == 0:
            link = tmp_path / "chest_xray" / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return tmp_path / "chest_xray"


@pytest.mark.slow
def test_without_pytorch_fine_tuning_names_the_extra(phantoms: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from deephealth.cli.main import main\n"
        f"sys.exit(main(['train', {str(phantoms)!r}, '--out', {str(tmp_path / 'run')!r}, '--fine-tune', '--quiet']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert "pip install 'deephealth[train]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_test_films_choose_nothing(run: Run, phantoms: Path, tmp_path: Path) -> None:
    films = shutil.copytree(phantoms, tmp_path / "films")
    for film in run.audit.split.films(run.audit.index, "test"):
        with Image.open(films / film.name) as picture:
            Image.fromarray(255 - np.asarray(picture.convert("L"))).save(films / film.name)
    other = train(films, tmp_path / "run", split=run.folder.split, threads=2)
    assert other.model.record.metrics["test"] != run.model.record.metrics["test"]
    for name in ("temperature", "novelty_threshold", "operating_points", "heatmap_scale", "goldens", "fitted_on"):
        assert getattr(other.model.record, name) == getattr(run.model.record, name), name


@pytest.mark.slow
def test_another_frozen_split_is_another_plan(run: Run, phantoms: Path, tmp_path: Path) -> None:
    train(phantoms, tmp_path / "run", split=run.folder.split, threads=2)
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(UsageError, match="another split"):
        train(phantoms, tmp_path / "run", threads=2)


@pytest.mark.slow
def test_a_split_that_trains_on_no_film_of_a_class_is_refused(run: Run, phantoms: Path, tmp_path: Path) -> None:
    text = run.folder.split.read_text(encoding="utf-8")
    (tmp_path / "split.csv").write_text(re.sub(r"(viral/.*),train,", r"\1,test,", text), encoding="utf-8")
    with pytest.raises(DatasetError, match="train split has no film of 'viral'"):
        train(phantoms, tmp_path / "run", split=tmp_path / "split.csv", threads=2)


def test_films_of_one_class_and_of_strange_labels_are_scored_as_far_as_they_can_be(run: Run, phantoms: Path, tmp_path: Path) -> None:
    rows = [{"path": str(phantoms / film.name), "label": film.label} for film in run.audit.split.films(run.audit.index, "test")]
    write_index(tmp_path, [row for row in rows if row["label"] == "normal"])
    one = evaluate(run.folder.model, tmp_path)
    assert one.limits[0].code == "one_class"
    write_index(tmp_path, [{**row, "label": row["label"].replace("viral", "covid")} for row in rows])
    some = evaluate(run.folder.model, tmp_path)
    assert "have a label that the model does not know" in evaluation_text(some)
    assert some.limits[0].code == "unknown_labels"
    write_index(tmp_path, [{**row, "label": "covid"} for row in rows])
    with pytest.raises(DatasetError, match=r"labelled covid-19, expected some of normal, bacterial, viral"):
        evaluate(run.folder.model, tmp_path)


def test_a_run_does_not_become_a_class_of_its_own_data(phantoms: Path, tmp_path: Path) -> None:
    for label in ("normal", "viral"):
        shutil.copytree(phantoms / label, tmp_path / "films" / label)
    with pytest.raises(DatasetError, match="inside the data set"):
        train(tmp_path / "films", tmp_path / "films" / "run")
    assert sorted(path.name for path in (tmp_path / "films").iterdir()) == ["normal", "viral"]


def test_a_backbone_that_cannot_be_had_leaves_no_run_behind(phantoms: Path, tmp_path: Path) -> None:
    """Else the same command with the weights it lacked would be told that the folder holds another run."""
    with pytest.raises(ModelFileError, match="--weights"):
        train(phantoms, tmp_path / "run", recipe=Recipe(features=FeatureSettings(backbone="mobilenet_v2_0.35_224")))
    assert not (tmp_path / "run").exists()
