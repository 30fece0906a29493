"""The finished model's record: who its films are of, what it cost, and what the folds and the other hospitals' films say of it."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deephealth.datasets.public import public_sets
from deephealth.errors import ModelFileError
from deephealth.evaluation.lungs.finder import LungFinder
from deephealth.model.file import Model, save_model
from deephealth.model.graph import with_record
from deephealth.model.record import Estimate
from deephealth.model.verify import verify

NAME = "deephealth-small.onnx"
_WATTS = 10  # of one busy core of a server, its share of memory and cooling: an assumption, said as such


def complete(run: Path, results: Mapping[str, Any]) -> Path:
    """The run's model with the figures of `results` in its record, beside the run. ModelFileError when it fails its own goldens."""
    model = Model.load(run)
    record = model.record
    known = {**record.metrics, **dict(_metrics(results))}
    training = dataclasses.replace(record.training, commit=run.parent.with_suffix(".commit").read_text(), cost=cost(run))
    limits = (*record.limits, *_limits(results))
    sources = tuple(dataclasses.replace(source, licence=_credit()) for source in record.data.sources)
    told = dataclasses.replace(
        record, metrics=known, training=training, limits=limits, data=dataclasses.replace(record.data, sources=sources)
    )
    data = with_record(model.data, told)
    path = run.parent / NAME
    save_model(data, path)
    verdict = verify(Model.load(path))
    if not verdict.ok:
        raise ModelFileError(f"{path} does not pass its own goldens; train it again.")
    return path


def _credit() -> str:
    """Licence and credit of the films, and of the masks behind the lungs that the network was shown."""
    films = public_sets()["kermany"]
    masks = "; ".join(f"{learned.name}, {learned.licence}. {learned.credit}".rstrip(". ") for learned in LungFinder.shipped().record.data)
    return f"{films.licence}. {films.citation.rstrip('.')}. Their lungs were found by the lung finder, which learned from: {masks}"


def cost(run: Path) -> str:
    """The run's time, and the energy that it would be at an assumed power."""
    facts = json.loads((run.parent / "run.json").read_text())
    seconds = facts["cpu_seconds"]
    energy = seconds / 3.6e6 * _WATTS
    return (
        f"{seconds / 60:.0f} minutes of one {platform.machine()} core and {facts['peak_memory_mb']} MB; about {energy:.3f} kWh if a core "
        f"takes {_WATTS} W, which was not measured."
    )


def _metrics(results: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Estimate]]]:
    """Rows of the card, of what was measured: of the five folds, of hidden lungs, of the gate on other films."""
    if folds := results.get("folds"):
        yield "five folds by patient, same recipe", {name: _estimate(value) for name, value in folds["all"].items()}
        yield "the surest 60 %, five folds", {"accuracy": _estimate(folds["surest"]["60%"])}
    if "lungs" in results:
        lungs = results["lungs"]["shipped"]
        yield "parts of the films, five folds", {f"accuracy, {name}": _estimate(part["accuracy"]) for name, part in lungs["parts"].items()}
        yield "heatmap, five folds", {"positive evidence in the lungs": _estimate(lungs["energy in the drawn lungs"])}
    if gate := results.get("gate"):
        yield "share refused by the gate", {name: _estimate(value) for name, value in gate["refused"].items()}


def _estimate(value: Mapping[str, Any]) -> Estimate:
    return Estimate(value=value["value"], low=value["low"], high=value["high"], n_films=value["films"], n_patients=value["patients"])


def _limits(results: Mapping[str, Any]) -> Iterator[str]:
    told = (
        "Films of adults and of other hospitals that the gate passes are answered as if they were these children's, and no score says "
        "how well."
    )
    if folds := results.get("folds"):
        told = f"The gate passes {folds['passed']['value']:.1%} of held-out children's films. {told}"
    yield told
