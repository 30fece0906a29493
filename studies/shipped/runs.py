"""The training runs: one a fold, the naive one, and the file that ships; each is what `deephealth train` does, two at a time, resumable.

What ships is trained twice: first from ImageNet's weights, then for a few epochs more on films that are also softened (decision 032). The
folds go the same way, each from its own first run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephealth.settings import atomic
from deephealth.training.recipe import recipe_from_dict
from studies.shipped.films import FOLDS, Children

FIRST_RECIPE = Path("recipes/shipped-first.toml")
RECIPE = Path("recipes/shipped.toml")
NAIVE_RECIPE = Path("recipes/naive.toml")


@dataclass(frozen=True)
class Runs:
    """Where the runs lie."""

    folder: Path

    def fold(self, k: int) -> Path:
        """Model trained without the films of fold `k`."""
        return self.folder / f"fold-{k}" / "model.onnx"

    @property
    def naive(self) -> Path:
        """Fold 0 without augmentation and counter-examples."""
        return self.folder / "naive-0" / "model.onnx"

    def trial(self, name: str) -> Path:
        """A trial of another recipe on fold 0."""
        return self.folder / name / "model.onnx"

    @property
    def shipped(self) -> Path:
        """The model that ships."""
        return self.folder / "shipped" / "model.onnx"


def train_all(children: Children, runs: Runs, *, processes: int) -> None:
    """Train what is not there yet. One thread a run, so that a run gives the same file on any number of cores."""
    runs.folder.mkdir(parents=True, exist_ok=True)
    jobs = [twice(children.data, runs.shipped.parent, None)]
    for k in range(FOLDS):
        split = runs.folder / f"fold-{k}.csv"
        children.splits[k].save(split)
        jobs.append(twice(children.data, runs.fold(k).parent, split))
    jobs.append([command(children.data, runs.naive.parent, NAIVE_RECIPE, runs.folder / "fold-0.csv")])
    run_all(jobs, processes=processes)


def twice(data: Path, out: Path, split: Path | None) -> list[list[str]]:
    """The two runs that lead to a model like the one that ships; the second begins where the first ended."""
    first = out.with_name(f"{out.name}-first")
    recipe = out.with_suffix(".toml")
    start = first / "fine_tune" / "fine-tune.pt"
    atomic.write_text(recipe, as_toml(changed(tomllib.loads(RECIPE.read_text()), {"fine_tune": {"start": str(start)}})))
    return [command(data, first, FIRST_RECIPE, split), command(data, out, recipe, split)]


def run_all(jobs: Sequence[Sequence[Sequence[str]]], *, processes: int) -> None:
    """Run what is not finished yet, `processes` jobs at a time, each its commands in turn. SystemExit when one fails."""
    with ThreadPoolExecutor(processes) as pool:
        for failed in pool.map(_run_in_turn, jobs):
            if failed:
                raise SystemExit(f"{' '.join(failed)} did not end well; see {_log(failed)}")


def _run_in_turn(commands: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """The first command that fails; those after it are not run."""
    return next((command for command in commands if _run(command)), None)


def command(data: Path, out: Path, recipe: Path, split: Path | None) -> list[str]:
    """What is typed for one run."""
    films = str(data / "kermany" / "chest_xray")
    options = ["--recipe", str(recipe), "--out", str(out), "--threads", "1", "--no-films"]
    return [sys.executable, "-m", "deephealth", "train", films, *options, *(["--split", str(split)] if split else [])]


def changed(recipe: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, as its file has it, with some keys of some sections changed. UsageError for what a recipe may not hold."""
    found = dict(recipe)
    for section, values in changes.items():
        found[section] = {**found.get(section, {}), **values}
    recipe_from_dict(found)
    return found


def as_toml(recipe: Mapping[str, Any]) -> str:
    """A recipe's file: plain values and one level of sections."""
    plain = {key: value for key, value in recipe.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for section, values in recipe.items():
        if isinstance(values, Mapping):
            lines += ["", f"[{section}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # strings, numbers, booleans and lists are written alike in TOML and JSON


def commit() -> str:
    """The commit that is checked out, with a plus where the working tree differs from it."""
    told = subprocess.run(["git", "describe", "--always", "--dirty=+", "--abbrev=12"], capture_output=True, text=True, check=True)  # noqa: S607
    return told.stdout.strip()


def _log(command: Sequence[str]) -> Path:
    out = Path(command[command.index("--out") + 1])
    return out.with_suffix(".log")


def _run(command: Sequence[str]) -> int:
    out = Path(command[command.index("--out") + 1])
    if (out / "model.onnx").is_file() and (out / "run.json").is_file():
        return 0
    started = time.monotonic()
    out.with_suffix(".commit").write_text(commit())
    with _log(command).open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode  # noqa: S603
    print(f"{out.name}: exit {code} after {time.monotonic() - started:.0f} s", flush=True)
    return code
