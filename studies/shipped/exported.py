"""The file itself: its size, what int8 costs, how long one film takes on one core."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from deephealth.images.read import read_film
from deephealth.model.exports.artefact import Source
from deephealth.model.exports.exporting import ask as ask_export
from deephealth.model.exports.exporting import find_format
from deephealth.model.exports.films import CALIBRATION_FILMS
from deephealth.model.exports.runtimes.asking import square
from deephealth.model.file import Model
from studies.shipped.answers import ask, probabilities_of, share
from studies.shipped.films import Children
from studies.shipped.runs import Runs

_TIMED = 30  # films at their own size, each asked once after a first that does not count


def measure(children: Children, runs: Runs, threads: int) -> dict[str, Any]:
    """The section "file". int8 is judged on fold 0 by fold 0's model, so on films that it has never seen."""
    model = Model.load(runs.shipped)
    return {
        "bytes": len(model.data),
        "size": model.record.size,
        "map": model.record.backbone.grid,
        "int8": _int8(children, runs, threads),
        "milliseconds": _milliseconds(children, model),
    }


def _int8(children: Children, runs: Runs, threads: int) -> dict[str, Any]:
    """Fold 0's model in whole numbers, fitted to films it was trained on, asked in its own runtime about films that it has not seen."""
    model, form = Model.load(runs.fold(0)), find_format("onnx-int8")
    trained = children.splits[0].films(children.index, "train")[:: len(children.index.films) // CALIBRATION_FILMS]
    calibration = np.stack([square(read_film(film.path).pixels, model.record.size, 1) for film in trained])
    films = children.tested(0)
    pixels = [read_film(film.path).pixels for film in films]
    artefact = form.write(Source(model, lambda: calibration))
    with tempfile.TemporaryDirectory() as folder:
        for name, data in artefact.files.items():
            (Path(folder) / name).write_bytes(data)
        answered = ask_export(form, Path(folder), dataclasses.asdict(artefact.interface), pixels)
    before, after = probabilities_of(ask(model, pixels, threads)).argmax(1), np.asarray(answered["probabilities"]).argmax(1)
    labels, patients = np.array([model.labels.index(film.label) for film in films]), [film.patient for film in films]
    return {
        "bytes": sum(len(data) for data in artefact.files.values()),
        "accuracy, fp32": share(before == labels, patients),
        "accuracy, int8": share(after == labels, patients),
        "same answer": share(before == after, patients),
    }


def _milliseconds(children: Children, model: Model) -> dict[str, Any]:
    """The median of one run of the graph, resize and heatmap included, on one thread; decoding is not in it."""
    films = [path for film in children.index.films if (path := children.original(film))][: _TIMED + 1]
    pixels = [read_film(path).pixels for path in films]
    took = []
    for film in pixels:
        started = time.perf_counter()
        model.run(film, threads=1)
        took.append(1000 * (time.perf_counter() - started))
    return {
        "films": len(took) - 1,
        "megapixels": round(float(np.median([film.size / 1e6 for film in pixels])), 2),
        "median": round(statistics.median(took[1:]), 1),
    }
