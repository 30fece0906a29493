"""The record in a lung finder's file: read as it was written, refused when it is not one."""

from __future__ import annotations

import dataclasses

import onnx
import pytest

from deephealth.errors import ModelFileError
from deephealth.evaluation.lungs.finder import LungFinder
from deephealth.model import typed
from deephealth.model.lung_record import LUNG_KEY, LungData, LungRecord, LungScore, Plausibility, lung_card, with_lung_record

RECORD = LungRecord(
    schema_version=1,
    created_with="0.1.0",
    side=128,
    threshold=0.5,
    plausibility=Plausibility(smallest=0.1, largest=0.65, main=0.9, balance=0.3, breadth=0.6, certainty=0.6),
    data=(LungData(name="some films", licence="CC BY 4.0", films=10, patients=9, credit="Somebody"),),
    scores=(LungScore("held-out films", "Dice", 0.951, 40, 38, 0.94, 0.96), LungScore("all", "coverage", 0.5, 3, 3)),
    limits=("It knows one hospital.",),
)


@pytest.fixture(scope="module")
def graph() -> bytes:
    return LungFinder.shipped().data


def test_a_record_is_read_as_it_was_written(graph: bytes) -> None:
    finder = LungFinder.load(with_lung_record(graph, RECORD))
    assert dataclasses.replace(finder.record, card="") == RECORD
    assert finder.record.card == lung_card(RECORD)
    assert with_lung_record(graph, RECORD) == with_lung_record(finder.data, RECORD)


def test_the_card_tells_use_numbers_sources_and_limits() -> None:
    card = lung_card(RECORD)
    for words in (
        "Not a medical device",
        "0.951 (0.940 to 0.960) | 40 | 38",
        "0.500 | 3 | 3",
        "CC BY 4.0. Somebody",
        "It knows one hospital.",
    ):
        assert words in card


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 2),
        ("threshold", 0),
        ("threshold", 1.5),
        ("side", "128"),
        ("plausibility", {}),
        ("nonsense", 1),
        ("scores", [{"value": 1}]),
    ],
)
def test_a_wrong_record_is_refused(graph: bytes, field: str, value: object) -> None:
    model = onnx.load_from_string(graph)
    del model.metadata_props[:]
    model.metadata_props.add(key=LUNG_KEY, value=typed.dumps({**typed.encode(RECORD), field: value}))
    with pytest.raises(ModelFileError):
        LungFinder.load(model.SerializeToString())


def test_a_side_that_is_not_the_graphs_is_refused(graph: bytes) -> None:
    with pytest.raises(ModelFileError, match="side of 64"):
        LungFinder.load(with_lung_record(graph, dataclasses.replace(RECORD, side=64)))
