"""Sentences that come with the evidence, in English, and how they are said in Spanish.

Code below the report gives its reasons and notes as English sentences, some with numbers in them. Each stands here as a pattern with its
gaps; a sentence that is not known here (a user's own note, say) is shown as it is.
"""

from __future__ import annotations

import re

_AUC = r"\(AUC ([\d.]+|unknown)\)"
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
        r"With the mean grey of the films in place of black, the verdict would be: label predictable without the lungs: sufficient\.",
        r"Con el gris medio de las radiografías en lugar de negro, el veredicto sería: etiqueta predecible sin los pulmones: suficiente.",
    ),
    (
        r"With the mean grey of the films in place of black, the verdict would be: label predictable without the lungs: partial\.",
        r"Con el gris medio de las radiografías en lugar de negro, el veredicto sería: etiqueta predecible sin los pulmones: parcial.",
    ),
    (
        r"With the mean grey of the films in place of black, the verdict would be: no shortcut found by these probes\.",
        r"Con el gris medio de las radiografías en lugar de negro, el veredicto sería: ningún atajo hallado por estas pruebas.",
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
    whole = _known(text)
    return whole if whole is not None else " ".join(_known(part) or part for part in re.split(r"(?<=[.!?]) ", text))


def _known(sentence: str) -> str | None:
    for english, spanish in REASONS:
        found = re.fullmatch(english, sentence)
        if found:
            return found.expand(spanish)
    return None
