"""python -m studies.shipped: train the folds and the model that ships, measure, write its card, its file and docs/shipped-model.md.

    python -m studies.shipped                    everything that is not there yet
    python -m studies.shipped train              only the training runs
    python -m studies.shipped measure            what was not measured yet
    python -m studies.shipped gate lungs         only these parts, anew
    python -m studies.shipped card page          the card into the file, the page from what was measured

Interrupted, it goes on where it stopped. What was measured lies in docs/shipped-model.json, each figure with n and interval.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deephealth.settings import atomic
from deephealth.settings import threads as thread_settings
from studies.shipped import accuracy, adults, card, exported, gate, lungs, page, plots, pointing, screen, transfer
from studies.shipped.films import Children
from studies.shipped.runs import Runs, train_all

RESULTS = Path("docs/shipped-model.json")
PAGE = Path("docs/shipped-model.md")
ADULTS = Path("docs/adult-films.md")
IMAGES = {"lungs": Path("docs/images/shipped-parts.svg"), "gate": Path("docs/images/shipped-gate.svg")}
SHIPPED = Path("src/deephealth/data/deephealth-small.onnx")


def main() -> None:
    """Parse, then run the steps in their order."""
    parser = argparse.ArgumentParser(prog="python -m studies.shipped", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"train, measure, card, page, or one of {', '.join(_parts())}")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the films (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs/shipped-model"), help="folder of the runs (default: %(default)s)")
    options = parser.parse_args()
    steps = options.steps or ["train", "measure", "card", "page"]
    if unknown := set(steps) - {"train", "measure", "card", "page", *_parts()}:
        parser.error(f"there is no step {min(unknown)!r}")
    threads = thread_settings.resolve(None)
    runs = Runs(options.runs)
    if set(steps) - {"page", "card"}:
        children = Children.open(options.data, threads)
        if "train" in steps:
            train_all(children, runs, processes=threads)
        _measure(steps, children, runs, threads)
    if "card" in steps:
        atomic.write_bytes(SHIPPED, card.complete(runs.shipped, _results()).read_bytes())
    if "page" in steps:
        results = _results()
        atomic.write_text(PAGE, page.render(results))
        atomic.write_text(ADULTS, page.adult_films(results))
        for name, draw in (("lungs", plots.parts), ("gate", plots.refused)):
            if name in results:
                atomic.write_text(IMAGES[name], draw(results[name]))


def _parts() -> dict[str, Callable[[Children, Runs, int], Any]]:
    """What can be measured, in the order of the page."""
    return {
        "folds": accuracy.measure,
        "lungs": lungs.measure,
        "gate": gate.measure,
        "heatmaps": pointing.measure,
        "transfer": transfer.measure,
        "adults": adults.measure,
        "file": exported.measure,
        "tried": screen.measure,
    }


def _results() -> dict[str, Any]:
    """What was measured so far, by part."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def _measure(steps: list[str], children: Children, runs: Runs, threads: int) -> None:
    results = _results()
    for name, part in _parts().items():
        if name not in steps and ("measure" not in steps or name in results):
            continue
        started = time.monotonic()
        results[name] = part(children, runs, threads)
        atomic.write_json(RESULTS, results)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
