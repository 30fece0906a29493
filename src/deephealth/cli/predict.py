"""`deephealth predict`: what a model answers for files, folders and zip archives."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import SubCommands, add_command, add_work_options, output_folder, output_text, picture_name, terminal

if TYPE_CHECKING:
    from deephealth.images.archive import FilmFile
    from deephealth.inference.predictor import Prediction


def add_commands(commands: SubCommands) -> None:
    """Add `predict` to the command line."""
    parser = add_command(
        commands,
        "predict",
        "probabilities of dataset labels for films",
        examples="  deephealth predict film.png\n"
        "  deephealth predict --model run/model.onnx films/ archive.zip --csv answers.csv --heatmap maps\n"
        "  deephealth predict film.dcm --json",
    )
    parser.add_argument(
        "films", nargs="+", metavar="FILE|FOLDER", help="films (JPEG, PNG, TIFF, BMP, DICOM), folders or zip archives of them"
    )
    parser.add_argument("--model", metavar="MODEL", default="deephealth-small", help="model file (default: the one that ships)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    kind.add_argument("--csv", type=output_text, metavar="FILE", help="write a CSV file")
    parser.add_argument(
        "--heatmap", type=output_folder, metavar="DIR", help="write each film with the evidence for its label drawn over it, as PNG"
    )
    add_work_options(parser, seed=False)
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from deephealth.images.archive import find_films, refuse_among
    from deephealth.inference import batch
    from deephealth.inference.predictor import Predictor, load_model

    model = load_model(options.model, threads=options.threads)
    films = find_films(options.films)
    if options.heatmap:
        refuse_among(options.heatmap, options.films, films)
    predictor = Predictor(model, threads=options.threads)
    predictions = list(
        _drawn(predictor.predict_many(films, progress=terminal(options.quiet)), films, options.heatmap, model.record.heatmap_scale)
    )
    if options.csv:
        batch.write_csv(options.csv, predictions, model.labels)
        print(f"{len(predictions)} answers in {options.csv}")
    elif options.json:
        print(batch.to_json(predictions))
    else:
        print(batch.table(predictions, model.labels))
    _report_refusals(predictions)
    return batch.exit_code(predictions)


def _drawn(predictions: Iterable[Prediction], films: list[FilmFile], folder: Path | None, scale: float) -> Iterator[Prediction]:
    """The same predictions; those with a heatmap are drawn over their film on the way, if a folder was named."""
    if folder is None:
        yield from predictions
        return
    from deephealth.inference.heatmap import write_overlay

    taken: set[str] = set()
    for film, prediction in zip(films, predictions, strict=True):
        if not prediction.error and prediction.heatmap is not None:
            index = list(prediction.probabilities).index(prediction.label)
            write_overlay(folder / picture_name(film.name, taken), film.read().pixels, prediction.heatmap[index], full=scale)
        yield prediction


def _report_refusals(predictions: list[Prediction]) -> None:
    for prediction in predictions:
        if prediction.refused or prediction.error:
            reason = prediction.reason.removeprefix(f"{prediction.name} ")  # most reasons begin with the film's name
            print(f"refused: {prediction.name}: {reason}", file=sys.stderr)
