"""Risk against coverage held against the plain definition, and the promise of conformal sets held against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deephealth.errors import UsageError
from deephealth.evaluation.abstention import area_under_risk, calibrate_sets, label_sets, risk_coverage
from deephealth.evaluation.calibration import softmax
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.model.record import ConformalRecord


def films(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are exactly calibrated: labels are drawn from them."""
    rng = np.random.default_rng(seed)
    p = softmax(1.5 * rng.normal(size=(n, 3)))
    return p, (p.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)


def alone(n: int, draws: int = 200) -> PatientBootstrap:
    return PatientBootstrap([str(i) for i in range(n)], draws=draws)


def test_the_curve_is_the_share_of_wrong_answers_among_the_surest() -> None:
    p, y = films(200)
    found = risk_coverage(p, y, alone(200))
    assert found is not None and len(found.curve) == 20
    order = np.argsort(-p.max(axis=1))
    wrong = (p.argmax(axis=1) != y)[order]
    for point, share in zip(found.curve, np.arange(1, 21) / 20, strict=True):
        assert point.coverage == pytest.approx(share)
        assert point.risk.value == pytest.approx(wrong[: round(200 * share)].mean())
        assert point.risk.low <= point.risk.value <= point.risk.high
        assert point.threshold == p.max(axis=1)[order[round(200 * share) - 1]]
    assert found.curve[-1].risk.value == pytest.approx((p.argmax(axis=1) != y).mean())
    assert found.area.value == pytest.approx(np.mean([wrong[:k].mean() for k in range(1, 201)]))
    assert found.area.low < found.area.value < found.area.high


def test_knowing_what_one_knows_lowers_the_area_and_the_reverse_raises_it() -> None:
    wrong = np.array([True] * 10 + [False] * 30)
    good, bad = np.linspace(0.4, 0.9, 40), np.linspace(0.9, 0.4, 40)
    assert area_under_risk(good, wrong)[0] < 0.25 < area_under_risk(bad, wrong)[0]


def test_films_of_equal_certainty_are_answered_together_in_any_order() -> None:
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.7, 0.3], [0.7, 0.3], [0.6, 0.4]])
    y = np.array([0, 1, 0, 0, 1])
    for order in (np.arange(5), np.array([0, 3, 2, 1, 4]), np.array([4, 3, 2, 1, 0])):
        found = risk_coverage(p[order], y[order], alone(5))
        assert found is not None
        assert [(point.coverage, point.risk.value) for point in found.curve] == [(0.2, 0.0), (0.8, 0.25), (1.0, 0.4)]
        assert found.area.value == pytest.approx((0 + 3 * 0.25 + 0.4) / 5)


def test_weights_are_repeated_films() -> None:
    rng = np.random.default_rng(1)
    certainty, wrong, counts = rng.random(30), rng.random(30) < 0.3, rng.integers(0, 4, 30)
    repeated = area_under_risk(np.repeat(certainty, counts), np.repeat(wrong, counts))
    assert area_under_risk(certainty, wrong, counts[None]) == pytest.approx(repeated)
    assert np.isnan(area_under_risk(certainty, wrong, np.zeros((1, 30)))).all()


@pytest.mark.parametrize("right", [True, False])
def test_no_error_at_all_still_has_an_upper_bound(right: bool) -> None:
    p = np.column_stack([np.linspace(0.6, 0.9, 21), np.linspace(0.4, 0.1, 21)])
    found = risk_coverage(p, np.zeros(21, int) if right else np.ones(21, int), alone(21))
    assert found is not None
    assert (found.area.low, found.area.high) == pytest.approx((0, 0.161) if right else (0.839, 1), abs=1e-3)


def test_no_films_give_no_curve_and_no_threshold() -> None:
    empty = np.empty((0, 3)), np.empty(0, int)
    assert risk_coverage(*empty, alone(0)) is None
    assert calibrate_sets(*empty) is None
    with pytest.raises(UsageError, match="between 0 and 1"):
        calibrate_sets(*films(5), level=1.0)


def test_the_threshold_is_the_quantile_with_the_finite_sample_correction() -> None:
    own = np.arange(1, 20) / 20  # 19 films: the 18th highest of their own labels' probabilities
    p = np.column_stack([own, 1 - own])
    record = calibrate_sets(p, np.zeros(19, int))
    assert record is not None
    assert (record.level, record.films) == (0.90, 19)
    assert record.threshold == pytest.approx(own[1], abs=1e-5)
    assert (p[:, 0] >= record.threshold).sum() == math.ceil(20 * 0.9)


def test_too_few_films_promise_nothing_and_every_label_is_in_every_set() -> None:
    p, y = films(8)
    record = calibrate_sets(p, y)
    assert record is not None and record.threshold == 0
    sets = label_sets(p, y, alone(8), record)
    assert (sets.covered.value, sets.mean_size.value, sets.single.value, sets.empty.value) == (1.0, 3.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [20, 50, 199])
def test_the_promise_is_kept_on_average_and_not_by_more_than_one_film(n: int) -> None:
    """Vovk 2012, Lei 2018: over draws of calibration films and a new one, coverage lies in [level, level + 1 / (n + 1)]."""
    kept = []
    for seed in range(1500):
        p, y = films(n + 40, seed)
        record = calibrate_sets(p[:n], y[:n])
        assert record is not None
        kept.append((p[np.arange(n, n + 40), y[n:]] >= record.threshold).mean())
    slack = 3 * float(np.std(kept)) / math.sqrt(len(kept))
    assert 0.90 - slack <= np.mean(kept) <= 0.90 + 1 / (n + 1) + slack


def test_sets_are_counted_as_they_are() -> None:
    p = np.array([[0.8, 0.15, 0.05], [0.4, 0.35, 0.25], [0.45, 0.45, 0.1], [0.3, 0.3, 0.4]])
    sets = label_sets(p, np.array([0, 2, 1, 0]), alone(4), ConformalRecord(level=0.9, threshold=0.35, films=50))
    assert (sets.level, sets.threshold) == (0.9, 0.35)
    assert (sets.covered.value, sets.single.value, sets.empty.value, sets.mean_size.value) == (0.5, 0.5, 0.0, 1.5)


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "each"), [(30, 2), (100, 2), (300, 1)])
def test_the_areas_interval_holds_the_area_of_all_films_as_often_as_it_says(patients: int, each: int) -> None:
    """Measured with 300 sets each: 96.3 %, 96.0 % and 93.7 %."""

    def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        shared = np.repeat(rng.normal(size=(count, 3)), each, axis=0)
        y = np.repeat(rng.integers(0, 3, count), each)
        return softmax(shared + 0.7 * rng.normal(size=(count * each, 3)) + 1.5 * np.eye(3)[y]), y

    p, y = drawn(200_000, 999_999)
    area = float(area_under_risk(p.max(axis=1), p.argmax(axis=1) != y)[0])
    held = 0
    for seed in range(150):
        p, y = drawn(patients, seed)
        found = risk_coverage(p, y, PatientBootstrap([str(i // each) for i in range(len(y))], draws=300, seed=seed), points=2)
        assert found is not None
        held += found.area.low <= area <= found.area.high
    assert held / 150 > 0.95 - 3 * (0.95 * 0.05 / 150) ** 0.5
