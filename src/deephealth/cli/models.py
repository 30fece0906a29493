"""`deephealth model`, `deephealth cache` and `deephealth settings`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from deephealth.cli import exports, imports
from deephealth.cli.common import SubCommands, add_command, add_language_option, add_work_options

_SHIPPED = "deephealth-small"


def add_commands(commands: SubCommands) -> None:
    """Add `model`, `cache` and `settings` to the command line."""
    _add_model(commands)
    _add_cache(commands)
    parser = add_command(commands, "settings", "print every setting, its environment variable and its value")
    parser.set_defaults(run=_settings)


def _add_model(commands: SubCommands) -> None:
    actions = add_command(
        commands,
        "model",
        "show, verify, export, import or locate a model file",
        examples="  deephealth model show\n  deephealth model verify run/model.onnx\n  deephealth model show run/model.onnx --json\n"
        "  deephealth model export run/model.onnx --to onnx-int8 --out small.zip",
    ).add_subparsers(metavar="ACTION", required=True)
    show = add_command(actions, "show", "print a model's card")
    show.add_argument("model", nargs="?", default=_SHIPPED, metavar="MODEL", help="model file (default: the one that ships)")
    show.add_argument("--json", action="store_true", help="print the whole record as JSON")
    add_language_option(show)
    show.set_defaults(run=_show)
    path = add_command(actions, "path", "print where the model that ships lies")
    path.set_defaults(run=_path)
    verify = add_command(actions, "verify", "compute a model's golden films again and say how far the answers are from the recorded ones")
    verify.add_argument(
        "model", nargs="?", default=_SHIPPED, metavar="MODEL", help="model file, or a zip of `model export` (default: the model that ships)"
    )
    add_work_options(verify, seed=False)
    verify.set_defaults(run=_verify)
    exports.add_actions(actions)
    imports.add_actions(actions)


def _show(options: argparse.Namespace) -> int:
    from deephealth.inference.predictor import load_model
    from deephealth.model.card import card

    model = load_model(options.model)
    print(json.dumps(model.record.to_json(), indent=2, ensure_ascii=False) if options.json else card(model.record, language=options.lang))
    return 0


def _path(options: argparse.Namespace) -> int:
    from deephealth.model.file import shipped_model_path

    print(shipped_model_path())
    return 0


def _verify(options: argparse.Namespace) -> int:
    if options.model.endswith(".zip"):
        return exports.verify(Path(options.model))
    from deephealth.inference.predictor import load_model
    from deephealth.model.verify import verify

    report = verify(load_model(options.model, threads=options.threads))
    print(report.sentence)
    return 0 if report.ok else 1


def _add_cache(commands: SubCommands) -> None:
    actions = add_command(commands, "cache", "show or clear what was computed once and kept").add_subparsers(
        metavar="ACTION", required=True
    )
    show = add_command(actions, "show", "print where the cache lies, what it holds and its limit")
    show.set_defaults(run=_cache_show)
    clear = add_command(actions, "clear", "remove cached features, film facts and copies found; they are computed again when needed")
    clear.add_argument("kind", nargs="?", choices=("features", "facts", "copies"), help="remove only these (default: everything)")
    clear.set_defaults(run=_cache_clear)


def _cache_show(options: argparse.Namespace) -> int:
    from deephealth.settings import cache, table

    print(f"{table.cache_dir()} (limit {table.number('cache_limit_mb')} MB)")
    for kind, size in cache.usage().items():
        print(f"  {kind}: {size / 1e6:.1f} MB")
    return 0


def _cache_clear(options: argparse.Namespace) -> int:
    from deephealth.settings import cache

    print(f"{cache.clear(options.kind) / 1e6:.1f} MB freed")
    return 0


def _settings(options: argparse.Namespace) -> int:
    from deephealth.settings import table

    for setting in table.SETTINGS:
        value = table.cache_dir() if setting.name == "cache_dir" else Path(table.text(setting.name))
        print(f"{setting.variable}={value}\n    {setting.help}")
    return 0
