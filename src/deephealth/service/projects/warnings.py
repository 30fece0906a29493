"""What a person should look at before teaching a model: copies, patients in two classes, films that are none, classes too small.

Nothing is kept: each page of films is compared with every film in sight of the project, which for a thousand films takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from deephealth.datasets.duplicates import SEEN_DISTANCE
from deephealth.evaluation.wording import Language, Words
from deephealth.service.projects.schemas import Warning
from deephealth.service.store.films import Known

FEWEST_PATIENTS = 3
FEW_FILMS = 20
_BLOCK = 256


def of_films(rows: Sequence[Row[Any]], known: Known, classes: dict[str, str], language: Language) -> dict[str, list[Warning]]:
    """The warnings of each film in `rows`, by its identifier, against all that are `known`; films out of sight have none.

    classes: identifier -> name. Of copies in one class only those that came later are called copies.
    """
    place = {film: number for number, film in enumerate(known.ids)}
    asked = [row for row in rows if row.id in place]
    found: dict[str, list[Warning]] = {row.id: [] for row in rows}
    others = _other_classes_of_patients(known)
    for start in range(0, len(asked), _BLOCK):
        part = asked[start : start + _BLOCK]
        pairs = copies(np.array([place[row.id] for row in part], dtype=np.int64), known)
        for row, alike in zip(part, pairs, strict=True):
            found[row.id] = [
                *_copy_warnings(place[row.id], np.flatnonzero(alike), known, classes, language),
                *_patient_warning(place[row.id], known, others, classes, language),
                *_gate_warning(row, language),
            ]
    return found


def of_project(classes: Sequence[Row[Any]], patients: dict[str, int], language: Language) -> list[Warning]:
    """What is wrong with a project as a whole. classes: those in sight, with their films counted; patients: of each class's identifier."""
    filled = [row for row in classes if row.films]
    found = [_warning("one-class", _ONE_CLASS, language)] if len(filled) == 1 or (not filled and classes) else []
    for row in classes:
        few = patients.get(row.id, 0)
        if few < FEWEST_PATIENTS:
            sentence = tuple(text.format(name=row.name, films=row.films, patients=few, needed=FEWEST_PATIENTS) for text in _TOO_FEW)
            found.append(_warning("class-too-small", sentence, language, class_=row.id))
        elif row.films < FEW_FILMS:
            sentence = tuple(text.format(name=row.name, films=row.films, few=FEW_FILMS) for text in _FEW)
            found.append(_warning("class-too-small", sentence, language, class_=row.id))
    return found


def copies(rows: NDArray[np.int64], known: Known) -> NDArray[np.bool_]:
    """Which films, bool [len(rows), n], are the same picture as each of `rows`, by the rule of `datasets.duplicates.match_seen`."""
    differing = np.bitwise_count(known.phash[rows, None] ^ known.phash[None]).sum(axis=2, dtype=np.int64)
    alike = np.asarray(differing <= SEEN_DISTANCE)
    alike[np.arange(len(rows)), rows] = False
    return alike


def _copy_warnings(row: int, alike: NDArray[np.int64], known: Known, classes: dict[str, str], language: Language) -> list[Warning]:
    found = []
    elsewhere = [int(other) for other in alike if known.classes[other] != known.classes[row]]
    earlier = [int(other) for other in alike if known.classes[other] == known.classes[row] and other < row]
    if elsewhere:
        first = elsewhere[0]
        sentence = tuple(text.format(name=known.names[first], label=classes[known.classes[first]]) for text in _ELSEWHERE)
        found.append(_warning("copy-in-another-class", sentence, language, film=known.ids[first], class_=known.classes[first]))
    if earlier:
        first = earlier[0]
        same = known.blobs[first] == known.blobs[row]
        sentence = tuple(text.format(name=known.names[first]) for text in (_SAME if same else _ALIKE))
        found.append(_warning("duplicate", sentence, language, film=known.ids[first]))
    return found


def _other_classes_of_patients(known: Known) -> dict[str, set[str]]:
    """The classes in which each patient has films."""
    found: dict[str, set[str]] = {}
    for patient, of_class in zip(known.patients, known.classes, strict=True):
        if patient is not None:
            found.setdefault(patient, set()).add(of_class)
    return found


def _patient_warning(row: int, known: Known, classes_of: dict[str, set[str]], classes: dict[str, str], language: Language) -> list[Warning]:
    patient = known.patients[row]
    others = sorted(classes_of.get(patient, set()) - {known.classes[row]}, key=lambda found: classes[found]) if patient else []
    if not others:
        return []
    sentence = tuple(text.format(labels=", ".join(classes[other] for other in others)) for text in _PATIENT)
    return [_warning("patient-in-another-class", sentence, language, class_=others[0])]


def _gate_warning(row: Row[Any], language: Language) -> list[Warning]:
    reason = row.facts.get("reason", "")
    if not row.facts.get("refused") or row.facts.get("synthetic"):
        return []
    return [Warning(code="not-chest", text=Words(language).reason(reason))]


def _warning(code: str, sentences: Sequence[str], language: Language, film: str | None = None, class_: str | None = None) -> Warning:
    return Warning(code=code, text=sentences[1 if language == "es" else 0], film=film, class_=class_)


_SAME = (
    "The same file as {name} in this class: it adds nothing; delete one of the two.",
    "El mismo archivo que {name}, de esta clase: no aporta nada; elimine uno de los dos.",
)
_ALIKE = (
    "The same picture as {name} in this class, saved in another way: it adds nothing; delete one of the two.",
    "La misma imagen que {name}, de esta clase, guardada de otro modo: no aporta nada; elimine una de las dos.",
)
_ELSEWHERE = (
    "The same picture as {name} in the class {label}: one of the two labels is wrong; delete or move one.",
    "La misma imagen que {name}, de la clase {label}: una de las dos etiquetas es errónea; elimine o mueva una.",
)
_PATIENT = (
    "This patient also has films in {labels}: right for films of different days, else check the labels.",
    "Este paciente tiene también radiografías en {labels}: correcto si son de días distintos; si no, revise las etiquetas.",
)
_ONE_CLASS = (
    "Only one class has films, and a model learns to tell classes apart: add films to a second class.",
    "Solo una clase tiene radiografías, y un modelo aprende a distinguir clases: añada radiografías a otra clase.",
)
_TOO_FEW = (
    "{name} has {films} films of {patients} patients; at least {needed} patients are needed, one each to learn from, to choose with and to "
    "test on: add films.",
    "{name} tiene {films} radiografías de {patients} pacientes; hacen falta al menos {needed} pacientes, uno para aprender, otro para "
    "elegir y otro para probar: añada radiografías.",
)
_FEW = (
    "{name} has {films} films; with fewer than {few} some 3 are left to test on, too few to say how good the model is: add films.",
    "{name} tiene {films} radiografías; con menos de {few} quedan unas 3 para probar, muy pocas para juzgar el modelo: añada más.",
)
