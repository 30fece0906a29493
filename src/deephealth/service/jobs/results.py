"""What the page shows of a training, from the run's own report: written by the job's process, with every sentence in both languages.

A value {"en": ..., "es": ...} is a sentence; `in_language` picks one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephealth.evaluation.wording import LANGUAGES, Language, Words

if TYPE_CHECKING:
    from deephealth.datasets.index import Film
    from deephealth.inference.predictor import Prediction

_STATES = {"sufficient": "bad", "partial": "warning", "none": "good"}
_LEAKS = ("exact", "near", "patient", "augmented", "backbone")
_MEASURED = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")
Json = dict[str, Any]


def of_training(run: Path, labels: Sequence[str], films: Sequence[Film], answers: Sequence[Prediction]) -> Json:
    """Everything of types.ts's Results but the addresses. films: the test films, with the model's answers."""
    report = json.loads((run / "report.json").read_bytes())
    scores = report["scores"]
    answered = [answer_of(film, answer) for film, answer in zip(films, answers, strict=True) if not answer.error]
    right = sum(answer["label"] == answer["answer"] for answer in answered)
    return {
        "verdict": {language: _verdict(report, right, len(answered), Words(language)) for language in LANGUAGES},
        "right": right,
        "films": scores["n_films"],
        "patients": scores["n_patients"],
        "accuracy": estimate(scores["accuracy"]),
        "classes": [
            {"label": entry["label"], "films": entry["n_films"]}
            | {name: estimate(entry[name]) for name in ("sensitivity", "specificity", "auc")}
            for entry in scores["classes"]
        ],
        "confusion": _confusion(labels, answered),
        "audit": _audit(report["context"]["audit"] or {}),
        "leakage": _leakage(report["context"]["leakage"] or {}),
        "label_errors": _label_errors(report),
        "answers": answered,
        "curves": curves(run / "events.jsonl"),
    }


def in_language(found: Any, language: Language) -> Any:
    """The same value with one language's sentence in place of each pair."""
    if isinstance(found, dict):
        if found.keys() == set(LANGUAGES):
            return found[language]
        return {key: in_language(value, language) for key, value in found.items()}
    return [in_language(value, language) for value in found] if isinstance(found, list) else found


def answer_of(film: Film, answer: Prediction) -> Json:
    """One film's answer."""
    return {
        "film": film.name,
        "label": film.label,
        "answer": answer.label,
        "probabilities": {label: round(p, 6) for label, p in answer.probabilities.items()},
        "refused": answer.refused,
    }


def estimate(interval: Mapping[str, Any]) -> Json:
    """An interval of the report as an estimate of the API."""
    return {key: interval[key] for key in ("value", "low", "high")} | {"films": interval["n_films"], "patients": interval["n_patients"]}


def curves(events: Path) -> list[Json]:
    """Loss and accuracy after each epoch (or evaluated step) of the last attempt."""
    found: list[Json] = []
    with events.open("rb") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event"] == "RunStarted":
                found = []
            elif event["event"] in ("EpochDone", "StepDone"):
                found.append({"epoch": event.get("epoch", event.get("step")), **{name: event[name] for name in _MEASURED}})
    return found


def _verdict(report: Json, right: int, films: int, words: Words) -> str:
    accuracy = report["scores"]["accuracy"]
    audit = words(f"audit_{(report['context']['audit'] or {}).get('verdict', 'missing')}")
    if accuracy["value"] is None:
        return f"{audit[:1].upper()}{audit[1:]}."
    percent = words.percent(accuracy["value"], 0)
    ends = "" if accuracy["low"] is None else f" [{words.number(100 * accuracy['low'], 0)}-{words.number(100 * accuracy['high'], 0)}]"
    said = {"en": f"{right} of {films} right", "es": f"{right} de {films} correctas"}[words.language]
    return f"{said}, {percent}{ends}; {audit}."


def _confusion(labels: Sequence[str], answered: Sequence[Json]) -> Json:
    cells: list[list[list[str]]] = [[[] for _ in labels] for _ in labels]
    for answer in answered:
        if answer["label"] in labels:
            cells[labels.index(answer["label"])][labels.index(answer["answer"])].append(answer["film"])
    return {"counts": [[len(cell) for cell in row] for row in cells], "films": cells}


def _audit(audit: Json) -> Json:
    verdict = audit.get("verdict", "missing")
    sentence = {}
    for language in LANGUAGES:
        words = Words(language)
        first = words(f"audit_{verdict}")
        sentence[language] = f"{first[:1].upper()}{first[1:]}. {words(f'audit_{verdict}_means')}"
    probes = [
        {
            "name": {language: Words(language).or_plain(f"probe_{probe['name']}").removeprefix("probe_") for language in LANGUAGES},
            "text": {language: _probe_text(probe, Words(language)) for language in LANGUAGES},
            "score": estimate(probe["auc"]),
        }
        for probe in audit.get("results", [])
    ]
    return {"verdict": sentence, "state": _STATES.get(verdict, "unknown"), "probes": probes}


def _probe_text(probe: Json, words: Words) -> str:
    """Whether the labels can be told from this part of the films alone."""
    if probe["auc"]["value"] is None:
        return {"en": "Could not be asked.", "es": "No se pudo preguntar."}[words.language]
    beats, lungs = bool(probe["beats_null"]), not probe["lung_free"]
    said = {
        "en": ("No better than chance.", "Better than chance; lung is in it or shapes it, so by itself this is no shortcut.",
               "Better than chance though no lung is in it: a shortcut."),
        "es": ("No mejor que el azar.", "Mejor que el azar; contiene pulmón o depende de él: por sí solo no es un atajo.",
               "Mejor que el azar aunque no contiene pulmón: un atajo."),
    }[words.language]  # fmt: skip
    return said[0] if not beats else said[1] if lungs else said[2]


def _leakage(leakage: Json) -> Json:
    if not leakage:
        return {"text": {language: Words(language)("leak_missing") for language in LANGUAGES}, "state": "unknown"}
    text = {}
    for language in LANGUAGES:
        words = Words(language)
        counts = leakage["counts"]
        parts = "; ".join(words(f"leak_{kind}", n=words.count(counts[kind])) for kind in _LEAKS if counts.get(kind))
        text[language] = words("leak_found", parts=parts) if leakage["leaks"] else words("leak_none")
    return {"text": text, "state": "bad" if leakage["leaks"] else "good"}


def _label_errors(report: Json) -> list[Json]:
    found = report["evidence"]["label_errors"] or {"suspects": []}
    return [
        {"film": one["name"], "label": one["truth"], "suggested": one["suggested"], "probability": round(one["probability"], 6)}
        for one in found["suspects"]
    ]
