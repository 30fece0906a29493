"""`deephealth tensorboard`: look at the curves of one run or of several side by side."""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deephealth.cli.common import SubCommands, add_command
from deephealth.errors import MissingExtra, UsageError

_LOOPBACK = "127.0.0.1"


def add_commands(commands: SubCommands) -> None:
    """Add `tensorboard` to the command line."""
    command = add_command(
        commands,
        "tensorboard",
        "show the curves, histograms, graph, films and errors of training runs in TensorBoard",
        examples="  deephealth tensorboard run\n  deephealth tensorboard run1 run2 run3 --port 6007",
    )
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of `train`; several are compared")
    command.add_argument("--host", default=_LOOPBACK, help="address; TensorBoard asks for no password (default: this machine only)")
    command.add_argument("--port", type=int, default=6006, help="port, 0: any free one (default: 6006)")
    command.set_defaults(run=_tensorboard)


def _tensorboard(options: argparse.Namespace) -> int:
    folders = _folders(options.runs)
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("TensorBoard", "tensorboard")
    with tempfile.TemporaryDirectory(prefix="deephealth-") as name:
        for title, folder in folders.items():
            (Path(name) / title).symlink_to(folder.resolve(), target_is_directory=True)
        print(f"{_launch(Path(name), options.host, options.port)}\nCtrl-C ends it.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _folders(runs: Sequence[Path]) -> dict[str, Path]:
    """The event files of each run by a title: the run's name, numbered where two have the same."""
    found: dict[str, Path] = {}
    for run in runs:
        folder = run / "tensorboard"
        if not folder.is_dir():
            raise UsageError(f"{run} holds no folder tensorboard, expected a run of `deephealth train`; give another run.")
        title, number = run.resolve().name, 2
        while title in found:
            title, number = f"{run.resolve().name} ({number})", number + 1
        found[title] = folder
    return found


def _launch(folder: Path, host: str, port: int) -> str:
    """Start TensorBoard in threads of this process; its address."""
    from tensorboard import program

    server = program.TensorBoard()
    server.configure(argv=["tensorboard", "--logdir", str(folder), "--host", host, "--port", str(port), "--load_fast", "false"])
    try:
        return str(server.launch())
    except program.TensorBoardServerException as error:
        raise UsageError(f"TensorBoard cannot serve on port {port} of {host} ({error}); give another --port.") from error
