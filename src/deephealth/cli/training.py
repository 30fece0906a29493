"""`deephealth train` and `deephealth evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import (
    SubCommands,
    add_command,
    add_data_options,
    add_language_option,
    add_work_options,
    output_text,
    reproduction,
    terminal,
)
from deephealth.errors import UsageError

if TYPE_CHECKING:
    from deephealth.training.recipe import Recipe


def add_commands(commands: SubCommands) -> None:
    """Add `train` and `evaluate` to the command line."""
    _add_train(commands)
    _add_evaluate(commands)


def _add_train(commands: SubCommands) -> None:
    parser = add_command(
        commands,
        "train",
        "train a classifier on films: split by patient, fit, calibrate, evaluate, write one model file and its report",
        examples="  deephealth train films --out run\n"
        "  deephealth train films --out run --backbone mobilenet_v2_0.35_224 --weights mobilenet.pth --head dense\n"
        "  deephealth train films --out run --fine-tune --epochs 12          (needs deephealth[train])",
    )
    add_data_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the run; an interrupted run in it is resumed")
    parser.add_argument("--overwrite", action="store_true", help="replace a finished run in RUN")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="settings as TOML; the options below override it")
    parser.add_argument("--name", metavar="NAME", help="name of the model, written in its file")
    parser.add_argument("--backbone", metavar="NAME", help="backbone by name or path (default: deephealth-small)")
    parser.add_argument("--weights", metavar="FILE", help="weights of a backbone that does not ship with the package")
    parser.add_argument("--views", type=int, metavar="K", help="augmented views a training film, 1: the film alone (default: 1)")
    parser.add_argument("--head", choices=("logistic", "softmax", "dense"), help="kind of head (default: logistic)")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of --head softmax (default: 4000)")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of --head dense (default: 50) or of --fine-tune (default: 20)")
    parser.add_argument("--fine-tune", action="store_true", help="train the whole network, not only a head (needs deephealth[train])")
    parser.add_argument("--architecture", metavar="NAME", help="network to fine-tune: small-resnet, mobilenet-v2-WIDTH, or keras:NAME")
    parser.add_argument("--validation", type=float, metavar="SHARE", help="share of patients for validation (default: 0.15)")
    parser.add_argument(
        "--test", type=float, metavar="SHARE", help="share of patients for the test (default: 0.15; an official test set stays)"
    )
    parser.add_argument("--split", type=Path, metavar="CSV", help="keep the splits frozen in this file (RUN/split.csv of an earlier run)")
    parser.add_argument("--split-by", choices=("patient", "film"), help="film: show what leakage between patients' films would add")
    parser.add_argument("--allow-leakage", action="store_true", help="train although the leakage gate objects; the report says so on top")
    parser.add_argument("--no-films", action="store_true", help="no pictures of films in the report")
    add_language_option(parser)
    add_work_options(parser)
    parser.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from deephealth import pipeline

    run = pipeline.train(
        options.data,
        options.out,
        layout=options.layout,
        recipe=_recipe(options),
        split=options.split,
        seed=options.seed,
        threads=options.threads,
        allow_leakage=options.allow_leakage,
        overwrite=options.overwrite,
        language=options.lang,
        with_films=not options.no_films,
        command=reproduction(options.typed),
        listener=terminal(options.quiet),
    )
    print(run.text())
    return 0


def _recipe(options: argparse.Namespace) -> Recipe:
    from deephealth.training.recipe import FineTuneSettings, Recipe, load_recipe, with_changes

    recipe = load_recipe(options.recipe) if options.recipe else Recipe()
    if options.fine_tune and recipe.fine_tune is None:
        recipe = with_changes(recipe, fine_tune=FineTuneSettings())
    fine_tuning = recipe.fine_tune is not None
    recipe = with_changes(
        recipe,
        name=options.name,
        features__backbone=options.backbone,
        features__weights=options.weights,
        features__views=options.views,
        head__kind=options.head,
        head__steps=options.steps,
        head__epochs=None if fine_tuning else options.epochs,
        split__validation=options.validation,
        split__test=options.test,
        split__by=options.split_by,
    )
    if fine_tuning:
        recipe = with_changes(recipe, fine_tune__epochs=options.epochs, fine_tune__architecture=options.architecture)
    _refuse_idle(options, recipe)
    return recipe


def _refuse_idle(options: argparse.Namespace, recipe: Recipe) -> None:
    """An option of another kind of training than the recipe's would do nothing, and its user would believe that it did."""
    fine_tuning = recipe.fine_tune is not None
    idle = {
        "--architecture": options.architecture is not None and not fine_tuning,
        "--steps": options.steps is not None and (fine_tuning or recipe.head.kind != "softmax"),
        "--epochs": options.epochs is not None and not fine_tuning and recipe.head.kind != "dense",
        "--backbone": options.backbone is not None and fine_tuning,
        "--head": options.head is not None and fine_tuning,
    }
    for option in (name for name, wrong in idle.items() if wrong):
        kind = "--fine-tune" if fine_tuning else f"--head {recipe.head.kind}"
        raise UsageError(f"{option} does nothing in training with {kind}; leave it out, or choose the training it belongs to.")


def _add_evaluate(commands: SubCommands) -> None:
    parser = add_command(
        commands,
        "evaluate",
        "judge a model on films it has not seen, with intervals over patients",
        examples="  deephealth evaluate run/model.onnx films --html report.html\n"
        "  deephealth evaluate run/model.onnx other-hospital --json scores.json --prevalence 0.1\n"
        "  deephealth evaluate run/model.onnx films --external other-hospital --not-chest photographs --html report.html",
    )
    parser.add_argument("model", metavar="MODEL", help="a model file, or the name of the one that ships: deephealth-small")
    add_data_options(parser)
    parser.add_argument("--html", type=output_text, metavar="FILE", help="write the report as one self-contained page")
    parser.add_argument("--json", type=output_text, metavar="FILE", help="write the same facts as JSON")
    parser.add_argument(
        "--prevalence", type=float, metavar="P", help="prevalence of disease at which to give PPV and NPV (default: as in DATA)"
    )
    parser.add_argument("--include-seen", action="store_true", help="also score films the model learned from; the report says so on top")
    parser.add_argument(
        "--external",
        type=Path,
        action="append",
        default=[],
        metavar="DATA",
        help="another set, laid out like DATA, scored as a row of its own; may be repeated",
    )
    parser.add_argument(
        "--not-chest",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="pictures that are no chest films: the share of them that the gate refuses; may be repeated",
    )
    parser.add_argument(
        "--training-films", type=Path, metavar="DATA", help="the films the model was trained on, to show the nearest to each error"
    )
    parser.add_argument(
        "--audit", action="store_true", help="also the deep shortcut audit: what the model makes of films with parts hidden"
    )
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="DIR",
        help="lung masks for --audit: PNG with the films' names, 255 on the lungs (default: the lung finder)",
    )
    parser.add_argument(
        "--audit-films", type=_film_count, metavar="N", help="most films that --audit asks about, drawn by patient (default: 1000)"
    )
    parser.add_argument("--no-films", action="store_true", help="no pictures of films in the report")
    add_language_option(parser)
    add_work_options(parser)
    parser.set_defaults(run=_evaluate)


def _film_count(value: str) -> int:
    if not value.isdecimal() or int(value) < 2:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of films; expected 2 or more")
    return int(value)


def _evaluate(options: argparse.Namespace) -> int:
    from deephealth import pipeline
    from deephealth.evaluation.shortcuts.deep import MOST_FILMS
    from deephealth.evaluation.terminal import evaluation_text, model_audit_text

    if not options.audit and (options.masks or options.audit_films):
        raise UsageError("--masks and --audit-films do nothing without --audit; add it, or leave them out.")
    evaluation = pipeline.evaluate(
        options.model,
        options.data,
        layout=options.layout,
        html=options.html,
        json=options.json,
        prevalence=options.prevalence,
        include_seen=options.include_seen,
        external=options.external,
        not_chest=options.not_chest,
        training_films=options.training_films,
        audit=options.audit,
        masks=options.masks,
        audit_films=options.audit_films or MOST_FILMS,
        language=options.lang,
        with_films=not options.no_films,
        command=reproduction(options.typed),
        seed=options.seed,
        threads=options.threads,
        listener=terminal(options.quiet),
    )
    print(evaluation_text(evaluation))
    if evaluation.evidence.model_audit:
        print("\n" + model_audit_text(evaluation.evidence.model_audit))
    for path in (options.html, options.json):
        if path:
            print(f"report: {path}")
    return 0
