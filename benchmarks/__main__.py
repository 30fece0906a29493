"""Run benchmarks: python -m benchmarks [NAME ...], from the project's folder. Every figure is measured in this one run."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks import page
from benchmarks.measure import Figure, Options, Others, Skipped

# Torch is loaded last, so that its threads are not there when the others are timed.
MODULES = {
    "predict": "predict",
    "cores": "cores",
    "start": "start",
    "memory": "memory",
    "service": "service",
    "browser": "browser",
    "leakage": "leakage",
    "audit": "audit",
    "install": "install",
    "keras": "keras_loop",
    "coverage": "coverage",
    "fine-tune": "fine_tune",
}
_BUSY = 0.1  # share of the processors used by others above which the figures deserve little trust


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a benchmark broke. A bar that is not met is said, and is no error: the machine may be slow or busy."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        for name, module in MODULES.items():
            print(f"{name:10} {importlib.import_module(f'benchmarks.{module}').TITLE}")
        return 0
    if unknown := [name for name in options.names if name not in MODULES]:
        parser.error(f"there is no benchmark {unknown[0]!r}; expected {', '.join(MODULES)}")
    if options.write and (options.names or options.smoke):
        parser.error("--write takes the figures of one whole run; leave out the names and --smoke")
    if options.write:
        try:
            page.around(options.write)  # better now than after minutes of measuring
        except ValueError as error:
            parser.error(str(error))
    results, broken, others = _run(options)
    print(f"\nother programs used {others:.0%} of the processors" + ("; run this again on an idle machine" if others > _BUSY else ""))
    if options.write and not broken:
        page.write(options.write, results, others)
        print(f"written to {options.write}")
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(MODULES)} (default: all)")
    parser.add_argument("--list", action="store_true", help="say what each measures, and stop")
    parser.add_argument("--model", type=Path, metavar="FILE", help="model file (default: the one that ships)")
    parser.add_argument("--smoke", action="store_true", help="the smallest sizes: shows that everything runs, the figures mean nothing")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the results into this page, between its marks")
    return parser


def _run(options: argparse.Namespace) -> tuple[list[tuple[str, Figure | Skipped]], list[str], float]:
    """Results by name, names of those that broke, and how busy other programs kept the machine."""
    from deephealth.model.file import shipped_model_path

    results: list[tuple[str, Figure | Skipped]] = []
    broken = []
    model = (options.model or shipped_model_path()).resolve()
    with tempfile.TemporaryDirectory(prefix="deephealth-bench-") as work, Others() as others:
        for name in options.names or MODULES:
            try:
                for result in importlib.import_module(f"benchmarks.{MODULES[name]}").run(Options(options.smoke, model, Path(work))):
                    results.append((name, result))
                    print(page.lines(name, result), flush=True)
            except Exception:  # one that breaks must not take the others' figures with it
                traceback.print_exc()
                print(f"{name}: broke off", flush=True)
                broken.append(name)
    if options.smoke:
        print("\nsmoke: sizes too small for the figures to mean anything")
    return results, broken, others.share


if __name__ == "__main__":
    sys.exit(main())
