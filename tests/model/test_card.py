from __future__ import annotations

import re
import string
from types import ModuleType

import pytest

from deephealth.errors import UsageError
from deephealth.model.card import card
from deephealth.model.card_words import WORDS
from deephealth.model.record import DataRecord, DataSource, Estimate, ModelRecord, OperatingPoint, SplitRecord, TrainingRecord

LANGUAGES = sorted(WORDS)


def full(tiny: ModuleType) -> ModelRecord:
    half = Estimate(value=0.871, low=0.802, high=0.914, n_films=321, n_patients=123)
    point = OperatingPoint(
        name="any-pneumonia", positive=("bacterial", "viral"), negative=("normal",), threshold=0.4321, sensitivity=half, specificity=half
    )
    source = DataSource(
        name="wards", layout="folders", licence="CC-BY-4.0", films=900, patients=400, labels={"normal": 300}, sha256="cd" * 32
    )
    record: ModelRecord = tiny.record(
        licence="Apache-2.0",
        operating_points=(point,),
        training=TrainingRecord(seed=7, recipe={"head": {"kind": "logistic"}}, films=600, views=3, allow_leakage=True),
        data=DataRecord(sources=(source,), leakage="No film stands on both sides."),
        split=SplitRecord(sha256="ef" * 32, films={"train": 600, "test": 300}, patients={"train": 300, "test": 100}),
        metrics={"test": {"balanced_accuracy": half, "auc": Estimate(value=None, low=None, high=None, n_films=3)}},
        limits=("Children of one to five years only.",),
    )
    return record


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_says_what_the_record_says(tiny: ModuleType, language: str) -> None:
    text = card(full(tiny), language)
    for fact in (
        "# tiny",
        "normal, bacterial, viral",
        "Apache-2.0",
        "CC-BY-4.0",
        "cd" * 32,
        "ef" * 32,
        "0.871 (0.802-0.914)",
        "321",
        "123",
        "p(bacterial + viral) >= 0.4321",
        "No film stands on both sides.",
        "Children of one to five years only.",
        '"kind": "logistic"',
        WORDS[language]["allowed_leakage"],
        WORDS[language]["undefined"],
        WORDS[language]["disclaimer"],
    ):
        assert fact in text, fact


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_recorded_is_said_to_be_so(tiny: ModuleType, language: str) -> None:
    text = card(tiny.record(), language)
    assert text.count(WORDS[language]["none"]) >= 8
    assert not re.search(r"\d\.\d+ \(", text), "no figure without a record of it"


def test_both_languages_say_the_same_things() -> None:
    def places(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field}

    english, spanish = WORDS["en"], WORDS["es"]
    assert list(english) == list(spanish)
    for key, words in english.items():
        assert places(words) == places(spanish[key]), key
        assert words != spanish[key], key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_claims_no_clinical_use(tiny: ModuleType, language: str) -> None:
    text = card(full(tiny), language).lower()
    assert not re.search(r"\bdetects?\b|\bdiagnoses\b|\bdetecta\b|\bdiagnostica\b", text)
    assert ("not a medical device" if language == "en" else "no es un producto sanitario") in text


def test_a_strangers_text_cannot_write_headings_or_html(tiny: ModuleType) -> None:
    text = card(tiny.record(name="x\n# Approved\n<script>alert(1)</script>", limits=("a\n\n## Safe",)))
    assert "\n# Approved" not in text
    assert "\n## Safe" not in text
    assert "<script" not in text


def test_an_unknown_language_is_refused(tiny: ModuleType) -> None:
    with pytest.raises(UsageError, match="en, es"):
        card(tiny.record(), "fr")
