from __future__ import annotations

import math

import pytest

from deephealth.inference.gate import refusal


@pytest.mark.parametrize(("novelty", "refused"), [(0.0, False), (2.0, False), (2.0001, True), (math.inf, True), (math.nan, True)])
def test_refused_when_novelty_is_above_the_threshold(novelty: float, refused: bool) -> None:
    assert bool(refusal(novelty, 2.0)) is refused


def test_the_reason_is_one_sentence_with_both_numbers() -> None:
    reason = refusal(3.14159, 2.0)
    assert "3.14" in reason
    assert "limit is 2" in reason
    assert reason.endswith(".")
    assert reason.count(". ") == 0


def test_a_films_own_objections_come_first() -> None:
    reason = refusal(9.0, 2.0, ("the view is LATERAL.", "the body part is HAND"))
    assert reason == "By its own tags this is not a frontal chest film: the view is LATERAL; the body part is HAND."
    assert refusal(0.1, 2.0, ("the view is LATERAL",))
