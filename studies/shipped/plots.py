"""The picture in docs/shipped-model.md: what is left when parts of a film are hidden, and what the gate refuses; SVG text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Figure = Mapping[str, Any]
COLOURS = ("#2f6fb3", "#e0902f")
_LEFT, _WIDTH, _ROW, _HEAD, _FOOT = 250, 460, 26, 64, 34
_VALUE = 42  # width of a column of values


def parts(lungs: Mapping[str, Any]) -> str:
    """Accuracy on the films of fold 0 with parts hidden: the model that ships, by its fold's run, beside the naive one."""
    ours, naive = lungs["shipped, fold 0"], lungs["naive, fold 0"]
    rows = [(part, [found["parts"][part]["accuracy"] for found in (ours, naive)]) for part in ours["parts"]]
    rows.append(("same answer, another frame", [_rest(found["answers changed by another frame"]) for found in (ours, naive)]))
    rows.append(("evidence in the lungs", [found["energy in the drawn lungs"] for found in (ours, naive)]))
    return chart("Where the answers come from (fold 0)", ("shipped recipe", "naive"), rows, line=ours["majority"])


def refused(gate: Mapping[str, Any]) -> str:
    """The share of each kind of picture that the gate refuses."""
    return chart("What the gate refuses", (), [(kind, [found]) for kind, found in gate["refused"].items()])


def chart(title: str, legend: Sequence[str], rows: Sequence[tuple[str, Sequence[Figure]]], line: float | None = None) -> str:
    """A row for each name: dots from 0 to 1 with their 95 % intervals, a colour for each column; `line`: the most frequent class."""
    height = _HEAD + _ROW * len(rows) + _FOOT
    body = [f'<text x="12" y="24" font-size="17" font-weight="600">{escape(title)}</text>', *_legend(legend), *_scale(height, line)]
    for k, (name, figures) in enumerate(rows):
        y = _HEAD + _ROW * k + _ROW / 2
        body.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        for column, (found, colour) in enumerate(zip(figures, COLOURS, strict=False)):
            body += _dot(found, y + 7 * (column - (len(figures) - 1) / 2), colour)
            x = _LEFT + _WIDTH + 14 + _VALUE * column
            body.append(f'<text x="{x}" y="{y + 4}" font-size="11" fill="{colour}">{found["value"]:.3f}</text>')
    width = _LEFT + _WIDTH + 14 + _VALUE * max(1, len(legend)) + 8
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = 'role="img" font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}><title>{escape(title)}</title>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *body, "</svg>"]) + "\n"


def _rest(found: Figure) -> Figure:
    return {**found, "value": 1 - found["value"], "low": 1 - found["high"], "high": 1 - found["low"]}


def _x(value: float) -> float:
    return _LEFT + value * _WIDTH


def _legend(names: Sequence[str]) -> Iterator[str]:
    for k, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        x = _LEFT + 150 * k
        yield f'<circle cx="{x + 5}" cy="42" r="4" fill="{colour}"/><text x="{x + 15}" y="46">{escape(name)}</text>'


def _scale(height: int, line: float | None) -> Iterator[str]:
    for k in range(6):
        x = _x(k / 5)
        yield f'<path d="M{x} {_HEAD}V{height - _FOOT}" stroke="#e4e7eb"/>'
        yield f'<text x="{x}" y="{height - 12}" text-anchor="middle" fill="#52606d">{k / 5:.1f}</text>'
    if line is not None:
        yield f'<path d="M{_x(line):.1f} {_HEAD}V{height - _FOOT}" stroke="#52606d" stroke-dasharray="3 3"/>'
        yield f'<text x="{_x(line):.1f}" y="{_HEAD - 2}" text-anchor="middle" font-size="10" fill="#52606d">most frequent class</text>'


def _dot(found: Figure, y: float, colour: str) -> Iterator[str]:
    if found["low"] is not None:
        yield f'<path d="M{_x(found["low"]):.1f} {y}H{_x(found["high"]):.1f}" stroke="{colour}" stroke-width="2" opacity="0.55"/>'
    yield f'<circle cx="{_x(found["value"]):.1f}" cy="{y}" r="4" fill="{colour}"/>'
