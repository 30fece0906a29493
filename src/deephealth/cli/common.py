"""Options that several commands share, and how progress is shown on a terminal."""

from __future__ import annotations

import argparse
import codecs
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

    from deephealth.training.events import EventListener

SubCommands = Any  # argparse gives its sub-parser action no public name

_LAYOUTS = ("auto", "folders", "kaggle-pneumonia", "covid-chestxray", "csv", "dicom")
_UNITS = {
    "comparing films": "view",
    "laying films on one another": "pair",
    "fine-tune": "step",
    "head": "step",
    "training the lung finder": "step",
    "backing up": "file",
    "checking": "file",
    "restoring": "file",
}


def add_command(commands: SubCommands, name: str, help: str, *, examples: str = "") -> argparse.ArgumentParser:
    """A sub-command with its one-line help and examples below its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=("examples:\n" + examples) if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_data_options(parser: argparse.ArgumentParser, *, option: bool = False) -> None:
    """DATA (as `--data` where `option`) and --layout, of every command that reads a data set."""
    required: dict[str, Any] = {"required": True} if option else {}
    help = "class folders, a CSV or metadata.csv, a Kaggle layout or a DICOM tree"
    parser.add_argument("--data" if option else "data", type=Path, metavar="DATA", help=help, **required)
    parser.add_argument("--layout", choices=_LAYOUTS, default="auto", help="how DATA is laid out (default: recognised)")


def add_work_options(parser: argparse.ArgumentParser, *, seed: bool = True) -> None:
    """--threads, --quiet and --seed, which every command that works long takes."""
    parser.add_argument("--threads", type=_count, default=None, metavar="N", help="threads to use (default: all this process may run on)")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, only results and errors")
    if seed:
        parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="seed of everything random (default: 0)")


def add_language_option(parser: argparse.ArgumentParser) -> None:
    """--lang en|es, by default from the environment."""
    from deephealth.cli.language import preferred

    parser.add_argument("--lang", choices=("en", "es"), default=preferred(), help="language of the report (default: %(default)s)")


def who() -> str:
    """Who the service's audit log says it was: the system's user at the command line."""
    import getpass

    return f"command line, {getpass.getuser()}"[:60]


def reproduction(typed: Sequence[str]) -> str:
    """What was typed, to be typed again elsewhere: names of files and folders in place of paths, which say where a user keeps them.

    The folder after --out is called RUN: where a run was written must not tell two equal reports apart.
    """
    words = [_without_path(word) for word in typed]
    for place, word in enumerate(words):
        if word == "--out" and place + 1 < len(words):
            words[place + 1] = "RUN"
        elif word.startswith("--out="):
            words[place] = "--out=RUN"
    return shlex.join(["deephealth", *words])


def _without_path(word: str) -> str:
    option, equals, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (PurePath(value).name if os.sep in value or "/" in value else value)


def terminal(quiet: bool) -> EventListener:
    """A listener that shows stages as lines and progress as a bar with rate and time left, on standard error."""
    from deephealth.training.events import ignore

    return ignore if quiet else Terminal()


class Terminal:
    """Shows events on standard error: stages and notes as lines, progress as one bar at a time."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._stage = ""

    def __call__(self, event: Any) -> None:
        """Show one event; kinds without a line of their own pass by."""
        show = getattr(self, "_show_" + type(event).__name__, None)
        if show:
            show(event)

    def _show_Progress(self, event: Any) -> None:
        from tqdm import tqdm

        if self._bar is None or self._stage != event.stage:
            self._close()
            self._stage = event.stage
            self._bar = tqdm(
                total=event.total,
                initial=event.reused,  # work found in the cache took no time; counting it would promise too early an end
                desc=f"  {event.stage}",
                unit=_UNITS.get(event.stage, "film"),
                file=sys.stderr,
                dynamic_ncols=True,
                mininterval=0.1 if sys.stderr.isatty() else 15,  # a log file wants a line now and then, not a moving bar
            )
        self._bar.update(max(event.done - self._bar.n, 0))
        if event.done >= event.total:
            self._close()

    def _show_StageStarted(self, event: Any) -> None:
        self._line(f"{event.stage}: {event.detail}" if event.detail else event.stage)

    def _show_Note(self, event: Any) -> None:
        self._line("  " + event.text)

    def _show_EpochDone(self, event: Any) -> None:
        held_out = "" if event.validation_accuracy is None else f", validation accuracy {event.validation_accuracy:.3f}"
        self._line(f"  epoch {event.epoch}/{event.epochs}: loss {event.loss:.4f}{held_out}")

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            self._stage = ""


def output_file(value: str) -> Path:
    """The type of an option that names a file to write: refused before the work is done, not after, when it cannot be one."""
    path = Path(value)
    if not value or path.is_dir():
        raise argparse.ArgumentTypeError(f"{value!r} is a folder; expected the name of a file to write")
    _refuse_file_above(path)
    return path


def output_text(value: str) -> Path:
    """As `output_file`, for text: an existing file that holds none is a film or model named by mistake, and stays."""
    path = output_file(value)
    if path.is_file() and not _holds_text(path):
        raise argparse.ArgumentTypeError(f"{value!r} exists and is no text file; expected a new name, or a file to replace")
    return path


def output_folder(value: str) -> Path:
    """The type of an option that names a folder to write into, made when it is absent."""
    path = Path(value)
    if not value or (path.exists() and not path.is_dir()):
        raise argparse.ArgumentTypeError(f"{value!r} is no folder; expected a folder to write into, made if absent")
    _refuse_file_above(path)
    return path


def picture_name(film: str, taken: set[str]) -> str:
    """A file name for the picture of `film`, which may lie in folders or an archive: never a path, never one already `taken`."""
    stem = re.sub(r"[^\w.-]+", "_", str(PurePath(film).with_suffix(""))).strip("._")[-120:] or "film"
    name, number = f"{stem}.png", 2
    while name in taken:
        name, number = f"{stem}-{number}.png", number + 1
    taken.add(name)
    return name


def _refuse_file_above(path: Path) -> None:
    above = next((parent for parent in path.absolute().parents if parent.exists()), None)
    if above and not above.is_dir():
        raise argparse.ArgumentTypeError(f"'{above}' is a file, so nothing can be written below it; expected a folder")


def _holds_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4096)
        codecs.getincrementaldecoder("utf-8")().decode(start)  # incremental: the last letter may be cut in two
    except (OSError, UnicodeDecodeError):
        return False
    return b"\0" not in start


def _seed(value: str) -> int:
    number = _whole(value)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{value} is not a seed; expected a whole number from 0 to {2**32 - 1}")
    return number


def _count(value: str) -> int:
    number = _whole(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number of threads; expected 1 or more")
    return number


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number from `least` to `most`."""

    def checked(value: str) -> int:
        number = _whole(value)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{value} is out of range; expected a whole number from {least} to {most}")
        return number

    return checked


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number") from None
