"""The three scores that stand at the head of every set of films: accuracy, balanced accuracy and macro AUC, with intervals over patients.

Subgroups, sets from elsewhere and cross-validation use the very functions of the main scores, so that their rows may be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deephealth.evaluation import metrics
from deephealth.evaluation.intervals import FEW, Interval, PatientBootstrap, effective_wilson, mean_of_perfect_edge
from deephealth.evaluation.metrics import Floats, Ints

UNKNOWN = Interval(None, None, None, 0, 0)
NAMES = ("accuracy", "balanced_accuracy", "macro_auc")


@dataclass(frozen=True)
class Headline:
    """The three scores of one set of films."""

    accuracy: Interval = UNKNOWN
    balanced_accuracy: Interval = UNKNOWN
    macro_auc: Interval = UNKNOWN


def headline(probabilities: ArrayLike, labels: ArrayLike, bootstrap: PatientBootstrap) -> Headline:
    """The three scores of probabilities [n, C] for labels int [n] in 0..C-1; the answer is the class of the highest probability."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if not len(y):
        return Headline()
    aucs = [bootstrap.auc(p[:, c], y == c) for c in range(p.shape[1])]
    right = p.argmax(axis=1) == y
    return Headline(bootstrap.proportion(right, np.ones(len(y), dtype=bool)), balanced(p, y, bootstrap), macro(p, y, bootstrap, aucs))


def balanced(p: Floats, y: Ints, bootstrap: PatientBootstrap) -> Interval:
    """Mean sensitivity of the classes that have films."""
    answers = p.argmax(axis=1)
    value = float(metrics.balanced_accuracy(metrics.confusion_matrix(y, answers, p.shape[1])))
    if np.isnan(value):
        return UNKNOWN
    drawn = drawn_balanced(p, y, bootstrap)
    if value in (0.0, 1.0):
        edge = mean_of_perfect_edge([bootstrap.patients_with(y == c) for c in np.unique(y)])
        low, high = (edge, 1.0) if value == 1.0 else (0.0, 1 - edge)
    else:
        low, high = effective_wilson(value, drawn, bootstrap.n_films, bootstrap.effective_patients(np.ones(len(y), dtype=bool)))
    return Interval(value, low, high, bootstrap.n_films, bootstrap.n_patients)


def macro(p: Floats, y: Ints, bootstrap: PatientBootstrap, aucs: list[Interval]) -> Interval:
    """Mean of the one-against-the-rest `aucs`, one a class, that are defined."""
    known = [c for c, interval in enumerate(aucs) if interval.value is not None]
    if not known:
        return UNKNOWN
    value = float(np.mean([aucs[c].value or 0.0 for c in known]))
    if value in (0.0, 1.0) or min(bootstrap.patients_with(y == c) for c in known) < FEW:
        # The mean of the classes' own bounds: right when the classes err together, on the safe side otherwise.
        low, high = (float(np.mean([getattr(aucs[c], end) for c in known])) for end in ("low", "high"))
    else:
        units = min(bootstrap.effective_patients(y == c) for c in known)
        # Each film stands once in each area, so the mean of k of them may be worth more cases than one.
        low, high = effective_wilson(value, drawn_macro(p, y, bootstrap), len(known) * bootstrap.n_films, units)
    return Interval(value, low, high, bootstrap.n_films, bootstrap.n_patients)


def drawn_accuracy(p: Floats, y: Ints, bootstrap: PatientBootstrap) -> Floats:
    """Accuracy in every draw of patients, [draws]."""
    totals = bootstrap.sums(np.column_stack([p.argmax(axis=1) == y, np.ones(len(y))]))
    return np.asarray(totals[:, 0] / totals[:, 1])


def drawn_balanced(p: Floats, y: Ints, bootstrap: PatientBootstrap) -> Floats:
    """Balanced accuracy in every draw of patients, [draws]."""
    n = p.shape[1]
    cells = np.eye(n * n)[y * n + p.argmax(axis=1)]
    return metrics.balanced_accuracy(bootstrap.sums(cells).reshape(-1, n, n))


def drawn_macro(p: Floats, y: Ints, bootstrap: PatientBootstrap) -> Floats:
    """Macro AUC in every draw of patients, [draws], over the classes that are neither absent nor alone in the set."""
    known = [c for c in range(p.shape[1]) if 0 < int((y == c).sum()) < len(y)]
    if not known:
        return np.full(bootstrap.draws, np.nan)
    return np.asarray(np.mean([bootstrap.aucs(p[:, c], y == c) for c in known], axis=0))
