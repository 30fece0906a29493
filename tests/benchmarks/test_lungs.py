"""The lung finder's benchmark prints its speed table without the real films, and names every set of the page."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from deephealth.evaluation.lungs.finder import LungFinder

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_speed_table_has_a_row_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    lungs = importlib.import_module("benchmarks.lungs")
    rows = list(lungs._speed(LungFinder.shipped(), repetitions=2))
    assert len(rows) == 4
    assert all(re.fullmatch(r"\| .+ \| \d+\.\d\d \| \d+\.\d\d \|", row) for row in rows)


def test_the_page_tells_what_the_file_tells() -> None:
    """The figures of the page are those of the card in the file: neither can be changed alone."""
    page = (ROOT / "docs" / "lung-finder.md").read_text(encoding="utf-8")
    record = LungFinder.shipped().record
    for score in record.scores:
        if score.low is not None and score.high is not None and score.measure != "share plausible":
            assert f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})" in page, score
    assert f"{record.threshold:g} and more counts" in page
    for source in record.data:
        assert f"{source.films:,}" in page
