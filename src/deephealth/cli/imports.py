"""`deephealth model import`: a model of another tool as a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from deephealth.cli.common import SubCommands, add_command, terminal


def add_actions(actions: SubCommands) -> None:
    """Add `import` to `deephealth model`."""
    command = add_command(
        actions,
        "import",
        "make a model file of a Teachable Machine or Keras export (TensorFlow.js, .h5, .tflite), or of retrain.py's graph",
        examples="  deephealth model import converted_keras.zip --out model.onnx\n"
        "  deephealth model import model.json --out model.onnx --films my-films       so that the gate can refuse\n"
        "  deephealth predict film.png --model model.onnx",
    )
    command.add_argument("source", type=Path, metavar="SOURCE", help="the exported zip, its folder, or model.json, .h5, .tflite or .pb")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the model file to write")
    command.add_argument("--labels", type=Path, metavar="FILE", help="class names, one a line (default: the file beside the model)")
    command.add_argument("--name", default="", help="the model's name (default: SOURCE's)")
    command.add_argument("--licence", default="", help="the model's licence (default: unknown)")
    command.add_argument(
        "--crop",
        choices=("centre", "squash"),
        help="centre: look at the middle square, as Teachable Machine does; squash: at the whole film (default: as its tool)",
    )
    command.add_argument("--films", type=Path, metavar="FOLDER", help="pictures it learned from, at least 20, to set the gate with")
    command.add_argument("--overwrite", action="store_true", help="replace FILE where it is there already")
    command.add_argument("--quiet", "-q", action="store_true", help="no progress, only results and errors")
    command.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    from deephealth.errors import UsageError
    from deephealth.model.imports.importing import import_model
    from deephealth.settings import atomic

    if options.out.exists() and not options.overwrite:
        raise UsageError(f"{options.out} is there already, expected a new name; give another --out, or --overwrite.")
    films = sorted(path for path in options.films.rglob("*") if path.is_file()) if options.films else []
    model = import_model(
        options.source,
        labels=options.labels,
        name=options.name,
        crop=options.crop,
        licence=options.licence,
        films=films,
        listener=terminal(options.quiet),
    )
    atomic.write_bytes(options.out, model.data)
    record = model.record
    size = f"{record.size} px, {'colour' if record.channels == 3 else 'grey'}, {record.training.recipe['crop']}"
    gate = "off: nothing is refused" if record.novelty_threshold is None else f"above {record.novelty_threshold:.3g}"
    print(f"{options.out}: {', '.join(record.labels)}; {record.training.recipe['layers']} layers, {size}; gate {gate}")
    print(record.limits[0])
    return 0
