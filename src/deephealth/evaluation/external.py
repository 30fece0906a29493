"""Sets of films from elsewhere: one row each, never pooled, each with what the model could be asked about it."""

from __future__ import annotations

from dataclasses import dataclass

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex
from deephealth.errors import DatasetError
from deephealth.evaluation.evidence import ExternalSet
from deephealth.evaluation.gate_sets import gate_row
from deephealth.evaluation.headline import UNKNOWN
from deephealth.evaluation.judge import Judged, judge, unseen_films
from deephealth.evaluation.results import EvaluationContext
from deephealth.evaluation.wording import Words
from deephealth.images.archive import FilmFile
from deephealth.inference.predictor import Predictor
from deephealth.model.file import Model
from deephealth.settings.progress import Listener, silent


@dataclass(frozen=True, eq=False)
class Scanned:
    """A set of films that has been looked at once."""

    index: DatasetIndex
    facts: FilmFacts


def score_external(
    model: Model, films: Scanned, words: Words, *, include_seen: bool = False, seed: int = 0, threads: int = 1, progress: Listener = silent
) -> ExternalSet:
    """One set's row. Films that the model learned from are left out as in `evaluate`, and films of labels it does not know have no score.

    A set without any usable label has no scores, a sentence that says so, and still the share that the gate refused.
    """
    if not any(film.label in model.labels for film in films.index.films):
        found, known = ", ".join(films.index.classes)[:200], ", ".join(model.labels)
        return _without_scores(model, films.index, f"Its films are labelled {found}, and the model knows {known}.", seed, threads, progress)
    try:
        chosen, notes = unseen_films(model, films.index, films.facts, include_seen, words)
        judged = judge(model, chosen, context=EvaluationContext(), seed=seed, threads=threads, progress=progress)
    except DatasetError as error:
        return _without_scores(model, films.index, str(error), seed, threads, progress)
    return _row(films.index, judged, notes, words, seed)


def _row(index: DatasetIndex, judged: Judged, notes: tuple[str, ...], words: Words, seed: int) -> ExternalSet:
    scores = judged.evaluation.scores
    limits = tuple(words.limit(limit.code, limit.values) for limit in judged.evaluation.limits)
    return ExternalSet(
        name=index.root.name,
        sha256=index.sha256,
        n_films=scores.n_films,
        n_patients=scores.n_patients,
        accuracy=scores.accuracy,
        balanced_accuracy=scores.balanced_accuracy,
        macro_auc=scores.macro_auc,
        refused=gate_row("", judged.predictions, [film.patient for film in judged.films], chest=True, seed=seed).refused,
        notes=(*notes, *limits),
    )


def _without_scores(model: Model, index: DatasetIndex, reason: str, seed: int, threads: int, progress: Listener) -> ExternalSet:
    files = [FilmFile(name=film.name, path=film.path) for film in index.films]
    answers = list(Predictor(model, threads=threads).predict_many(files, progress))
    refused = gate_row("", answers, [film.patient for film in index.films], chest=True, seed=seed).refused
    return ExternalSet(index.root.name, index.sha256, 0, 0, UNKNOWN, UNKNOWN, UNKNOWN, refused, (reason,))
