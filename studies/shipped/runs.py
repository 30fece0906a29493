"""The training runs: one a fold, the naive one, and the file that ships; each is what `deephealth train` does, two at a time, resumable."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from studies.shipped.films import FOLDS, Children

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
    jobs = [command(children.data, runs.shipped.parent, RECIPE, None)]
    for k in range(FOLDS):
        split = runs.folder / f"fold-{k}.csv"
        children.splits[k].save(split)
        jobs.append(command(children.data, runs.fold(k).parent, RECIPE, split))
    jobs.append(command(children.data, runs.naive.parent, NAIVE_RECIPE, runs.folder / "fold-0.csv"))
    run_all(jobs, processes=processes)


def run_all(jobs: Sequence[Sequence[str]], *, processes: int) -> None:
    """Run what is not finished yet, `processes` at a time. SystemExit when one fails."""
    with ThreadPoolExecutor(processes) as pool:
        for code, job in zip(pool.map(_run, jobs), jobs, strict=True):
            if code:
                raise SystemExit(f"{' '.join(job)} ended with {code}; see {_log(job)}")


def command(data: Path, out: Path, recipe: Path, split: Path | None) -> list[str]:
    """What is typed for one run."""
    films = str(data / "kermany" / "chest_xray")
    options = ["--recipe", str(recipe), "--out", str(out), "--threads", "1", "--no-films"]
    return [sys.executable, "-m", "deephealth", "train", films, *options, *(["--split", str(split)] if split else [])]


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
