from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deephealth
from deephealth.errors import ModelFileError
from deephealth.model.record import (
    BackboneRecord,
    ConformalRecord,
    DataRecord,
    DataSource,
    Estimate,
    Golden,
    HeadRecord,
    ModelRecord,
    OperatingPoint,
    SplitRecord,
    TrainingRecord,
    json_schema,
    pack_hashes,
    unpack_hashes,
    upgrade,
)

SCHEMA = Path(deephealth.__file__).parent / "data" / "model.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))

text = st.text(max_size=12)
name = st.text(min_size=1, max_size=12)
count = st.integers(0, 10**6)
finite = st.floats(allow_nan=False, allow_infinity=False)
share = st.floats(0, 1)
sha256 = st.sampled_from(["", "0" * 64, "0123456789abcdef" * 4])
counts = st.dictionaries(text, count, max_size=3)
free = st.recursive(
    st.none() | st.booleans() | finite | st.integers() | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=6
)
estimates = st.builds(Estimate, value=st.none() | finite, low=st.none() | finite, high=st.none() | finite, n_films=count, n_patients=count)
hashes = st.binary(max_size=4).map(lambda data: base64.b64encode(data * 32).decode())
positive = st.floats(0, exclude_min=True, allow_infinity=False)


def several(items: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=size, max_size=size).map(tuple)


@st.composite
def records(draw: st.DrawFn) -> ModelRecord:
    labels = draw(st.lists(name, min_size=2, max_size=4, unique=True))
    n = len(labels)
    golden = st.builds(
        Golden,
        name=name,
        png=name,
        probabilities=several(share, n),
        novelty=st.floats(0, 1e30),
        heatmap_mean=several(finite, n),
        heatmap_max=several(finite, n),
        heatmap_peak=several(count, n),
    )
    point = st.builds(
        OperatingPoint,
        name=name,
        positive=st.just((labels[0],)),
        negative=st.just(tuple(labels[1:])),
        threshold=share,
        sensitivity=estimates,
        specificity=estimates,
    )
    source = st.builds(
        DataSource, name=text, layout=text, licence=text, films=count, patients=count, labels=counts, left_out=count, sha256=sha256
    )
    return draw(
        st.builds(
            ModelRecord,
            name=name,
            licence=text,
            labels=st.just(tuple(labels)),
            channels=st.sampled_from([1, 3]),
            size=st.integers(1, 8192),
            backbone=st.builds(BackboneRecord, name=text, sha256=sha256, dim=count, grid=count, licence=text, provenance=text),
            head=st.builds(HeadRecord, kind=st.sampled_from(["linear", "dense"]), hidden=count),
            temperature=positive,
            novelty_threshold=positive,
            operating_points=st.lists(point, max_size=2).map(tuple),
            conformal=st.none() | st.builds(ConformalRecord, level=st.floats(0.01, 1), threshold=share, films=count),
            training=st.builds(TrainingRecord, seed=st.integers(), recipe=st.dictionaries(text, free, max_size=3), films=count),
            data=st.builds(DataRecord, sources=st.lists(source, max_size=2).map(tuple), leakage=text),
            split=st.builds(SplitRecord, sha256=sha256, by=st.sampled_from(["patient", "film"]), films=counts, patients=counts),
            metrics=st.dictionaries(text, st.dictionaries(text, estimates, max_size=2), max_size=2),
            limits=st.lists(text, max_size=2).map(tuple),
            seen=hashes,
            fitted_on=hashes,
            goldens=st.lists(golden, max_size=2).map(tuple),
            card=text,
        )
    )


@settings(max_examples=60, deadline=None)
@given(records())
def test_every_record_survives_and_follows_the_published_schema(record: ModelRecord) -> None:
    written = record.to_text()
    assert ModelRecord.from_text(written) == record
    assert ModelRecord.from_text(written).to_text() == written
    VALIDATOR.validate(json.loads(written))


def test_the_published_schema_is_that_of_the_record() -> None:
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema == json_schema(), (
        "write it anew: json.dumps(json_schema(), indent=2) into src/deephealth/data/model.schema.json"
    )


def minimal(**changes: Any) -> dict[str, Any]:
    return {**ModelRecord(name="m", labels=("a", "b"), novelty_threshold=2.0).to_json(), **changes}


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"labels": ["a"]}, "labels"),
    ({"labels": ["a", "a"]}, "each name once"),
    ({"labels": ["a", ""]}, r"labels\[1\]"),
    ({"labels": "ab"}, "labels"),
    ({"temperature": 0}, "temperature"),
    ({"temperature": "1"}, "a number"),
    ({"temperature": True}, "a number"),
    ({"novelty_threshold": -1}, "novelty_threshold"),
    ({"novelty_threshold": 0}, "novelty_threshold"),
    ({"novelty_threshold": 10**400}, "novelty_threshold"),
    ({"channels": 2}, "one of 1, 3"),
    ({"channels": [1]}, "one of 1, 3"),
    ({"size": 0}, "size"),
    ({"size": 224.0}, "a whole number"),
    ({"head": {"kind": "forest", "hidden": 0}}, "head.kind"),
    ({"head": []}, "head"),
    ({"unknown": 1}, "nearest"),
    ({"seen": "AAAA"}, "32 bytes each"),
    ({"seen": "not base64"}, "32 bytes each"),
    ({"backbone": {"sha256": "zz"}}, "backbone.sha256"),
    ({"metrics": {"test": {"accuracy": {"value": 1, "low": 0, "high": 1}}}}, "metrics.test.accuracy.n_films"),
    ({"operating_points": [{"name": "x"}]}, r"operating_points\[0\].positive"),
    ({"schema_version": "1"}, "schema_version"),
    ({"schema_version": True}, "schema_version"),
]


@pytest.mark.parametrize(("changes", "said"), BROKEN)
def test_a_broken_record_is_refused_in_one_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelFileError, match=said) as caught:
        ModelRecord.from_text(json.dumps(minimal(**changes)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "missing", ["name", "labels", "channels", "size", "backbone", "head", "temperature", "novelty_threshold", "created_with"]
)
def test_a_required_field_may_not_be_missing(missing: str) -> None:
    data = minimal()
    del data[missing]
    with pytest.raises(ModelFileError, match=missing):
        ModelRecord.from_json(data)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(data)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, '{"name": "x", "name": "y"}'])
def test_what_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError):
        ModelRecord.from_text(text)


def test_a_value_that_json_cannot_hold_is_not_written(tiny: ModuleType) -> None:
    with pytest.raises(ModelFileError):
        tiny.record(novelty_threshold=math.nan).to_text()
    with pytest.raises(ModelFileError):
        tiny.record(temperature=-1.0).to_text()
    with pytest.raises(ModelFileError):
        tiny.record(training=TrainingRecord(recipe={"x": math.inf})).to_text()


def point(**changes: Any) -> OperatingPoint:
    half = Estimate(value=0.5, low=0.4, high=0.6, n_films=10)
    values = {"name": "p", "positive": ("bacterial",), "negative": ("normal",), "threshold": 0.5}
    return OperatingPoint(**{**values, "sensitivity": half, "specificity": half, **changes})


def test_operating_points_name_the_models_own_labels(tiny: ModuleType) -> None:
    assert tiny.record(operating_points=(point(),)).operating_points[0].chosen_on == "validation"
    for changes in ({"positive": ("cardiomegaly",)}, {"negative": ("bacterial",)}):
        with pytest.raises(ModelFileError, match="each on one side"):
            tiny.record(operating_points=(point(**changes),))


def test_goldens_have_a_value_for_each_label(tiny: ModuleType) -> None:
    golden = Golden(
        name="g", png="x", probabilities=(0.5, 0.5), novelty=1, heatmap_mean=(0,) * 3, heatmap_max=(0,) * 3, heatmap_peak=(0,) * 3
    )
    with pytest.raises(ModelFileError, match="3 values, one a label"):
        tiny.record(goldens=(golden,))


def test_hashes_are_kept_without_their_order() -> None:
    found = np.array([[3] * 32, [1] * 32, [3] * 32], np.uint8)
    assert unpack_hashes(pack_hashes(found)).tolist() == [[1] * 32, [3] * 32]
    assert unpack_hashes(pack_hashes(np.empty((0, 32), np.uint8))).shape == (0, 32)


def test_a_file_of_before_conformal_sets_loads_without_them() -> None:
    record = minimal()
    del record["conformal"]
    assert ModelRecord.from_json(record).conformal is None


def test_no_field_holds_a_clock_time() -> None:
    names: list[str] = []

    def collect(schema: dict[str, Any]) -> None:
        for key, inner in schema.get("properties", {}).items():
            names.append(key)
            collect(inner)
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                collect(schema[key])

    collect(json_schema())
    assert len(names) > 60
    assert not [found for found in names if any(word in found for word in ("date", "time", "created_at", "host", "path", "user"))]


DRAFT = {
    "schema_version": 0,
    "name": "early",
    "classes": ["normal", "pneumonia"],
    "input": {"size": 160, "channels": 1},
    "backbone": {"name": "small", "sha256": "ab" * 32},
    "temperature": 1.5,
    "gate": {"threshold": 3.5},
}


def test_a_draft_record_is_brought_up() -> None:
    record = ModelRecord.from_json(DRAFT)
    assert record.schema_version == 1
    assert record.labels == ("normal", "pneumonia")
    assert (record.size, record.channels, record.temperature, record.novelty_threshold) == (160, 1, 1.5, 3.5)
    assert record.operating_points == ()
    assert record.backbone.name == "small"
    VALIDATOR.validate(record.to_json())
    assert ModelRecord.from_json({key: held for key, held in DRAFT.items() if key != "schema_version"}) == record
    assert "classes" in DRAFT, "upgrading leaves its input alone"


@pytest.mark.parametrize("changes", [{"input": 3}, {"gate": None}, {"classes": None}, {"input": {}}])
def test_a_broken_draft_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        ModelRecord.from_json({**DRAFT, **changes})


def test_a_current_record_is_left_as_it_is() -> None:
    assert upgrade(minimal()) == minimal()


def test_a_newer_record_says_how_to_upgrade() -> None:
    with pytest.raises(ModelFileError, match="pip install --upgrade deephealth"):
        ModelRecord.from_json(minimal(schema_version=2, something_new=1))
