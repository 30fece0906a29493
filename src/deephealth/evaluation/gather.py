"""The evidence behind the scores, gathered from the parts that make it: `training_evidence` for a run, `evaluation_evidence` for a model.

A part that cannot be made says why; nothing here changes the model or its scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import match_seen
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.errors import DatasetError
from deephealth.evaluation import out_of_fold
from deephealth.evaluation.abstention import label_sets, risk_coverage
from deephealth.evaluation.audit import Audit
from deephealth.evaluation.data_facts import describe
from deephealth.evaluation.evidence import Abstention, Evidence, LabelErrors, LeakageGap, ModelAudit, Neighbour
from deephealth.evaluation.external import Scanned, score_external
from deephealth.evaluation.gate_sets import gate_on, gate_row, made_sets, not_chest_files
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.judge import Judged
from deephealth.evaluation.label_errors import find_label_errors, no_label_errors
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.neighbours import nearest_films
from deephealth.evaluation.subgroups import find_subgroups
from deephealth.evaluation.wording import Words
from deephealth.features.backbones import Backbone, backbone_from_bytes
from deephealth.features.extract import FeatureTable, extract_features
from deephealth.images.archive import FilmFile
from deephealth.model.file import Model
from deephealth.settings.progress import Listener, silent
from deephealth.training.events import EventListener, StageStarted, ignore
from deephealth.training.examples import class_numbers, films_of
from deephealth.training.scan import look_at


@dataclass(frozen=True)
class Asked:
    """What else a user brings to `evaluate`, already opened: sets from elsewhere, pictures that are no chest films, training films.

    not_chest: name of each set of pictures and its files.
    """

    external: tuple[Scanned, ...] = ()
    not_chest: tuple[tuple[str, tuple[FilmFile, ...]], ...] = ()
    training: DatasetIndex | None = None


def ask_about(
    model: Model,
    external: Sequence[str | Path] = (),
    not_chest: Sequence[str | Path] = (),
    training_films: str | Path | None = None,
    *,
    threads: int = 1,
    listener: EventListener = ignore,
) -> Asked:
    """Open and look at what was named, before any work is done on it. Raises DatasetError and UsageError for what is no set of films."""
    sets = [open_dataset(folder, fewest_classes=1) for folder in external]
    pictures = [(_name(folder), tuple(not_chest_files(Path(folder).expanduser()))) for folder in not_chest]
    training = open_dataset(training_films, fewest_classes=1) if training_films is not None else None
    scanned = tuple(Scanned(*look_at(index, threads=threads, listener=listener)) for index in sets)
    if training is not None:
        training = _learned_from(model, Scanned(*look_at(training, threads=threads, listener=listener)))
    return Asked(scanned, tuple(pictures), training)


def _learned_from(model: Model, films: Scanned) -> DatasetIndex:
    """The films that shaped the head of `model`, those that calibrated it among them, recognised by their content.

    DatasetError when there is none.
    """
    known = set(match_seen(films.facts, model.record.fitted_on_hashes))
    if not known:
        raise DatasetError(
            f"The model was fitted on none of the {len(films.index.films)} films of {films.index.root.name}, expected the films it was "
            "trained on; leave the training films out, or name their folder."
        )
    return dataclasses.replace(films.index, films=tuple(film for film in films.index.films if film.name in known))


def _name(folder: str | Path) -> str:
    return Path(folder).expanduser().absolute().name


def training_evidence(
    judged: Judged,
    found: Audit,
    facts: FilmFacts,
    model: Model,
    backbone: Backbone,
    tables: Mapping[str, FeatureTable],
    *,
    seed: int = 0,
    threads: int = 1,
    progress: Listener = silent,
) -> Evidence:
    """The evidence of a training run. `tables` hold the features of the films of "train" and "validation", view 0 the film itself.

    Leakage gap and label errors take the films of all three splits, save those that the backbone itself has learned from.
    """
    answers = _Answers.of(judged, model)
    test = extract_features(found.split.films(found.index, "test"), backbone, threads=threads, progress=progress)
    pooled = _pool(found.index, [*tables.values(), test])
    gap, errors = _cross_validated(pooled, found.index, facts, model, seed)
    return Evidence(
        data=describe(found.index, facts, found.split),
        abstention=_abstention(answers, model, seed),
        subgroups=find_subgroups(answers.films, answers.probabilities, answers.labels, seed=seed),
        leakage_gap=gap,
        label_errors=errors,
        neighbours=_neighbours(judged, _pool(found.index, [test]), _pool(found.index, [tables["train"]])),
        gate=(
            gate_row("test", judged.predictions, [film.patient for film in judged.films], chest=True, seed=seed),
            *made_sets(model, judged.films, seed=seed, threads=threads),
        ),
    )


def evaluation_evidence(
    judged: Judged,
    films: Scanned,
    model: Model,
    asked: Asked,
    words: Words,
    *,
    include_seen: bool = False,
    model_audit: ModelAudit | None = None,
    seed: int = 0,
    threads: int = 1,
    listener: EventListener = ignore,
) -> Evidence:
    """The evidence of judging a model on films of `films`.

    Label errors are looked for with the model's own answers, which it gave without having seen the films; not where it has
    (`include_seen`). Neighbours need the training films (`asked.training`). `model_audit`: the deep audit, where it was made.
    """
    listener(StageStarted("evidence", "films, abstention, subgroups, probable label errors, other sets, the gate"))
    answers = _Answers.of(judged, model)
    return Evidence(
        data=describe(dataclasses.replace(films.index, films=judged.films), films.facts),
        abstention=_abstention(answers, model, seed),
        subgroups=find_subgroups(answers.films, answers.probabilities, answers.labels, seed=seed),
        external=tuple(
            score_external(model, other, words, include_seen=include_seen, seed=seed, threads=threads, progress=listener)
            for other in asked.external
        ),
        label_errors=_own_label_errors(answers, model, include_seen),
        neighbours=_from_training_films(judged, model, asked.training, threads, listener) if asked.training else MappingProxyType({}),
        model_audit=model_audit,
        gate=(
            gate_row(films.index.root.name, judged.predictions, [film.patient for film in judged.films], chest=True, seed=seed),
            *(gate_on(model, name, files, seed=seed, threads=threads, progress=listener) for name, files in asked.not_chest),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Answers:
    """A model's answers to the films whose label it knows: n films, probabilities [n, C], labels [n]."""

    films: tuple[Film, ...]
    probabilities: Floats
    labels: Ints

    @classmethod
    def of(cls, judged: Judged, model: Model) -> _Answers:
        pairs = [(film, answer) for film, answer in zip(judged.films, judged.predictions, strict=True) if film.label in model.labels]
        films = tuple(film for film, _ in pairs)
        probabilities = np.array([[answer.probabilities[label] for label in model.labels] for _, answer in pairs])
        return cls(films, probabilities.reshape(-1, len(model.labels)), class_numbers(films, model.labels))

    @property
    def patients(self) -> list[str]:
        return [film.patient for film in self.films]


@dataclass(frozen=True, eq=False)
class _Pool:
    """Films with their features float32 [n, d], in the order of their names."""

    films: tuple[Film, ...]
    features: NDArray[np.float32]

    def without(self, names: set[str]) -> _Pool:
        kept = [row for row, film in enumerate(self.films) if film.name not in names]
        return _Pool(tuple(self.films[row] for row in kept), self.features[kept])


def _pool(index: DatasetIndex, tables: Sequence[FeatureTable]) -> _Pool:
    films = [film for table in tables for film in films_of(index, table)]
    order = sorted(range(len(films)), key=lambda row: films[row].name)
    features = np.concatenate([np.asarray(table.features[:, 0]) for table in tables])
    return _Pool(tuple(films[row] for row in order), features[order])


def _abstention(answers: _Answers, model: Model, seed: int) -> Abstention | None:
    bootstrap = PatientBootstrap(answers.patients, seed=seed)
    found = risk_coverage(answers.probabilities, answers.labels, bootstrap)
    if found is None or model.record.conformal is None:
        return found
    sets = label_sets(answers.probabilities, answers.labels, bootstrap, model.record.conformal)
    return dataclasses.replace(found, conformal=sets)


def _cross_validated(pool: _Pool, index: DatasetIndex, facts: FilmFacts, model: Model, seed: int) -> tuple[LeakageGap, LabelErrors]:
    """Leakage gap and label errors on the films that the backbone has not learned from."""
    learned = set(match_seen(facts, model.record.seen_hashes))
    clean = pool.without(learned) if learned else pool
    try:
        labels = class_numbers(clean.films, index.classes)
        if reason := out_of_fold.why_not(clean.films, labels):
            raise DatasetError(reason)
        found = out_of_fold.cross_validate(index, clean.films, clean.features, labels, facts, seed=seed)
    except DatasetError as error:
        reason = f"The backbone learned from {len(learned)} of the {len(pool.films)} films. {error}" if learned else str(error)
        n_patients = len({film.patient for film in clean.films})
        return out_of_fold.no_gap(reason, clean.films), no_label_errors(reason, len(clean.films), n_patients)
    names, patients = [film.name for film in clean.films], [film.patient for film in clean.films]
    return out_of_fold.leakage_gap(found, seed=seed), find_label_errors(found.by_patient, labels, names, patients, index.classes)


def _own_label_errors(answers: _Answers, model: Model, include_seen: bool) -> LabelErrors:
    if include_seen:
        reason = "The model has learned from some of these films, so its answers cannot question their labels."
        return no_label_errors(reason, len(answers.films), len(set(answers.patients)))
    names = [film.name for film in answers.films]
    return find_label_errors(answers.probabilities, answers.labels, names, answers.patients, model.labels)


def _neighbours(judged: Judged, asked: _Pool, training: _Pool) -> dict[str, tuple[Neighbour, ...]]:
    """The training films nearest to each of the most confident errors, by the error's name."""
    row = {film.name: number for number, film in enumerate(asked.films)}
    errors = [case.name for case in judged.evaluation.errors if case.name in row]
    names, labels = [film.name for film in training.films], [film.label for film in training.films]
    nearest = nearest_films(asked.features[[row[name] for name in errors]], training.features, names, labels)
    return dict(zip(errors, nearest, strict=True))


def _from_training_films(
    judged: Judged, model: Model, training: DatasetIndex, threads: int, progress: Listener
) -> dict[str, tuple[Neighbour, ...]]:
    """As `_neighbours`, with the model's own backbone on films that it was trained on; features in the cache are used again."""
    wrong = {case.name for case in judged.evaluation.errors}
    backbone = backbone_from_bytes(model.data)
    films = tuple(film for film in judged.films if film.name in wrong)
    asked = extract_features(films, backbone, threads=threads)
    known = extract_features(training.films, backbone, threads=threads, progress=progress)
    if not len(asked.names) or not len(known.names):
        return {}
    by_name = {film.name: film for film in films}
    pool = _Pool(tuple(by_name[name] for name in asked.names), np.asarray(asked.features[:, 0]))
    return _neighbours(judged, pool, _pool(training, [known]))
