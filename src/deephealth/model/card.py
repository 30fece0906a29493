"""The model card: what a person should know before using a model, in English or Spanish, written from the record and nothing else.

The headings follow Mitchell et al. 2019, "Model cards for model reporting". What the record does not say, the card says is not recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from deephealth.errors import UsageError
from deephealth.model.card_words import WORDS, Words
from deephealth.model.record import DataSource, Estimate, ModelRecord


def card(record: ModelRecord, language: str = "en") -> str:
    """The card as Markdown. `language`: "en" or "es"; UsageError for another."""
    if language not in WORDS:
        raise UsageError(f"The language is {language!r}, expected one of {', '.join(WORDS)}.")
    words = WORDS[language]
    sections = (
        _title(record, words),
        _what(record, words),
        [f"## {words['use']}", "", words["use_text"]],
        [f"## {words['not_use']}", "", words["not_use_text"]],
        _data(record, words),
        _training(record, words),
        _metrics(record, words),
        _points(record, words),
        _gate(record, words),
        _limits(record, words),
        _reproduction(record, words),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _title(record: ModelRecord, words: Words) -> list[str]:
    lines = [f"# {_line(record.name)}", ""]
    if record.population:
        lines += [f"**{words['population']}: {_line(record.population)}**", ""]
    return [*lines, words["disclaimer"]]


def _what(record: ModelRecord, words: Words) -> list[str]:
    backbone = record.backbone
    shape = "uint8 [H, W]" if record.channels == 1 else "uint8 [H, W, 3]"
    facts = [
        (words["labels"], ", ".join(_line(label) for label in record.labels)),
        (words["input"], words["input_text"].format(shape=shape, size=record.size)),
        (words["backbone"], _joined(backbone.name, backbone.provenance)),
        (words["backbone_licence"], _line(backbone.licence)),
        (words["head"], words["head_" + record.head.kind].format(hidden=record.head.hidden)),
        (words["temperature"], f"{record.temperature:.4g}"),
        (words["licence"].capitalize(), _line(record.licence)),
        (words["made_with"], f"Deep Health {_line(record.created_with)}"),
    ]
    return [f"## {words['what']}", "", words["what_text"], "", *_facts(facts, words)]


def _data(record: ModelRecord, words: Words) -> list[str]:
    lines = [f"## {words['data']}", ""]
    if not record.data.sources:
        lines += [words["none"]]
    for source in record.data.sources:
        lines += [_source(source, words)]
    seen, fitted = len(record.seen_hashes), len(record.fitted_on_hashes)
    lines += ["", words["seen_text"].format(seen=seen, fitted=fitted)]
    if record.data.leakage:
        lines += ["", f"{words['leakage']}: {_line(record.data.leakage)}"]
    if record.data.shortcuts:
        lines += ["", f"{words['shortcuts']}: {_line(record.data.shortcuts)}"]
    if record.training.allow_leakage:
        lines += ["", f"**{words['allowed_leakage']}**"]
    return lines


def _source(source: DataSource, words: Words) -> str:
    counts = ", ".join(f"{_line(label)} {count}" for label, count in source.labels.items())
    return (
        f"- **{_line(source.name) or words['none']}**: {source.films} {words['films']} ({counts or words['none']}), "
        f"{source.patients} {words['patients']}, {source.left_out} {words['left_out']}; "
        f"{words['licence']}: {_line(source.licence) or words['none']}; SHA-256: {_code(source.sha256, words)}"
    )


def _training(record: ModelRecord, words: Words) -> list[str]:
    split = record.split
    parts = ", ".join(f"{_line(name)} {count} ({split.patients.get(name, 0)} {words['patients']})" for name, count in split.films.items())
    facts = [
        (words["split"], parts and f"{parts}; {words['split_by'].format(by=words['by_' + split.by])}"),
        (words["split_hash"], split.sha256 and f"`{split.sha256}`, {words['seed']} {split.seed}"),
        (words["fitted"], record.training.films and words["fitted_text"].format(films=record.training.films, views=record.training.views)),
        (words["commit"], record.training.commit and f"`{_line(record.training.commit)}`"),
        (words["cost"], _line(record.training.cost)),
    ]
    return [f"## {words['training']}", "", *_facts(facts, words)]


def _metrics(record: ModelRecord, words: Words) -> list[str]:
    lines = [f"## {words['metrics']}", ""]
    if not any(record.metrics.values()):
        return [*lines, words["none"]]
    lines += [f"| {words['measured_on']} | {words['metric']} | {words['estimate']} | n |", "|---|---|---|---|"]
    for split, metrics in record.metrics.items():
        for name, estimate in metrics.items():
            lines.append(f"| {_cell(split)} | {_cell(name)} | {_estimate(estimate, words)} | {_n(estimate, words)} |")
    return lines


def _points(record: ModelRecord, words: Words) -> list[str]:
    lines = [f"## {words['points']}", ""]
    if not record.operating_points:
        return [*lines, words["none"]]
    header = (words["point"], words["rule"], words["sensitivity"], words["specificity"], words["chosen_on"])
    lines += ["| " + " | ".join(header) + " |", "|---|---|---|---|---|"]
    for point in record.operating_points:
        rule = f"p({' + '.join(map(_cell, point.positive))}) >= {point.threshold:.4g}"
        sensitivity = f"{_estimate(point.sensitivity, words)}, n = {_n(point.sensitivity, words)}"
        specificity = f"{_estimate(point.specificity, words)}, n = {_n(point.specificity, words)}"
        lines.append(f"| {_cell(point.name)} | {rule} | {sensitivity} | {specificity} | {words['split_' + point.chosen_on]} |")
    return [*lines, "", words["points_text"]]


def _gate(record: ModelRecord, words: Words) -> list[str]:
    if record.novelty_threshold is None:
        return [f"## {words['gate']}", "", words["gate_none"]]
    return [f"## {words['gate']}", "", words["gate_text"].format(threshold=f"{record.novelty_threshold:.4g}")]


def _limits(record: ModelRecord, words: Words) -> list[str]:
    return [f"## {words['limits']}", "", words["limits_text"], *(f"- {_line(limit)}" for limit in record.limits)]


def _reproduction(record: ModelRecord, words: Words) -> list[str]:
    lines = [f"## {words['reproduction']}", "", words["reproduction_text"].format(goldens=len(record.goldens), seed=record.training.seed)]
    if record.training.recipe:
        recipe = json.dumps(record.training.recipe, indent=2, ensure_ascii=False, sort_keys=True)
        lines += ["", "```json", recipe.replace("```", "'''"), "```"]
    return lines


def _facts(facts: Sequence[tuple[str, str | int]], words: Words) -> Iterator[str]:
    for name, found in facts:
        yield f"- {name}: {found or words['none']}"


def _estimate(estimate: Estimate, words: Mapping[str, str]) -> str:
    if estimate.value is None:
        return words["undefined"]
    interval = words["no_interval"] if estimate.low is None or estimate.high is None else f"{estimate.low:.3f}-{estimate.high:.3f}"
    return f"{estimate.value:.3f} ({interval})"


def _n(estimate: Estimate, words: Mapping[str, str]) -> str:
    return words["n_text"].format(films=estimate.n_films, patients=estimate.n_patients)


def _joined(*parts: str) -> str:
    return "; ".join(_line(part) for part in parts if part)


def _code(text: str, words: Words) -> str:
    return f"`{text}`" if text else words["none"]


def _line(text: str) -> str:
    """One line: a stranger's text may not start a heading, a list or raw HTML of its own."""
    return " ".join(text.split()).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
