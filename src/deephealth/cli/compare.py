"""`deephealth compare`."""

from __future__ import annotations

import argparse

from deephealth.cli.common import SubCommands, add_command, add_data_options, add_language_option, add_work_options, output_text, terminal


def add_commands(commands: SubCommands) -> None:
    """Add `compare` to the command line."""
    parser = add_command(
        commands,
        "compare",
        "compare two models on films neither has seen; names a winner only when the interval of their difference leaves zero out",
        examples="  deephealth compare old.onnx new.onnx --data films\n"
        "  deephealth compare old.onnx new.onnx --data films --margin 0.02 --html comparison.html\n"
        "  deephealth compare deephealth-small run/model.onnx --data other-hospital --json comparison.json",
    )
    parser.add_argument("model_a", metavar="A", help="a model file, or the name of the one that ships: deephealth-small")
    parser.add_argument("model_b", metavar="B", help="the other model; every difference is B - A")
    add_data_options(parser, option=True)
    parser.add_argument("--html", type=output_text, metavar="FILE", help="write the comparison as one self-contained page")
    parser.add_argument("--json", type=output_text, metavar="FILE", help="write the same facts as JSON")
    parser.add_argument(
        "--margin", type=float, metavar="M", help="say whether B is not worse than A by more than M of balanced accuracy, such as 0.02"
    )
    parser.add_argument("--include-seen", action="store_true", help="keep films that a model learned from; then no winner is named")
    parser.add_argument("--no-films", action="store_true", help="no film's name in the page and the JSON")
    add_language_option(parser)
    add_work_options(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from deephealth.evaluation.comparison.run import compare
    from deephealth.evaluation.comparison.text import comparison_text

    found = compare(
        options.model_a,
        options.model_b,
        options.data,
        layout=options.layout,
        html=options.html,
        json=options.json,
        margin=options.margin,
        include_seen=options.include_seen,
        language=options.lang,
        with_films=not options.no_films,
        seed=options.seed,
        threads=options.threads,
        listener=terminal(options.quiet),
    )
    print(comparison_text(found, options.lang))
    for path in (options.html, options.json):
        if path:
            print(f"comparison: {path}")
    return 0
