"""The null of the shortcut audit: what a probe scores on labels that have nothing to do with the films, and how far out a score lies.

Under the null the labels of whole patients could be exchanged without anybody noticing. They are exchanged within the folds of the
cross-validation only, because folds are dealt so that each has its share of every class: a shuffle across folds breaks this, and such
labels are scored by another rule than the true ones (0.03 higher on 60 films of 30 patients, so that the true labels of 2.7 % of label-free
sets passed a level of 5 %; within folds it is 5.1 %, `tests/evaluation/shortcuts/test_permutation.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from deephealth.evaluation.metrics import Ints


def shuffle_patients(labels: ArrayLike, patients: ArrayLike, folds: ArrayLike, rng: np.random.Generator) -> Ints:
    """Labels [n] in which every patient takes those of another of the same fold, in turn: what a patient's films share stays shared.

    labels: int [n]; patients: int [n], 0..P-1 with none left out; folds: int [n], one fold a patient.
    """
    y, group, fold = (np.asarray(a, dtype=np.int64) for a in (labels, patients, folds))
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.cumsum(counts) - counts
    fold_of = fold[order[starts]]
    donor = np.arange(len(counts))
    for number in np.unique(fold_of):
        members = np.nonzero(fold_of == number)[0]
        donor[members] = rng.permutation(members)
    rank = np.empty(len(y), dtype=np.int64)
    rank[order] = np.arange(len(y)) - starts[group[order]]
    given = donor[group]
    return np.asarray(y[order[starts[given] + rank % counts[given]]])


def exchanges(labels: ArrayLike, patients: ArrayLike, folds: ArrayLike) -> int:
    """In how many ways the patients' labels can be exchanged within their folds; no p-value can be less than one over this.

    A patient counts by its first film's label.
    """
    y, group, fold = (np.asarray(a, dtype=np.int64) for a in (labels, patients, folds))
    first = np.unique(group, return_index=True)[1]
    found = 1
    for number in np.unique(fold):
        counts = np.unique(y[first][fold[first] == number], return_counts=True)[1]
        found *= math.factorial(int(counts.sum())) // math.prod(math.factorial(int(count)) for count in counts)
    return found


def p_value(seen: float, null: Sequence[float]) -> float:
    """How often a score as high as `seen` arises under the null of which `null` holds m scores, in (0, 1].

    (1 + scores that reach it) / (1 + m), which is exact for labels exchanged at random (Phipson and Smyth 2010). Where none reaches it
    that can say no more than 1 / (1 + m); then it is the chance that one more draw from the normal distribution the scores were drawn
    from lies so far out (Student's t with m - 1 degrees of freedom, as in a prediction interval), if that is less.
    """
    from scipy.stats import t

    scores = np.asarray(null, dtype=np.float64)
    m = len(scores)
    # Equal labellings give scores that differ in their last digits only.
    reaching = int((scores >= seen - 1e-9).sum())
    by_rank = (1 + reaching) / (1 + m)
    spread = float(scores.std(ddof=1)) if m > 1 else 0.0
    if reaching or spread == 0:
        return by_rank
    return min(by_rank, float(t.sf((seen - float(scores.mean())) / (spread * math.sqrt(1 + 1 / m)), m - 1)))
