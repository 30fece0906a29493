"""The page and the terminal text of a comparison: alone, alike twice, in both languages, never claiming more than the verdict."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.evaluation.calibration import softmax
from deephealth.evaluation.comparison import plot as comparison_plot
from deephealth.evaluation.comparison.page import render_comparison
from deephealth.evaluation.comparison.results import Comparison, ComparisonContext, ModelFacts, Refused, Verdict
from deephealth.evaluation.comparison.scores import Answers, Point, compare_answers
from deephealth.evaluation.comparison.sentences import ComparisonWords
from deephealth.evaluation.comparison.text import comparison_text
from deephealth.evaluation.comparison.words import LIMITS, TEXT
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Problem

CLASSES = ("normal", "bacterial", "viral")
POINT = Point("specificity 0.90", ("bacterial", "viral"))


def made(labels: np.ndarray, films: int = 2, **options: object) -> Comparison:
    rng = np.random.default_rng(0)
    answers = []
    for skill in (1.0, 1.2):
        p = softmax(rng.normal(size=(len(labels), 3)) + skill * np.eye(3)[labels])
        answers.append(Answers(p, {POINT: p[:, 0] < 0.5}))
    patients = [f"secret-{i // films}" for i in range(len(labels))]
    names = [f"film-{i}.png" for i in range(len(labels))]
    return compare_answers(*answers, labels, patients, CLASSES, names=names, draws=60, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> Comparison:
    context = ComparisonContext(
        ModelFacts("old <model>", "ab" * 32, (*CLASSES, "covid-19"), 3),
        ModelFacts("new", "cd" * 32, CLASSES, 4),
        data_name="films",
        left_out=5,
        other_labels=2,
        problems=(Problem("broken.png", "broken.png is empty; give a film"),),
        versions={"deephealth": "0.1.0"},
    )
    return dataclasses.replace(made(np.arange(120) // 2 % 3, margin=0.02), context=context, refused=Refused(1, 2, 3))


def text_of(html: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return plain(re.sub(r"<[^>]+>", " ", body))


def plain(text: str) -> str:
    """The text with every kind of space as one blank."""
    return re.sub(r"\s+", " ", text)


def test_the_page_needs_nothing_else_and_says_the_same_twice(found: Comparison) -> None:
    html = render_comparison(found)
    assert html == render_comparison(found)
    assert not re.search(r"<script|https?://|\ssrc=|\bon\w+=|@import|url\(", html)
    assert "default-src 'none'" in html
    assert "old &lt;model&gt;" in html and "old <model>" not in html
    assert "secret-" not in html


def test_the_verdict_stands_first_and_names_nobody(found: Comparison) -> None:
    assert found.verdict.code == "undecided"
    text = text_of(render_comparison(found))
    sentence = plain(ComparisonWords("en").verdict(found)[0])
    assert text.index(sentence) < text.index("Every score of both")
    for shown in (text, comparison_text(found)):
        assert "cannot tell the two models apart" in shown
        assert "has the higher" not in shown


@pytest.mark.parametrize("code", ["undecided", "seen", "same", "unknown"])
def test_only_a_shown_difference_names_a_winner(found: Comparison, code: str) -> None:
    for language in ("en", "es"):
        words = ComparisonWords(language)  # type: ignore[arg-type]
        other = dataclasses.replace(found, verdict=Verdict(code))  # type: ignore[arg-type]
        page = text_of(render_comparison(other, language=language))  # type: ignore[arg-type]
        assert plain(words.verdict(other)[0]) in page
        assert words("better", winner="@", range="@").split("@")[1].strip()[:20] not in page
        winner = dataclasses.replace(found, verdict=Verdict("better", "B"))
        assert "B (new)" in words.verdict(winner)[0]


def test_every_note_and_limit_is_on_page_and_terminal_in_both_languages(found: Comparison) -> None:
    for language in ("en", "es"):
        words = ComparisonWords(language)  # type: ignore[arg-type]
        page, terminal = text_of(render_comparison(found, language=language)), comparison_text(found, language)  # type: ignore[arg-type]
        sentences = [*words.verdict(found), *words.notes(found), *words.limits(found)]
        assert len(words.notes(found)) == 4
        for sentence in sentences:
            assert plain(sentence) in page
            assert sentence in terminal


def test_the_spanish_page_holds_no_english_sentence(found: Comparison) -> None:
    for made_of in (found, dataclasses.replace(made(np.zeros(3, dtype=int), margin=0.02), context=found.context)):
        page = text_of(render_comparison(made_of, language="es"))
        for key, (english, spanish) in {**TEXT, **LIMITS}.items():
            for piece in re.split(r"{\w+}", english):
                if len(piece.strip()) > 12 and piece.strip() not in spanish:
                    assert plain(piece.strip()) not in page, key
        assert not re.search(r"\b(the|films|patients|and|of|better|cannot)\b", page.replace("films Datos", "").replace("Datos: films", ""))


def test_every_sentence_is_in_both_languages_with_the_same_gaps() -> None:
    for table in (TEXT, LIMITS):
        for key, pair in table.items():
            assert len(pair) == 2 and all(pair), key
            assert len({tuple(sorted(set(re.findall(r"{(\w+)}", text)))) for text in pair}) == 1, key


def test_names_are_left_out_when_asked(found: Comparison) -> None:
    html = render_comparison(found, names=False)
    assert "film-" not in html and "broken.png" not in html
    facts = found.to_json(names=False)
    assert "film-" not in str(facts) and "broken.png" not in str(facts) and "is empty; give a film" in str(facts)
    assert "film-" in render_comparison(found) and "broken.png" in render_comparison(found)


@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]])
def test_poor_sets_still_get_a_page_and_a_text(labels: list[int]) -> None:
    poor = made(np.array(labels), films=1)
    for language in ("en", "es"):
        words = ComparisonWords(language)  # type: ignore[arg-type]
        assert poor.limits
        for shown in (text_of(render_comparison(poor, language=language)), comparison_text(poor, language)):  # type: ignore[arg-type]
            assert all(plain(sentence) in plain(shown) for sentence in words.limits(poor))


def test_an_unknown_language_is_refused(found: Comparison) -> None:
    with pytest.raises(UsageError, match="not in 'fr'"):
        render_comparison(found, language="fr")  # type: ignore[arg-type]


def test_differences_are_written_with_their_sign_in_each_language() -> None:
    interval = Interval(-0.0123, -0.0456, 0.0199, 10, 5)
    assert ComparisonWords("en").points(interval) == "−1.2 [−4.6; +2.0]"
    assert ComparisonWords("es").points(interval) == "−1,2 [−4,6; +2,0]"
    assert ComparisonWords("en").signed(-0.0001) == "0.0"
    assert ComparisonWords("en").points(Interval(0.5, None, None, 1, 1)) == "+50.0 [–]"
    assert (ComparisonWords("en").p_value(0.0123), ComparisonWords("es").p_value(0.0001)) == ("= 0.012", "< 0,001")


def test_a_name_cannot_steer_the_terminal(found: Comparison) -> None:
    context = dataclasses.replace(found.context, model_b=ModelFacts("\x1b[2Jb"))
    shown = comparison_text(dataclasses.replace(found, context=context, verdict=Verdict("better", "B")))
    assert "\x1b" not in shown and "\\x1b[2Jb" in shown


def test_terminal_columns_are_aligned(found: Comparison) -> None:
    lines = comparison_text(found).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  Score"))
    column = lines[start].index("B − A")
    rows = lines[start + 1 : start + 5]
    assert all(line[column - 2 : column] == "  " and line[column] in "+−0" for line in rows)


def test_the_plot_has_zero_in_the_middle_and_every_mark_in_its_place() -> None:
    intervals = [Interval(0.1, -0.05, 0.25, 9, 9), Interval(-0.02, None, None, 9, 9)]
    limit = comparison_plot.reach(intervals)
    assert limit > 0.25
    row = comparison_plot.row(intervals[0], limit, "a & b")
    assert '<line class="zero" x1="50.000%" x2="50.000%"' in row
    assert "a &amp; b" in row
    low, high = (f"{50 + 50 * value / limit:.3f}%" for value in (-0.05, 0.25))
    assert f'<line class="span" x1="{low}" x2="{high}"' in row
    assert 'class="span"' not in comparison_plot.row(intervals[1], limit, "")
    for reach in (1e-6, 0.013, 0.2, 0.9, 3.0, 100.0):
        ticks = comparison_plot.ticks(reach)
        assert 3 <= len(ticks) <= 5 and max(ticks) < reach and ticks[len(ticks) // 2] == 0
