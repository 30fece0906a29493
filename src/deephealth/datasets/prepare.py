"""One folder a class, by copying or linking the films of any data set; the originals are never moved or changed.

    OUT/normal/... OUT/bacterial/... OUT/viral/...     the films (link: symbolic links to the absolute place of the originals)
    OUT/_plan.json                                     what was asked for, and the hash of the index it was made from
    OUT/index.csv     path, label, patient, split, source, view, age, sex, origin, weight, original

The work is done in OUT.part, which takes the name OUT when it is whole. After a kill the same command goes on where it stopped.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.arrange import Task, arrange
from deephealth.datasets.index import DatasetIndex, Film, Problem, refuse_inside
from deephealth.datasets.split import Split
from deephealth.errors import DatasetError, FilmError, UsageError
from deephealth.images.read import read_film
from deephealth.settings import atomic
from deephealth.settings.progress import Listener, Progress, silent

STAGE = "preparing"
MODES = ("copy", "link")
BALANCES = ("none", "cut", "weight", "augment")
COLUMNS = ("path", "label", "patient", "split", "source", "view", "age", "sex", "origin", "weight", "original")
_PLAN = "_plan.json"  # a name that no index takes for a film or a class
_COPIES_NOTE = (
    "Augmented copies are resampled and so slightly smoother than the originals, which a network may learn as a sign of the class; "
    "weighting the classes has no such side effect."
)


@dataclass(frozen=True)
class PrepareReport:
    """What `prepare` made.

    films: files a class, augmented copies included. copies: augmented copies a class.
    reused: files that an earlier, stopped run had finished. problems: films that were left out.
    """

    out: Path
    films: dict[str, int]
    copies: dict[str, int]
    reused: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was made, for people."""
        classes = ", ".join(f"{label} {count}" for label, count in self.films.items())
        copies = f", {sum(self.copies.values())} of them augmented copies" if self.copies else ""
        left_out = f"; {len(self.problems)} left out, such as {self.problems[0].name}: {self.problems[0].reason}" if self.problems else ""
        return f"{self.out} holds {sum(self.films.values())} films ({classes}){copies}{left_out}."


@dataclass(frozen=True)
class _Outcome:
    task: Task
    reason: str = ""  # why the file could not be made
    reused: bool = False  # an earlier run, stopped before its end, had made it


def prepare(
    index: DatasetIndex,
    out: str | Path,
    *,
    mode: str = "copy",
    balance: str = "none",
    per_class: int | None = None,
    split: Split | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Listener = silent,
) -> PrepareReport:
    """Put the films of `index` into one folder a class under `out`, which must not exist or be empty.

    mode: "copy" or "link".
    balance: "none"; "cut" to `per_class` films (default: the smallest class; which stay, see `balance.cut_films`); "weight", which writes
        a weight a film; "augment" with copies up to `per_class` films (default: the largest class; larger classes are cut to it).
    split: its assignment goes to the column split; without it, the official split.

    Raises DatasetError when `out` is in use or cannot be written, or the balance cannot be reached; UsageError for an unknown mode or
    balance.
    """
    out = Path(out).absolute()
    _check(index, out, mode, balance, per_class)
    splits = {film.name: (split.assignments.get(film.name, film.split) if split else film.split) for film in index.films}
    tasks = arrange(index, splits, balance, per_class, seed)
    part = out.with_name(out.name + ".part")
    _begin(part, {"index": index.sha256, "mode": mode, "balance": balance, "per_class": per_class, "seed": seed, "plan": _hash(tasks)})
    with atomic.alone_in(part):
        outcomes = _work(part, tasks, mode, seed, threads, progress)
        made = [outcome.task for outcome in outcomes if not outcome.reason]
        problems = tuple(Problem(outcome.task.source.name, outcome.reason) for outcome in outcomes if outcome.reason)
        if not made:
            raise DatasetError(
                f"None of the {len(tasks)} films could be prepared ({problems[0].reason}); expected readable films: look at the originals."
            )
        _finish(part, out, made)
    return _report(index, out, made, problems, sum(outcome.reused for outcome in outcomes))


def _report(index: DatasetIndex, out: Path, made: Sequence[Task], problems: tuple[Problem, ...], reused: int) -> PrepareReport:
    films = Counter(task.film.label for task in made)
    copies = Counter(task.film.label for task in made if task.copy)
    return PrepareReport(
        out=out,
        films={label: films[label] for label in index.classes},
        copies={label: copies[label] for label in index.classes if copies[label]},
        reused=reused,
        problems=problems,
        notes=(_COPIES_NOTE,) if copies else (),
    )


def augmented(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A film [H, W] turned by up to 7 degrees, shifted by up to 5 % of its sides, brightness and contrast changed by up to 10 %.

    Never flipped: a mirrored chest is another finding (the heart lies to the left). What comes in at the edges is the film's own edge,
    mirrored, so that no black corner marks the copies.
    """
    from scipy import ndimage

    angle = np.deg2rad(rng.uniform(-7, 7))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sides = np.array(pixels.shape, dtype=float)
    middle = (sides - 1) / 2
    offset = middle - matrix @ middle + rng.uniform(-0.05, 0.05, 2) * sides
    turned = ndimage.affine_transform(pixels.astype(np.float32), matrix, offset, order=1, mode="mirror")
    changed = (turned - 128) * rng.uniform(0.9, 1.1) + 128 + rng.uniform(-25.5, 25.5)
    result: NDArray[np.uint8] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return result


def _check(index: DatasetIndex, out: Path, mode: str, balance: str, per_class: int | None) -> None:
    if mode not in MODES or balance not in BALANCES:
        raise UsageError(f"mode is {mode!r} and balance {balance!r}; expected one of {', '.join(MODES)} and one of {', '.join(BALANCES)}.")
    if per_class is not None and (per_class < 1 or balance not in ("cut", "augment")):
        raise UsageError(f"per_class is {per_class} with balance {balance!r}; it must be 1 or more, with balance cut or augment.")
    if out.exists() and out.samefile(Path.cwd()):  # the finished folder takes its place, and who stands in it would stand nowhere
        raise DatasetError(f"{out} is the folder you are in, expected another; go one folder up and name it.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} is in use; expected a new or empty folder: choose another name.")
    refuse_inside(index, out)


def _begin(part: Path, plan: Mapping[str, object]) -> None:
    """Make the folder of unfinished work, or take up the one that the same plan has left."""
    record = part / _PLAN
    try:
        part.mkdir(parents=True, exist_ok=True)
        if record.is_file() and json.loads(record.read_text("utf-8")) == plan:
            return
        left_over = [entry for entry in part.iterdir() if not entry.name.startswith(".")]
        if not left_over:
            return atomic.write_json(record, plan)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{part} cannot be written or read ({error}); choose another place for the prepared data set.") from error
    raise DatasetError(f"{part} is left from another, unfinished preparation; finish that with its own options, or delete the folder.")


def _work(part: Path, tasks: Sequence[Task], mode: str, seed: int, threads: int, progress: Listener) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    reused = 0
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        for folder in sorted({(part / task.film.name).parent for task in tasks}):
            folder.mkdir(exist_ok=True)
        for outcome in pool.map(lambda task: _make(part / task.film.name, task, mode, seed), tasks):
            outcomes.append(outcome)
            reused += outcome.reused
            progress(Progress(STAGE, len(outcomes), len(tasks), reused))
    except OSError as error:
        raise DatasetError(f"{part} cannot be written ({error.strerror}); make room, then give the same command again to go on.") from error
    finally:
        pool.shutdown(cancel_futures=True)
    return outcomes


def _make(target: Path, task: Task, mode: str, seed: int) -> _Outcome:
    """Make one file under a hidden name, then rename it: a file with its own name is whole. Raises OSError when it cannot be written."""
    if os.path.lexists(target):
        return _Outcome(task, reused=True)
    hidden = target.with_name("." + hashlib.sha256(target.name.encode()).hexdigest()[:20])
    hidden.unlink(missing_ok=True)
    if not task.source.path.is_file():
        return _Outcome(task, reason="is not a file")  # a pipe would block
    try:
        original = open(task.source.path, "rb")  # noqa: SIM115 - closed by the with below; only opening it may fail for the film alone
    except OSError as error:
        return _Outcome(task, reason=f"cannot be read ({error.strerror})")
    with original:
        if task.copy:
            try:
                _save_copy(task, hidden, seed)
            except FilmError:
                return _Outcome(task, reason="cannot be decoded, so it has no augmented copies")
        elif mode == "link":
            hidden.symlink_to(task.source.path)
        else:
            with open(hidden, "wb") as file:
                shutil.copyfileobj(original, file, 1 << 20)
    hidden.replace(target)
    return _Outcome(task)


def _save_copy(task: Task, target: Path, seed: int) -> None:
    from PIL import Image

    # From the film's own name, not its place in the list, so that a copy does not change when films are added.
    rng = np.random.default_rng(list(hashlib.sha256(f"{seed}/{task.film.name}".encode()).digest()))
    Image.fromarray(augmented(read_film(task.source.path).pixels, rng)).save(target, format="PNG", compress_level=3)


def _finish(part: Path, out: Path, made: Sequence[Task]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(task.film, task.source.name) for task in made)
    try:
        atomic.write_bytes(part / "index.csv", text.getvalue().encode("utf-8", "backslashreplace"))
        part.rename(out)
    except OSError as error:
        raise DatasetError(
            f"{out} cannot be written ({error.strerror}); the films are ready in {part}: give the same command again."
        ) from error


def _row(film: Film, original: str) -> list[str]:
    age = "" if film.age is None else f"{film.age:g}"
    return [
        film.name,
        film.label,
        film.patient,
        film.split,
        film.source,
        film.view,
        age,
        film.sex,
        film.origin,
        f"{film.weight:.6g}",
        original,
    ]


def _hash(tasks: Sequence[Task]) -> str:
    rows = [[*_row(task.film, task.source.name), str(task.source.path)] for task in tasks]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
