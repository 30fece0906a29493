"""The page: bars that fail are said to fail, what is absent is said to be absent."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from studies.shipped.page import ABSENT, BARS, adult_films, render, shown


def figure(value: float, spread: float = 0.01) -> dict[str, Any]:
    return {"value": value, "low": value - spread, "high": value + spread, "films": 100, "patients": 80}


def part(accuracy: float, balanced: float) -> dict[str, Any]:
    return {"accuracy": figure(accuracy), "balanced accuracy": figure(balanced)}


PARTS = {
    "whole film": part(0.82, 0.82),
    "only lungs": part(0.80, 0.80),
    "without lungs": part(0.50, 0.4),
    "only border": part(0.4, 0.35),
    "only corners": part(0.4, 0.34),
}
LUNGS = {
    "majority": 0.485,
    "parts": PARTS,
    "energy in the drawn lungs": figure(0.9),
    "answers changed by another frame": figure(0.045, 0.002),
}
HITS = {"hits": figure(0.9), "chance on the film": figure(0.1), "chance in the lungs": figure(0.3), "peaks of other films": figure(0.4)}
GAME = {group: {"in the lesion": HITS, "within one cell": HITS} for group in ("bacterial", "viral", "together")}
SIZE = {"ours": figure(0.9), "mobilenet_v2_0.35_224": figure(0.8), "mobilenet_v2_1.0_224": figure(0.85), "gain": figure(0.05)}
RESULTS: dict[str, Any] = {
    "folds": {
        "all": {
            "accuracy": figure(0.815),
            "normal against pneumonia, AUC": figure(0.995, 0.001),
            "bacterial against viral, AUC": figure(0.855),
            "ECE": figure(0.03),
        },
        "surest": {"100%": figure(0.815), "60%": figure(0.93)},
        "native": figure(0.99),
        "passed": figure(0.98),
    },
    "lungs": {"shipped": LUNGS, "shipped, fold 0": LUNGS, "naive, fold 0": LUNGS},
    "gate": {"refused": {"hands": figure(1.0, 0)}, "passed": figure(0.98), "no chest films": figure(0.999), "weakest kind": "slices"},
    "heatmaps": {"pointing game": GAME},
    "transfer": {"a task": {"metric": "AUC", "sizes": {"20": SIZE}}, "won": {"tasks": 4, "at every size": 3}},
    "file": {
        "bytes": 5_600_000,
        "int8": {"bytes": 1_500_000, "accuracy, fp32": figure(0.815), "accuracy, int8": figure(0.813)},
        "milliseconds": {"median": 9.5, "films": 30},
    },
    "tried": [{"what": "first", "accuracy": 0.77}],
}
SERVED = {"refused": figure(0.3), "false alarms": figure(0.2), "sensitivity": figure(0.5), "AUC": figure(0.6)}
ADULTS: dict[str, Any] = {
    "answers": {"NIH": {"shipped": SERVED, "folds": SERVED}},
    "which source": {"adults, normal films": {"chance": 0.33, "balanced accuracy": figure(0.95)}},
    "shortcut": {"head": figure(0.8), "source alone": figure(0.7), "inside sources": figure(0.6)},
    "left out": {"NIH": {"inside": figure(0.7), "left out": figure(0.55), "lost": figure(0.15)}},
}


def row(page: str, name: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {name} |"))


def test_every_bar_is_held_against_its_figure() -> None:
    page = render(RESULTS)
    assert page.startswith("# The model that ships\n\n**Children aged 1 to 5, one hospital")
    for bar in BARS:
        assert ABSENT not in row(page, bar.name), bar.name
    assert "**does not hold**, the interval reaches beyond" in row(page, "bacterial against viral, AUC")
    assert row(page, "three classes, accuracy").endswith("| holds, the interval reaches beyond |")
    assert row(page, "expected calibration error").endswith("| holds |")
    assert "2.0 | holds" in row(page, "only lungs left: accuracy lost, points")
    assert "0.2 | holds" in row(page, "accuracy lost in int8, points")
    assert row(page, "answers changed by another frame").endswith("| holds |")


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("folds", "native", "value"), 0.9, "same answer, native film and 224 px copy"),
        (("file", "bytes"), 11_000_000, "file, MB"),
        (("lungs", "shipped", "majority"), 0.3, "lungs hidden: accuracy above the majority class, points"),
        (("transfer", "won", "at every size"), 2, "questions on which our features beat ImageNet's"),
        (("gate", "refused", "hands", "value"), 0.9, "hands, refused"),
    ],
)
def test_a_bar_that_is_missed_is_said_to_be_missed(path: tuple[str, ...], value: float, name: str) -> None:
    results = copy.deepcopy(RESULTS)
    place = results
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert "holds" in row(render(RESULTS), name)
    assert "not hold" not in row(render(RESULTS), name)
    assert "**does not hold**" in row(render(results), name)


def test_what_was_not_measured_is_said_not_to_be() -> None:
    page = render({})
    for bar in BARS:
        assert ABSENT in row(page, bar.name)
    assert page.count(ABSENT) == len(BARS) + 5
    assert ABSENT in adult_films({})


def test_adults_are_not_served_where_knowledge_does_not_carry_over() -> None:
    assert "**Adults are not served.**" in adult_films({"adults": ADULTS})
    better = copy.deepcopy(ADULTS)
    better["left out"]["NIH"]["left out"] = figure(0.9)
    assert "not served" in adult_films({"adults": better}), "the features still tell the places apart"
    better["which source"]["adults, normal films"]["balanced accuracy"] = figure(0.3)
    assert "**Adults could be served**" in adult_films({"adults": better})


def test_figures_stand_with_interval_and_n() -> None:
    assert shown(figure(0.8123)) == "0.812 [0.802, 0.822], n = 100 (80 patients)"
    assert shown(None) == ABSENT
    assert shown(3, 0) == "3"
