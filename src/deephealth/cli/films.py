"""`deephealth phantom` and `deephealth dataset`: making, counting, auditing and preparing films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import SubCommands, add_command, add_data_options, add_work_options, output_file, output_text, terminal
from deephealth.cli.fetching import add_action

if TYPE_CHECKING:
    from deephealth.datasets.index import DatasetIndex


def add_commands(commands: SubCommands) -> None:
    """Add `phantom` and `dataset` to the command line."""
    _add_phantom(commands)
    dataset = add_command(commands, "dataset", "fetch, count, audit or prepare a set of films").add_subparsers(
        metavar="ACTION", required=True
    )
    _add_summary(dataset)
    _add_audit(dataset)
    _add_prepare(dataset)
    add_action(dataset)


def _add_phantom(commands: SubCommands) -> None:
    parser = add_command(
        commands,
        "phantom",
        "draw synthetic chest films with known lesions, for tests, demonstrations and teaching",
        examples="  deephealth phantom films\n  deephealth phantom cheat --plant corner-marker --cue-strength 0.9\n"
        "  deephealth phantom dicoms --format dicom --per-class 10",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder; gets one folder a class, index.csv and the lesion masks")
    parser.add_argument("--per-class", type=int, default=60, metavar="N", help="films of each class (default: 60)")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="typical side of a film (default: 256)")
    parser.add_argument("--lesion", type=float, default=1.0, metavar="X", help="strength of the lesions, 0 none (default: 1)")
    parser.add_argument("--plant", choices=("corner-marker", "border", "size"), help="plant a shortcut that goes with the class")
    parser.add_argument(
        "--cue-strength", type=float, default=1.0, metavar="X", help="how reliably the shortcut goes with the class, 0 to 1"
    )
    parser.add_argument("--films-per-patient", type=int, default=2, metavar="N", help="films of each patient (default: 2)")
    parser.add_argument("--format", choices=("png", "dicom"), default="png", help="kind of file (default: png)")
    add_work_options(parser)
    parser.set_defaults(run=_phantom)


def _phantom(options: argparse.Namespace) -> int:
    from deephealth.images.phantom_set import write_phantoms

    out = write_phantoms(
        options.out,
        per_class=options.per_class,
        seed=options.seed,
        size=options.size,
        lesion=options.lesion,
        cue=options.plant,
        cue_strength=options.cue_strength,
        films_per_patient=options.films_per_patient,
        file_format=options.format,
        progress=terminal(options.quiet),
    )
    print(f"{3 * options.per_class} phantom films in {out}: normal, bacterial (lobar consolidation), viral (diffuse interstitial).")
    return 0


def _add_summary(commands: SubCommands) -> None:
    parser = add_command(
        commands, "summary", "count films and patients a class", examples="  deephealth dataset summary films --plot classes.png"
    )
    add_data_options(parser)
    parser.add_argument("--plot", type=output_file, metavar="PNG", help="also draw a histogram of the classes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_work_options(parser, seed=False)
    parser.set_defaults(run=_summary)


def _summary(options: argparse.Namespace) -> int:
    from deephealth.datasets.facts import scan_films
    from deephealth.datasets.sources import open_dataset
    from deephealth.datasets.summary import summarise, write_histogram

    index = open_dataset(options.data, layout=options.layout)
    summary = summarise(index, scan_films(index, threads=options.threads, progress=terminal(options.quiet)))
    print(json.dumps(summary.to_json(), indent=2, ensure_ascii=False) if options.json else summary.table())
    if options.plot:
        write_histogram(summary, options.plot)
    return 0


def _add_audit(commands: SubCommands) -> None:
    parser = add_command(
        commands,
        "audit",
        "look for leakage and shortcuts before training",
        examples="  deephealth dataset audit films\n  deephealth dataset audit chest_xray --backbone deephealth-small --json audit.json",
    )
    add_data_options(parser)
    parser.add_argument("--backbone", metavar="NAME", help="also ask which films this backbone has learned from")
    parser.add_argument("--weights", metavar="FILE", help="weights of a backbone that does not ship with the package")
    parser.add_argument("--split", type=Path, metavar="CSV", help="audit this frozen split (default: the one `train` would draw)")
    parser.add_argument("--json", type=output_text, metavar="FILE", help="also write everything found as JSON")
    add_work_options(parser)
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    from deephealth import pipeline
    from deephealth.settings import atomic

    audit = pipeline.audit(
        options.data,
        layout=options.layout,
        backbone=options.backbone,
        weights=options.weights,
        split=options.split,
        seed=options.seed,
        threads=options.threads,
        listener=terminal(options.quiet),
    )
    print(audit.text())
    if options.json:
        atomic.write_json(options.json, audit.to_json())
    return 0


def _add_prepare(commands: SubCommands) -> None:
    parser = add_command(
        commands,
        "prepare",
        "copy or link films into one folder a class, and balance the classes",
        examples="  deephealth dataset prepare chest_xray three-classes --balance cut\n"
        "  deephealth dataset prepare films more --balance augment --per-class 500",
    )
    add_data_options(parser)
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder; the films of DATA stay where they are")
    parser.add_argument("--mode", choices=("copy", "link"), default="copy", help="copy the films, or link to them (default: copy)")
    parser.add_argument(
        "--balance", choices=("none", "cut", "weight", "augment"), default="none", help="make the classes equal (default: none)"
    )
    parser.add_argument(
        "--per-class", type=int, metavar="N", help="films a class to cut down or augment to (default: smallest or largest class)"
    )
    add_work_options(parser)
    parser.set_defaults(run=_prepare)


def _prepare(options: argparse.Namespace) -> int:
    from deephealth.datasets.prepare import prepare
    from deephealth.datasets.split import make_split

    index = _open(options)
    report = prepare(
        index,
        options.out,
        mode=options.mode,
        balance=options.balance,
        per_class=options.per_class,
        split=make_split(index, seed=options.seed),
        seed=options.seed,
        threads=options.threads,
        progress=terminal(options.quiet),
    )
    print("\n".join([report.sentence, *report.notes]))
    return 0


def _open(options: argparse.Namespace) -> DatasetIndex:
    from deephealth.datasets.sources import open_dataset

    return open_dataset(options.data, layout=options.layout)
