"""From a model's row and what its file says to what the API sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deephealth.evaluation.wording import Language
from deephealth.service.answering.results import Facts
from deephealth.service.context import Services
from deephealth.service.models.lamps import headline, lamps
from deephealth.service.models.schemas import Artefact, ModelDetail, ModelSummary, OperatingPoint
from deephealth.service.schemas import Estimate
from deephealth.service.store.models import ModelRow
from deephealth.service.times import iso


def summary(services: Services, model: ModelRow, facts: Facts, serving: str, language: Language) -> ModelSummary:
    """The model at a glance. serving: the id of the one that answers on Read."""
    return ModelSummary(**_common(services, model, facts, serving, language))


def detail(services: Services, model: ModelRow, facts: Facts, serving: str, language: Language) -> ModelDetail:
    """All that is known of the model."""
    record = facts["record"]
    return ModelDetail(
        **_common(services, model, facts, serving, language),
        card=facts[f"card_{language}"],
        size=record["size"],
        grid=record["backbone"].get("grid", 0),
        licence=record.get("licence", ""),
        limits=list(record.get("limits", ())),
        metrics={split: {name: Estimate.of(found) for name, found in metrics.items()} for split, metrics in _metrics(record).items()},
        operating_points=[_point(point) for point in record.get("operating_points", ())],
        record=record,
    )


def file_name(model: ModelRow, ending: str) -> str:
    """A name for a download that no system minds."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", model.name).strip("-.")[:80] or "model") + ending


def _common(services: Services, model: ModelRow, facts: Facts, serving: str, language: Language) -> dict[str, Any]:
    record = facts["record"]
    sources = record.get("data", {}).get("sources", ())
    return {
        "id": model.id,
        "name": model.name,
        "labels": list(record["labels"]),
        "created": None if model.created is None else iso(model.created),
        "origin": model.origin,
        "project": model.project,
        "classroom": model.classroom,
        "serving": model.id == serving,
        "archived": model.archived is not None,
        "films": sum(source.get("films", 0) for source in sources),
        "patients": sum(source.get("patients", 0) for source in sources),
        "headline": headline(record),
        "lamps": lamps(record, language),
        "artefacts": _artefacts(services, model, facts, language),
    }


def _artefacts(services: Services, model: ModelRow, facts: Facts, language: Language) -> list[Artefact]:
    base = f"/api/v1/models/{model.id}"
    card = len(facts[f"card_{language}"].encode())
    found = [
        Artefact(name=file_name(model, ".onnx"), kind="onnx", bytes=facts["bytes"], href=f"{base}/file"),
        Artefact(name=file_name(model, ".md"), kind="card", bytes=card, href=f"{base}/card?lang={language}"),
    ]
    for kind, blob, name in (("report-html", model.report, "report"), ("report-json", model.evaluation, "evaluation")):
        if blob is not None and (path := services.blobs.path(blob)).is_file():
            ending = ".html" if kind == "report-html" else ".json"
            found.append(Artefact(name=name + ending, kind=kind, bytes=path.stat().st_size, href=f"{base}/{name}"))
    return found


def _metrics(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = record.get("metrics", {})
    return found


def _point(point: Mapping[str, Any]) -> OperatingPoint:
    return OperatingPoint(
        name=point["name"],
        positive=list(point["positive"]),
        threshold=point["threshold"],
        sensitivity=Estimate.of(point["sensitivity"]),
        specificity=Estimate.of(point["specificity"]),
    )
