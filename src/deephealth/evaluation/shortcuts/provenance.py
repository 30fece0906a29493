"""Where films are from: how closely the label goes with the source, and whether a picture tells its source or its split.

When every normal film comes from one hospital and every ill one from another, a model that learns the hospital looks perfect (Maguolo and
Nanni 2021, "A critic evaluation of methods for COVID-19 automatic detection from X-ray images"; DeGrave, Janizek and Lee 2021, "AI for
radiographic COVID-19 detection selects shortcuts over signal"). It takes both: the source goes with the label, and the picture tells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.shortcuts.probes import DRAWS, FOLDS, ProbeResult, Trial, why_not

SOURCE, SPLIT = "source", "train or test"


def guess_origins(
    features: Floats,
    labels: Ints,
    films: Sequence[Film],
    *,
    split: Mapping[str, str] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[ProbeResult, ...]:
    """Probes on `features` [n, d] that guess not the label but the film's source, and whether it is in the test split, where that is known.

    "source": among the sources with five patients or more, where there are two of them. "train or test": by `split` (name -> "train",
    "validation" or "test"; default: the official split of each film); its AUC is that within each class, so that other shares of the
    classes alone do not tell.
    """
    found = []
    places, known = _sources(films)
    patients = np.array([film.patient for film in films], dtype=object)
    if not why_not(places[known], list(patients[known])):
        found.append(Trial(places[known], list(patients[known]), seed=seed, draws=draws).ask(SOURCE, features[known]))
    held_out = np.array([(split.get(film.name, "") if split else film.split) == "test" for film in films], dtype=np.int64)
    apart = any(len(np.unique(held_out[labels == label])) > 1 for label in np.unique(labels))
    if apart and not why_not(held_out, list(patients)):
        found.append(Trial(held_out, list(patients), strata=labels, seed=seed, draws=draws).ask(SPLIT, features))
    return tuple(found)


def label_from_source(labels: Ints, films: Sequence[Film], *, seed: int = 0, draws: int = DRAWS) -> ProbeResult | None:
    """Probe that guesses the label from nothing but the name of the source; None where there is no second source."""
    places, known = _sources(films)
    patients = [film.patient for film, chosen in zip(films, known, strict=True) if chosen]
    if len(np.unique(places[known])) < 2 or why_not(labels[known], patients):
        return None
    features = np.eye(int(places.max()) + 1)[places[known]]
    return Trial(labels[known], patients, seed=seed, draws=draws).ask(SOURCE, features)


def association(labels: Ints, films: Sequence[Film], *, seed: int = 0, draws: int = DRAWS) -> Interval | None:
    """Cramer's V of label and source, 0 (independent) to 1 (each tells the other), with its interval over patients; None for one source.

    Corrected for the size of the table (Bergsma 2013, "A bias-correction for Cramer's V and Tschuprow's T"), over films.
    """
    places, known = _sources(films)
    if len(np.unique(places[known])) < 2 or len(np.unique(labels[known])) < 2:
        return None
    y, s = (np.unique(part[known], return_inverse=True)[1].reshape(-1) for part in (labels, places))
    shape = (int(y.max()) + 1, int(s.max()) + 1)
    bootstrap = PatientBootstrap([film.patient for film, chosen in zip(films, known, strict=True) if chosen], draws=draws, seed=seed)
    cells = np.eye(shape[0] * shape[1])[y * shape[1] + s]
    tables = bootstrap.sums(cells).reshape(-1, *shape)
    value = float(cramers_v(cells.sum(axis=0).reshape(1, *shape))[0])
    return bootstrap.percentile(value, cramers_v(tables))


def cramers_v(tables: Floats) -> Floats:
    """Bias-corrected Cramer's V of contingency tables [m, rows, columns] -> [m], 0..1; NaN for a table with one row or column in use."""
    n = tables.sum(axis=(1, 2))
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    expected = rows[:, :, None] * columns[:, None, :] / n[:, None, None]
    terms = np.divide((tables - expected) ** 2, expected, out=np.zeros_like(tables), where=expected > 0)
    r, k = (rows > 0).sum(axis=1), (columns > 0).sum(axis=1)
    phi = np.maximum(0.0, terms.sum(axis=(1, 2)) / n - (r - 1) * (k - 1) / (n - 1))
    least = np.minimum(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    usable = (r > 1) & (k > 1) & (least > 0)
    return np.where(usable, np.sqrt(np.minimum(1.0, np.divide(phi, least, out=np.zeros_like(phi), where=usable))), np.nan)


def tell(identity: Sequence[ProbeResult], by_source: ProbeResult | None, bound: Interval | None) -> tuple[str, ...]:
    """What a reader must know of the probes of origin, as sentences; none when they do no better than chance."""
    told = {result.name: result for result in identity if result.beats_null}
    found = []
    if by_source is not None and by_source.beats_null:
        seen = f", and a linear probe tells the source from the picture (AUC {_value(told[SOURCE])})" if SOURCE in told else ""
        strength = "" if bound is None or bound.value is None else f", Cramer's V {bound.value:.2f}"
        found.append(
            f"The label goes with the source of the film (AUC {_value(by_source)} from the source alone{strength}){seen}: "
            "a model may learn the source for the label."
        )
    elif SOURCE in told:
        found.append(f"A linear probe tells the source of a film from its picture (AUC {_value(told[SOURCE])}): score each source apart.")
    if SPLIT in told:
        found.append(
            f"A linear probe tells films of the test split from the others (AUC {_value(told[SPLIT])}): "
            "what is tuned on the one may not hold on the other."
        )
    return tuple(found)


def _value(result: ProbeResult) -> str:
    return "unknown" if result.auc.value is None else f"{result.auc.value:.2f}"


def _sources(films: Sequence[Film]) -> tuple[Ints, NDArray[np.bool_]]:
    """A number for each film's source, and which films have one with as many patients as there are folds."""
    names, places = np.unique([film.source for film in films], return_inverse=True)
    places = places.reshape(-1).astype(np.int64)
    patients: dict[int, set[str]] = {}
    for film, place in zip(films, places.tolist(), strict=True):
        patients.setdefault(place, set()).add(film.patient)
    large = [name != "" and len(patients[place]) >= FOLDS for place, name in enumerate(names)]
    return places, np.array(large, dtype=bool)[places]
