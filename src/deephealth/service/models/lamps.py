"""Three looks at a model's evidence, from its own record: is it leaky, does it take shortcuts, are its probabilities true?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deephealth.evaluation.wording import Language, Words
from deephealth.service.models.schemas import Headline, Lamp, Lamps
from deephealth.service.schemas import Estimate

GOOD_ECE, FAIR_ECE = 0.05, 0.10
"""Expected calibration error up to which probabilities count as true, or as roughly so."""

_SPLITS = ("test", "unseen", "validation")
_METRICS = ("balanced_accuracy", "accuracy", "macro_auc")

_TEXTS: dict[str, tuple[str, str]] = {
    "leakage_unknown": ("The file does not say whether leakage was looked for.", "El archivo no dice si se buscaron fugas."),
    "leakage_good": (
        "No leakage found: no copy and no patient on two sides of the split.",
        "Sin fugas: ninguna copia y ningún paciente a ambos lados de la división.",
    ),
    "leakage_bad": (
        "Copies, patients or films of the backbone stand on both sides of the split, so the scores are too high.",
        "Hay copias, pacientes o radiografías de la red base a ambos lados de la división: los resultados son demasiado altos.",
    ),
    "leakage_allowed": (
        "Leakage was found and training was told to go on, so the scores are too high.",
        "Se hallaron fugas y se pidió entrenar a pesar de ello: los resultados son demasiado altos.",
    ),
    "shortcut_unknown": ("The shortcut audit was not made.", "No se hizo la auditoría de atajos."),
    "shortcut_good": ("No shortcut found by the audit's probes.", "Las pruebas de la auditoría no hallaron ningún atajo."),
    "shortcut_warning": (
        "The labels can partly be guessed without the lungs: look at borders, markers and film sizes.",
        "Las etiquetas se pueden adivinar en parte sin los pulmones: mire bordes, marcas y tamaños.",
    ),
    "shortcut_bad": (
        "The labels can be guessed without the lungs: on these films a high score may be no sign of skill.",
        "Las etiquetas se pueden adivinar sin los pulmones: con estas radiografías un buen resultado puede no ser mérito del modelo.",
    ),
    "calibration_unknown": ("Calibration was not measured.", "No se midió la calibración."),
    "calibration_good": (
        "Probabilities are off by {ece} points on average: they can be read as they stand.",
        "Las probabilidades se desvían {ece} puntos de media: se pueden leer tal cual.",
    ),
    "calibration_warning": (
        "Probabilities are off by {ece} points on average: read them roughly.",
        "Las probabilidades se desvían {ece} puntos de media: léalas como aproximadas.",
    ),
    "calibration_bad": (
        "Probabilities are off by {ece} points on average: do not read them as chances.",
        "Las probabilidades se desvían {ece} puntos de media: no las lea como tales.",
    ),
}


def lamps(record: Mapping[str, Any], language: Language) -> Lamps:
    """The three lamps of a model's record (JSON)."""
    return Lamps(leakage=_leakage(record, language), shortcut=_shortcut(record, language), calibration=_calibration(record, language))


def headline(record: Mapping[str, Any]) -> Headline | None:
    """The score that stands for the model: the first known of balanced accuracy, accuracy, macro AUC, on test films where there are any."""
    measured = measured_on(record)
    found = next((name for name in _METRICS if name in measured), None)
    return None if found is None else Headline(metric=found, estimate=Estimate.of(measured[found]))


def measured_on(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record's metrics on test films, else on films it had not seen, else on validation films, else nothing."""
    metrics = record.get("metrics", {})
    return next((metrics[split] for split in _SPLITS if metrics.get(split)), {})


def _leakage(record: Mapping[str, Any], language: Language) -> Lamp:
    found = str(record.get("data", {}).get("leakage", ""))
    if record.get("training", {}).get("allow_leakage"):
        return _lamp("bad", "leakage_allowed", language)
    if not found:
        return _lamp("unknown", "leakage_unknown", language)
    state = "good" if found.startswith("No leakage found") else "bad"
    return _lamp(state, f"leakage_{state}", language)


def _shortcut(record: Mapping[str, Any], language: Language) -> Lamp:
    found = str(record.get("data", {}).get("shortcuts", ""))
    state = "bad" if "sufficient" in found else "warning" if "partial" in found else "good" if "no shortcut" in found else "unknown"
    return _lamp(state, f"shortcut_{state}", language)


def _calibration(record: Mapping[str, Any], language: Language) -> Lamp:
    found = measured_on(record).get("ece", {})
    ece = found.get("value")
    if ece is None:
        return _lamp("unknown", "calibration_unknown", language)
    # A few films are off by much by chance alone: it is bad only where the interval says so, too.
    bad = ece > FAIR_ECE and (found.get("low") or 0.0) > GOOD_ECE
    state = "good" if ece <= GOOD_ECE else "bad" if bad else "warning"
    return _lamp(state, f"calibration_{state}", language, ece=Words(language).number(100 * ece, 1))


def _lamp(state: Any, key: str, language: Language, **values: str) -> Lamp:
    return Lamp(state=state, text=_TEXTS[key][language == "es"].format(**values))
