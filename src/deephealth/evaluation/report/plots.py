"""The report's plots as SVG text: no pixels, no fonts, no date, the same bytes for the same numbers.

Colours leave as names of the page's style (`var(--ink)`), so that a plot follows the page into dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deephealth.evaluation.evidence import RiskPoint
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Curve, ReliabilityBin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours in an order that stays apart for all common kinds of colour blindness; the dashes tell lines apart in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)), (0, (8, 3)), "solid")
_EASY_LEGEND = 8  # classes that a legend shows at full size
INK, QUIET, RULE, GRID = "#1f2933", "#52606d", "#d5dbe1", "#eef1f4"
_STYLE = {INK: "ink", QUIET: "quiet", RULE: "plot-rule", GRID: "grid", **{colour: f"c{k}" for k, colour in enumerate(COLOURS)}}


def roc(curves: Sequence[Curve], words: Mapping[str, str]) -> str:
    """ROC curves of every class; words: x, y, chance, title and description for those who cannot see it."""
    with _figure(words, 4.4, 4.1) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, zorder=1)
        axes.text(0.62, 0.57, words["chance"], color=QUIET, fontsize=8.5, rotation=45, rotation_mode="anchor", va="top", ha="center")
        _lines(axes, curves)
        _square(axes, words)
        return _svg(figure, words)


def precision_recall(curves: Sequence[Curve], words: Mapping[str, str]) -> str:
    """Precision-recall curves of every class; words as in `roc`."""
    with _figure(words, 4.4, 4.1) as (figure, axes):
        _lines(axes, curves)
        _square(axes, words)
        return _svg(figure, words)


def reliability(bins: Sequence[ReliabilityBin], words: Mapping[str, str]) -> str:
    """Share of right answers against mean confidence, with the 95 % interval of every bin; words as in `roc`, with `ideal`."""
    with _figure(words, 4.4, 4.1) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, zorder=1)
        axes.text(0.3, 0.33, words["ideal"], color=QUIET, fontsize=8.5, rotation=45, rotation_mode="anchor", va="bottom", ha="center")
        known = [(item.confidence, item.correct) for item in bins if item.correct.value is not None]
        for x, share in known:
            axes.plot([x, x], [share.low or 0.0, share.high or 0.0], color=COLOURS[0], linewidth=1.6, alpha=0.55, solid_capstyle="round")
        points = [(x, share.value or 0.0) for x, share in known]
        axes.plot([x for x, _ in points], [y for _, y in points], "o-", color=COLOURS[0], linewidth=1.4, markersize=5)
        _square(axes, words)
        return _svg(figure, words)


def risk_coverage(curve: Sequence[RiskPoint], words: Mapping[str, str]) -> str:
    """Share of wrong answers when only the surest films are answered, with its 95 % interval as a band; words as in `roc`."""
    from matplotlib.ticker import MaxNLocator

    with _figure(words, 4.4, 4.1) as (figure, axes):
        known = [point for point in curve if point.risk.value is not None]
        x = [point.coverage for point in known]
        low, high = ([getattr(point.risk, end) or 0.0 for point in known] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=COLOURS[0], alpha=0.18, linewidth=0)
        axes.plot(x, [point.risk.value or 0.0 for point in known], color=COLOURS[0], linewidth=1.9)
        axes.set(xlim=(-0.02, 1.02), ylim=(0, max(0.1, 1.08 * max(high, default=0.1))), xlabel=words["x"], ylabel=words["y"])
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))  # ticks that two decimals write exactly
        axes.grid(color=GRID, linewidth=0.8)
        return _svg(figure, words, y_digits=2)


def forest(rows: Sequence[tuple[str, Interval]], whole: Interval, words: Mapping[str, str]) -> str:
    """A row for each set of films: its score and 95 % interval, over a band for `whole`; words as in `roc`, with `whole`."""
    with _figure(words, 5.4, 0.9 + 0.34 * len(rows)) as (figure, axes):
        if whole.value is not None:
            axes.axvspan(whole.low or whole.value, whole.high or whole.value, color=RULE, alpha=0.6, linewidth=0, zorder=0)
            axes.axvline(whole.value, color=QUIET, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
            axes.text(whole.value, len(rows) - 0.3, words["whole"], color=QUIET, fontsize=8.5, ha="center", va="bottom")
        for place, (_, score) in enumerate(reversed(rows)):
            axes.plot([score.low or 0.0, score.high or 0.0], [place, place], color=COLOURS[0], linewidth=2.2, solid_capstyle="round")
            axes.plot([score.value or 0.0], [place], marker="o", color=COLOURS[0], markersize=6)
        axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.6, len(rows) - 0.4), xlabel=words["x"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.tick_params(axis="y", length=0)
        return _svg(figure, words, named_rows=True)


def probes(results: Sequence[Mapping[str, Any]], names: Sequence[str], words: Mapping[str, str]) -> str:
    """The shortcut probes as a row each: interval of the AUC, and the reach of the same probe on shuffled labels; words as in `roc`."""
    with _figure(words, 5.4, 0.6 + 0.4 * len(results)) as (figure, axes):
        for row, result in enumerate(results):
            y, auc, colour = len(results) - 1 - row, result["auc"], COLOURS[1] if result["lung_free"] else COLOURS[0]
            if result["null_mean"] is not None and result["null_sd"] is not None:
                ends = [result["null_mean"] + side * 3 * result["null_sd"] for side in (-1, 1)]
                axes.plot(ends, [y, y], color=RULE, linewidth=9, solid_capstyle="butt")
            if auc["value"] is not None and auc["low"] is not None:
                axes.plot([auc["low"], auc["high"]], [y, y], color=colour, linewidth=2.4, solid_capstyle="round")
                axes.plot([auc["value"]], [y], marker="o" if result["lung_free"] else "s", color=colour, markersize=6.5)
        axes.axvline(0.5, color=QUIET, linewidth=0.8, linestyle=(0, (3, 3)), zorder=0)
        axes.set_yticks(range(len(results)), list(reversed(names)))
        axes.set_ylim(-0.6, len(results) - 0.4)
        axes.set_xlim(min(0.4, axes.get_xlim()[0]), 1.01)
        axes.set_xlabel(words["x"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.tick_params(axis="y", length=0)
        return _svg(figure, words, named_rows=True)


def _lines(axes: Axes, curves: Sequence[Curve]) -> None:
    for number, curve in enumerate(curves):
        if curve.x:
            style = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
            axes.plot(curve.x, curve.y, linewidth=1.9, label=curve.label, solid_capstyle="round", **style)


def _square(axes: Axes, words: Mapping[str, str]) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=words["x"], ylabel=words["y"])
    axes.grid(color=GRID, linewidth=0.8)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        corner = "lower left" if "pr" in words["name"] else "lower right"
        many = len(labels) > _EASY_LEGEND
        size: dict[str, Any] = {"fontsize": 6, "ncols": -(-len(labels) // 15), "handlelength": 1.5} if many else {"handlelength": 3}
        # A long legend may cover the plot, but must not squeeze it to nothing.
        legend = axes.legend(handles, labels, loc=corner, frameon=False, **size)  # type: ignore[call-overload]
        legend.set_in_layout(not many)


@contextmanager
def _figure(words: Mapping[str, str], width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {
        # The salt makes ids the same on every run; one for each plot keeps those of several plots on a page apart.
        "svg.hashsalt": words["name"],
        "svg.fonttype": "none",
        "text.parse_math": False,  # a class may be named with dollar signs
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": RULE,
        "xtick.color": QUIET,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.add_subplot()


def _svg(figure: Figure, words: Mapping[str, str], *, named_rows: bool = False, y_digits: int = 1) -> str:
    """The figure as an <svg> element that scales with the page and reads out its description."""
    from html import escape

    x, y = figure.axes[0].xaxis, figure.axes[0].yaxis
    x.set_major_formatter(lambda value, _: f"{value:.1f}".replace(".", words["point"]))
    if not named_rows:
        y.set_major_formatter(lambda value, _: f"{value:.{y_digits}f}".replace(".", words["point"]))
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    text = re.sub(r"(fill|stroke): (#[0-9a-f]{6})", lambda found: f"{found[1]}: {_in_style(found[2])}", text)
    # Its own style sheet holds for the whole page, so the page has that rule once.
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    # Matplotlib numbers its groups anew in every figure; on one page each id stands once.
    text = re.sub(r'(\bid="|url\(#|href="#)', lambda found: f"{found[1]}{words['name']}-", text)
    opening = re.search(r'viewBox="([^"]+)"', text)
    assert opening is not None
    head = f'<svg role="img" viewBox="{opening[1]}"><title>{escape(words["title"])}</title><desc>{escape(words["description"])}</desc>'
    return head + text[text.index(">") + 1 :].strip()


def _in_style(colour: str) -> str:
    """A colour as the page's style names it, in dark and in light."""
    return next((f"var(--{name})" for known, name in _STYLE.items() if known.lower() == colour), colour)
