"""The pictures: a dot for every figure, at its place, and names that cannot break out of the file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from tests.studies.test_page import LUNGS

from studies.shipped.plots import chart, parts, refused

SVG = "{http://www.w3.org/2000/svg}"


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def places(svg: str) -> list[float]:
    """From left to right, 0..1, of every dot that is not the legend's."""
    found = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in ET.fromstring(svg).iter(f"{SVG}circle")]
    return [round((x - 250) / 460, 2) for x, y in found if y > 50]


def test_dots_lie_where_the_figures_are() -> None:
    svg = chart("Title <here>", ("one", "other"), [("a & b", [figure(0.25), figure(0.75)]), ("c", [figure(1.0), figure(0.0)])], line=0.5)
    assert places(svg) == [0.25, 0.75, 1.0, 0.0]
    assert "Title &lt;here&gt;" in svg and "a &amp; b" in svg


def test_every_part_and_kind_has_its_row() -> None:
    ours = {"shipped, fold 0": LUNGS, "naive, fold 0": LUNGS}
    assert len(places(parts(ours))) == 2 * (len(LUNGS["parts"]) + 2)
    kinds = {"hands": figure(1.0), "adults": figure(0.3)}
    assert places(refused({"refused": kinds})) == [1.0, 0.3]
