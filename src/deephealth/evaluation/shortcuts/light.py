"""The light shortcut audit: can the labels be told from parts of the films that hold no lungs?

A linear probe (`probes`) is trained and tested, cross-validated by patient, on each of a few inputs made from the films' thumbnails and
facts; no film is decoded again. The inputs that hold no lung decide the verdict:

- lungs blacked out: the thumbnail less one shape for all films, in which the lungs of this set lie (`regions.common_lungs`);
- border: its outer eighth; top corners: 10/64 of the side; both less the same shape, for lungs reach into the border;
- picture size: width, height, their ratio and product.

One shape, and not each film's own mask, because an outline tells what is in it: on 2,109 films of children the outline of the lungs alone,
as drawn by hand, gives an AUC of 0.84 for the label, and the whole thumbnail 0.89. Less the shape, because on 960 clean phantoms the
whole border, of which a twentieth is lung, beats shuffled labels (p = 0.002), and without the shape it does not (p = 0.7). Both figures
are in docs/audit.md. Beside them stand inputs that hold lung or that no picture shows, and decide nothing: the whole film; the bottom
corners; grey levels and file size (a dense lung is brighter and compresses worse); what the data set says of age, sex and view, and of the
source. `identity` holds probes that guess not the label but where a film is from (`provenance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.shortcuts import provenance, regions
from deephealth.evaluation.shortcuts.probes import DRAWS, SENTENCES, UNKNOWN, ProbeResult, Trial, decide, table_lines, why_not

__all__ = ["SENTENCES", "AuditReport", "ProbeResult", "audit_shortcuts"]

if TYPE_CHECKING:
    from deephealth.datasets.facts import FilmFacts
    from deephealth.datasets.index import Film

WHOLE, BORDER, TOP, BLACKED_OUT, SIZE = "whole film", "border", "top corners", "lungs blacked out", "picture size"
# Below this share of films with plausible lungs the set is not one of frontal chest films, and a shape from the rest would say little.
ENOUGH_LUNGS = 0.5


@dataclass(frozen=True)
class AuditReport:
    """Verdict ("sufficient", "partial", "none", "unknown"), its sentence, and the probes it comes from; `reason` when unknown.

    identity: probes that guess where a film is from ("source", "train or test"). association: Cramer's V of label and source.
    lungs_found: films with plausible lungs; None when they were not looked for. warnings: what else a reader must know, as sentences.
    """

    verdict: str
    sentence: str
    results: tuple[ProbeResult, ...]
    n_films: int
    n_patients: int
    reason: str = ""
    identity: tuple[ProbeResult, ...] = ()
    association: Interval | None = None
    lungs_found: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def probes(self) -> Mapping[str, Interval]:
        """Mean AUC of every probe of the label, by its name."""
        return {result.name: result.auc for result in self.results}

    def table(self) -> str:
        """The probes as lines for a terminal; those that decide the verdict are marked."""
        lines = [f"{'what tells the label':<22}{'AUC':>7}{'95 % interval':>18}{'shuffled':>18}   {_count(self.n_films, self.n_patients)}"]
        lines += table_lines(self.results)
        if self.identity:
            lines += ["what a film tells of its origin", *table_lines(self.identity)]
        return "\n".join([*lines, *([self.reason] if self.reason else []), *(f"warning: {text}" for text in self.warnings)])

    def to_json(self) -> dict[str, Any]:
        """The audit as JSON values (`audit` in the report's schema)."""
        from deephealth.evaluation.results import plain

        return dict(plain(self))


def audit_shortcuts(
    facts: FilmFacts,
    labels: ArrayLike,
    patients: Sequence[str],
    classes: Sequence[str],
    *,
    films: Sequence[Film] | None = None,
    split: Mapping[str, str] | None = None,
    lungs: NDArray[np.bool_] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> AuditReport:
    """Audit the films of `facts` (n of them) with labels int [n] and patients [n]; 5,000 films take less than a minute.

    films: in the order of `facts`, for what the data set says of them (source, age, sex, view, official split). split: each film's name to
    "train", "validation" or "test". lungs: masks bool [m, 64, 64] of some or all films, on the thumbnails (default: the lung
    finder's); empty ones do not count.
    The verdict is that of `probes.decide`. With fewer than two classes of two patients each, or so few
    patients that no score could beat the null, it is "unknown".
    """
    y = np.asarray(labels, dtype=np.int64)
    if not len(y) == len(patients) == len(facts.names) or (films is not None and len(films) != len(y)):
        raise ValueError(f"{len(facts.names)} films, {len(y)} labels and {len(patients)} patients: there must be as many of each")
    n_patients = len(set(patients))
    if reason := why_not(y, patients):
        reason = f"{reason} ({len(np.unique(y))} of {len(classes)} classes have films)"
        return AuditReport(UNKNOWN, SENTENCES[UNKNOWN], (), len(y), n_patients, reason)
    masks = find_lungs(facts) if lungs is None else lungs
    masks = masks[masks.any(axis=(1, 2))]
    shape = regions.common_lungs(masks) if len(masks) >= ENOUGH_LUNGS * len(y) else None
    trial = Trial(y, patients, seed=seed, draws=draws)
    results: list[ProbeResult] = []
    for name, (features, lung_free) in _inputs(facts, films or (), shape).items():
        results.append(trial.ask(name, features, lung_free=lung_free, whole=results[0].auc.value if results else None))
    origins = _Origins.of(facts, y, films or (), split, seed, draws)
    verdict = decide(results)
    return AuditReport(
        verdict=verdict,
        sentence=SENTENCES[verdict],
        results=(*results, *([origins.by_source] if origins.by_source else [])),
        n_films=len(y),
        n_patients=n_patients,
        identity=origins.identity,
        association=origins.association,
        lungs_found=len(masks),
        warnings=(*_on_lungs(len(masks), len(y), shape), *origins.warnings),
    )


def find_lungs(facts: FilmFacts) -> NDArray[np.bool_]:
    """The lung finder's masks of the thumbnails, bool [n, 64, 64]; an empty one where it finds no plausible lungs."""
    from deephealth.evaluation.lungs.finder import LungFinder, resize_mask

    side = facts.thumbnails.shape[1]
    masks = np.zeros((len(facts.names), side, side), dtype=bool)
    for row, found in enumerate(LungFinder.shipped().masks(facts.thumbnails)):
        if found.plausible:
            masks[row] = resize_mask(found.mask, side, side)
    return masks


@dataclass(frozen=True)
class _Origins:
    identity: tuple[ProbeResult, ...] = ()
    by_source: ProbeResult | None = None
    association: Interval | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, facts: FilmFacts, y: Ints, films: Sequence[Film], split: Mapping[str, str] | None, seed: int, draws: int) -> _Origins:
        if not films:
            return cls()
        features = _halved(facts.thumbnails.astype(np.float64) / 255.0)
        identity = provenance.guess_origins(features.reshape(len(y), -1), y, films, split=split, seed=seed, draws=draws)
        by_source = provenance.label_from_source(y, films, seed=seed, draws=draws)
        bound = provenance.association(y, films, seed=seed, draws=draws)
        return cls(identity, by_source, bound, provenance.tell(identity, by_source, bound))


def _on_lungs(found: int, n: int, shape: NDArray[np.bool_] | None) -> tuple[str, ...]:
    if shape is not None:
        return ()
    return (f"Plausible lungs were found on {found} of {n} films, so no probe has them blacked out and the border may hold some.",)


def _inputs(facts: FilmFacts, films: Sequence[Film], shape: NDArray[np.bool_] | None) -> dict[str, tuple[Floats, bool]]:
    """What each probe sees, [n, features], and whether it is free of lungs. `shape`: where the set's lungs lie."""
    thumbnails = facts.thumbnails.astype(np.float64) / 255.0
    n, side = thumbnails.shape[:2]
    half = _halved(thumbnails)
    hidden = np.zeros((side, side), dtype=bool) if shape is None else shape
    # A cell of four pixels is free where none of them is hidden.
    free = ~(_halved(hidden[None].astype(np.float64))[0] > 0)
    small = half.shape[1]
    found = {
        WHOLE: (half.reshape(n, -1), False),
        BLACKED_OUT: (half[:, free & (shape is not None)], True),
        BORDER: (half[:, regions.border(small, small) & free], True),
        TOP: (thumbnails[:, regions.corners(side, side) & ~hidden], True),
        SIZE: (picture_size(facts.width, facts.height), True),
        "bottom corners": (thumbnails[:, regions.corners(side, side, "bottom")], False),
        "grey levels": (grey_levels(facts.thumbnails), False),
        "file size": (binned(np.log(facts.file_bytes.astype(np.float64))[:, None]), False),
    }
    if told := _patient_facts(films):
        found[told[0]] = (told[1], False)
    return {name: entry for name, entry in found.items() if entry[0].shape[1]}


def _halved(films: Floats) -> Floats:
    side = films.shape[1]
    if side <= 32 or side % 2:
        return films
    return np.asarray(films.reshape(len(films), side // 2, 2, side // 2, 2).mean(axis=(2, 4)))


def _patient_facts(films: Sequence[Film]) -> tuple[str, Floats] | None:
    """Age, sex and view as far as they differ among the films: their names, and [n, features]; what is unknown is a value of its own."""
    columns: dict[str, Floats] = {}
    ages = np.array([np.nan if film.age is None else film.age for film in films], dtype=np.float64)
    if len(np.unique(ages)) > 1:
        known = ~np.isnan(ages)
        columns["age"] = np.column_stack([binned(np.where(known, ages, -1.0)[:, None]), known])
    for name in ("sex", "view"):
        values = np.unique([getattr(film, name) for film in films], return_inverse=True)
        if len(values[0]) > 1:
            columns[name] = np.eye(len(values[0]))[values[1].reshape(-1)]
    return (", ".join(columns), np.concatenate(list(columns.values()), axis=1)) if columns else None


def picture_size(width: ArrayLike, height: ArrayLike) -> Floats:
    """Width, height, their ratio and product, each with its bins, [n, features], from pixels [n] each."""
    w, h = np.asarray(width, dtype=np.float64), np.asarray(height, dtype=np.float64)
    return binned(np.log([w, h, w / h, w * h]).T)


def grey_levels(thumbnails: NDArray[np.uint8]) -> Floats:
    """Square root of each film's share of pixels in 32 bands of grey, [n, 32], from films uint8 [n, h, w]."""
    counts = np.stack([np.bincount(film.ravel() // 8, minlength=32) for film in thumbnails])
    return np.asarray(np.sqrt(counts / thumbnails[0].size), dtype=np.float64)


def binned(values: Floats) -> Floats:
    """Each column of [n, k] as itself and as marks of the eighth of the films (or of the value, where there are few) that it falls in.

    A line through sizes cannot tell a middle class apart, and sizes often come as a few exact values.
    """
    columns: list[NDArray[Any]] = []
    for column in values.T:
        distinct = np.unique(column)
        edges = distinct if len(distinct) <= 16 else np.unique(np.quantile(column, np.arange(1, 8) / 8))
        columns += [column[:, None], np.eye(len(edges) + 1)[np.searchsorted(edges, column)]]
    return np.concatenate(columns, axis=1)


def _count(films: int, patients: int) -> str:
    return f"{films} films, {patients} patients"
