"""Every sentence of the report, in English and Spanish side by side, and how each language writes numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from deephealth.evaluation.texts.evidence import EVIDENCE
from deephealth.evaluation.texts.findings import FINDINGS
from deephealth.evaluation.texts.first import FIRST
from deephealth.evaluation.texts.reasons import in_spanish
from deephealth.evaluation.texts.scores import SCORES

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = ("en", "es")

TEXT: dict[str, tuple[str, str]] = {**FIRST, **SCORES, **FINDINGS, **EVIDENCE}
"""key: (English, Spanish); {braces} are filled in."""

LIMITS: dict[str, tuple[str, str]] = {
    "no_films": (
        "There is no film to score, so nothing can be concluded.",
        "No hay radiografías que evaluar: no se puede concluir nada.",
    ),
    "one_class": (
        "All films are of one class ({label}): sensitivity for the others, AUC and every curve cannot be computed.",
        "Todas las radiografías son de una clase ({label}): no se pueden calcular la sensibilidad de las demás, el AUC ni las curvas.",
    ),
    "absent_classes": (
        "No film is of {labels}: nothing can be said about them, and means leave them out.",
        "Ninguna radiografía es de {labels}: no se puede decir nada de ellas, y las medias no las incluyen.",
    ),
    "one_patient": (
        "All films are of one patient: nothing can be concluded about other patients.",
        "Todas las radiografías son de un paciente: no se puede concluir nada sobre otros.",
    ),
    "few": (
        "Only {films} films of {patients} patients: the intervals are wide, and no ranking of models is possible.",
        "Solo {films} radiografías de {patients} pacientes: los intervalos son amplios y no permiten ordenar modelos.",
    ),
    "small_classes": (
        "Fewer than 20 films of {labels}: read these rows by their intervals only.",
        "Menos de 20 radiografías de {labels}: lea esas filas solo por sus intervalos.",
    ),
    "unknown_labels": (
        "{n} films have a label that the model does not know; they are in no score.",
        "{n} radiografías tienen una etiqueta que el modelo no conoce; no están en ningún resultado.",
    ),
    "unusable_points": (
        "{n} operating points of the model name labels it does not have; they were not applied.",
        "{n} puntos de operación nombran etiquetas que el modelo no tiene; no se aplicaron.",
    ),
    "all_refused": (
        "The novelty gate refused every film: the scores are of films unlike those the model learned from, and none is of accepted films.",
        "El filtro de novedad rechazó todas las radiografías: los resultados son de radiografías distintas de las del entrenamiento.",
    ),
}

# study, key of the question, scores as published (English decimal points).
PUBLISHED: tuple[tuple[str, str, str], ...] = (
    ("Kermany 2018", "normal_pneumonia", "accuracy 92.8 %, sensitivity 93.2 %, specificity 90.1 %, AUC 0.968"),
    ("Kermany 2018", "bacterial_viral", "accuracy 90.7 %, AUC 0.940"),
    ("Inception V3", "three", "accuracy 81.4 %"),
    ("ResNet152V2 (FangYuC)", "three", "accuracy 88.3 %"),
    ("Ayan 2021, ensemble", "three", "accuracy 90.7 %"),
    ("PneumoniaMNIST, 224 px", "normal_pneumonia", "AUC 0.956–0.962"),
    ("Deep Health, 2018", "three_own", "accuracy 78 %"),
)
_SPANISH_TERMS = (("accuracy", "exactitud"), ("sensitivity", "sensibilidad"), ("specificity", "especificidad"), ("AUC", "AUC"))


class Words:
    """The report's wording in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, key: str, **values: Any) -> str:
        """The text of `key` (KeyError for an unknown one) with its {braces} filled."""
        return TEXT[key][self._column].format(**values)

    def or_plain(self, key: str) -> str:
        """The text of `key`, or `key` itself where there is none."""
        return TEXT[key][self._column] if key in TEXT else key

    def reason(self, sentence: str) -> str:
        """A reason or note that came in English, in the report's language where it is known."""
        return sentence if self.language == "en" else in_spanish(sentence)

    def limit(self, code: str, values: Mapping[str, Any]) -> str:
        """The sentence of a limit."""
        shown = {name: self.count(value) if isinstance(value, int) else value for name, value in values.items()}
        return LIMITS[code][self._column].format(**shown)

    def count(self, number: int) -> str:
        """A whole number with the language's separator of thousands (in Spanish none below 10,000)."""
        if self.language == "en":
            return f"{number:,}"
        return f"{number:,}".replace(",", "\u202f") if abs(number) >= 10000 else str(number)

    def number(self, value: float, digits: int = 3) -> str:
        """A decimal number."""
        text = f"{value:.{digits}f}"
        return text if self.language == "en" else text.replace(".", ",")

    def percent(self, value: float, digits: int = 1) -> str:
        """A share 0..1 as a percentage."""
        return self.number(100 * value, digits) + "\u00a0%"

    def published(self, scores: str) -> str:
        """Published scores in the language's terms and decimals."""
        if self.language == "en":
            return scores
        for english, spanish in _SPANISH_TERMS:
            scores = scores.replace(english, spanish)
        return scores.replace(", ", "; ").replace(".", ",")
