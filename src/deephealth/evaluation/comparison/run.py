"""Put two models before the same films, each film read once for both, and compare their answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephealth.datasets.duplicates import match_seen
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.errors import DatasetError, DeepHealthError, UsageError
from deephealth.evaluation.calibration import positive_score
from deephealth.evaluation.comparison.page import write_comparison
from deephealth.evaluation.comparison.results import Comparison, ComparisonContext, ModelFacts
from deephealth.evaluation.comparison.scores import Answers, Point, compare_answers
from deephealth.evaluation.context import versions
from deephealth.evaluation.intervals import DRAWS
from deephealth.evaluation.metrics import Floats
from deephealth.evaluation.results import Problem
from deephealth.evaluation.wording import Language
from deephealth.images.read import read_film
from deephealth.inference.predictor import Prediction, Predictor, load_model
from deephealth.model.file import Model
from deephealth.settings import threads as thread_settings
from deephealth.settings.progress import Progress
from deephealth.training.events import EventListener, StageStarted, ignore


def compare(
    model_a: str | Path | Model,
    model_b: str | Path | Model,
    data: str | Path,
    *,
    layout: str = "auto",
    html: str | Path | None = None,
    json: str | Path | None = None,
    margin: float | None = None,
    include_seen: bool = False,
    language: Language = "en",
    with_films: bool = True,
    seed: int = 0,
    threads: int | None = None,
    listener: EventListener = ignore,
) -> Comparison:
    """Compare two models on the films of `data` that neither has learned from, and write the page as `html` and `json` where told.

    Every difference is B - A. The labels compared are those that both models know. margin: the share of balanced accuracy by which B may be
    worse and still pass as not worse. `include_seen` keeps films that a model learned from, and then no winner is named. `with_films` False
    leaves the films' names out of what is written. Raises ModelFileError, DatasetError, UsageError.
    """
    if margin is not None and not 0 < margin < 1:
        raise UsageError(f"The margin is {margin}, expected a share above 0 and below 1, such as 0.02 for two points.")
    models = [model if isinstance(model, Model) else load_model(model) for model in (model_a, model_b)]
    classes = shared_labels(*models)
    threads = thread_settings.resolve(threads)
    index = open_dataset(data, layout=layout, fewest_classes=1)
    listener(StageStarted("index", f"{len(index.films)} films"))
    facts = scan_films(index, threads=threads, progress=listener)
    chosen = _choose(models, index, facts, classes, include_seen)
    listener(StageStarted("compare", f"{len(chosen.films)} films, both models"))
    asked = list(_ask(models, chosen.films, threads, listener))
    answered = [(film, answer) for film, answer in zip(chosen.films, asked, strict=True) if not isinstance(answer, Problem)]
    if not answered:
        raise DatasetError(f"None of the {len(chosen.films)} films of {index.root.name} can be read, expected one at least; mend them.")
    films = [film for film, _ in answered]
    learned = include_seen and chosen.seen > 0
    found = compare_answers(
        _answers(models[0], [answer[0] for _, answer in answered], classes),
        _answers(models[1], [answer[1] for _, answer in answered], classes),
        [classes.index(film.label) for film in films],
        [film.patient for film in films],
        classes,
        names=[film.name for film in films],
        margin=margin,
        learned=learned,
        same=models[0].sha256 == models[1].sha256,
        seed=seed,
    )
    problems = (*index.problems, *facts.problems, *(answer for answer in asked if isinstance(answer, Problem)))
    found = dataclasses.replace(found, context=_context(models, index, chosen, problems, include_seen, seed))
    write_comparison(found, html=_path(html), json=_path(json), language=language, names=with_films)
    return found


def shared_labels(a: Model, b: Model) -> tuple[str, ...]:
    """The labels that both models know, in A's order; UsageError when they share fewer than two."""
    shared = tuple(label for label in a.labels if label in b.labels)
    if len(shared) < 2:
        raise UsageError(
            f"The models share {', '.join(shared) or 'no label'} of {', '.join(a.labels)} and {', '.join(b.labels)}, "
            "expected two labels or more; compare models of the same question."
        )
    return shared


@dataclass(frozen=True)
class _Chosen:
    """The films to compare on; seen_by: films each model has learned from; seen: films either has; other: films of labels not shared."""

    films: tuple[Film, ...]
    seen_by: tuple[int, int]
    seen: int
    other: int


def _choose(models: Sequence[Model], index: DatasetIndex, facts: FilmFacts, classes: Sequence[str], include_seen: bool) -> _Chosen:
    """Readable films of shared labels that neither model has learned from; those are known by their content, as in an evaluation."""
    readable = set(facts.names)
    films = [film for film in index.films if film.name in readable and film.label in classes]
    if not films:
        found = ", ".join(sorted({film.label for film in index.films}))[:200]
        raise DatasetError(f"No film of {index.root.name} can be read and has one of the labels {', '.join(classes)}; found {found}.")
    by_model = [set(match_seen(facts, np.concatenate([model.record.seen_hashes, model.record.fitted_on_hashes]))) for model in models]
    seen = by_model[0] | by_model[1]
    kept = tuple(film for film in films if include_seen or film.name not in seen)
    if not kept:
        raise DatasetError(
            f"The models have learned from all {len(films)} films of {index.root.name}, expected films that neither has seen; bring "
            "others, or add --include-seen, and no winner is named."
        )
    names = {film.name for film in films}
    return _Chosen(
        kept,
        (len(by_model[0] & names), len(by_model[1] & names)),
        len(seen & names),
        sum(film.name in readable for film in index.films) - len(films),
    )


def _ask(
    models: Sequence[Model], films: Sequence[Film], threads: int, listener: EventListener
) -> Iterator[tuple[Prediction, ...] | Problem]:
    """Both answers to every film, in order, or why there are none."""
    predictors = [Predictor(model, threads=1) for model in models]
    with ThreadPoolExecutor(threads, thread_name_prefix="compare") as pool:
        for done, answer in enumerate(pool.map(lambda film: _answer(predictors, film), films), start=1):
            listener(Progress("compare", done, len(films)))
            yield answer


def _answer(predictors: Sequence[Predictor], film: Film) -> tuple[Prediction, ...] | Problem:
    try:
        read = {
            channels: read_film(film.path, name=film.name, channels=channels) for channels in {p.model.record.channels for p in predictors}
        }
        answers = [predictor.predict(read[predictor.model.record.channels]) for predictor in predictors]
        # A map of evidence is some kilobytes: nothing here shows it, and a set has thousands of films.
        return tuple(dataclasses.replace(answer, heatmap=None) for answer in answers)
    except UsageError:
        raise  # a wrong setting is not the film's fault
    except DeepHealthError as error:
        return Problem(film.name, str(error))
    except Exception as error:  # one film, however broken, must not end the comparison of thousands; the reason says what happened
        return Problem(film.name, f"The film could not be read ({type(error).__name__}: {str(error)[:120]}); please report this file.")


def _answers(model: Model, answers: Sequence[Prediction], classes: Sequence[str]) -> Answers:
    """The answers in the order of the shared classes; thresholds are applied to all that the model knows, as it would in use."""
    full = np.array([[answer.probabilities[label] for label in model.labels] for answer in answers], dtype=np.float64)
    decisions = {}
    for point in model.record.operating_points:
        shared = tuple(label for label in classes if label in point.positive)
        if 0 < len(shared) < len(classes):
            decisions[Point(point.name, shared)] = positive_score(full, model.labels, point.positive) >= point.threshold
    return Answers(_among(full, model.labels, classes), decisions, np.array([answer.refused for answer in answers]))


def _among(full: Floats, labels: Sequence[str], classes: Sequence[str]) -> Floats:
    """Probabilities given that the film is of one of `classes`: the model's own for these, made to sum 1."""
    chosen = full[:, [labels.index(label) for label in classes]]
    if len(classes) == len(labels):
        return chosen
    total = chosen.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(chosen, total, out=np.full_like(chosen, 1 / len(classes)), where=total > 0))


def _context(
    models: Sequence[Model], index: DatasetIndex, chosen: _Chosen, problems: Sequence[Problem], include_seen: bool, seed: int
) -> ComparisonContext:
    first, second = (
        ModelFacts(model.record.name, model.sha256, tuple(model.labels), seen) for model, seen in zip(models, chosen.seen_by, strict=True)
    )
    return ComparisonContext(
        model_a=first,
        model_b=second,
        data_name=index.root.name,
        data_sha256=index.sha256,
        left_out=0 if include_seen else chosen.seen,
        seen_included=chosen.seen if include_seen else 0,
        other_labels=chosen.other,
        seed=seed,
        draws=DRAWS,
        problems=tuple(problems),
        versions=versions(),
    )


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path).expanduser()
