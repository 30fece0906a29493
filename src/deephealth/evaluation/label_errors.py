"""Films whose dataset label is probably wrong, by confident learning.

Northcutt, Jiang, Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal of Artificial Intelligence Research 70
(2021).

It takes probabilities from a head that has seen neither the film nor its patient. A film of dataset label i counts as truly of class j when
its probability of j reaches the mean that films labelled j have of j; these counts, scaled to the films of each label, estimate how many
labels are wrong. As many films are flagged, those with the lowest probability of their own label first.

Measured: of 2,000 labels of three separable classes 5 % were changed; of the flagged 95 % to 99 % were among them, and of the changed 92 %
to 100 % were flagged (seeds 0 to 4 of `noisy` in tests/evaluation/test_label_errors.py). On those, and on 5,232 films of children, counts
and flagged films are those of cleanlab 2.9.0 (`compute_confident_joint`, `find_label_issues(filter_by="prune_by_class")`), but for one
film.

What is flagged is a film to look at, not a verdict: a film that is merely hard, or unlike the others, is flagged as well. Where two classes
overlap (bacterial and viral pneumonia on films do), most of the flagged are of that kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.evaluation.evidence import LabelErrors, Suspect
from deephealth.evaluation.metrics import Floats, Ints

MOST_SUSPECTS = 50
FEWEST = 5


def find_label_errors(
    probabilities: ArrayLike, labels: ArrayLike, names: Sequence[str], patients: Sequence[str], classes: Sequence[str]
) -> LabelErrors:
    """The suspects among n films: out-of-fold probabilities [n, C], dataset labels int [n] in 0..C-1, names and patients [n].

    Fewer than two classes with five films each give no suspects and a reason.
    """
    p, y = np.asarray(probabilities, dtype=np.float64).reshape(-1, len(classes)), np.asarray(labels, dtype=np.int64)
    counts = np.bincount(y, minlength=len(classes))
    n_patients = len(set(patients))
    if (counts >= FEWEST).sum() < 2:
        return no_label_errors(f"Label errors are looked for between two classes of {FEWEST} films or more.", len(y), n_patients)
    joint = calibrated_joint(confident_joint(p, y), counts)
    rows = flagged(p, y, joint)
    suspects = tuple(
        Suspect(
            index=int(row),
            name=names[row],
            truth=classes[y[row]],
            suggested=classes[int(p[row].argmax())],
            self_confidence=float(p[row, y[row]]),
            probability=float(p[row].max()),
        )
        for row in rows[:MOST_SUSPECTS]
    )
    table = tuple(tuple(float(cell) for cell in row) for row in np.round(joint, 6))
    return LabelErrors(suspects, len(rows), table, len(y), n_patients)


def no_label_errors(reason: str, n_films: int, n_patients: int) -> LabelErrors:
    """No suspects, and why none could be looked for."""
    return LabelErrors((), 0, (), n_films, n_patients, reason)


def confident_joint(p: Floats, y: Ints) -> Ints:
    """Counts [C, C] of films of dataset label i (row) that are confidently of class j (column); films confident of no class are in none.

    A film confident of several classes is of the most probable of them.
    """
    n = p.shape[1]
    # No film is confident of a class without films.
    thresholds = np.array([p[y == c, c].mean() if (y == c).any() else np.inf for c in range(n)])
    confident = p >= thresholds - 1e-12
    likeliest = np.where(confident, p, -1.0).argmax(axis=1)
    counted = confident.any(axis=1)
    return np.bincount(y[counted] * n + likeliest[counted], minlength=n * n).reshape(n, n).astype(np.int64)


def calibrated_joint(counts: Ints, films: Ints) -> Floats:
    """The counts [C, C] scaled so that each row sums to the label's films [C]; a label with no confident film is taken as right."""
    table = counts.astype(np.float64)
    empty = table.sum(axis=1) == 0
    table[empty, np.flatnonzero(empty)] = 1.0
    return np.asarray(table * (films / table.sum(axis=1))[:, None])


def flagged(p: Floats, y: Ints, joint: Floats) -> NDArray[np.int64]:
    """Rows of the films to look at, lowest probability of their own label first.

    From each label as many as the joint says are wrong ("prune by class"); a film whose own label is its most probable one stays.
    """
    own = p[np.arange(len(y)), y]
    found: list[int] = []
    for c in range(p.shape[1]):
        wrong = round(float(joint[c].sum() - joint[c, c]))
        rows = np.flatnonzero(y == c)
        doubtful = rows[np.argsort(own[rows], kind="stable")][:wrong]
        found += [int(row) for row in doubtful if p[row].argmax() != c]
    rows = np.array(sorted(found), dtype=np.int64)
    return rows[np.argsort(own[rows], kind="stable")] if len(rows) else rows
