"""A comparison as one HTML page that needs nothing else (no network, no script), and the same facts as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deephealth.errors import UsageError
from deephealth.evaluation.comparison import plot as comparison_plot
from deephealth.evaluation.comparison.results import Comparison, Difference, Disagreement, Verdict
from deephealth.evaluation.comparison.sentences import ComparisonWords
from deephealth.evaluation.comparison.text import agreement
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.wording import LANGUAGES, Language
from deephealth.settings.atomic import write_json, write_text

_MOST_ROWS = 50


def write_comparison(
    found: Comparison, *, html: Path | None = None, json: Path | None = None, language: Language = "en", names: bool = True
) -> None:
    """Write the comparison as HTML, as JSON, or both; names: False leaves out every film's name, for films that may not be passed on."""
    if html is not None:
        write_text(html, render_comparison(found, language=language, names=names))
    if json is not None:
        write_json(json, found.to_json(names=names))


def render_comparison(found: Comparison, *, language: Language = "en", names: bool = True) -> str:
    """The comparison as HTML text; UsageError for a language it is not written in. The same comparison gives the same text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if language not in LANGUAGES:
        raise UsageError(f"The comparison is written in {' and '.join(LANGUAGES)}, not in {language!r}; choose one of these.")
    environment = Environment(
        loader=PackageLoader("deephealth.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    words = ComparisonWords(language)
    return environment.get_template("comparison.html.j2").render(v=_View(found, words, names), f=found, t=words, c=found.context)


class _View:
    """What the template asks for: values turned into text and plots. It holds no scores of its own."""

    def __init__(self, found: Comparison, words: ComparisonWords, names: bool) -> None:
        self.found, self.words, self.names = found, words, names
        self.verdict: Verdict = found.verdict
        self.most_rows = _MOST_ROWS
        self.rows = (found.primary, *found.differences)

    @property
    def level(self) -> str:
        """The level of the verdict: good where a winner is named, else unknown."""
        return "good" if self.verdict.winner else "unknown"

    def alone(self, interval: Interval, score: str) -> dict[str, str]:
        """One model's score as value, interval and n."""
        share = score in ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
        scale, digits, unit = (100, 1, "\u00a0%") if share else (1, 3, "")
        return self._parts(interval, lambda value: self.words.number(scale * value, digits), unit)

    def change(self, interval: Interval, score: str = "") -> dict[str, str]:
        """A difference as value, interval and n: in points, but for scores that are no shares."""
        if score in ("brier", "log_loss", "ece"):
            return self._parts(interval, lambda value: self.words.signed(value, 3), "")
        return self._parts(interval, lambda value: self.words.signed(100 * value), "")

    def _parts(self, interval: Interval, write: Any, unit: str) -> dict[str, str]:
        words = self.words
        n = f"n\u00a0{words.count(interval.n_films)}\u202f/\u202f{words.count(interval.n_patients)}"
        if interval.value is None:
            return {"value": "–", "range": words("unknown_value"), "n": ""}
        if interval.low is None or interval.high is None:
            return {"value": write(interval.value) + unit, "range": "[–]", "n": n}
        return {"value": write(interval.value) + unit, "range": f"[{write(interval.low)}; {write(interval.high)}]{unit}", "n": n}

    @property
    def cards(self) -> list[dict[str, Any]]:
        """Both models' score that decides, and its difference."""
        primary, words = self.found.primary, self.words
        n = words("n_of", films=words.count(self.found.n_films), patients=words.count(self.found.n_patients))
        shown = [
            (words.model(self.found, letter), self.alone(entry, primary.score)) for letter, entry in (("A", primary.a), ("B", primary.b))
        ]
        change = self.change(primary.difference)
        shown.append((words("difference"), {**change, "value": words("points_unit", value=change["value"])}))
        return [{"title": title, "value": parts["value"], "range": parts["range"], "n": n} for title, parts in shown]

    def forests(self) -> list[dict[str, Any]]:
        """The two plots of differences, each with its own axis: scores where more is better, and where less is."""
        found = []
        for title, higher in (("forest_high", True), ("forest_low", False)):
            rows = [row for row in self.rows if row.higher_is_better == higher and row.difference.value is not None]
            if rows:
                ends = ("a_better", "b_better") if higher else ("b_better", "a_better")
                found.append({"title": self.words(title), "ends": [self.words(end) for end in ends], **self._forest(rows)})
        return found

    def _forest(self, rows: Sequence[Difference]) -> dict[str, Any]:
        from markupsafe import Markup

        limit = comparison_plot.reach([row.difference for row in rows])
        lines = []
        for row in rows:
            primary, text = row is self.found.primary, self._text(row)
            drawing = comparison_plot.row(row.difference, limit, f"{self.words.score(row)}: {text}", primary=primary)
            lines.append({"name": self.words.score(row), "text": text, "primary": primary, "drawing": Markup(drawing)})  # noqa: S704
        ticks = comparison_plot.ticks(limit)
        scale = 100 if rows[0].higher_is_better else 1
        digits = next(d for d in range(6) if d == 5 or all(abs(scale * tick - round(scale * tick, d)) < 1e-9 for tick in ticks))
        texts = [(tick, self.words.signed(scale * tick, digits)) for tick in ticks]
        return {"rows": lines, "axis": Markup(comparison_plot.axis(limit, texts))}  # noqa: S704

    def _text(self, row: Difference) -> str:
        if row.higher_is_better:
            return self.words.points(row.difference)
        parts = self.change(row.difference, row.score)
        return f"{parts['value']} {parts['range']}"

    def moves(self) -> list[dict[str, Any]]:
        """Rows of the reclassification table, all films last."""
        names = ("n_films", "both", "only_a", "only_b", "neither")
        rows = [{"label": row.label, **{name: getattr(row, name) for name in names}} for row in self.found.moves]
        return [*rows, {"label": self.words("all"), **{name: sum(row[name] for row in rows) for name in names}}]

    def agreement(self) -> list[str]:
        """McNemar's test and Cohen's kappa, as sentences."""
        return agreement(self.found, self.words)

    def auc_rows(self) -> list[dict[str, Any]]:
        """Rows of DeLong's tests."""
        return [
            {
                "label": test.label,
                "change": self.change(Interval(test.difference, test.low, test.high, test.n_films, test.n_patients)),
                "p": self.words.p_value(test.p).removeprefix("= "),
            }
            for test in self.found.auc_tests
        ]

    def film_name(self, film: Disagreement) -> str:
        """The film's name, or its number where names are left out."""
        return film.name if self.names and film.name else self.words("film_number", n=film.index + 1)

    def problem(self, name: str, reason: str, number: int) -> tuple[str, str]:
        """The name of a film that was left out, and why; a reason may hold the name."""
        return (name, reason) if self.names and name else (self.words("film_number", n=number), "–")
