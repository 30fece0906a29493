"""Whether adults can be served too: what the models answer to their films, and whether a head on the features would learn the hospital.

Four collections, each with its own population, disease and label: NIH (normal, and pneumonia as mined from reports), Hannover (COVID-19
only), Shenzhen and Montgomery (normal, and tuberculosis). "Ill" is whatever the collection has. None was trained on, by any fold. Where the
share of ill films differs from source to source, a head can score well by telling the source apart and learn nothing of illness (Zech and
others 2018, "Variable generalization performance of a deep learning model to detect pneumonia in chest radiographs"); hence the three
questions after the first: how well the source can be told, how much of a head's score the source alone would give, and what is left of it
in a hospital that it has not seen. What it loses there it loses to hospital and disease together: only tuberculosis is in two collections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.evaluation.headline import balanced
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints, auc, confusion_matrix
from deephealth.features.backbones import Backbone, load_backbone
from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.training.heads import Examples, softmax
from deephealth.training.scan import look_at
from studies.shipped.answers import Figure, ask, figure, probabilities_of, refused_by, share
from studies.shipped.films import FOLDS, Children, adults
from studies.shipped.runs import Runs
from studies.shipped.transfer import Features, features_of, fitted, patients_of

CHILDREN = "children"
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Source:
    """Films of one collection, [n]; patients: a key of each film's, shared by copies, unlike any other source's; ill: bool [n]."""

    films: tuple[Film, ...]
    patients: tuple[str, ...]
    ill: Bools

    @property
    def mixed(self) -> bool:
        """Whether it has normal and ill films, so that a score can be taken inside it."""
        return bool(self.ill.any() and not self.ill.all())


@dataclass(frozen=True, eq=False)
class Pool:
    """Films of several sources with their features: source number int [n], ill bool [n], patients [n], features float32 [n, d]."""

    names: tuple[str, ...]
    source: Ints
    ill: Bools
    patients: tuple[str, ...]
    features: Features

    def only(self, rows: Bools) -> Pool:
        """Some of the films; sources of which none is left are still named and numbered."""
        patients = tuple(patient for patient, there in zip(self.patients, rows, strict=True) if there)
        return Pool(self.names, self.source[rows], self.ill[rows], patients, self.features[rows])

    def of(self, *names: str) -> Pool:
        """The films of some sources."""
        return self.only(np.isin(self.source, [self.names.index(name) for name in names]))

    @property
    def mixed(self) -> tuple[str, ...]:
        """The sources with normal and ill films."""
        return tuple(name for s, name in enumerate(self.names) if len(np.unique(self.ill[self.source == s])) == 2)


def measure(children: Children, runs: Runs, threads: int) -> dict[str, Any]:
    """The section "adults". Features are those of fold 0's model, which has seen none of these films, nor fold 0's children.

    "which source": among all five sources, and again among the adults' and among their normal films only, where it cannot be the disease
    by which a source is known.
    """
    sources = adult_sources(children.data, threads)
    backbone = load_backbone(str(runs.fold(0)))
    pool = pooled(sources, backbone, threads)
    everyone = pooled({**sources, CHILDREN: children_source(children)}, backbone, threads)
    return {
        "sources": {name: _about(source) for name, source in sources.items()},
        "answers": answers(sources, Model.load(runs.shipped), [Model.load(runs.fold(k)) for k in range(FOLDS)], threads),
        "which source": {
            "adults and children": told_apart(everyone),
            "adults": told_apart(pool),
            "adults, normal films": told_apart(pool.only(~pool.ill)),
        },
        "left out": {name: left_out(pool, name) for name in pool.mixed},
        "shortcut": shortcut(pool),
    }


def adult_sources(data: Path, threads: int) -> dict[str, Source]:
    """The collections of adults by name."""
    found = {}
    for name, index in adults(data).items():
        read, facts = look_at(index, threads=threads, listener=lambda event: None)
        patient = patients_of(read, facts)
        keys = tuple(f"{name}/{patient[film.name]}" for film in read.films)
        found[name] = Source(read.films, keys, np.array([film.label == "ill" for film in read.films]))
    return found


def children_source(children: Children) -> Source:
    """Fold 0's films as one more source."""
    films, patient = children.tested(0), patients_of(children.index, children.facts)
    keys = tuple(f"{CHILDREN}/{patient[film.name]}" for film in films)
    return Source(films, keys, np.array([film.label != "normal" for film in films]))


def pooled(sources: Mapping[str, Source], backbone: Backbone, threads: int) -> Pool:
    """The films of all sources with their features."""
    numbers = [np.full(len(source.films), s) for s, source in enumerate(sources.values())]
    features = [features_of(source.films, backbone, threads) for source in sources.values()]
    patients = tuple(patient for source in sources.values() for patient in source.patients)
    ill = np.concatenate([source.ill for source in sources.values()])
    return Pool(tuple(sources), np.concatenate(numbers), ill, patients, np.concatenate(features))


def _about(source: Source) -> dict[str, int]:
    n, ill = len(source.films), int(source.ill.sum())
    return {"films": n, "patients": len(set(source.patients)), "normal": n - ill, "ill": ill}


def answers(sources: Mapping[str, Source], shipped: Model, folds: Sequence[Model], threads: int) -> dict[str, Any]:
    """What the gate and the model that ships say to each source, and what the folds' models say on average."""
    found = {}
    for name, source in sources.items():
        pixels = [read_film(film.path).pixels for film in source.films]
        asked = [_asked(model, pixels, threads) for model in (shipped, *folds)]
        found[name] = {"shipped": served(source, asked[:1]), "folds": served(source, asked[1:])}
    return found


def _asked(model: Model, pixels: Sequence[NDArray[np.uint8]], threads: int) -> tuple[Bools, Floats, Bools]:
    """Refused bool [n], probability of being ill [n] and whether another label than normal is answered, bool [n]."""
    outputs = ask(model, pixels, threads)
    p, normal = probabilities_of(outputs), model.labels.index("normal")
    return refused_by(model, outputs), 1 - p[:, normal], p.argmax(axis=1) != normal


def served(source: Source, asked: Sequence[tuple[Bools, Floats, Bools]]) -> dict[str, Figure]:
    """Shares of a source's films, the mean over models where there are several, and the AUC of normal against ill.

    "other than normal", "false alarms" and "sensitivity" are of the answers as they would be without a gate, of all, the normal and the ill
    films; "passed and wrong" is of all films those that the gate lets through and the model takes for normal when ill or the reverse.
    """
    ill, every = source.ill, np.ones(len(source.ill), dtype=bool)
    refused, scores, other = (np.array([answer[part] for answer in asked]) for part in range(3))
    return {
        "refused": _mean_share(refused, source.patients, every),
        "other than normal": _mean_share(other, source.patients, every),
        "false alarms": _mean_share(other, source.patients, ~ill),
        "sensitivity": _mean_share(other, source.patients, ill),
        "passed and wrong": _mean_share(~refused & (other != ill), source.patients, every),
        "AUC": _mean_auc(scores, source),
    }


def _mean_share(hits: Bools, patients: Sequence[str], among: Bools) -> Figure:
    """The share over films and models of hits [models, n], resampled by patient: a film's answers by several models go together."""
    n = len(hits)
    found = share(hits.ravel(), list(patients) * n, np.tile(among, n))
    found["films"] = int(among.sum())
    if n > 1 and among.any():
        each = hits[:, among].mean(axis=1)
        found |= {"lowest": round(float(each.min()), 4), "highest": round(float(each.max()), 4)}
    return found


def _mean_auc(scores: Floats, source: Source) -> Figure:
    """The mean of the models' AUCs, scores [models, n]."""
    bootstrap = PatientBootstrap(source.patients)
    if len(scores) == 1 or not source.mixed:
        return figure(bootstrap.auc(scores[0], source.ill))
    drawn = np.mean([bootstrap.aucs(row, source.ill) for row in scores], axis=0)
    return figure(bootstrap.percentile(float(np.mean([auc(row, source.ill) for row in scores])), drawn))


def told_apart(pool: Pool) -> dict[str, Any]:
    """How well a logistic head tells the source of films of patients that it has not seen; a head that knows nothing is right by chance."""
    there = np.unique(pool.source)
    names, labels = [pool.names[s] for s in there], np.searchsorted(there, pool.source)
    p = held_out(pool.features, labels, pool.patients, labels, len(there))
    answered, bootstrap = p.argmax(axis=1), PatientBootstrap(pool.patients)
    matrix = confusion_matrix(labels, answered, len(there))
    return {
        "sources": names,
        "balanced accuracy": figure(balanced(p, labels, bootstrap)),
        "chance": round(1 / len(there), 4),
        "sensitivity": {name: share(answered == s, pool.patients, labels == s) for s, name in enumerate(names)},
        "answered": {name: dict(zip(names, row.tolist(), strict=True)) for name, row in zip(names, matrix, strict=True)},
    }


def held_out(features: Features, labels: Ints, patients: Sequence[str], strata: Ints, classes: int) -> Floats:
    """Probabilities [n, C] of each film by a head fitted to four fifths of the patients, those of the film not among them.

    strata: int [n], what every fifth is to have alike.
    """
    found = np.zeros((len(labels), classes))
    for train, test in _fifths(strata, patients):
        head = fitted(Examples(features[train], labels[train]), [patients[row] for row in train], classes)
        found[test] = softmax(head.logits(features[test]))
    return found


def _fifths(strata: Ints, patients: Sequence[str]) -> Iterator[tuple[Ints, Ints]]:
    from sklearn.model_selection import StratifiedGroupKFold

    return iter(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(strata, strata, list(patients)))


def _illness(pool: Pool) -> Floats:
    """Probability of being ill of each film, [n], by patients held out; every fifth has alike of each source and label."""
    return held_out(pool.features, pool.ill.astype(np.int64), pool.patients, 2 * pool.source + pool.ill, 2)[:, 1]


def _carried_over(train: Pool, test: Pool) -> Floats:
    head = fitted(Examples(train.features, train.ill.astype(np.int64)), train.patients, 2)
    return softmax(head.logits(test.features))[:, 1]


def left_out(pool: Pool, name: str) -> dict[str, Any]:
    """AUC of normal against ill in one source by a head of the others, beside that of a head of the source's own other patients.

    "mixed others": without sources that have one label only, and whose look is therefore a label. "lost": inside less left out.
    """
    own, bootstrap = pool.of(name), PatientBootstrap(pool.of(name).patients)
    others = [other for other in pool.names if other != name]
    mixed = [other for other in others if other in pool.mixed]
    inside, outside = _illness(own), _carried_over(pool.of(*others), own)
    return {
        "trained on": others,
        "inside": figure(bootstrap.auc(inside, own.ill)),
        "left out": figure(bootstrap.auc(outside, own.ill)),
        "left out, mixed others": figure(bootstrap.auc(_carried_over(pool.of(*mixed), own), own.ill)),
        "lost": _gap(bootstrap, inside, outside, own.ill),
    }


def _gap(bootstrap: PatientBootstrap, one: Floats, other: Floats, ill: Bools) -> Figure:
    """AUC of one score less that of another on the same films; the percentile interval, both taken in the same draws of patients."""
    return figure(bootstrap.percentile(auc(one, ill) - auc(other, ill), bootstrap.aucs(one, ill) - bootstrap.aucs(other, ill)))


def shortcut(pool: Pool) -> dict[str, Any]:
    """The AUC that a head of all sources seems to have, what its source alone says of a film, and what the head has inside the sources.

    "source alone": every film gets the share of ill films in its source. "inside sources": the mean of the head's AUCs in the sources that
    have both labels, where knowing the source is of no use; what "head" has more than that is the shortcut's.
    """
    score, bootstrap = _illness(pool), PatientBootstrap(pool.patients)
    shares = np.array([pool.ill[pool.source == s].mean() for s in range(len(pool.names))])
    lookup = shares[pool.source]
    inside = {name: pool.source == pool.names.index(name) for name in pool.mixed}
    return {
        "share of ill": {name: round(float(value), 4) for name, value in zip(pool.names, shares, strict=True)},
        "head": figure(bootstrap.auc(score, pool.ill)),
        "source alone": figure(bootstrap.auc(lookup, pool.ill)),
        "head above source alone": _gap(bootstrap, score, lookup, pool.ill),
        "inside sources": _inside(pool, score, list(inside.values())),
        "inside each": {name: figure(PatientBootstrap(pool.only(r).patients).auc(score[r], pool.ill[r])) for name, r in inside.items()},
    }


def _inside(pool: Pool, score: Floats, sources: Sequence[Bools]) -> Figure:
    """The mean of the AUCs in sources, whose patients are drawn apart."""
    values, drawn = [], []
    for seed, rows in enumerate(sources):
        part = pool.only(rows)
        values.append(auc(score[rows], part.ill))
        drawn.append(PatientBootstrap(part.patients, seed=seed).aucs(score[rows], part.ill))
    judged = pool.only(np.any(sources, axis=0))
    return figure(PatientBootstrap(judged.patients).percentile(float(np.mean(values)), np.mean(drawn, axis=0)))
