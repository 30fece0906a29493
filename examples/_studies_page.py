"""docs/studies.md from the figures of docs/studies.json alone: its tables, between marks in the text, and its chart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deephealth.errors import DatasetError
from deephealth.settings import atomic

TITLES = {
    "deep_health_2020": "Deep Health 2020",
    "deep_health_2020_inception": "Deep Health 2020 with Inception V3",
    "teachable_machine_2020": "Teachable Machine 2020",
    "teachable_machine_collection": "Teachable Machine, collection of mid-2020",
}
FIGURES, PAGE, CHART = "studies.json", "studies.md", "images/studies.svg"
_INPUTS = {"own lungs blacked out": "own lungs blacked out (their outline is left; does not count)"}
_DIGITS = 4  # kept in the figures; what is beyond differs between machines


def finish(found: Mapping[str, Any], out: Path, docs: Path | None) -> None:
    """Add the studies to OUT/study.json, say what each headline was made of, and with `docs` bring the page's figures up to date."""
    found = rounded(found)
    out.mkdir(parents=True, exist_ok=True)
    _add(out / "study.json", found)
    for name, study in found.items():
        print("\n".join(summary(name, study)))
    if docs:
        _add(docs / FIGURES, found)
        update(docs)


def _add(figures: Path, found: Mapping[str, Any]) -> None:
    known = json.loads(figures.read_text("utf-8")) if figures.exists() else {}
    atomic.write_json(figures, dict(sorted({**known, **found}.items())))


def update(docs: Path) -> None:
    """Redraw the tables and the chart of the page in `docs` from its figures."""
    found = json.loads((docs / FIGURES).read_text("utf-8"))
    atomic.write_text(docs / PAGE, filled((docs / PAGE).read_text("utf-8"), tables(found)))
    (docs / CHART).parent.mkdir(exist_ok=True)
    atomic.write_text(docs / CHART, chart(found))


def rounded(value: Any) -> Any:
    """JSON values with every number of many digits cut to four."""
    if isinstance(value, Mapping):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return round(value, _DIGITS) if isinstance(value, float) else value


def summary(name: str, found: Mapping[str, Any]) -> list[str]:
    """The study in a few lines for a terminal."""
    lines = [f"{TITLES[name]}, {found['backbone']['name']}, {found['seeds']} draws; balanced accuracy (chance {found['chance']:.3f}):"]
    for step in found["steps"]:
        lines += [f"  {step['step']:<34}{between(step['balanced_accuracy'])}", f"    {step['leakage']}"]
    lines += [f"  {entry['input']:<34}{between(entry['balanced_accuracy'])}" for entry in found["lung_free"]]
    return [
        *lines,
        f"leakage: {points(found['leakage'])} of the headline",
        f"shortcut: {shortcut(found)}",
        f"audit: {found['audit']['sentence']}",
    ]


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """Every table of the page, by the name of its marks."""
    made = {
        "summary": _table(
            ("study", "headline, as published", "honest", "leakage part", "shortcut part", "the audit's verdict"), _summary(found)
        )
    }
    for name, study in found.items():
        made[f"{name} steps"] = _table(
            ("step", "balanced accuracy", "lowest and highest draw", "leakage gate, first draw"), map(_step, study["steps"])
        )
        blind = [(f"*{study['steps'][-1]['step']}*, whole film", between(study["honest"]), "1")]
        blind += [
            (_INPUTS.get(entry["input"], entry["input"]), between(entry["balanced_accuracy"]), _bare(entry["share"]))
            for entry in study["lung_free"]
        ]
        blind += [(f"{facts}, no film", between(score), "") for facts, score in study.get("facts_alone", {}).items()]
        if "in_films" in study and name == "teachable_machine_2020":
            made[f"{name} films"] = _table(
                ("class, as published", "right in each draw", "95 % lower bound if all were right"), _films(study["in_films"])
            )
        if "published" in study and "train" in study["published"]:
            made[f"{name} other"] = _table(("films", "told in 2020", "as published, here", "honest"), _other(study))
        made[f"{name} inputs"] = _table(("input", "balanced accuracy", "share of the honest gain over chance"), blind)
    return made


def _summary(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            TITLES[name],
            between(study["headline"]),
            between(study["honest"]),
            points(study["leakage"]),
            shortcut(study),
            study["audit"]["sentence"],
        )
        for name, study in found.items()
    ]


def _step(step: Mapping[str, Any]) -> tuple[str, ...]:
    counts = f"{step['balanced_accuracy']['n_films']:,} films, {step['balanced_accuracy']['n_patients']:,} patients"
    draws = f"{min(step['draws']):.3f}, {max(step['draws']):.3f}"
    return step["step"], f"{between(step['balanced_accuracy'])}, {counts}", draws, step["leakage"]


def _films(classes: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The Teachable Machine study's own form of result: so many of 21."""
    return [
        (label, f"{', '.join(map(str, entry['right']))} of {entry['of']}", f"{entry['lower_bound_if_all_right']:.3f}")
        for label, entry in classes.items()
    ]


def _other(study: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Deep Health's published figures are those of training and validation films."""
    first, last = study["steps"][0], study["steps"][-1]
    rows = [
        (part, f"{study['published'][part]:.2f}", between(first["other"][part]), between(last["other"][part]))
        for part in ("train", "validation")
    ]
    return [*rows, ("test", "not told", between(first["balanced_accuracy"]), between(last["balanced_accuracy"]))]


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def filled(text: str, tables: Mapping[str, str]) -> str:
    """The page with each table between its marks `<!-- NAME -->` and `<!-- end -->`. Raises DatasetError for a table without marks."""
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise DatasetError(f"The page has no place for the table {name!r}, expected <!-- {name} --> and <!-- end --> once; add them.")
        text = pattern.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


def between(score: Mapping[str, Any]) -> str:
    """A score with its interval."""
    return f"{_number(score['value'])} [{_number(score['low'])}, {_number(score['high'])}]"


def points(score: Mapping[str, Any]) -> str:
    """A difference of scores in percentage points."""
    value, low, high = ("unknown" if score[key] is None else f"{100 * score[key]:+.1f}" for key in ("value", "low", "high"))
    return f"{value} points [{low}, {high}]"


def shortcut(study: Mapping[str, Any]) -> str:
    """The shortcut part, with the input that reaches it."""
    part = study["shortcut"]
    if part["value"] is None:
        return f"no honest gain to share; {part['input']} reaches {part['reached']:.3f}"
    return f"{_bare(part)} by {part['input']}"


def _bare(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "unknown"
    value, low, high = (f"{100 * share[key]:.0f} %" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def chart(found: Mapping[str, Any]) -> str:
    """A bar a study: chance, what a lung-free input reaches, what only the whole film gives, and leakage on top; SVG text."""
    left, width, row = 290, 520, 74
    parts, colours = (
        ("chance", "reached without the lungs", "only with the whole film", "leakage"),
        ("#c9ced6", "#e0902f", "#2f6fb3", "#b3322f"),
    )
    body = []
    for number, (name, study) in enumerate(found.items()):
        honest, top = study["honest"]["value"], 44 + number * row
        reached = min(max(study["shortcut"]["reached"], study["chance"]), max(honest, study["chance"]))
        ends = (0.0, study["chance"], reached, max(honest, reached), max(honest, reached, study["headline"]["value"]))
        body.append(f'<text x="{left - 10}" y="{top + 22}" text-anchor="end">{TITLES[name]}</text>')
        for colour, start, end in zip(colours, ends[:-1], ends[1:], strict=True):
            body.append(f'<rect x="{left + start * width:.1f}" y="{top}" width="{(end - start) * width:.1f}" height="32" fill="{colour}"/>')
        low, high = study["honest"]["low"], study["honest"]["high"]
        body.append(f'<path d="M{left + low * width:.1f} {top + 16}H{left + high * width:.1f}" stroke="#111" stroke-width="2"/>')
        words = f"honest {between(study['honest'])}; headline {study['headline']['value']:.3f}"
        body.append(f'<text x="{left}" y="{top + 49}" class="small">{words}</text>')
    for number, (part, colour) in enumerate(zip(parts, colours, strict=True)):
        x = 14 + number * 205
        body.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{colour}"/><text x="{x + 18}" y="23" class="small">{part}</text>')
    height = 50 + len(found) * row
    style = "<style>text{font:14px sans-serif;fill:#1b1f24}.small{font-size:12px}</style>"
    frame = f'<rect width="840" height="{height}" fill="#fff"/>'
    title = "<title>What the headlines of two studies were made of: balanced accuracy from 0 to 1</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 {height}" role="img">{title}{style}{frame}{"".join(body)}</svg>\n'
