"""What was tried: other recipes on fold 0, each the shipped recipe with a few changes, judged on films that they have not seen.

    python -m studies.shipped tried

The trials stand in screens.toml. One run each: differences of a point or two may be chance; what they are for is to leave out what is
far worse. "Changed films" are the fold's films with another exposure, frame or sharpness, of kinds that augmentation mostly does not make:
the train and the official test films of this set differ in exposure and framing, so what changes least is what travels best.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.images.read import read_film
from deephealth.model.file import Model
from deephealth.settings import atomic
from deephealth.training.recipe import recipe_from_dict
from studies.shipped import lungs
from studies.shipped.accuracy import same_at_own_size, scores
from studies.shipped.answers import OutOfFold, ask, probabilities_of, refused_by
from studies.shipped.films import Children, Pixels
from studies.shipped.runs import RECIPE, Runs, command, run_all

TRIALS = Path(__file__).with_name("screens.toml")


def measure(children: Children, runs: Runs, threads: int) -> list[dict[str, Any]]:
    """The section "tried": train what is not there yet, two at a time; a row each, after that of the shipped recipe."""
    trials = tomllib.loads(TRIALS.read_text())["trial"]
    split = runs.folder / "fold-0.csv"
    children.splits[0].save(split)
    jobs = []
    for trial in trials:
        recipe = runs.folder / f"{trial['name']}.toml"
        atomic.write_text(recipe, as_toml(changed(tomllib.loads(RECIPE.read_text()), trial.get("changes", {}))))
        jobs.append(command(children.data, runs.trial(trial["name"]).parent, recipe, split))
    run_all(jobs, processes=threads)
    judging = [("the shipped recipe", runs.fold(0)), *((trial["what"], runs.trial(trial["name"])) for trial in trials)]
    return [{"what": what, **judged(children, path, threads)} for what, path in judging]


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


def judged(children: Children, path: Path, threads: int) -> dict[str, Any]:
    """A trial's row."""
    model = Model.load(path)
    films = children.tested(0)
    pixels = [read_film(film.path).pixels for film in films]
    outputs = ask(model, pixels, threads)
    labels = np.array([model.labels.index(film.label) for film in films])
    found = OutOfFold(films, np.zeros(len(films), int), labels, probabilities_of(outputs), refused_by(model, outputs))
    figures = scores(found, model.labels)
    part = lungs.summary([lungs.of_fold(children, model, 0, threads)])
    other = changed_films(model, pixels, labels, found.probabilities.argmax(axis=1), threads)
    return {
        **{name: figures[name]["value"] for name in ("accuracy", "normal against pneumonia, AUC", "bacterial against viral, AUC")},
        **other,
        "only lungs": part["parts"]["only lungs"]["accuracy"]["value"],
        "without lungs": part["parts"]["without lungs"]["accuracy"]["value"],
        "evidence in the lungs": part["energy in the drawn lungs"]["value"],
        "native, same answer": float(np.mean([same for _, same in same_at_own_size(children, model, 0, threads)])),
        "reframed, changed": part["answers changed by another frame"]["value"],
        "minutes of a core": round(_minutes(path), 1),
    }


def _minutes(path: Path) -> float:
    return float(json.loads((path.parent / "run.json").read_text())["cpu_seconds"]) / 60


def changed_films(model: Model, pixels: list[Pixels], labels: Any, before: Any, threads: int) -> dict[str, float]:
    """Mean accuracy on the films changed in each way, and the share whose answer stays."""
    right, same = [], []
    for change in CHANGES.values():
        answered = probabilities_of(ask(model, [change(film) for film in pixels], threads)).argmax(axis=1)
        right.append((answered == labels).mean())
        same.append((answered == before).mean())
    return {"accuracy, changed films": float(np.mean(right)), "same answer, changed films": float(np.mean(same))}


def _curve(levels: NDArray[np.float64]) -> Callable[[Pixels], Pixels]:
    table = np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)
    return lambda film: table[film]


def equalised(film: Pixels) -> Pixels:
    """Every grey level as frequent as any other."""
    counts = np.bincount(film.ravel(), minlength=256).cumsum()
    return np.asarray((255 * counts / counts[-1]).astype(np.uint8)[film])


def shaded(film: Pixels) -> Pixels:
    """Brighter from left to right, by 0.6 to 1.4 times, as an uneven beam makes it."""
    return np.asarray(np.rint(np.clip(film * np.linspace(0.6, 1.4, film.shape[1]), 0, 255)).astype(np.uint8))


def blurred(film: Pixels) -> Pixels:
    """As if from a copy of less than half its side."""
    from PIL import Image

    small = Image.fromarray(film).resize((96, 96), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(film.shape[::-1], Image.Resampling.BILINEAR))


def _window(film: Pixels, rows: float, columns: float) -> Pixels:
    height, width = film.shape
    top, left = round(height * (1 - rows) / 2), round(width * (1 - columns) / 2)
    return np.ascontiguousarray(film[top : height - top, left : width - left])


_GREYS = np.linspace(0, 1, 256)
CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "lighter": _curve(_GREYS**0.6),
    "darker": _curve(_GREYS**1.7),
    "harder": _curve(1 / (1 + np.exp(-8 * (_GREYS - 0.5)))),
    "equalised": equalised,
    "shaded": shaded,
    "blurred": blurred,
    "closer": lambda film: _window(film, 0.85, 0.85),
    "wider": lambda film: _window(film, 1.0, 0.8),
    "higher": lambda film: _window(film, 0.8, 1.0),
}
