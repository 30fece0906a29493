"""The three scores that every row of the report shows."""

from __future__ import annotations

import numpy as np
import pytest

from deephealth.evaluation import headline, metrics
from deephealth.evaluation.calibration import softmax
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.intervals import PatientBootstrap

CLASSES = ("normal", "bacterial", "viral")


def films(n: int = 240) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(3)
    patient = rng.integers(0, n // 2, n)
    y = patient % 3
    return softmax(1.5 * rng.normal(size=(n, 3)) + 2 * np.eye(3)[y]), y, [str(p) for p in patient]


def test_a_row_of_all_films_is_the_main_score() -> None:
    p, y, patients = films()
    row = headline.headline(p, y, PatientBootstrap(patients, draws=200))
    whole = score_predictions(p, y, patients, CLASSES, draws=200).scores
    assert (row.accuracy, row.balanced_accuracy, row.macro_auc) == (whole.accuracy, whole.balanced_accuracy, whole.macro_auc)


@pytest.mark.parametrize(
    ("draw", "score"),
    [
        (headline.drawn_accuracy, lambda p, y: (p.argmax(1) == y).mean()),
        (headline.drawn_balanced, lambda p, y: metrics.balanced_accuracy(metrics.confusion_matrix(y, p.argmax(1), 3))),
        (headline.drawn_macro, metrics.macro_auc),
    ],
)
def test_a_draw_is_the_score_of_the_films_of_the_patients_drawn(draw: object, score: object) -> None:
    p, y, patients = films(120)
    bootstrap = PatientBootstrap(patients, draws=5)
    drawn = draw(p, y, bootstrap)  # type: ignore[operator]
    counts = next(bootstrap.blocks())
    for row in range(5):
        taken = np.repeat(np.arange(len(y)), counts[row][bootstrap.patient_of])
        assert drawn[row] == pytest.approx(score(p[taken], y[taken]))  # type: ignore[operator]


def test_no_films_and_one_class_have_no_score_where_there_is_none() -> None:
    none = headline.headline(np.empty((0, 3)), np.empty(0, int), PatientBootstrap([], draws=10))
    assert none.accuracy.value is None and none.macro_auc.value is None
    p, y, patients = films(60)
    one = headline.headline(p[y == 0], y[y == 0], PatientBootstrap([patients[i] for i in np.flatnonzero(y == 0)], draws=10))
    assert one.accuracy.value is not None and one.balanced_accuracy.value is not None
    assert one.macro_auc.value is None
