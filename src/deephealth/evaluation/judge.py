"""Put a model before films: the same answers a user would get, scored."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import match_seen
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.errors import DatasetError
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.evidence import Evidence
from deephealth.evaluation.results import Evaluation, EvaluationContext, Problem
from deephealth.evaluation.wording import Words
from deephealth.images.archive import FilmFile
from deephealth.images.read import read_film
from deephealth.inference.heatmap import FULL_EVIDENCE, overlay
from deephealth.inference.predictor import Prediction, Predictor
from deephealth.model.file import Model
from deephealth.settings.progress import Listener, silent

_PICTURE_SIDE = 320
_MOST_FOR_SCALE = 200


@dataclass(frozen=True, eq=False)
class Judged:
    """A model's answers to films (those it could read) and their scores."""

    films: tuple[Film, ...]
    predictions: tuple[Prediction, ...]
    evaluation: Evaluation

    def with_evidence(self, evidence: Evidence) -> Judged:
        """The same answers and scores, with what stands behind them."""
        return dataclasses.replace(self, evaluation=dataclasses.replace(self.evaluation, evidence=evidence))


def judge(
    model: Model,
    films: Sequence[Film],
    *,
    context: EvaluationContext,
    prevalence: float | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Listener = silent,
) -> Judged:
    """Ask `model` for every film and score its answers.

    Films that cannot be read join `context.problems`; those with a label that the model does not know are counted among the limits. Where
    none is left, every score is undefined and the limits say so (`require_scores` makes an error of it).
    """
    files = [FilmFile(name=film.name, path=film.path) for film in films]
    answers = list(Predictor(model, threads=threads).predict_many(files, progress))
    pairs = [(film, answer) for film, answer in zip(films, answers, strict=True) if not answer.error]
    unread = tuple(Problem(answer.name, answer.reason) for answer in answers if answer.error)
    read, given = tuple(film for film, _ in pairs), tuple(answer for _, answer in pairs)
    number = {label: k for k, label in enumerate(model.labels)}
    probabilities = np.array([[answer.probabilities[label] for label in model.labels] for answer in given]).reshape(-1, len(model.labels))
    evaluation = score_predictions(
        probabilities,
        np.array([number.get(film.label, -1) for film in read]),
        [film.patient for film in read],
        model.labels,
        # Up to a constant, which softmax ignores.
        logits=np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) * model.record.temperature,
        novelty=np.array([answer.novelty for answer in given]),
        refused=np.array([answer.refused for answer in given]),
        names=[film.name for film in read],
        operating_points=model.record.operating_points,
        prevalence=prevalence,
        seed=seed,
        context=_with_problems(context, unread),
    )
    return Judged(read, given, evaluation)


def require_scores(judged: Judged, index: DatasetIndex) -> None:
    """DatasetError, in one sentence, when not one film of `index` could be scored."""
    if judged.evaluation.scores.n_films:
        return
    if judged.films:
        found, known = ", ".join(sorted({film.label for film in judged.films})), ", ".join(judged.evaluation.classes)
        raise DatasetError(f"The films are labelled {found[:200]}, expected some of {known}; rename them.")
    problems = judged.evaluation.context.problems
    reason = f" ({problems[0].reason})" if problems else ""
    raise DatasetError(f"None of the {len(problems)} films of {index.root} can be read{reason}")


def unseen_films(
    model: Model, index: DatasetIndex, facts: FilmFacts, include_seen: bool, words: Words
) -> tuple[Sequence[Film], tuple[str, ...]]:
    """The films to score, and what the report must say of those the model has learned from.

    Those are recognised by their content (`match_seen`), whatever their names; `include_seen` keeps them. DatasetError when none is left.
    """
    seen = set(match_seen(facts, np.concatenate([model.record.seen_hashes, model.record.fitted_on_hashes])))
    if not seen:
        return index.films, ()
    if include_seen:
        return index.films, (words("note_included", seen=len(seen), all=len(index.films)),)
    films = tuple(film for film in index.films if film.name not in seen)
    if not films:
        raise DatasetError(
            f"The model has learned from all {len(seen)} films of {index.root.name}, expected films it has not seen; bring others, "
            "or add --include-seen and read the scores as too high."
        )
    return films, (words("note_left_out", seen=len(seen), rest=len(films)),)


def strong_evidence(model: Model, films: Sequence[Film], *, threads: int = 1) -> float:
    """The evidence, in logits, that drawn heatmaps of this model show at full colour: one film in ten peaks above it.

    Heads differ tenfold in the range of their maps; one scale a model keeps its films comparable by eye, and weak evidence weak. At most
    200 of `films`, evenly spread over them, are asked for.
    """
    chosen = films[:: math.ceil(len(films) / _MOST_FOR_SCALE)] if films else films
    files = [FilmFile(name=film.name, path=film.path) for film in chosen]
    peaks = [
        answer.heatmap[model.labels.index(answer.label)].max()
        for answer in Predictor(model, threads=threads).predict_many(files)
        if answer.heatmap is not None
    ]
    return max(float(np.percentile(peaks, 90)), 1.0) if peaks else FULL_EVIDENCE


def pictures(judged: Judged, scale: float) -> list[tuple[str, bytes, bytes]]:
    """(name, film as PNG, film with the evidence for its answer drawn over it as PNG) of the most confident errors, for the report.

    scale: the evidence, in logits, at full colour.
    """
    found = []
    by_name = {film.name: (film, answer) for film, answer in zip(judged.films, judged.predictions, strict=True)}
    for case in judged.evaluation.errors:
        film, answer = by_name[case.name]
        pixels = _small(read_film(film.path).pixels)
        assert answer.heatmap is not None
        evidence = overlay(pixels, answer.heatmap[list(answer.probabilities).index(answer.label)], full=scale)
        found.append((case.name, _png(pixels), _png(evidence)))
    return found


def _with_problems(context: EvaluationContext, more: tuple[Problem, ...]) -> EvaluationContext:
    return dataclasses.replace(context, problems=(*context.problems, *more))


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    return np.asarray(image)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return file.getvalue()
