"""What jobs do, in their own process: train, evaluate, compare, draw an example."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from typing import Any

from deephealth import pipeline
from deephealth.datasets.index import Film
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import Split
from deephealth.images.archive import FilmFile
from deephealth.inference.predictor import Prediction, Predictor, load_model
from deephealth.model.file import Model
from deephealth.service.jobs import results
from deephealth.service.jobs.folder import JobFolder
from deephealth.settings import atomic
from deephealth.training.events import JsonLines, Note, RunFinished, RunStarted, StageStarted, ignore
from deephealth.training.recipe import Recipe, with_changes

_EXAMPLE_SIZE = 256


def train(folder: JobFolder, plan: dict[str, Any]) -> None:
    """Train on the films of the folder; the run, and what the page shows of it."""
    os.environ["DEEPHEALTH_TENSORBOARD"] = "0"  # this process is the job's own, and the page draws its own curves
    if not (folder.run / "run.json").exists():  # else only the last step was cut off
        pipeline.train(
            folder.films,
            folder.run,
            layout="csv",
            recipe=recipe_of(plan["settings"], plan["name"]),
            seed=plan["settings"]["seed"],
            threads=plan["threads"],
            allow_leakage=plan["allow_leakage"],
            language=plan["language"],
        )
    index = open_dataset(folder.films, layout="csv")
    films = Split.load(folder.run / "split.csv").films(index, "test")
    model = load_model(folder.run / "model.onnx")
    answers = ask(model, films, plan["threads"])
    write_answers(folder, films, answers)
    atomic.write_json(folder.run / "results.json", results.of_training(folder.run, model.labels, films, answers))


def evaluate(folder: JobFolder, plan: dict[str, Any]) -> None:
    """Judge a model on the films of the folder that it has not learned from."""
    from deephealth.evaluation.judge import unseen_films
    from deephealth.evaluation.wording import Words
    from deephealth.training.scan import look_at

    model = load_model(folder.path / "models" / "a.onnx", threads=plan["threads"])
    with JsonLines(folder.events) as events:
        events(RunStarted("evaluate", "films", 0, plan["threads"]))
        pipeline.evaluate(
            model,
            folder.films,
            layout="csv",
            html=folder.run / "report.html",
            json=folder.run / "report.json",
            language=plan["language"],
            threads=plan["threads"],
            listener=events,
        )
        index = open_dataset(folder.films, layout="csv", fewest_classes=1)
        index, facts = look_at(index, threads=plan["threads"], listener=ignore, fewest=0)
        films, _ = unseen_films(model, index, facts, False, Words("en"))
        write_answers(folder, films, ask(model, films, plan["threads"]))
        events(RunFinished("", str(folder.run / "report.html")))


def compare(folder: JobFolder, plan: dict[str, Any]) -> None:
    """Compare two models on the films of the folder that neither has learned from."""
    from deephealth.evaluation.comparison.run import compare as compare_models
    from deephealth.evaluation.comparison.sentences import ComparisonWords

    with JsonLines(folder.events) as events:
        events(RunStarted("compare", "films", 0, plan["threads"]))
        found = compare_models(
            folder.path / "models" / "a.onnx",
            folder.path / "models" / "b.onnx",
            folder.films,
            layout="csv",
            html=folder.run / "report.html",
            json=folder.run / "report.json",
            language=plan["language"],
            threads=plan["threads"],
            listener=events,
        )
        for sentence in ComparisonWords(plan["language"]).verdict(found):
            events(Note(sentence))
        events(RunFinished("", str(folder.run / "report.html")))


def example(folder: JobFolder, plan: dict[str, Any]) -> None:
    """Draw synthetic films, and look at each as at a film that was sent: RUN/films.json lists them, for whoever adds them."""
    from deephealth.images.phantom_set import write_phantoms
    from deephealth.model.file import shipped_model_path
    from deephealth.service.answering.inspection import inspect, patient_key

    drawn = folder.path / "drawn"
    cue = None if plan["example"] == "clean" else plan["example"]
    with JsonLines(folder.events) as events:
        events(RunStarted("example", plan["example"], 0, plan["threads"]))
        events(StageStarted("drawing phantom films", plan["example"]))
        if not (drawn / "index.csv").exists():
            write_phantoms(drawn, per_class=plan["per_class"], size=_EXAMPLE_SIZE, cue=cue, masks=False, progress=events)
        gate = Predictor(load_model(shipped_model_path(), threads=1), threads=1)
        rows = []
        for film in open_dataset(drawn, layout="csv").films:
            header, body = inspect(film.path.read_bytes(), film.name, plan["salt"], gate)
            split = header.pop("film_bytes")
            kept, thumbnail = film.path.with_suffix(".kept"), film.path.with_suffix(".webp")
            kept.write_bytes(body[:split])
            thumbnail.write_bytes(body[split:])
            patient = patient_key(film.patient, plan["salt"])
            seen = {"name": film.path.name, "label": film.label, "patient": patient, "found": header}
            rows.append({"film": str(kept), "thumbnail": str(thumbnail), **seen})
        atomic.write_json(folder.run / "films.json", rows)
        events(RunFinished("", ""))


def recipe_of(settings: dict[str, Any], name: str) -> Recipe:
    """The page's settings as a recipe."""
    return with_changes(
        Recipe(),
        name=name,
        split__by=settings["split_by"],
        features__views=settings["views"],
        head__kind=settings["head"],
        head__epochs=settings["epochs"],
        head__batch=settings["batch"],
        head__learning_rate=float(settings["learning_rate"]),
        head__class_weights="balanced" if settings["balance"] else "none",
    )


def ask(model: Model, films: Sequence[Film], threads: int) -> list[Prediction]:
    """The model's answer to each film, in order."""
    return list(Predictor(model, threads=threads).predict_many([FilmFile(film.name, film.path) for film in films]))


def write_answers(folder: JobFolder, films: Sequence[Film], answers: Sequence[Prediction]) -> None:
    """RUN/answers.json: every film with its answer; RUN/errors.csv: those answered otherwise than labelled, the surest first."""
    pairs = [(film, answer) for film, answer in zip(films, answers, strict=True) if not answer.error]
    atomic.write_json(folder.run / "answers.json", [results.answer_of(film, answer) for film, answer in pairs])
    wrong = [(film, answer) for film, answer in pairs if film.label != answer.label]
    wrong.sort(key=lambda pair: -pair[1].probabilities[pair[1].label])
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("film", "label", "answer", "probability", "refused"))
    for film, answer in wrong:
        writer.writerow((film.name, film.label, answer.label, f"{answer.probabilities[answer.label]:.4f}", int(answer.refused)))
    atomic.write_text(folder.run / "errors.csv", table.getvalue())
