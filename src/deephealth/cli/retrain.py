"""`deephealth retrain`: the old command, with the program's name replaced."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from deephealth.cli.common import SubCommands, add_command, terminal

# retrain.py's options: name, kind, help. Defaults are those of `training.retrain.options.Options`.
_OPTIONS: tuple[tuple[str, Any, str], ...] = (
    ("image_dir", Path, "folder with a folder of films for each class"),
    ("output_graph", Path, "frozen TensorFlow graph to write; the model file is written beside it (.onnx)"),
    ("output_labels", Path, "class names to write, one a line"),
    ("summaries_dir", Path, "folder for TensorBoard"),
    ("intermediate_output_graphs_dir", Path, "folder for graphs on the way"),
    ("intermediate_store_frequency", int, "steps between graphs on the way, 0: none"),
    ("how_many_training_steps", int, "steps, each one batch; not passes over the films"),
    ("learning_rate", float, "learning rate of plain gradient descent"),
    ("testing_percentage", int, "percentage of the films for the test"),
    ("validation_percentage", int, "percentage of the films for validation"),
    ("eval_step_interval", int, "steps between evaluations"),
    ("train_batch_size", int, "films a step"),
    ("test_batch_size", int, "films of the test, -1: all"),
    ("validation_batch_size", int, "films of each validation, -1: all; 100 films say little"),
    ("print_misclassified_test_images", bool, "print the test films answered wrongly"),
    ("model_dir", Path, "folder for the network's official weights, downloaded when they are not there"),
    ("bottleneck_dir", Path, "folder for cached features, as text"),
    ("final_tensor_name", str, "name of the result in the graph"),
    ("flip_left_right", bool, "mirror training films at random"),
    ("random_crop", int, "percent by which training films are cut at random"),
    ("random_scale", int, "percent by which training films are enlarged at random"),
    ("random_brightness", int, "percent by which training films are made brighter or darker at random"),
    ("architecture", str, "inception_v3, mobilenet_<width>_<size>, or another backbone's name"),
    ("saved_model_dir", Path, "new folder for a SavedModel (needs deephealth[tensorflow])"),
    ("weights", Path, "the network's weights file, instead of the official one"),
    ("seed", int, "seed of every random choice"),
    ("threads", int, "threads to use"),
)


def add_commands(commands: SubCommands) -> None:
    """Add `retrain` to the command line."""
    from deephealth.training.retrain.options import Options

    command = add_command(
        commands,
        "retrain",
        "train as TensorFlow's retrain.py did, with its options, files and last line; it warns where that way misleads",
        examples="  deephealth retrain --image_dir films --output_graph graph.pb --output_labels labels.txt\n"
        "  deephealth retrain --image_dir films --architecture mobilenet_0.50_224 --how_many_training_steps 500",
    )
    defaults = {field.name: field.default for field in dataclasses.fields(Options)}
    for name, kind, text in _OPTIONS:
        default = defaults[name]
        if kind is bool:
            command.add_argument(f"--{name}", action="store_true", help=text)
        elif name == "image_dir":
            command.add_argument(f"--{name}", type=kind, required=True, metavar="FOLDER", help=text)
        else:
            shown = "" if default is None else f" (default: {default})"
            command.add_argument(f"--{name}", type=kind, default=default, metavar=kind.__name__.upper(), help=text + shown)
    command.add_argument(
        "--split_rule",
        choices=("patient", "name", "old"),
        default="patient",
        help="patient: patients whole; name: hash of the file's name; old: hash of the whole path, as retrain.py (default: patient)",
    )
    command.add_argument("--quiet", "-q", action="store_true", help="no progress, only the lines that retrain.py logged")
    command.set_defaults(run=_retrain)


def _retrain(options: argparse.Namespace) -> int:
    from deephealth.evaluation.intervals import wilson
    from deephealth.training.retrain.options import Options
    from deephealth.training.retrain.run import retrain

    names = {field.name for field in dataclasses.fields(Options)}
    given = Options(**{name: value for name, value in vars(options).items() if name in names})
    done = retrain(given, warn=lambda text: print(f"warning: {text}", file=sys.stderr), listener=terminal(options.quiet))
    low, high = wilson(done.accuracy, done.films)
    print(f"95 % interval of the test accuracy: {100 * low:.1f}% to {100 * high:.1f}%, if films were independent", file=sys.stderr)
    print(done.last_line)
    if given.print_misclassified_test_images:
        print("=== MISCLASSIFIED TEST IMAGES ===")
        for path, label in done.misclassified:
            print(f"{path:>70}  {label}")
    return 0
