"""`deephealth model export` and `deephealth model formats`, and `model verify` of an exported zip."""

from __future__ import annotations

import argparse
from pathlib import Path

from deephealth.cli.common import SubCommands, add_command, terminal

_SHIPPED = "deephealth-small"


def add_actions(actions: SubCommands) -> None:
    """Add `export` and `formats` to `deephealth model`."""
    export = add_command(
        actions,
        "export",
        "write a model in another format, with a certificate of how far its answers are from the model's",
        examples="  deephealth model export --to onnx-fixed --out model.zip                     the model that ships\n"
        "  deephealth model export run/model.onnx --to tfjs --out web.zip\n"
        "  deephealth model export run/model.onnx --to onnx-int8 --out small.zip --calibration films --films test-films",
    )
    export.add_argument("model", nargs="?", default=_SHIPPED, metavar="MODEL", help="model file (default: the one that ships)")
    export.add_argument("--to", required=True, metavar="FORMAT", help="one of `deephealth model formats`")
    export.add_argument("--out", type=Path, required=True, metavar="ZIP", help="the zip to write")
    export.add_argument(
        "--films", type=Path, metavar="FOLDER", help="measure on these films; with class folders accuracy too (default: phantoms)"
    )
    export.add_argument("--calibration", type=Path, metavar="FOLDER", help="films that whole numbers are fitted to (default: phantoms)")
    export.add_argument("--overwrite", action="store_true", help="replace ZIP where it is there already")
    export.add_argument("--quiet", "-q", action="store_true", help="no progress, only results and errors")
    export.set_defaults(run=_export)
    formats = add_command(actions, "formats", "list what a model can be exported to, and what is missing for it here")
    formats.set_defaults(run=_formats)


def _export(options: argparse.Namespace) -> int:
    from deephealth.inference.predictor import load_model
    from deephealth.model.exports.exporting import export_model
    from deephealth.training.events import StageStarted

    show = terminal(options.quiet)
    certificate = export_model(
        load_model(options.model, threads=1),
        options.to,
        options.out,
        films=options.films,
        calibration=options.calibration,
        overwrite=options.overwrite,
        listener=show,
        stage=lambda text: show(StageStarted("export", text)),
    )
    print(certificate.sentence())
    for note in certificate.notes:
        print(f"note: {note}")
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _formats(_options: argparse.Namespace) -> int:
    import importlib.util

    from deephealth.model.exports.artefact import Format
    from deephealth.model.exports.formats import FORMATS

    def missing(form: Format) -> str:
        absent = any(importlib.util.find_spec(package) is None for package in form.needs)
        return f"   (needs: pip install 'deephealth[{form.extra}]')" if absent else ""

    width = max(map(len, FORMATS))
    for name, form in FORMATS.items():
        print(f"{name:{width}}  {form.title}{missing(form)}")
    return 0


def verify(path: Path) -> int:
    """Ask an exported zip its golden films again, and say whether it still answers as the model file did."""
    from deephealth.model.exports.exporting import recheck

    certificate, largest, allowed = recheck(path)
    holds = certificate.precision == "int8" or largest <= allowed
    print(certificate.sentence())
    print(f"here, on its golden films: largest difference {largest:.1e}: {'it answers' if holds else 'it does NOT answer'} as certified.")
    return 0 if holds else 1
