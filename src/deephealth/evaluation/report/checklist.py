"""CLAIM 2024 and TRIPOD+AI: what of each item this report fills, by what the evaluation really holds, and what a person must write.

The items, their order and numbers are data (data/claim2024.toml, data/tripod_ai.toml); a rule says of one kind of item whether the report
fills it, fills a part, or leaves it to a person, and where in the report it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.wording import Words

FILLED, PARTLY, PERSON = "filled", "partly", "person"


@dataclass(frozen=True)
class Item:
    """One item: its number, its title in our words, and how far the report fills it; section: the id of the place, or ""."""

    number: str
    title: str
    status: str
    status_name: str
    section: str


@dataclass(frozen=True)
class Checklist:
    """A reporting guideline with its items; counts: how many are filled, partly filled, left to a person."""

    name: str
    source: str
    items: tuple[Item, ...]
    counts: tuple[int, int, int]


def checklists(evaluation: Evaluation, words: Words) -> list[Checklist]:
    """Both checklists for an evaluation, in a language."""
    return [_checklist(file, evaluation, words) for file in ("claim2024", "tripod_ai")]


def read_items(file: str) -> dict[str, Any]:
    """A checklist's data as it stands in its file: name, source, and items with n, en, es and rule."""
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("deephealth").joinpath(f"data/{file}.toml").read_text(encoding="utf-8"))


def _checklist(file: str, evaluation: Evaluation, words: Words) -> Checklist:
    data = read_items(file)
    items = []
    for entry in data["items"]:
        status, section = RULES[entry["rule"]](evaluation)
        items.append(Item(entry["n"], entry[words.language], status, words(f"status_{status}"), section if status != PERSON else ""))
    found = [item.status for item in items]
    return Checklist(data["name"], data["source"], tuple(items), (found.count(FILLED), found.count(PARTLY), found.count(PERSON)))


Answer = tuple[str, str]


def _if(given: object, status: str, section: str) -> Answer:
    return (status, section) if given else (PERSON, "")


def _model_file(e: Evaluation) -> Answer:
    """The model file's record says how it was made; the report holds its hash and the command."""
    return _if(e.context.model_sha256, PARTLY, "reproduce")


def _reproduce(e: Evaluation) -> Answer:
    context = e.context
    if context.command and context.model_sha256 and context.data_sha256:
        return FILLED, "reproduce"
    return _if(context.model_sha256, PARTLY, "reproduce")


def _split(e: Evaluation) -> Answer:
    if not e.context.split_by:
        return PERSON, ""
    return (FILLED if e.context.split_sha256 else PARTLY), "data"


def _disjoint(e: Evaluation) -> Answer:
    leakage = e.context.leakage
    if not e.context.split_by:
        return PERSON, ""
    return (FILLED if leakage is not None and not leakage["leaks"] else PARTLY), "data"


def _demographics(e: Evaluation) -> Answer:
    data = e.evidence.data
    known = {item.attribute for item in data.attributes} if data else set()
    return _if(known & {"sex", "age"}, PARTLY, "data")


def _acquisition(e: Evaluation) -> Answer:
    data = e.evidence.data
    return _if(data is not None and any(item.attribute == "view" for item in data.attributes), PARTLY, "data")


def _quality(e: Evaluation) -> Answer:
    return _if(e.context.leakage is not None or e.evidence.label_errors is not None or e.context.audit is not None, PARTLY, "data")


def _robustness(e: Evaluation) -> Answer:
    if e.evidence.model_audit is not None and e.evidence.model_audit.masked:
        return PARTLY, "model_audit"
    if e.evidence.leakage_gap is not None and e.evidence.leakage_gap.rows:
        return PARTLY, "leakage_gap"
    return _if(e.context.audit, PARTLY, "audit")


def _explanations(e: Evaluation) -> Answer:
    """Heatmaps are drawn for errors; where the energy was measured, they were also checked."""
    if e.evidence.model_audit is not None and e.evidence.model_audit.lung_energy:
        return FILLED, "model_audit"
    return _if(e.errors, PARTLY, "errors")


def _performance(e: Evaluation) -> Answer:
    if not e.scores.n_films:
        return PERSON, ""
    return (FILLED, "subgroups") if e.evidence.subgroups else (PARTLY, "classes")


def _clusters(e: Evaluation) -> Answer:
    if e.evidence.external:
        return PARTLY, "external"
    return _if(any(item.attribute == "source" for item in e.evidence.subgroups), PARTLY, "subgroups")


def _internal(e: Evaluation) -> Answer:
    return _if(e.scores.n_films and e.context.split_name in ("test", "validation"), FILLED, "summary")


def _external(e: Evaluation) -> Answer:
    if e.evidence.external:
        return FILLED, "external"
    return _if(e.scores.n_films and e.context.split_name == "external", FILLED, "summary")


def _availability(e: Evaluation) -> Answer:
    return _if(e.context.model_sha256 or e.context.licence, PARTLY, "reproduce")


def _shift(e: Evaluation) -> Answer:
    """Whether a classifier can tell training from test films; the clinical differences are a person's to write."""
    return _if(e.evidence.model_audit is not None and e.evidence.model_audit.identity, PARTLY, "model_audit")


def _fairness(e: Evaluation) -> Answer:
    return _if(any(item.attribute in ("sex", "age") for item in e.evidence.subgroups), PARTLY, "subgroups")


RULES: dict[str, Callable[[Evaluation], Answer]] = {
    "person": lambda e: (PERSON, ""),
    "abstract": lambda e: _if(e.scores.n_films, PARTLY, "summary"),
    "data_source": lambda e: _if(e.context.data_name or e.evidence.data, PARTLY, "data"),
    "left_out": lambda e: (PARTLY, "refused"),
    "acquisition": _acquisition,
    "split": _split,
    "disjoint": _disjoint,
    "model_file": _model_file,
    "software": lambda e: _if(e.context.versions, FILLED, "reproduce"),
    "scores": lambda e: _if(e.scores.n_films, FILLED, "summary"),
    "classes": lambda e: _if(e.scores.n_films, FILLED, "classes"),
    "method": lambda e: (FILLED, "method"),
    "robustness": _robustness,
    "explanations": _explanations,
    "internal": _internal,
    "external": _external,
    "flow": lambda e: _if(e.scores.n_films, PARTLY, "refused"),
    "demographics": _demographics,
    "failures": lambda e: _if(e.scores.n_films, PARTLY, "errors"),
    "limitations": lambda e: _if(e.limits or e.context.limits or e.evidence.leakage_gap or e.context.audit, PARTLY, "verdict"),
    "availability": _availability,
    "quality": _quality,
    "film_only": lambda e: (FILLED, "method"),
    "clusters": _clusters,
    "reproduce": _reproduce,
    "fairness": _fairness,
    "thresholds": lambda e: _if(e.operating_points, FILLED, "points"),
    "shift": _shift,
    "numbers": lambda e: _if(e.evidence.data and any(i.attribute == "split" for i in e.evidence.data.attributes), FILLED, "data"),
    "performance": _performance,
    "input_quality": lambda e: _if(e.evidence.gate, PARTLY, "gate"),
}
