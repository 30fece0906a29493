"""Sentences that come with the evidence, in English, and how they are said in Spanish.

Code below the report gives its reasons and notes as English sentences, some with numbers in them. Each stands here as a pattern with its
gaps; a sentence that is not known here (a user's own note, say) is shown as it is.
"""

from __future__ import annotations

import re

from deephealth.evaluation.texts.film_reasons import FILM_REASONS
from deephealth.evaluation.texts.model_reasons import MODEL_REASONS
from deephealth.evaluation.texts.unreadable import unreadable_in_spanish

_AUC = r"\(AUC ([\d.]+|unknown)\)"
_SOURCE = r"The label goes with the source of the film \(AUC ([\d.]+|unknown) from the source alone(?:, Cramer's V ([\d.]+))?\)"
_FUENTE = r"La etiqueta va unida a la procedencia (AUC \1 con la procedencia sola; V de Cramer \2)"
_MEAN = r"With the mean (?:grey of the films|film) in place of black, the verdict would be:"
REASONS: tuple[tuple[str, str], ...] = (
    # the light audit, the audit with the model's backbone
    (
        r"it needs two classes with two patients each, and (\d+) of (\d+) classes have films",
        r"hacen falta dos clases con dos pacientes cada una, y \1 de \2 clases tienen radiografías",
    ),
    (
        r"Plausible lungs were found on (\d+) of (\d+) films, too few to hide them\.",
        r"Se hallaron pulmones verosímiles en \1 de \2 radiografías, muy pocas para ocultarlos.",
    ),
    (
        rf"{_MEAN} label predictable without the lungs: sufficient\.",
        r"Con la radiografía media en lugar de negro, el veredicto sería: etiqueta predecible sin los pulmones: suficiente.",
    ),
    (
        rf"{_MEAN} label predictable without the lungs: partial\.",
        r"Con la radiografía media en lugar de negro, el veredicto sería: etiqueta predecible sin los pulmones: parcial.",
    ),
    (
        rf"{_MEAN} no shortcut found by these probes\.",
        r"Con la radiografía media en lugar de negro, el veredicto sería: ningún atajo hallado por estas pruebas.",
    ),
    (
        r"the labels of its (\d+) patients can be exchanged in (\d+) ways, too few to tell a shortcut from chance",
        r"las etiquetas de sus \1 pacientes se pueden intercambiar de \2 maneras, muy pocas para distinguir un atajo del azar",
    ),
    (
        r"it needs two classes with two patients each; (\d+) class(?:es have| has) films, the smallest of (\d+) patients"
        r"(?: \(\d+ of \d+ classes have films\))?",
        r"hacen falta dos clases con dos pacientes cada una; con radiografías hay \1, la menor de \2 pacientes",
    ),
    (
        r"Plausible lungs were found on (\d+) of (\d+) films, so no probe has them blacked out and the border may hold some\.",
        r"Se hallaron pulmones verosímiles en \1 de \2 radiografías: ninguna prueba los tiene en negro y el borde puede contener parte.",
    ),
    (
        rf"{_SOURCE}, and a linear probe tells the source from the picture {_AUC}: a model may learn the source for the label\.",
        rf"{_FUENTE}, y una prueba lineal reconoce la procedencia por la imagen (AUC \3): "
        r"un modelo puede aprender la procedencia en lugar de la etiqueta.",
    ),
    (
        rf"{_SOURCE}: a model may learn the source for the label\.",
        rf"{_FUENTE}: un modelo puede aprender la procedencia en lugar de la etiqueta.",
    ),
    (
        rf"A linear probe tells the source of a film from its picture {_AUC}: score each source apart\.",
        r"Una prueba lineal reconoce la procedencia de una radiografía por su imagen (AUC \1): evalúe cada procedencia por separado.",
    ),
    (
        rf"A linear probe tells films of the test split from the others {_AUC}: what is tuned on the one may not hold on the other\.",
        r"Una prueba lineal distingue las radiografías de prueba de las demás (AUC \1): lo ajustado en unas puede no valer en las otras.",
    ),
    # the data set
    (
        r"Patients of (\d+) films are read from their (.+) file names\.",
        r"Los pacientes de \1 radiografías se leen en sus nombres de archivo (\2).",
    ),
    (r"The folder (.+) is taken for masks, not for a class\.", r"La carpeta \1 se toma por máscaras, no por una clase."),
    (r"The folder (.+) holds no film\.", r"La carpeta \1 no contiene ninguna radiografía."),
    # the gate
    (
        r"The film is unlike those the model was trained on \(novelty (\S+), the limit is (\S+)\); it may not be a frontal chest film\.",
        r"La radiografía no se parece a las del entrenamiento del modelo (novedad \1; el límite es \2): quizá no sea una radiografía "
        r"frontal de tórax.",
    ),
    (
        r"By its own tags this is not a frontal chest film: (.+)\.",
        r"Según sus propios datos no es una radiografía de tórax frontal: \1.",
    ),
    # label errors and the leakage gap
    (
        r"Label errors are looked for between two classes of (\d+) films or more\.",
        r"Los errores de etiqueta se buscan entre dos clases de \1 radiografías o más.",
    ),
    (
        r"The model has learned from some of these films, so its answers cannot question their labels\.",
        r"El modelo ha aprendido de algunas de estas radiografías: sus respuestas no pueden poner en duda sus etiquetas.",
    ),
    (
        r"Cross-validation needs films of two classes, and these are of (\d+)\.",
        r"La validación cruzada necesita radiografías de dos clases, y estas son de \1.",
    ),
    (
        r"Cross-validation by patient needs two patients of every class, and a class has one\.",
        r"La validación cruzada por paciente necesita dos pacientes de cada clase, y una clase tiene uno.",
    ),
    (
        r"The backbone learned from (\d+) of the (\d+) films\.",
        r"La red base aprendió de \1 de las \2 radiografías.",
    ),
)


def in_spanish(text: str) -> str:
    """The text in Spanish, sentence by sentence where they are known, else as it is."""
    whole = _known(text) or unreadable_in_spanish(text)
    return whole if whole is not None else " ".join(_known(part) or part for part in re.split(r"(?<=[.!?]) ", text))


def _known(sentence: str) -> str | None:
    for english, spanish in (*REASONS, *FILM_REASONS, *MODEL_REASONS):
        found = re.fullmatch(english, sentence)
        if found:
            # A group that took no part stays empty.
            return re.sub(r"\\(\d)", lambda gap, said=found: _gap(said[int(gap[1])] or ""), spanish)  # type: ignore[misc]
    return None


def _gap(text: str) -> str:
    """What a sentence's gap holds: pieces known here are said in Spanish, numbers (not identifiers) take the decimal comma."""
    pieces = [_known(piece) or piece for piece in text.split("; ")]
    return re.sub(r"(?<![\d.])(\d+)\.(\d+)(?![\d.])", r"\1,\2", "; ".join(pieces))
