"""The published schema of the report is that of its dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import jsonschema
import pytest

from deephealth.evaluation.abstention import risk_coverage
from deephealth.evaluation.evidence import DataFacts, Evidence, GateSet, LabelErrors, Neighbour, Suspect, ValueCounts
from deephealth.evaluation.intervals import Interval, PatientBootstrap
from deephealth.evaluation.report import report_schema
from deephealth.evaluation.results import plain
from deephealth.evaluation.schema import evidence_definitions, with_evidence

SHARE = Interval(0.5, 0.4, 0.6, 30, 20)
FULL = Evidence(
    data=DataFacts({"a": 3}, {"a": 2}, (1.5, 2), {"a": (1, 2.5, 3)}, {"a": (1, 2.0, 3)}, (ValueCounts("sex", {"F": {"a": 3}}),), "csv"),
    abstention=risk_coverage([[0.9, 0.1], [0.2, 0.8]], [0, 1], PatientBootstrap(["p", "q"], draws=10)),
    label_errors=LabelErrors((Suspect(0, "x.png", "a", "b", 0.1, 0.9),), 1, ((1.0, 0.0), (0.5, 0.5)), 2, 2),
    neighbours={"x.png": (Neighbour("y.png", "b", 0.9),)},
    gate=(GateSet("hands", False, SHARE, 1),),
)


def validator() -> jsonschema.Draft202012Validator:
    schema = report_schema()
    return jsonschema.Draft202012Validator({"$schema": schema["$schema"], "$ref": "#/$defs/evidence", "$defs": schema["$defs"]})


def test_the_published_schema_is_current() -> None:
    jsonschema.Draft202012Validator.check_schema(report_schema())
    assert report_schema() == with_evidence(report_schema()), "write it anew: python -m deephealth.evaluation.schema"


def test_every_part_is_described_and_lets_nothing_unknown_pass() -> None:
    definitions = evidence_definitions()
    assert {"evidence", "abstention", "conformal_sets", "subgroup", "external_set", "leakage_gap", "suspect", "gate_set"} <= set(
        definitions
    )
    for name, part in definitions.items():
        assert part["description"].endswith("."), name
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    assert list(definitions["evidence"]["properties"]) == [item.name for item in dataclasses.fields(Evidence)]


@pytest.mark.parametrize("evidence", [Evidence(), FULL])
def test_evidence_follows_the_schema(evidence: Evidence) -> None:
    validator().validate(json.loads(json.dumps(plain(evidence), allow_nan=False)))


def wrong(change: Any) -> dict[str, Any]:
    data = copy.deepcopy(plain(FULL))
    change(data)
    return dict(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("gate"),
        lambda data: data.update(more=1),
        lambda data: data["gate"][0].update(refused=0.5),
        lambda data: data["data"].update(films_per_patient=[1.5, 2, 3]),
        lambda data: data["data"].update(films_per_patient=[1.5, 2.5]),
        lambda data: data["data"]["films"].update(a=-1),
        lambda data: data["label_errors"]["suspects"][0].pop("truth"),
        lambda data: data["neighbours"].update(z=[{"name": "y.png"}]),
    ],
)
def test_what_does_not_follow_it_is_refused(change: Any) -> None:
    assert not validator().is_valid(wrong(change))
