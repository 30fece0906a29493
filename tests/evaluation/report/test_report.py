"""The report stands alone, says the same twice, and is readable: in both languages, without pictures, and for poor sets."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.evidence import Evidence, GapRow, LeakageGap
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.pictures import Pictures
from deephealth.evaluation.report import render_html, report_schema, write_report
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.texts.reasons import REASONS, in_spanish
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


def with_context(evaluation: Evaluation, **changes: object) -> Evaluation:
    return dataclasses.replace(evaluation, context=dataclasses.replace(evaluation.context, **changes))  # type: ignore[arg-type]


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
def test_it_stands_alone(full: Evaluation, films: Pictures, language: str) -> None:
    html = render_html(with_context(full, audit=AUDIT), language=language, films=films)  # type: ignore[arg-type]
    elements = Elements(html).found
    tags = {tag for tag, _ in elements}
    assert not tags & {"script", "link", "iframe", "object", "embed"}
    for tag, attributes in elements:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/jpeg;base64,")), (tag, value)
    assert "http" not in html.replace("http-equiv", "") and "@import" not in html
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    assert (dict(elements)["html"])["lang"] == language


def test_it_is_the_same_each_time_and_holds_no_clock(evaluation: Evaluation) -> None:
    first, second = (render_html(with_context(evaluation, audit=AUDIT)) for _ in range(2))
    assert first == second
    assert "<metadata" not in first and "dc:date" not in first


def test_pictures_and_plots_can_be_read_out(full: Evaluation, films: Pictures) -> None:
    elements = Elements(render_html(with_context(full, audit=AUDIT), films=films)).found
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    plots = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(plots) == 8 and all(attributes["role"] == "img" for attributes in plots)
    assert sum(tag == "title" for tag, _ in elements) == 9
    headings = [tag for tag, _ in elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1" and headings.count("h1") == 1
    named = {attributes["id"] for _, attributes in elements if attributes.get("id")}
    assert {attributes["aria-labelledby"] for tag, attributes in elements if tag == "section"} <= named
    assert all(attributes.get("scope") for tag, attributes in elements if tag == "th")


def test_every_id_stands_once_and_every_link_leads_somewhere(full: Evaluation, films: Pictures) -> None:
    for shown in (full, dataclasses.replace(full, evidence=Evidence())):
        elements = Elements(render_html(with_context(shown, audit=AUDIT), films=films)).found
        ids = [attributes["id"] for _, attributes in elements if attributes.get("id")]
        assert len(ids) == len(set(ids))
        links = {str(value)[1:] for _, attributes in elements for name, value in attributes.items() if name in ("href", "xlink:href")}
        assert links <= set(ids), links - set(ids)


def test_the_first_screen_says_what_matters(full: Evaluation) -> None:
    told = text_of(render_html(with_context(full, audit=AUDIT, leakage=LEAKS, notes=("LEAKAGE ALLOWED BY USER",))))
    order = [
        "Label predictable without the lungs: partial",
        "Leakage: 3 near copies",
        "LEAKAGE ALLOWED BY USER",
        "240 films",
        "120 patients",
    ]
    order += ["Balanced accuracy", "95 % interval", "Leakage gap", "Not a medical device", "Confusion matrix"]
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


def test_films_left_out_as_seen_are_a_precaution_and_no_warning(evaluation: Evaluation) -> None:
    html = render_html(with_context(evaluation, split_name="unseen", notes=("30 films were left out.",)))
    assert "whether their patients were in its training is not known" in text_of(html)
    assert "It was not checked" not in text_of(html)
    note = html[: html.index("30 films were left out.")]
    assert 'class="verdict unknown"' in note[note.rindex("<li") :]
    warned = render_html(with_context(evaluation, split_name="all", notes=("The model learned from 30.",)))
    assert 'class="verdict bad"' in warned


def test_spanish_is_spanish(evaluation: Evaluation) -> None:
    told = text_of(render_html(with_context(evaluation, audit=AUDIT, leakage=LEAKS), language="es"))
    assert "Etiqueta predecible sin los pulmones: parcial" in told
    assert "pacientes a ambos lados: 2" in told
    assert not re.search(r"\d\.\d+\s%", told), "a decimal point in Spanish"
    for english in ("Accuracy", "Sensitivity", "films", "interval 9", "Threshold", "unknown"):
        assert english not in told.replace(": films", "").replace("Datos films", "").replace("Datos films", "").replace(
            "--training-films", ""
        ), english


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


def test_names_and_pictures_can_be_left_out(full: Evaluation, films: Pictures, tmp_path: Path) -> None:
    write_report(full, html=tmp_path / "r.html", json=tmp_path / "r.json", films=films, include_films=False)
    html, data = (tmp_path / "r.html").read_text(), (tmp_path / "r.json").read_text()
    assert "data:image" not in html
    for text in (html, data):
        assert not re.search(r"film-\d|right-\d|suspect-\d|near-\d|broken\.png", text)
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


def test_a_cell_of_the_confusion_matrix_links_to_its_films(full: Evaluation, films: Pictures) -> None:
    html = render_html(full, films=films)
    error = full.errors[0]
    place = f"cell-{CLASSES.index(error.truth)}-{CLASSES.index(error.answer)}"
    link = next(attributes for tag, attributes in Elements(html).found if tag == "a" and attributes["href"] == f"#{place}")
    assert error.truth in str(link["aria-label"]) and "show them" in str(link["aria-label"])
    panel = html[html.index(f'id="{place}"') :]
    assert error.name in panel[: panel.index("</section>")]
    right = text_of(html[html.index('id="cell-0-0"') :])
    assert right.index("The surest") < right.index("99.0") < right.index("The least sure") < right.index("38 more are not shown")


def test_the_leakage_gap_is_a_sentence_on_the_first_screen(full: Evaluation) -> None:
    told = text_of(render_html(full))
    said = "Split by film, the balanced accuracy of such a model would be 86.1\xa0% [83.1–89.1\xa0%]; by patient it is"
    assert said.replace("\xa0", " ") in told.replace("\xa0", " ")
    assert "+1.9 points [+1.1 to +2.7 points]" in told.replace("\xa0", " ")
    assert told.index("Leakage gap") < told.index("Confusion matrix")


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [(0.01, 0.03, "By so much a split"), (-0.01, 0.02, "holds zero"), (-0.03, -0.01, "scores lower here"), (0.0, 0.02, "holds zero")],
)
def test_a_difference_is_concluded_from_its_interval(full: Evaluation, low: float, high: float, sentence: str) -> None:
    ends = Interval((low + high) / 2, low, high, 240, 120)
    gap = full.evidence.leakage_gap
    assert gap is not None
    row = GapRow("accuracy", gap.rows[0].by_film, gap.rows[0].by_patient, ends)
    evidence = dataclasses.replace(full.evidence, leakage_gap=dataclasses.replace(gap, rows=(row,)))
    assert sentence in text_of(render_html(dataclasses.replace(full, evidence=evidence)))


def test_the_models_own_audit_leads_the_page(full: Evaluation) -> None:
    html = text_of(render_html(with_context(full, audit={**AUDIT, "verdict": "none"})))
    assert html.index("Label predictable without the lungs: partial") < html.index("The light audit of the data says: no shortcut")


def test_every_part_of_the_evidence_is_shown_in_both_languages(full: Evaluation, films: Pictures) -> None:
    for language, expected in (
        ("en", ("valid only for films like the calibration set", "fewer than 20 films: Sex male (12)", "films to look at, not verdicts",
                "let through, though it should not be",
                "3 more could not be read", "similarity 0.93", "CC-BY-4.0", "deephealth evaluate model.onnx",
                "fewer than 90 % of these films", "Children of one hospital.", "hospital &lt;b&gt;", "found by the lung finder",
                "p &lt; 0.001")),
        ("es", ("válida solo para radiografías como las del conjunto de calibración", "menos de 20 radiografías: Sexo hombres (12)",
                "no veredictos", "aceptada, sin deber serlo", "semejanza 0,93", "regresión logística multinomial, C = 0,1", "mujeres",
                "entrenamiento o prueba", "hallados por el localizador")),
    ):  # fmt: skip
        html = render_html(full, language=language, films=films)  # type: ignore[arg-type]
        assert "hospital <b>" not in html
        told = text_of(html).replace("\xa0", " ")
        for sentence in expected:
            assert sentence in told, sentence


def test_what_is_absent_is_said_with_how_to_get_it(evaluation: Evaluation, full: Evaluation) -> None:
    told = text_of(render_html(evaluation))
    for wanted in ("--audit", "--external DIR", "--training-films DIR", "--not-chest DIR"):
        assert wanted in told[told.index("Not in this report") :], wanted
    assert "Not in this report" not in text_of(render_html(full))


def test_a_reason_is_given_in_the_readers_language(evaluation: Evaluation) -> None:
    reason = "Cross-validation by patient needs two patients of every class, and a class has one."
    gap = LeakageGap((), 0, "", 5, 3, reason)
    shown = dataclasses.replace(evaluation, evidence=Evidence(leakage_gap=gap))
    assert reason in text_of(render_html(shown))
    assert "necesita dos pacientes de cada clase" in text_of(render_html(shown, language="es"))
    assert in_spanish(f"{reason} A user's own note.").endswith("uno. A user's own note.")


def test_every_reason_takes_its_values_along() -> None:
    for english, spanish in REASONS:
        assert set(re.findall(r"\\(\d)", spanish)) <= {str(n + 1) for n in range(re.compile(english).groups)}, english


@pytest.mark.parametrize(
    ("english", "expected"),
    [
        ("A linear probe tells the source of a film from its picture (AUC 0.93): score each source apart.", "(AUC 0,93): evalúe"),
        (
            "The label goes with the source of the film (AUC 0.91 from the source alone, Cramer's V 0.80), and a linear probe tells the "
            "source from the picture (AUC 0.95): a model may learn the source for the label.",
            "(AUC 0,91 con la procedencia sola; V de Cramer 0,80), y una prueba lineal reconoce la procedencia por la imagen (AUC 0,95)",
        ),
        (
            "Plausible lungs were found on 3 of 40 films, too few to hide them. With the mean film in place of black, the verdict would "
            "be: no shortcut found by these probes.",
            "Se hallaron pulmones verosímiles en 3 de 40 radiografías, muy pocas para ocultarlos. Con la radiografía media",
        ),
    ],
)
def test_the_audits_sentences_are_said_in_spanish(english: str, expected: str) -> None:
    assert expected in in_spanish(english)


def test_what_the_light_audit_says_of_origins_is_shown(evaluation: Evaluation) -> None:
    warning = "A linear probe tells the source of a film from its picture (AUC 0.93): score each source apart."
    audit = {**AUDIT, "identity": [{"name": "source", "auc": AUC, **PROBE, "p_value": 0.0005}], "warnings": [warning]}
    told = text_of(render_html(with_context(evaluation, audit=audit), language="es"))
    assert "evalúe cada procedencia por separado" in told and "procedencia de la radiografía" in told


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
