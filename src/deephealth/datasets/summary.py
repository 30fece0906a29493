"""A data set in numbers: films and patients a class and split, sizes, views, ages and sexes, and what was left out.

As text, as JSON, and as a histogram of the classes.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film, Problem
from deephealth.settings import atomic

_TALLEST = 200.0  # inches, of a histogram
_LONGEST_LABEL = 40
_SPLIT_ORDER = ("train", "validation", "test", "")


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of `n` values."""

    n: int
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class ClassSummary:
    """One class (or all films, label "all").

    splits: official split ("" when there is none) -> films in it. width, height: pixels of the films that could be read. age: years.
    views, sexes: value -> films, "" for a film that does not say.
    """

    label: str
    films: int
    patients: int
    splits: dict[str, int]
    views: dict[str, int]
    sexes: dict[str, int]
    age: Spread | None
    width: Spread | None
    height: Spread | None


@dataclass(frozen=True)
class ProblemGroup:
    """Films that were left out for one reason; `example` is the first of them by name."""

    reason: str
    films: int
    example: str


@dataclass(frozen=True)
class DatasetSummary:
    """What `summarise` finds; `classes` in the index's order, `all` over every film."""

    root: str
    layout: str
    sha256: str
    classes: tuple[ClassSummary, ...]
    all: ClassSummary
    sources: int
    copies: int
    problems: tuple[ProblemGroup, ...]
    notes: tuple[str, ...]

    def table(self) -> str:
        """The summary as text of a few lines, one row a class."""
        rows = [*self.classes, self.all]
        columns = [(head, cell) for head, cell in _columns(self.all) if any(cell(row) for row in rows)]
        cells = [[head for head, _ in columns]] + [[cell(row) for _, cell in columns] for row in rows]
        head = f"{self.root} ({self.layout}), hash {self.sha256[:12]}"
        return "\n".join([head, "", *_aligned(cells), *self._remarks()])

    def to_json(self) -> dict[str, Any]:
        """The summary as a tree of plain values that JSON can hold."""
        return asdict(self)

    def _remarks(self) -> list[str]:
        lines = [f"{group.films} left out: {group.reason} (such as {group.example})" for group in self.problems]
        lines += list(self.notes)
        if self.copies:
            lines.append(f"{self.copies} films are augmented copies of others.")
        return ["", *lines] if lines else []


def summarise(index: DatasetIndex, facts: FilmFacts | None = None) -> DatasetSummary:
    """Count what is in `index`; `facts` add the films' sizes and the films that could not be read."""
    sizes = {} if facts is None else dict(zip(facts.names, zip(facts.width.tolist(), facts.height.tolist(), strict=True), strict=True))
    problems = index.problems + (() if facts is None else facts.problems)
    by_class = [[film for film in index.films if film.label == label] for label in index.classes]
    return DatasetSummary(
        root=str(index.root),
        layout=index.layout,
        sha256=index.sha256,
        classes=tuple(_summarise(label, films, sizes) for label, films in zip(index.classes, by_class, strict=True)),
        all=_summarise("all", index.films, sizes),
        sources=len({film.source for film in index.films if film.source}),
        copies=sum(bool(film.origin) for film in index.films),
        problems=group_problems(problems),
        notes=index.notes,
    )


def group_problems(problems: Iterable[Problem]) -> tuple[ProblemGroup, ...]:
    """Problems with equal reasons as one, the most frequent first."""
    names: dict[str, list[str]] = {}
    for problem in problems:
        names.setdefault(problem.reason, []).append(problem.name)
    groups = [ProblemGroup(reason, len(found), min(found)) for reason, found in names.items()]
    return tuple(sorted(groups, key=lambda group: (-group.films, group.reason)))


def write_histogram(summary: DatasetSummary, path: Path) -> None:
    """Draw films and patients of each class as bars with their numbers, as a PNG of 150 dots per inch.

    The bars lie, so that long names and many classes find room below each other.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    classes = summary.classes
    figure = Figure(figsize=(6.5, min(0.55 * len(classes) + 1.6, _TALLEST)), layout="constrained")
    axes = figure.add_subplot()
    for offset, kind, colour in ((-0.2, "films", "#2f5d8a"), (0.2, "patients", "#a9c4de")):
        counts = [getattr(row, kind) for row in classes]
        bars = axes.barh([place + offset for place in range(len(classes))], counts, height=0.38, label=kind, color=colour)
        axes.bar_label(bars, labels=[f"{count:,}" for count in counts], fontsize=8, padding=2)
    axes.set_yticks(range(len(classes)), [_short(row.label) for row in classes], parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = f"{_short(_name(summary))}: {summary.all.films:,} films of {summary.all.patients:,} patients"
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower center")
    with atomic.replacing(Path(path)) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=150, metadata={"Software": None})


def _summarise(label: str, films: Sequence[Film], sizes: dict[str, tuple[int, int]]) -> ClassSummary:
    measured = [sizes[film.name] for film in films if film.name in sizes]
    return ClassSummary(
        label=label,
        films=len(films),
        patients=len({film.patient for film in films}),
        splits=_counts(film.split for film in films),
        views=_counts(film.view for film in films),
        sexes=_counts(film.sex for film in films),
        age=_spread([film.age for film in films if film.age is not None]),
        width=_spread([float(width) for width, _ in measured]),
        height=_spread([float(height) for _, height in measured]),
    )


def _columns(total: ClassSummary) -> list[tuple[str, Callable[[ClassSummary], str]]]:
    """Heading and cell of each column; a column without any value is not shown."""
    columns: list[tuple[str, Callable[[ClassSummary], str]]] = [
        ("class", lambda row: row.label),
        ("films", lambda row: str(row.films)),
        ("patients", lambda row: str(row.patients)),
    ]
    if set(total.splits) != {""}:
        columns += [(split or "no split", _in_split(split)) for split in _SPLIT_ORDER if split in total.splits]
    columns += [
        ("width", lambda row: _range(row.width)),
        ("height", lambda row: _range(row.height)),
        ("view", lambda row: _shares(row.views)),
        ("age", lambda row: _range(row.age)),
        ("sex", lambda row: _shares(row.sexes)),
    ]
    return columns


def _in_split(split: str) -> Callable[[ClassSummary], str]:
    return lambda row: str(row.splits.get(split, 0))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread(len(values), min(values), statistics.median(values), max(values)) if values else None


def _range(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{spread.low:g}" if spread.low == spread.high else f"{spread.low:g}-{spread.high:g} (median {spread.median:g})"


def _shares(counts: dict[str, int]) -> str:
    """Such as "PA 234, AP 181, not said 33"; empty when no film says."""
    if set(counts) <= {""}:
        return ""
    return ", ".join(f"{name or 'not said'} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 3] + "..."


def _name(summary: DatasetSummary) -> str:
    return Path(summary.root).name or summary.root
