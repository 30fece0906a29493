"""The reporting checklists claim what the report really holds."""

from __future__ import annotations

import dataclasses
import re

import pytest

from deephealth.evaluation.evidence import Evidence
from deephealth.evaluation.report.checklist import RULES, Item, checklists, read_items
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.wording import Words


def items(evaluation: Evaluation, name: str) -> dict[str, Item]:
    found = next(list_ for list_ in checklists(evaluation, Words("en")) if list_.name == name)
    return {item.number: item for item in found.items}


def with_context(evaluation: Evaluation, **changes: object) -> Evaluation:
    return dataclasses.replace(evaluation, context=dataclasses.replace(evaluation.context, **changes))  # type: ignore[arg-type]


def test_claim_has_its_44_items_in_order() -> None:
    assert [entry["n"] for entry in read_items("claim2024")["items"]] == [str(n) for n in range(1, 45)]


def test_tripod_ai_has_its_27_items_with_52_parts_in_order() -> None:
    numbers = [entry["n"] for entry in read_items("tripod_ai")["items"]]
    assert len(numbers) == len(set(numbers)) == 52
    assert list(dict.fromkeys(int(re.sub(r"\D", "", number)) for number in numbers)) == list(range(1, 28))
    parts = [number for number in numbers if number.startswith("12")]
    assert parts == [f"12{letter}" for letter in "abcdefg"]


@pytest.mark.parametrize("file", ["claim2024", "tripod_ai"])
def test_every_item_has_a_title_in_both_languages_and_a_rule(file: str) -> None:
    for entry in read_items(file)["items"]:
        assert entry["en"] and entry["es"] and entry["en"] != entry["es"], entry
        assert entry["rule"] in RULES, entry


def test_no_rule_is_idle() -> None:
    assert {entry["rule"] for file in ("claim2024", "tripod_ai") for entry in read_items(file)["items"]} == set(RULES)


def test_an_external_test_is_claimed_only_where_there_is_one(full: Evaluation) -> None:
    assert items(full, "CLAIM 2024")["33"].status == "filled"
    without = dataclasses.replace(full, evidence=dataclasses.replace(full.evidence, external=()))
    assert items(without, "CLAIM 2024")["33"].status == "person"


def test_disjoint_partitions_are_claimed_only_when_no_leak_was_found(full: Evaluation) -> None:
    for leakage, status in ((None, "partly"), ({"leaks": False}, "filled"), ({"leaks": True}, "partly")):
        assert items(with_context(full, leakage=leakage), "CLAIM 2024")["20"].status == status


def test_performance_counts_as_filled_only_with_subgroups(full: Evaluation) -> None:
    assert items(full, "TRIPOD+AI")["23a"].status == "filled"
    bare = dataclasses.replace(full, evidence=Evidence())
    assert items(bare, "TRIPOD+AI")["23a"].status == "partly"


def test_less_evidence_never_fills_more(full: Evaluation) -> None:
    rank = {"person": 0, "partly": 1, "filled": 2}
    bare = dataclasses.replace(full, evidence=Evidence(), operating_points=(), before_temperature=None, limits=())
    for name in ("CLAIM 2024", "TRIPOD+AI"):
        rich, poor = items(full, name), items(bare, name)
        assert all(rank[poor[number].status] <= rank[rich[number].status] for number in rich)
        assert any(rank[poor[number].status] < rank[rich[number].status] for number in rich)


def test_counts_are_of_the_items(full: Evaluation) -> None:
    for found in checklists(full, Words("es")):
        assert sum(found.counts) == len(found.items)
        assert found.counts[2] == sum(item.section == "" for item in found.items)
