"""Sets too poor to judge by: each gets the sentence that says what cannot be concluded, and the rest of the report still appears."""

from __future__ import annotations

import csv
import html
import json
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from deephealth.cli.main import main
from deephealth.errors import DatasetError
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.report import render_html, report_schema
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.wording import Words
from deephealth.model.file import shipped_model_path
from deephealth.pipeline import audit, evaluate, train

CLASSES = ("normal", "bacterial", "viral")
Build = Callable[[Path, Path], Path]


def told(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))


def every_interval(value: object) -> list[dict[str, object]]:
    """All intervals of a JSON report, wherever they stand."""
    if isinstance(value, list):
        return [found for part in value for found in every_interval(part)]
    if not isinstance(value, dict):
        return []
    here = [value] if {"value", "low", "high"} <= set(value) else []
    return here + [found for part in value.values() for found in every_interval(part)]


def check_report(data: dict[str, object], pages: Sequence[str], codes: Sequence[str]) -> None:
    """A report that follows its schema, has no NaN, whose values lie in their intervals, and whose pages say each limit."""
    jsonschema.validate(data, report_schema())
    json.dumps(data, allow_nan=False)
    assert [limit["code"] for limit in data["limits"]] == list(codes)
    for found in every_interval(data):
        assert (found["low"] is None) == (found["high"] is None), found
        if found["value"] is not None and found["low"] is not None:
            assert found["low"] <= found["value"] <= found["high"], found
    for language, page in zip(("en", "es"), pages, strict=True):
        text = told(page)
        assert not re.search(r"\b(nan|None|inf)\b", text), re.findall(r".{30}\b(?:nan|None|inf)\b.{30}", text)
        for limit in data["limits"]:
            assert Words(language).limit(limit["code"], limit["values"]) in text
        # The rest still appears: a row for every class, known to these films or not.
        assert all(label in text for label in CLASSES)


def films_of(phantoms: Path, label: str, count: int) -> list[Path]:
    return sorted((phantoms / label).iterdir())[:count]


def folder(root: Path, phantoms: Path, counts: dict[str, int], names: dict[str, str] | None = None) -> Path:
    for label, count in counts.items():
        (root / (names or {}).get(label, label)).mkdir(parents=True)
        for film in films_of(phantoms, label, count):
            shutil.copy(film, root / (names or {}).get(label, label) / film.name)
    return root


def table(root: Path, rows: Sequence[tuple[Path, str, str]]) -> Path:
    root.mkdir(parents=True)
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "patient", "label"), *((str(path), patient, label) for path, patient, label in rows)])
    return root


def one_class(root: Path, phantoms: Path) -> Path:
    return folder(root, phantoms, {"bacterial": 6})


def one_patient(root: Path, phantoms: Path) -> Path:
    return table(root, [(film, "the same", label) for label in CLASSES for film in films_of(phantoms, label, 3)])


def three_films(root: Path, phantoms: Path) -> Path:
    return folder(root, phantoms, dict.fromkeys(CLASSES, 1))


def unknown_labels(root: Path, phantoms: Path) -> Path:
    return folder(root, phantoms, {"normal": 4, "viral": 4}, {"normal": "covid", "viral": "tb"})


def some_unknown(root: Path, phantoms: Path) -> Path:
    return folder(root, phantoms, dict.fromkeys(CLASSES, 4), {"viral": "tb"})


def one_film_of_a_class(root: Path, phantoms: Path) -> Path:
    return folder(root, phantoms, {"normal": 12, "bacterial": 12, "viral": 1})


def unreadable(root: Path, phantoms: Path) -> Path:
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        (root / label / "letter.png").write_text("not a film")
    return root


CASES: list[tuple[Build, tuple[str, ...], str]] = [
    (one_class, ("one_class", "few"), ""),
    (one_patient, ("one_patient",), ""),
    (three_films, ("few",), ""),
    (some_unknown, ("unknown_labels", "absent_classes", "few"), ""),
    (one_film_of_a_class, ("few", "small_classes"), ""),
    (unknown_labels, ("unknown_labels", "no_films"), "labelled covid-19, tb, expected some of normal, bacterial, viral; rename them"),
    (unreadable, ("no_films",), "None of the 3 films of .* can be read"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("build", "codes", "refusal"), CASES, ids=[case[0].__name__ for case in CASES])
def test_evaluate_writes_its_report_on(
    build: Build, codes: tuple[str, ...], refusal: str, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films, pages = build(tmp_path / "films", phantoms), []
    for language in ("en", "es"):
        page, data = tmp_path / f"{language}.html", tmp_path / f"{language}.json"
        command = ["evaluate", shipped_model_path(), films, "--html", page, "--json", data, "--lang", language, "--threads", "1"]
        assert main([str(part) for part in command]) == (3 if refusal else 0)
        if refusal:
            assert re.search(refusal, capsys.readouterr().err)
        pages.append(page.read_text(encoding="utf-8"))
    report = json.loads((tmp_path / "en.json").read_text(encoding="utf-8"))
    check_report(report, pages, codes)
    if build is unreadable:
        assert len(report["context"]["problems"]) == 3
        assert "letter.png" in told(pages[0])


def test_without_a_page_asked_for_the_error_is_the_same(phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="labelled covid-19, tb"):
        evaluate(shipped_model_path(), unknown_labels(tmp_path / "films", phantoms), threads=1)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (one_class, "1 of 1 classes have films"),
        (one_patient, "two classes with two patients each"),
        (three_films, "two classes with two patients each"),
        (some_unknown, "too few to tell a shortcut from chance"),
        (one_film_of_a_class, "two classes with two patients each"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_audit_says_that_it_cannot_tell_and_still_checks_for_leakage(build: Build, reason: str, phantoms: Path, tmp_path: Path) -> None:
    found = audit(build(tmp_path / "films", phantoms), threads=1)
    assert (found.shortcuts.verdict, found.shortcuts.sentence) == ("unknown", "the shortcut audit could not be made")
    assert reason in found.text()
    assert "No leakage found" in found.text()
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (one_class, "are of one class, 'bacterial'; expected at least 2 classes"),
        (one_patient, "The validation split has no film, expected some of every class; add patients"),
        (three_films, "The validation split has no film, expected some of every class; add patients"),
        (unreadable, "None of the 3 films of .* can be read"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_train_refuses_in_one_sentence_what_no_model_can_come_of(build: Build, sentence: str, phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=sentence):
        train(build(tmp_path / "films", phantoms), tmp_path / "run", threads=1)
    assert not (tmp_path / "run" / "model.onnx").exists()


def scored(labels: Sequence[int], patients: Sequence[str], **more: object) -> Evaluation:
    p = np.random.default_rng(0).dirichlet(np.ones(3), len(labels))
    return score_predictions(p, labels, patients, CLASSES, draws=100, prevalence=0.2, logits=np.log(p), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "patients", "refused", "codes"),
    [
        ([1] * 30, [str(i) for i in range(30)], False, ["one_class"]),
        ([0, 1, 2] * 10, ["a"] * 30, False, ["one_patient", "small_classes"]),
        ([0, 1, 2], ["a", "b", "c"], False, ["few"]),
        ([-1, 9, 9], ["a", "b", "c"], False, ["unknown_labels", "no_films"]),
        ([0] * 30 + [1] * 30 + [2], [str(i) for i in range(61)], False, ["small_classes"]),
        ([0, 1, 2] * 10, [str(i) for i in range(30)], True, ["all_refused", "small_classes"]),
        ([1], ["a"], True, ["all_refused", "one_class", "one_patient"]),
    ],
    ids=["one class", "one patient", "three films", "no label known", "a class with one film", "all refused", "one film, refused"],
)
def test_scores_of_poor_sets_have_no_nan_and_say_what_they_cannot(
    labels: list[int], patients: list[str], refused: bool, codes: list[str]
) -> None:
    found = scored(labels, patients, refused=[refused] * len(labels))
    check_report(found.to_json(), [render_html(found), render_html(found, language="es")], codes)


def test_one_patient_gives_no_interval_that_claims_to_know() -> None:
    """However many films, another patient may be anything: no interval is narrower than four fifths of what the score can be."""
    scores = scored([0, 1, 2] * 20, ["a"] * 60).scores
    shares = [scores.accuracy, scores.balanced_accuracy, scores.macro_auc]
    for entry in scores.classes:
        shares += [entry.sensitivity, entry.specificity, entry.ppv, entry.npv, entry.auc, entry.average_precision]
    assert all(wide(found) for found in shares)
    for found in (scores.brier, scores.log_loss, scores.ece):
        assert found.value is not None and (found.low, found.high) == (None, None)


def wide(found: Interval) -> bool:
    return found.low is not None and found.high is not None and found.high - found.low > 0.8 and not math.isnan(found.low)
