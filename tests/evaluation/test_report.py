"""The report stands alone, says the same twice, and is readable: in both languages, without pictures, and for poor sets."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from deephealth.errors import UsageError
from deephealth.evaluation.calibration import choose_operating_points, softmax
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.report import render_html, report_schema, write_report
from deephealth.evaluation.results import Evaluation, EvaluationContext, Problem
from deephealth.evaluation.wording import LIMITS, TEXT, Words

CLASSES = ("normal", "bacterial", "viral")
PROBE = {"null_mean": 0.5, "null_sd": 0.02, "beats_null": True, "lung_free": True, "recovered": 0.4}
AUC = {"value": 0.7, "low": 0.65, "high": 0.75, "n_films": 120, "n_patients": 60}
AUDIT = {
    "verdict": "partial",
    "sentence": "label predictable without the lungs: partial",
    "results": [{"name": "whole film", "auc": AUC, **PROBE}, {"name": "border", "auc": AUC, **PROBE}],
    "n_films": 120,
    "n_patients": 60,
    "reason": "",
}
LEAKS = {"leaks": True, "counts": {"near": 3, "patient": 2}, "sentence": "Leakage: 3 near copies and 2 patients."}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    patients = [f"secret-{i // 2}" for i in range(240)]
    p = softmax(1.5 * rng.normal(size=(240, 3)) + 2 * np.eye(3)[labels])
    points = choose_operating_points(p, labels, CLASSES, patients, draws=50)
    context = EvaluationContext(
        model_name="a <model>",
        model_sha256="ab" * 32,
        data_name="films",
        split_by="patient",
        temperature=1.25,
        problems=(Problem("broken.png", "the file is empty; give a film"),),
        versions={"deephealth": "0.1.0"},
    )
    return score_predictions(
        p,
        labels,
        patients,
        CLASSES,
        names=[f"film-{i}.png" for i in range(240)],
        operating_points=points,
        refused=np.arange(240) == 5,
        novelty=np.ones(240),
        logits=np.log(p),
        draws=50,
        context=context,
    )


def with_context(evaluation: Evaluation, **changes: object) -> Evaluation:
    return dataclasses.replace(evaluation, context=dataclasses.replace(evaluation.context, **changes))  # type: ignore[arg-type]


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), shade).save(file, format="PNG")
    return file.getvalue()


def text_of(html: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("\u2060", "")


class Elements(HTMLParser):
    """All elements with their attributes; fails on a tag closed in the wrong order."""

    VOID = frozenset({"meta", "img", "br", "link", "path", "use"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_stands_alone(evaluation: Evaluation, language: str) -> None:
    films = [(case.name, png(10), png(200)) for case in evaluation.errors]
    html = render_html(with_context(evaluation, audit=AUDIT), language=language, films=films)  # type: ignore[arg-type]
    elements = Elements(html).found
    tags = {tag for tag, _ in elements}
    assert not tags & {"script", "link", "iframe", "object", "embed"}
    for tag, attributes in elements:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert "url(http" not in html and "@import" not in html
    assert (dict(elements)["html"])["lang"] == language


def test_it_is_the_same_each_time_and_holds_no_clock(evaluation: Evaluation) -> None:
    first, second = (render_html(with_context(evaluation, audit=AUDIT)) for _ in range(2))
    assert first == second
    assert "<metadata" not in first and "dc:date" not in first


def test_pictures_and_plots_can_be_read_out(evaluation: Evaluation) -> None:
    films = [(case.name, png(10), png(200)) for case in evaluation.errors]
    elements = Elements(render_html(with_context(evaluation, audit=AUDIT), films=films)).found
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    plots = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(plots) == 4 and all(attributes["role"] == "img" for attributes in plots)
    assert sum(tag == "title" for tag, _ in elements) == 5
    headings = [tag for tag, _ in elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1" and headings.count("h1") == 1
    named = {attributes["id"] for _, attributes in elements if attributes.get("id")}
    assert {attributes["aria-labelledby"] for tag, attributes in elements if tag == "section"} <= named
    assert all(attributes.get("scope") for tag, attributes in elements if tag == "th")


def test_ids_of_the_plots_do_not_clash(evaluation: Evaluation) -> None:
    ids = re.findall(r'<clipPath id="([^"]+)"', render_html(with_context(evaluation, audit=AUDIT)))
    assert ids and len(ids) == len(set(ids))


def test_the_first_screen_says_what_matters(evaluation: Evaluation) -> None:
    told = text_of(render_html(with_context(evaluation, audit=AUDIT, leakage=LEAKS, notes=("LEAKAGE ALLOWED BY USER",))))
    order = [
        "Label predictable without the lungs: partial",
        "Leakage: 3 near copies",
        "LEAKAGE ALLOWED BY USER",
        "240 films",
        "120 patients",
    ]
    order += ["Balanced accuracy", "95 % interval", "Not a medical device", "Data and split"]
    places = [told.index(part) for part in order]
    assert places == sorted(places)


def test_every_verdict_has_its_exact_sentence(evaluation: Evaluation) -> None:
    for verdict, sentence in (
        ("sufficient", "abel predictable without the lungs: sufficient"),
        ("partial", "abel predictable without the lungs: partial"),
        ("none", "o shortcut found by these probes"),
    ):
        assert sentence in text_of(render_html(with_context(evaluation, audit={"verdict": verdict, "results": []})))


def test_what_was_not_checked_is_said(evaluation: Evaluation) -> None:
    told = text_of(render_html(evaluation))
    assert "the shortcut audit was not made" in told.lower()
    assert "It was not checked whether these films" in told
    assert "not given" in told


def test_spanish_is_spanish(evaluation: Evaluation) -> None:
    told = text_of(render_html(with_context(evaluation, audit=AUDIT, leakage=LEAKS), language="es"))
    assert "Etiqueta predecible sin los pulmones: parcial" in told
    assert "pacientes a ambos lados: 2" in told
    assert not re.search(r"\d\.\d+\s%", told), "a decimal point in Spanish"
    for english in ("Accuracy", "Sensitivity", "films", "interval 9", "Threshold", "unknown"):
        assert english not in told.replace("evaluate m.onnx films", "").replace(": films", "").replace("Datos films", ""), english


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_word_claims_a_medical_use(language: str) -> None:
    column = ["en", "es"].index(language)
    for table in (TEXT, LIMITS):
        for key, pair in table.items():
            assert not re.search(r"\b(detects?|diagnoses|detecta|diagnostica)\b", pair[column], re.IGNORECASE), key


def test_no_percentage_stands_bare(evaluation: Evaluation) -> None:
    html = render_html(evaluation)
    for cell in re.findall(r'<span class="value">([^<]+)</span>(.*?)</td>', html):
        if "%" in cell[0]:
            assert 'class="range"' in cell[1] and 'class="n"' in cell[1], cell
    for card in re.findall(r'<div class="card">(.*?)</div>\s*(?=<div class="card">|</div>)', html, flags=re.DOTALL):
        assert "interval" in card and "patients" in card


def test_names_and_pictures_can_be_left_out(evaluation: Evaluation, tmp_path: Path) -> None:
    films = [(case.name, png(10), png(200)) for case in evaluation.errors]
    write_report(evaluation, html=tmp_path / "r.html", json=tmp_path / "r.json", films=films, include_films=False)
    html, data = (tmp_path / "r.html").read_text(), (tmp_path / "r.json").read_text()
    assert "data:image" not in html
    for text in (html, data):
        assert not re.search(r"film-\d|broken\.png", text)
    assert "film 6" in text_of(html), "the refused film goes by its number"


def test_no_patient_is_named(evaluation: Evaluation) -> None:
    assert "secret" not in render_html(evaluation) + json.dumps(evaluation.to_json())


def test_what_comes_from_files_cannot_become_markup(evaluation: Evaluation) -> None:
    html = render_html(with_context(evaluation, data_name="<script>alert(1)</script>", notes=("<b>bold</b>",)))
    assert "<script" not in html and "<b>" not in html
    assert "a &lt;model&gt;" in html


def test_json_follows_the_published_schema(evaluation: Evaluation, tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(report_schema())
    write_report(with_context(evaluation, audit=AUDIT, leakage=LEAKS), json=tmp_path / "r.json")
    jsonschema.validate(json.loads((tmp_path / "r.json").read_text()), report_schema())
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1], [0, 1, 2]])
def test_poor_sets_still_get_a_report(labels: list[int]) -> None:
    p = np.tile([0.5, 0.3, 0.2], (len(labels), 1))
    found = score_predictions(p, labels, [str(i) for i in range(len(labels))], CLASSES, draws=20)
    for language in ("en", "es"):
        html = render_html(found, language=language)  # type: ignore[arg-type]
        Elements(html)
        for limit in found.limits:
            assert Words(language).limit(limit.code, limit.values) in text_of(html)  # type: ignore[arg-type]


def test_published_numbers_stand_beside_only_where_they_belong(evaluation: Evaluation) -> None:
    assert "Kermany 2018" in render_html(evaluation)
    other = score_predictions([[0.6, 0.4]] * 2, [0, 1], ["a", "b"], ("normal", "tuberculosis"), draws=20)
    assert "Kermany" not in render_html(other)


def test_an_unknown_language_is_refused(evaluation: Evaluation) -> None:
    with pytest.raises(UsageError, match="not in 'fr'"):
        render_html(evaluation, language="fr")  # type: ignore[arg-type]


def test_every_sentence_is_in_both_languages_with_the_same_gaps() -> None:
    for table in (TEXT, LIMITS):
        for key, pair in table.items():
            assert len(pair) == 2 and all(pair), key
            assert len({tuple(sorted(set(re.findall(r"{(\w+)}", text)))) for text in pair}) == 1, key


def test_numbers_are_written_as_each_language_does() -> None:
    en, es = Words("en"), Words("es")
    assert (en.count(12345), es.count(12345), es.count(1234)) == ("12,345", "12\u202f345", "1234")
    assert (en.percent(0.8125), es.percent(0.8125)) == ("81.2\u00a0%", "81,2\u00a0%")


def test_a_class_may_be_named_with_dollar_signs() -> None:
    p = np.random.default_rng(0).dirichlet([1, 1], 40)
    found = score_predictions(p, [0, 1] * 20, [str(i) for i in range(40)], ("$\\frac$", "b"), draws=20)
    assert "$\\frac$" in render_html(found)
