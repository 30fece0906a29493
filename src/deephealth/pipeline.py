"""The main path, top to bottom: films -> index -> audit -> split -> features -> head -> calibrate -> evaluate -> one model file.

`train` reads as the protocol does; every line is one stage, and each stage lives in the layer it is named after. `audit` and `evaluate` are
the same stages on their own. The command line only calls these functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import find_duplicates, match_seen
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film, refuse_inside
from deephealth.datasets.leakage import check_leakage
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import By, Split, make_split
from deephealth.errors import DatasetError
from deephealth.evaluation.abstention import calibrate_sets
from deephealth.evaluation.audit import Audit, look_for_shortcuts, refuse_leakage, split_counts
from deephealth.evaluation.board import show_run
from deephealth.evaluation.calibration import LOWEST_TEMPERATURE, choose_operating_points, fit_temperature, softmax
from deephealth.evaluation.context import make_context
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.external import Scanned
from deephealth.evaluation.gather import ask_about, evaluation_evidence, training_evidence
from deephealth.evaluation.judge import Judged, judge, require_scores, strong_evidence, unseen_films
from deephealth.evaluation.lungs.finder import find_lungs
from deephealth.evaluation.pictures import pictures
from deephealth.evaluation.recording import make_record, training_hashes, with_evaluation
from deephealth.evaluation.report import write_report
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.shortcuts.deep import MOST_FILMS, audit_model
from deephealth.evaluation.terminal import evaluation_text, validation_text
from deephealth.evaluation.wording import Language, Words
from deephealth.features.backbones import Backbone, load_backbone
from deephealth.features.extract import FeatureTable, extract_features
from deephealth.inference.predictor import load_model
from deephealth.model.file import Model, save_model
from deephealth.model.graph import compose, with_record
from deephealth.model.heads import Head
from deephealth.model.novelty import choose_threshold, fit_novelty
from deephealth.model.verify import make_goldens
from deephealth.settings import threads as thread_settings
from deephealth.training.events import EventListener, JsonLines, RunFinished, RunStarted, StageStarted, ignore, tee
from deephealth.training.examples import examples_of, films_of, points_of
from deephealth.training.heads import fit_head
from deephealth.training.recipe import Recipe, with_changes
from deephealth.training.run_folder import RunFolder
from deephealth.training.scan import look_at, tell_left_out
from deephealth.training.tensorboard import Board

__all__ = ["Audit", "Run", "audit", "evaluate", "load_model", "train"]

_Tables = dict[str, FeatureTable]  # "train" and "validation"; the test films are asked once, when all is chosen


def train(
    data: str | Path,
    out: str | Path,
    *,
    layout: str = "auto",
    recipe: Recipe | None = None,
    split: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    allow_leakage: bool = False,
    overwrite: bool = False,
    language: Language = "en",
    with_films: bool = True,
    command: str = "",
    listener: EventListener = ignore,
) -> Run:
    """Train a classifier on the films of `data`; write model file, report and record into the folder `out`.

    The same films, recipe, seed, machine and thread count give the same model file to the byte. An interrupted run is taken up again.
    `split` names the file of a frozen split to keep; `command` is what was typed, for the report. Raises LeakageError when a film, patient
    or augmented copy would stand on both sides of the split, or the backbone has learned from the films (`allow_leakage` goes on, and the
    report says so), DatasetError, UsageError.
    """
    recipe = with_changes(recipe or Recipe())  # refuses what a recipe's file may not hold either
    job = _Job(recipe, seed, thread_settings.resolve(threads), listener)
    index = open_dataset(data, layout=layout)
    refuse_inside(index, Path(out))
    chosen = recipe.features
    backbone = None if recipe.fine_tune else load_backbone(chosen.backbone, weights=_path(chosen.weights), listener=listener)
    folder = RunFolder(Path(out), job.plan(index, split, allow_leakage=allow_leakage), overwrite=overwrite)
    with JsonLines(folder.events) as events, Board(folder.tensorboard, folder.events) as board:
        job = dataclasses.replace(job, listener=tee(events, board, listener))
        job.listener(RunStarted("train", index.root.name, seed, job.threads))
        index, facts = look_at(index, threads=job.threads, listener=job.listener)
        frozen = _freeze(index, facts, folder, split, job)
        found = _audit(index, facts, frozen, _learned_before(recipe, backbone, facts, frozen), job)
        notes = refuse_leakage(found.leakage, allow_leakage)
        if backbone is None:
            backbone, head = _fine_tune(found, facts, folder, job)
            tables = _extract(found, backbone, job)
        else:
            tables = _extract(found, backbone, job)
            head = _fit(found, tables, job)
        model = _calibrate(found, facts, backbone, head, tables, allow_leakage, job)
        model, judged = _evaluate_test(model, found, notes, command, job)
        save_model(model.data, folder.model)
        show_run(board, model, judged, facts, points_of(found.index, tables), recipe, with_films=with_films)
        judged = _gather(judged, found, facts, model, backbone, tables, job)
        _write(judged, model, folder.html, folder.json, language, with_films, found.index.films, job)
        folder.finish(model_sha256=model.sha256, films=len(index.films), left_out=len(index.problems))
        job.listener(RunFinished(str(folder.model), str(folder.html)))
    return Run(folder, model, found, judged.evaluation)


def audit(
    data: str | Path,
    *,
    layout: str = "auto",
    backbone: str | None = None,
    weights: str | Path | None = None,
    split: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    listener: EventListener = ignore,
) -> Audit:
    """Look for leakage across the split of `data` and for shortcuts to its labels, without training a model.

    `split`: a frozen split's file; else the split that `train` would draw. `backbone`: also ask which films it has learned from.
    """
    job = _Job(Recipe(), seed, thread_settings.resolve(threads), listener)
    index, facts = look_at(open_dataset(data, layout=layout, fewest_classes=1), threads=job.threads, listener=job.listener)
    frozen = _draw(index, facts, Split.load(split) if split else None, job)
    return _audit(index, facts, frozen, load_backbone(backbone, weights=_path(weights)).seen if backbone else None, job)


def evaluate(
    model: str | Path | Model,
    data: str | Path,
    *,
    layout: str = "auto",
    html: str | Path | None = None,
    json: str | Path | None = None,
    prevalence: float | None = None,
    include_seen: bool = False,
    external: Sequence[str | Path] = (),
    not_chest: Sequence[str | Path] = (),
    training_films: str | Path | None = None,
    audit: bool = False,
    masks: str | Path | None = None,
    audit_films: int = MOST_FILMS,
    language: Language = "en",
    with_films: bool = True,
    command: str = "",
    seed: int = 0,
    threads: int | None = None,
    listener: EventListener = ignore,
) -> Evaluation:
    """Judge a model on the films of `data` that it has not learned from, and write the report as `html` and `json` where told.

    Films that the model's backbone or head learned from are recognised by their content and left out; with `include_seen` they are scored
    too, and the report says so on top. `external`: sets from elsewhere, each a row of its own. `not_chest`: folders of pictures that the
    gate should refuse. `training_films`: the set the model was trained on, to show the films nearest to each error. `audit`: also the deep
    shortcut audit, on at most `audit_films` films, with the lung masks in `masks`. `command`: what was typed, for the report. Where no film
    can be scored, the report says so and names those left out before DatasetError is raised. Raises ModelFileError, UsageError.
    """
    model = model if isinstance(model, Model) else load_model(model)
    job = _Job(Recipe(), seed, thread_settings.resolve(threads), listener)
    index, facts = look_at(open_dataset(data, layout=layout, fewest_classes=1), threads=job.threads, listener=listener, fewest=0)
    asked = ask_about(model, external, not_chest, training_films, threads=job.threads, listener=listener)
    words = Words(language)
    films, notes = unseen_films(model, index, facts, include_seen, words)
    context = make_context(model, index, seed=seed, command=command)
    shortcuts = look_for_shortcuts(films, facts, index.classes, seed=seed)
    context = dataclasses.replace(context, split_name="all" if include_seen else "unseen", notes=notes, audit=shortcuts.to_json())
    job.listener(StageStarted("evaluate", f"{len(films)} films"))
    judged = judge(model, films, context=context, prevalence=prevalence, seed=seed, threads=job.threads, progress=job.listener)
    evidence = evaluation_evidence(
        judged, Scanned(index, facts), model, asked, words, include_seen=include_seen, seed=seed, threads=job.threads, listener=listener
    )
    if audit:
        deep = audit_model(model, films, masks=masks, most_films=audit_films, seed=seed, threads=job.threads, listener=listener)
        evidence = dataclasses.replace(evidence, model_audit=deep)
    judged = judged.with_evidence(evidence)
    near = asked.training.films if asked.training else ()
    _write(judged, model, _path(html), _path(json), language, with_films, near, job)
    require_scores(judged, index)
    return judged.evaluation


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training run."""

    folder: RunFolder
    model: Model
    audit: Audit
    evaluation: Evaluation

    def text(self) -> str:
        """The run for a terminal: verdict, scores with intervals, where things lie."""
        return "\n".join(
            [
                self.audit.verdict,
                "",
                evaluation_text(self.evaluation),
                validation_text(self.model.record),
                "",
                f"model:  {self.folder.model}",
                f"report: {self.folder.html}",
            ]
        )


@dataclass(frozen=True)
class _Job:
    """What every stage needs to know besides its input."""

    recipe: Recipe
    seed: int
    threads: int
    listener: EventListener

    def plan(self, index: DatasetIndex, split: str | Path | None, *, allow_leakage: bool) -> dict[str, object]:
        return {
            "data": index.sha256,
            **({"split": Split.load(split).sha256} if split else {}),
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "threads": self.threads,
            "allow_leakage": allow_leakage,
        }


def _freeze(index: DatasetIndex, facts: FilmFacts, folder: RunFolder, given: str | Path | None, job: _Job) -> Split:
    """The split of this run, written before anything learns from it; a resumed run keeps what it has written."""
    source = folder.split if folder.split.exists() else given
    split = _draw(index, facts, Split.load(source) if source else None, job)
    split.save(folder.split)
    counts = split_counts(index, split)
    job.listener(StageStarted("split", f"by {split.by}: " + ", ".join(f"{count} {name}" for name, count in counts.items())))
    for name, count in counts.items():
        if not count:
            raise DatasetError(f"The {name} split has no film, expected some of every class; add patients or raise its share of the split.")
    trained = {film.label for film in split.films(index, "train")}
    for label in index.classes:
        if label not in trained:
            raise DatasetError(f"The train split has no film of {label!r}, expected some of every class; add patients or leave it out.")
    return split


def _draw(index: DatasetIndex, facts: FilmFacts, previous: Split | None, job: _Job) -> Split:
    if empty := set(index.classes) - {film.label for film in index.films}:
        raise DatasetError(f"No film of the class {min(empty)} can be read ({facts.problems[0].reason}); mend them or leave the class out.")
    shares = job.recipe.split
    job.listener(StageStarted("copies", f"{len(facts.names)} films against one another"))
    find_duplicates(facts, job.listener)  # found once for split, audit and gate
    return make_split(
        index, seed=job.seed, validation=shares.validation, test=shares.test, facts=facts, previous=previous, by=cast("By", shares.by)
    )


def _learned_before(recipe: Recipe, backbone: Backbone | None, facts: FilmFacts, split: Split) -> NDArray[np.uint8] | None:
    """Perceptual hashes of films that a head's backbone learned from, or that a network to be trained further did and that now judge it."""
    if recipe.fine_tune is None:
        return backbone.seen if backbone else None
    from deephealth.training.finetune import learned_before

    seen = learned_before(recipe.fine_tune)
    known = set(match_seen(facts, seen))
    judges = [row for row, name in enumerate(facts.names) if name in known and split.assignments[name] != "train"]
    return facts.phash[judges] if len(seen) else None


def _audit(index: DatasetIndex, facts: FilmFacts, split: Split, seen: NDArray[np.uint8] | None, job: _Job) -> Audit:
    job.listener(StageStarted("audit", "leakage across the split, shortcuts to the labels"))
    leakage = check_leakage(index, split, facts, seen=seen)
    shortcuts = look_for_shortcuts(index.films, facts, index.classes, split=split.assignments, seed=job.seed)
    return Audit(index, split, leakage, shortcuts)


def _fine_tune(found: Audit, facts: FilmFacts, folder: RunFolder, job: _Job) -> tuple[Backbone, Head]:
    from deephealth.training.finetune import fine_tune

    settings = job.recipe.fine_tune
    assert settings is not None
    job.listener(StageStarted("fine-tune", f"{settings.architecture} at {settings.size} px, {settings.epochs} epochs"))
    tuned = fine_tune(
        found.split.films(found.index, "train"),
        found.split.films(found.index, "validation"),
        found.index.classes,
        job.recipe,
        find_lungs=find_lungs,
        seed=job.seed,
        threads=job.threads,
        folder=folder.network,
        seen=training_hashes(found, facts),
        listener=job.listener,
    )
    return tuned.backbone, tuned.head


def _extract(found: Audit, backbone: Backbone, job: _Job) -> _Tables:
    """Features of the training films, with the augmented views that a head is fitted on, and of the validation films as they are."""
    job.listener(StageStarted("features", f"{backbone.name}, {backbone.dim} features at {backbone.size} px"))
    tables = {}
    for split, views in (("train", 1 if job.recipe.fine_tune else job.recipe.features.views), ("validation", 1)):
        tables[split] = extract_features(
            found.split.films(found.index, split),
            backbone,
            views=views,
            augmentation=job.recipe.augmentation,
            seed=job.seed,
            threads=job.threads,
            progress=job.listener,
        )
        tell_left_out(tables[split].problems, job.listener)
    return tables


def _fit(found: Audit, tables: _Tables, job: _Job) -> Head:
    job.listener(StageStarted("head", job.recipe.head.kind))
    return fit_head(
        examples_of(found.index, tables["train"], job.recipe.features.views),
        classes=len(found.index.classes),
        settings=job.recipe.head,
        validation=examples_of(found.index, tables["validation"], 1),
        seed=job.seed,
        listener=job.listener,
    )


def _calibrate(found: Audit, facts: FilmFacts, backbone: Backbone, head: Head, tables: _Tables, allow_leakage: bool, job: _Job) -> Model:
    """Choose temperature, operating points, gate and the heatmaps' scale on the validation films, and draw everything into one file."""
    job.listener(StageStarted("calibrate", "temperature, operating points and novelty gate on the validation films"))
    held_out = examples_of(found.index, tables["validation"], 1)
    films = films_of(found.index, tables["validation"])
    patients = [film.patient for film in films]
    logits = head.logits(held_out.features)
    # A settled network is already as sure as its training films warrant; if others seem to warrant more, they are an easy draw.
    least = 1.0 if job.recipe.fine_tune else LOWEST_TEMPERATURE
    temperature = fit_temperature(logits, held_out.labels, least=least)
    probabilities = softmax(logits, temperature)
    novelty = fit_novelty(examples_of(found.index, tables["train"], 1).features)
    points = choose_operating_points(probabilities, held_out.labels, found.index.classes, patients, seed=job.seed)
    record = make_record(
        found,
        facts,
        job.recipe,
        seed=job.seed,
        allow_leakage=allow_leakage,
        novelty_threshold=choose_threshold(novelty.distance(held_out.features), job.recipe.gate.refuse),
        operating_points=points,
        conformal=calibrate_sets(probabilities, held_out.labels),
    )
    scores = score_predictions(probabilities, held_out.labels, patients, found.index.classes, seed=job.seed)
    record = with_evaluation(record, scores, "validation")
    model = Model.load(compose(backbone, head, temperature=temperature, novelty=novelty, record=record))
    scale = strong_evidence(model, films, threads=job.threads)
    return Model.load(with_record(model.data, dataclasses.replace(model.record, heatmap_scale=scale)))


def _evaluate_test(model: Model, found: Audit, notes: tuple[str, ...], command: str, job: _Job) -> tuple[Model, Judged]:
    """Score the test films once, with the finished graph; scores and golden films then join the record, which changes no answer."""
    films = found.split.films(found.index, "test")
    job.listener(StageStarted("evaluate", f"{len(films)} test films"))
    context = dataclasses.replace(
        make_context(model, found.index, seed=job.seed, command=command),
        split_sha256=found.split.sha256,
        split_by=found.split.by,
        leakage=found.leakage.to_json(),
        audit=found.shortcuts.to_json(),
        notes=notes,
    )
    judged = judge(model, films, context=context, seed=job.seed, threads=job.threads, progress=job.listener)
    record = with_evaluation(model.record, judged.evaluation, "test")
    model = Model.load(with_record(model.data, dataclasses.replace(record, goldens=make_goldens(model))))
    context = dataclasses.replace(judged.evaluation.context, model_sha256=model.sha256)
    return model, dataclasses.replace(judged, evaluation=dataclasses.replace(judged.evaluation, context=context))


def _gather(judged: Judged, found: Audit, facts: FilmFacts, model: Model, backbone: Backbone, tables: _Tables, job: _Job) -> Judged:
    """What stands behind the scores: leakage gap, probable label errors, abstention, subgroups. It changes neither model nor scores."""
    job.listener(StageStarted("evidence", "films, abstention, subgroups, leakage gap, probable label errors"))
    evidence = training_evidence(judged, found, facts, model, backbone, tables, seed=job.seed, threads=job.threads, progress=job.listener)
    return judged.with_evidence(evidence)


def _write(
    judged: Judged, model: Model, html: Path | None, json: Path | None, language: Language, films: bool, near: Sequence[Film], job: _Job
) -> None:
    """Write the report, with its `films` or without; `near`: those that may stand beside the errors."""
    shown = pictures(judged, model.record.heatmap_scale, training=near, progress=job.listener) if films and html else None
    write_report(judged.evaluation, html=html, json=json, language=language, films=shown, include_films=films)


def _path(path: str | Path | None) -> Path | None:
    return Path(path).expanduser() if path else None
