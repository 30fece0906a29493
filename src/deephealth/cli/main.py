"""The command line: `deephealth COMMAND ...`. Each command is a thin face of `deephealth.pipeline` and the layers below it.

Nothing heavy is imported before a command runs, so that `deephealth --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from deephealth import __version__
from deephealth.cli import compare, data, films, lungs, models, predict, retrain, serve, tensorboard, training, users
from deephealth.errors import DeepHealthError

_DESCRIPTION = """\
A workbench for chest radiographs: train a classifier on folders of films, see honestly how good it is, use it anywhere as one file.
For research, education and model evaluation. Not a medical device; not for diagnosis, triage or treatment."""

_EXAMPLES = """\
examples:
  deephealth phantom films                       draw synthetic films to try everything with
  deephealth dataset audit films                 look for leakage and shortcuts before training
  deephealth train films --out run               split by patient, fit a head, calibrate, evaluate
  deephealth evaluate run/model.onnx films --html report.html
  deephealth compare old.onnx new.onnx --data films     is one of two models better on films neither has seen?
  deephealth predict film.dcm                    the model that ships; add --model run/model.onnx for yours
  deephealth retrain --image_dir films           the old retrain.py, with its options and files
  deephealth tensorboard run                     the run's curves, histograms, films and errors
  deephealth lungs films --out masks             where the lungs are: masks, overlays and a table
  deephealth serve                               the page and the API, on http://127.0.0.1:8000
  deephealth model verify run/model.onnx         does it still answer as when it was made?

exit codes: 0 done, 1 the work failed, 2 wrong usage, 3 input refused"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, without running anything."""
    parser = argparse.ArgumentParser(
        prog="deephealth", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"deephealth {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (films, training, retrain, tensorboard, compare, predict, lungs, models, serve, users, data):
        module.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. A user's mistake gives one sentence on standard error, never a traceback."""
    options = build_parser().parse_args(arguments)
    options.typed = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if hasattr(options, "threads"):
            from deephealth.settings import threads

            options.threads = threads.limit(options.threads)
        return int(options.run(options))
    except DeepHealthError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("Stopped; nothing half-written bears a finished name, and the same command may be given again.", 1)
    except BrokenPipeError:
        # The reader (head, less) went away: not an error, but Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"The system refused{where}: {error.strerror or error}; free space or change the path, and run again.", 1)


def _fail(sentence: str, code: int) -> int:
    print(f"deephealth: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
