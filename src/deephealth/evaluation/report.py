"""The report: one HTML file that needs nothing else (no network, no script), and the same facts as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deephealth.errors import UsageError
from deephealth.evaluation import plots
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import AppliedPoint, Case, Evaluation
from deephealth.evaluation.wording import LANGUAGES, PUBLISHED, Language, Words
from deephealth.settings.atomic import write_json, write_text

Pictures = Sequence[tuple[str, bytes, bytes]]
_PUBLISHED_FOR = {"normal", "bacterial", "viral"}
_MOST_ROWS = 50
_LEAKS = ("exact", "near", "patient", "augmented", "backbone")


def write_report(
    evaluation: Evaluation,
    *,
    html: Path | None = None,
    json: Path | None = None,
    language: Language = "en",
    films: Pictures = (),
    include_films: bool = True,
) -> None:
    """Write the report as HTML, as JSON, or both.

    films: (name, PNG of the film, PNG of the film with the evidence drawn over it) for the errors that shall show pictures.
    include_films: False leaves out every picture and every film's name, for films that may not be passed on.
    """
    if html is not None:
        write_text(html, render_html(evaluation, language=language, films=films, include_films=include_films))
    if json is not None:
        write_json(json, evaluation.to_json(names=include_films))


def render_html(evaluation: Evaluation, *, language: Language = "en", films: Pictures = (), include_films: bool = True) -> str:
    """The report as HTML text; UsageError for a language it is not written in. The same evaluation gives the same text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if language not in LANGUAGES:
        raise UsageError(f"the report is written in {' and '.join(LANGUAGES)}, not in {language!r}")
    words = Words(language)
    environment = Environment(
        loader=PackageLoader("deephealth.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2")
    shown = _View(evaluation, words, films if include_films else (), include_films)
    return page.render(v=shown, e=evaluation, t=words, w=words, c=evaluation.context)


def report_schema() -> dict[str, Any]:
    """The published JSON schema of the report."""
    from importlib.resources import files

    found = json.loads(files("deephealth").joinpath("data/report.schema.json").read_text(encoding="utf-8"))
    return dict(found)


class _View:
    """What the template asks for: values turned into text, plots and levels. It holds no scores of its own."""

    def __init__(self, evaluation: Evaluation, words: Words, films: Pictures, names: bool) -> None:
        self.evaluation, self.words, self.names = evaluation, words, names
        self.pictures = {name: (_data_url(film), _data_url(overlay)) for name, film, overlay in films}
        self.scores = evaluation.scores
        self.most_rows = _MOST_ROWS

    # --- values as text

    def share(self, interval: Interval | None) -> dict[str, str]:
        """A share as value, interval and n, in percent."""
        return self._parts(interval, lambda value: self.words.number(100 * value, 1), "\u00a0%")

    def decimal(self, interval: Interval | None) -> dict[str, str]:
        """A score that is no share as value, interval and n."""
        return self._parts(interval, self.words.number, "")

    def _parts(self, interval: Interval | None, write: Callable[[float], str], unit: str) -> dict[str, str]:
        if interval is None or interval.value is None:
            return {"value": "–", "range": self.words("unknown_value"), "span": self.words("unknown_value"), "n": "", "n_short": ""}
        known = interval.low is not None and interval.high is not None
        ends = f"{write(interval.low or 0.0)}\u2060–\u2060{write(interval.high or 0.0)}{unit}" if known else "?"
        films, patients = self.words.count(interval.n_films), self.words.count(interval.n_patients)
        return {
            "value": write(interval.value) + unit,
            "range": ends,
            "span": self.words("interval_of", ends=ends),
            "n": self.words("n_of", films=films, patients=patients),
            "n_short": f"n\u00a0{films}\u202f/\u202f{patients}",
        }

    def film_name(self, case: Case) -> str:
        """The film's name, or its number where names are left out."""
        return case.name if self.names and case.name else self.words("film_number", n=case.index + 1)

    def problem_name(self, name: str, number: int) -> str:
        """The name of a film that was left out, or its number in that list."""
        return name if self.names and name else self.words("film_number", n=number)

    def number_or_dash(self, value: float | None, digits: int = 3) -> str:
        """A decimal number, or a dash."""
        return "–" if value is None else self.words.number(value, digits)

    def labels(self, labels: Sequence[str]) -> str:
        """Labels joined by "or"."""
        return f" {self.words('or')} ".join(labels)

    # --- first screen

    @property
    def split_name(self) -> str:
        """Which films these are, in words."""
        name = self.evaluation.context.split_name
        return self.words.or_plain(f"split_{name}") if f"split_{name}" != self.words.or_plain(f"split_{name}") else name

    @property
    def verdicts(self) -> list[dict[str, str]]:
        """The sentences a reader must see first, each with a level (good, bad, unknown) and what it means."""
        context = self.evaluation.context
        verdict = str((context.audit or {}).get("verdict", "missing"))
        level = {"sufficient": "bad", "partial": "bad", "none": "good"}.get(verdict, "unknown")
        found = [self._verdict("shortcuts", level, self.words(f"audit_{verdict}"), self.words(f"audit_{verdict}_means"))]
        found.append(self._leakage(context.leakage))
        return found + [self._verdict("note", "bad", self.words.or_plain(note), "") for note in context.notes]

    def _verdict(self, title: str, level: str, sentence: str, meaning: str) -> dict[str, str]:
        return {
            "title": self.words(title),
            "level": level,
            "level_name": self.words(f"level_{level}"),
            "sentence": sentence[:1].upper() + sentence[1:],
            "meaning": meaning,
        }

    def _leakage(self, leakage: Mapping[str, Any] | None) -> dict[str, str]:
        if leakage is None:
            return self._verdict("leakage", "unknown", self.words("leak_missing"), "")
        leaks, given = bool(leakage["leaks"]), str(leakage.get("sentence", ""))
        if self.words.language == "en" and given:
            return self._verdict("leakage", "bad" if leaks else "good", given, self.words("leak_means") if leaks else "")
        counts = leakage.get("counts", {})
        parts = "; ".join(self.words(f"leak_{kind}", n=self.words.count(int(counts[kind]))) for kind in _LEAKS if counts.get(kind))
        sentence = self.words("leak_found", parts=parts or "?") if leaks else self.words("leak_none")
        return self._verdict("leakage", "bad" if leaks else "good", sentence, "")

    @property
    def limits(self) -> list[str]:
        """What the films cannot show, as sentences."""
        return [self.words.limit(limit.code, limit.values) for limit in self.evaluation.limits]

    @property
    def headlines(self) -> list[dict[str, Any]]:
        """The scores of the first screen."""
        scores, words = self.scores, self.words
        n = sum(1 for entry in scores.classes if entry.n_films)
        chance = words("chance", value=words.percent(1 / n)) if n else ""
        found = [
            self._headline(words("balanced_accuracy"), scores.balanced_accuracy, self.share, chance),
            self._headline(words("accuracy"), scores.accuracy, self.share, ""),
            self._headline(words("macro_auc"), scores.macro_auc, self.decimal, words("chance", value=words.number(0.5, 1))),
        ]
        if self.evaluation.operating_points:
            point = self.evaluation.operating_points[0]
            note = words("point_sense", positive=self.labels(point.chosen.positive))
            found.append(self._headline(words("at_point", name=self.point_name(point)), point.sensitivity, self.share, note))
        return found

    def _headline(self, title: str, interval: Interval, write: Callable[[Interval], dict[str, str]], note: str) -> dict[str, Any]:
        return {"title": title, "note": note, "bar": self.bar(interval), **write(interval)}

    def bar(self, interval: Interval) -> tuple[float, float, float] | None:
        """Left end, width and value of the interval in percent of the scale, for the bar under a score."""
        if interval.value is None or interval.low is None or interval.high is None:
            return None
        return (round(100 * interval.low, 2), round(100 * (interval.high - interval.low), 2), round(100 * interval.value, 2))

    # --- sections

    def point_name(self, point: AppliedPoint) -> str:
        """An operating point's name in the report's language."""
        name = point.chosen.name
        for key in ("sensitivity", "specificity"):
            name = name.replace(key, self.words(key).lower())
        return name.replace("0.", "0,") if self.words.language == "es" else name

    def when_chosen(self, point: AppliedPoint) -> str:
        """What an operating point reached on the films it was chosen on."""
        sens, spec = (
            f"{parts['value']} ({parts['range']}; {parts['n_short']})"
            for parts in (self.share(point.chosen.sensitivity), self.share(point.chosen.specificity))
        )
        return self.words("chosen_on", sensitivity=sens, specificity=spec)

    def confusion(self) -> list[dict[str, Any]]:
        """Rows of the confusion matrix: label, total, cells with count, share of the row, and depth of colour 0..1."""
        rows = []
        for label, counts in zip(self.evaluation.classes, self.scores.confusion, strict=True):
            total = sum(counts)
            cells = [
                {"count": n, "share": n / total if total else None, "depth": round(0.95 * n / total, 3) if total else 0} for n in counts
            ]
            rows.append({"label": label, "total": total, "cells": cells})
        return rows

    def comparison(self) -> list[tuple[str, dict[str, str], dict[str, str] | None]]:
        """The main scores for all films, and for those the gate accepted where it refused some."""
        names = (("balanced_accuracy", self.share), ("accuracy", self.share), ("macro_auc", self.decimal))
        rest = self.evaluation.accepted
        return [
            (self.words(name), write(getattr(self.scores, name)), write(getattr(rest, name)) if rest is not None else None)
            for name, write in names
        ]

    def calibration(self) -> list[tuple[str, dict[str, str]]]:
        """Rows of the calibration table."""
        rows = [(self.words("ece"), self.share(self.scores.ece))]
        if self.evaluation.before_temperature is not None:
            rows.append((self.words("ece_before"), self.share(self.evaluation.before_temperature)))
        return [*rows, (self.words("brier"), self.decimal(self.scores.brier)), (self.words("log_loss"), self.decimal(self.scores.log_loss))]

    def plot(self, name: str) -> str:
        """An SVG plot: "roc", "pr", "reliability" or "audit"; "" when there is nothing to draw."""
        from markupsafe import Markup

        t, e = self.words, self.evaluation
        shared = {"name": name, "point": t.number(0.5, 1)[1]}
        if name in ("roc", "pr"):
            curves = [curve for curve in (e.roc if name == "roc" else e.precision_recall) if curve.x and _two_sided(e, curve.label)]
            described = "; ".join(self._described(curve.label, name) for curve in curves)
            draw = plots.roc if name == "roc" else plots.precision_recall
            text = {"x": t(f"{name}_x"), "y": t(f"{name}_y"), "chance": t("roc_chance"), "title": t(name), "description": described}
            return Markup(draw(curves, {**shared, **text})) if curves else ""  # noqa: S704
        if name == "reliability":
            described = f"{t('ece')}: {self.share(self.scores.ece)['value']} ({self.share(self.scores.ece)['span']})"
            text = {"x": t("reliability_x"), "y": t("reliability_y"), "ideal": t("ideal"), "title": t(name), "description": described}
            return Markup(plots.reliability(e.reliability, {**shared, **text})) if e.reliability else ""  # noqa: S704
        results = (e.context.audit or {}).get("results", [])
        names = [t.or_plain(result["name"]) for result in results]
        text = {"x": t("probe_auc"), "y": "", "title": t("audit"), "description": ", ".join(names)}
        return Markup(plots.probes(results, names, {**shared, **text})) if results else ""  # noqa: S704

    def _described(self, label: str, name: str) -> str:
        entry = next(entry for entry in self.scores.classes if entry.label == label)
        score, title = (entry.auc, "AUC") if name == "roc" else (entry.average_precision, self.words("ap"))
        return f"{label}: {title} {self.decimal(score)['value']} ({self.decimal(score)['span']})"

    def probe_rows(self) -> list[dict[str, Any]]:
        """Rows of the shortcut audit's table."""
        results = (self.evaluation.context.audit or {}).get("results", [])
        return [
            {
                "name": self.words.or_plain(result["name"]),
                "lung_free": result["lung_free"],
                "beats": result["beats_null"],
                "null": f"{self.words.number(result['null_mean'])} ± {self.words.number(result['null_sd'])}",
                **self.decimal(Interval(**result["auc"])),
            }
            for result in results
        ]

    def published(self) -> list[tuple[str, str, str]]:
        """Published scores for the children's pneumonia films, when these are their classes."""
        if set(self.evaluation.classes) != _PUBLISHED_FOR:
            return []
        return [(study, self.words(question), self.words.published(scores)) for study, question, scores in PUBLISHED]


def _two_sided(evaluation: Evaluation, label: str) -> bool:
    entry = next(entry for entry in evaluation.scores.classes if entry.label == label)
    return 0 < entry.n_films < evaluation.scores.n_films


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
