"""The forest plot: one small SVG a row, in lengths relative to the row, so that it fits a telephone and text keeps its size.

The drawing holds marks only; names and numbers stand beside it as text that can be read aloud, searched and wrapped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from deephealth.evaluation.intervals import Interval

_HEIGHT, _MIDDLE = 22, 11
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def reach(differences: Sequence[Interval]) -> float:
    """The axis goes from minus this to plus this: a little beyond the farthest end of any interval, so that zero is in the middle."""
    ends = [abs(end) for item in differences for end in (item.value, item.low, item.high) if end is not None]
    return max([*ends, 1e-6]) * 1.06


def row(difference: Interval, limit: float, description: str, *, primary: bool = False) -> str:
    """One difference on an axis from -limit to limit: interval as a line, value as a square; read out as `description`."""
    parts = [_line(50, 50, "zero", 0, _HEIGHT)]
    if difference.value is not None:
        if difference.low is not None and difference.high is not None:
            low, high = _place(difference.low, limit), _place(difference.high, limit)
            parts += [_line(low, high, "span", _MIDDLE, _MIDDLE), _line(low, low, "span", 7, 15), _line(high, high, "span", 7, 15)]
        side = 11 if primary else 8
        parts.append(
            f'<svg x="{_place(difference.value, limit):.3f}%" y="{_MIDDLE}" overflow="visible">'
            f'<rect class="at" x="{-side / 2:g}" y="{-side / 2:g}" width="{side}" height="{side}"/></svg>'
        )
    return f'<svg class="track" role="img" width="100%" height="{_HEIGHT}"><title>{escape(description)}</title>{"".join(parts)}</svg>'


def axis(limit: float, texts: Sequence[tuple[float, str]]) -> str:
    """The axis under the rows, with ticks at (value, text)."""
    parts = [_line(0, 100, "rule", 1, 1)]
    for value, text in texts:
        place = _place(value, limit)
        parts += [_line(place, place, "rule", 1, 6), f'<text x="{place:.3f}%" y="19" text-anchor="middle">{escape(text)}</text>']
    return f'<svg class="track axis" aria-hidden="true" width="100%" height="24">{"".join(parts)}</svg>'


def ticks(limit: float) -> list[float]:
    """Round values on both sides of zero, and zero: at most five in all."""
    step = limit / 2.2
    unit = 10.0 ** math.floor(math.log10(step))
    step = next(unit * factor for factor in _STEPS if unit * factor >= step * (1 - 1e-9))
    count = int(limit * 0.93 / step)
    return [step * k for k in range(-count, count + 1)]


def _place(value: float, limit: float) -> float:
    return 50 + 50 * value / limit


def _line(x1: float, x2: float, kind: str, y1: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.3f}%" x2="{x2:.3f}%" y1="{y1:g}" y2="{y2:g}"/>'
