"""The section "adults" on features and answers of which the truth is known, and as a whole on pictures made up for it."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from deephealth.datasets.index import Film
from deephealth.images.phantom import write_phantoms
from deephealth.training.heads import Examples
from studies.shipped import adults, transfer
from studies.shipped.adults import Pool, Source
from studies.shipped.films import Children
from studies.shipped.runs import Runs

NAMES = ("one", "two", "only ill")
SHARES = (0.2, 0.8, 1.0)


def made_up(n: int = 80, seed: int = 0, *, illness: tuple[float, ...] = (0, 0, 0), place: float = 0.0) -> Pool:
    """`n` films of each source, two a patient; one feature tells the illness as strongly as `illness` has it, and others tell the place."""
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(3), n)
    ill = np.concatenate([np.arange(n) // 2 < share * n / 2 for share in SHARES])
    x = rng.normal(size=(3 * n, 6))
    x[:, 0] += np.array(illness)[source] * (2 * ill - 1.0)
    x[np.arange(3 * n), 1 + source] += place
    return Pool(NAMES, source, ill, tuple(f"{s}-{k // 2}" for s in NAMES for k in range(n)), x.astype(np.float32))


def test_a_place_that_shows_is_told_and_one_that_does_not_is_not() -> None:
    plain = adults.told_apart(made_up(place=6.0))
    assert plain["balanced accuracy"]["value"] > 0.95
    assert plain["chance"] == 0.3333
    hidden = adults.told_apart(made_up())
    assert hidden["balanced accuracy"]["low"] < hidden["chance"] < hidden["balanced accuracy"]["high"]
    matrix = np.array([[hidden["answered"][row][column] for column in NAMES] for row in NAMES])
    assert matrix.sum(axis=1).tolist() == [80, 80, 80]
    assert hidden["balanced accuracy"]["value"] == pytest.approx((matrix.diagonal() / 80).mean(), abs=1e-4)
    assert {name: hidden["sensitivity"][name]["value"] for name in NAMES} == pytest.approx(
        dict(zip(NAMES, matrix.diagonal() / 80, strict=True)), abs=1e-4
    )
    assert hidden["balanced accuracy"]["patients"] == 120


def test_of_normal_films_only_the_sources_that_have_some_are_asked() -> None:
    pool = made_up(place=6.0)
    found = adults.told_apart(pool.only(~pool.ill))
    assert list(found["sensitivity"]) == ["one", "two"] and found["chance"] == 0.5
    assert found["balanced accuracy"]["films"] == (~pool.ill).sum()
    assert found["balanced accuracy"]["value"] > 0.95


def test_no_head_is_asked_about_a_patient_that_it_was_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, fitted, asked = made_up(), adults.fitted, []
    rows = {row.tobytes(): k for k, row in enumerate(pool.features)}

    def noted(train: Examples, patients: list[str], classes: int) -> object:
        head = fitted(train, patients, classes)
        assert patients == [pool.patients[rows[row.tobytes()]] for row in train.features]

        class Noting:
            def logits(self, x: np.ndarray) -> np.ndarray:
                tested = {pool.patients[rows[row.tobytes()]] for row in x}
                assert not tested & set(patients)
                asked.extend(tested)
                return head.logits(x)

        return Noting()

    monkeypatch.setattr(adults, "fitted", noted)
    adults._illness(pool)
    assert sorted(asked) == sorted(set(pool.patients)), "every patient is asked about once"


def test_what_only_tells_the_place_is_all_shortcut() -> None:
    found = adults.shortcut(made_up(place=6.0))
    assert found["share of ill"] == {"one": 0.2, "two": 0.8, "only ill": 1.0}
    lookup = found["source alone"]["value"]
    assert lookup > 0.8
    assert found["head"]["value"] == pytest.approx(lookup, abs=0.06)
    assert found["inside sources"]["low"] < 0.5 < found["inside sources"]["high"]
    assert list(found["inside each"]) == ["one", "two"]
    assert found["inside sources"]["value"] == pytest.approx(np.mean([row["value"] for row in found["inside each"].values()]), abs=1e-4)
    assert (found["inside sources"]["films"], found["inside sources"]["patients"]) == (160, 80)


def test_the_source_alone_is_worth_what_counting_pairs_says() -> None:
    pool = made_up()
    share = np.array(SHARES)[pool.source]
    pairs = np.sign(share[pool.ill][:, None] - share[~pool.ill][None]) / 2 + 0.5
    found = adults.shortcut(pool)
    assert found["source alone"]["value"] == pytest.approx(pairs.mean(), abs=1e-4)
    assert found["head above source alone"]["value"] == pytest.approx(found["head"]["value"] - found["source alone"]["value"], abs=2e-4)
    assert found["head above source alone"]["high"] < 0, "features that say nothing are worth less than the source"


def test_an_illness_that_looks_alike_everywhere_carries_over() -> None:
    pool = made_up(illness=(2.0, 2.0, 2.0))
    found = adults.left_out(pool, "one")
    assert found["trained on"] == ["two", "only ill"]
    for score in ("inside", "left out", "left out, mixed others"):
        assert found[score]["value"] > 0.95
    assert found["lost"]["low"] < 0.02 and found["inside"]["films"] == 80
    assert adults.shortcut(pool)["inside sources"]["low"] > 0.9


def test_an_illness_that_looks_otherwise_elsewhere_does_not() -> None:
    found = adults.left_out(made_up(illness=(2.0, -2.0, -2.0)), "one")
    assert found["inside"]["value"] > 0.95
    assert found["left out"]["value"] < 0.3
    assert found["lost"]["value"] == pytest.approx(found["inside"]["value"] - found["left out"]["value"], abs=2e-4)
    assert found["lost"]["low"] > 0.5


def test_shares_are_of_the_films_they_are_called_after() -> None:
    ill = np.array([True, True, True, True, False, False, False, False, False, False])
    films = tuple(Film(f"{k}", Path(f"{k}"), "x", f"{k}") for k in range(10))
    source = Source(films, tuple(f"p{k}" for k in range(10)), ill)
    refused = np.array([1, 0, 0, 0, 1, 1, 0, 0, 0, 0], dtype=bool)
    other = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 0], dtype=bool)
    score = np.where(other, 0.9, 0.1)
    found = adults.served(source, [(refused, score, other)])
    assert {name: row["value"] for name, row in found.items()} == pytest.approx(
        {
            "refused": 0.3, "other than normal": 0.5,
            "false alarms": 0.3333, "sensitivity": 0.75,
            "passed and wrong": 0.2,
            "AUC": (3 * 4 + (3 * 2 + 1 * 4) / 2) / 24,
        },
        abs=1e-4,
    )  # fmt: skip
    assert (found["false alarms"]["films"], found["sensitivity"]["films"]) == (6, 4)
    none = np.zeros(10, dtype=bool)
    several = adults.served(source, [(refused, score, other), (none, 1 - score, ~other)])
    assert several["refused"] == several["refused"] | {"value": 0.15, "lowest": 0.0, "highest": 0.3, "films": 10, "patients": 10}
    assert several["AUC"]["value"] == pytest.approx(0.5)
    assert several["refused"]["low"] < 0.15 < several["refused"]["high"]


def test_several_models_are_worth_no_more_films() -> None:
    rng = np.random.default_rng(0)
    hits, patients = rng.random(60) < 0.3, [f"{k}" for k in range(60)]
    every = np.ones(60, dtype=bool)
    one, five = (adults._mean_share(np.tile(hits, (n, 1)), patients, every) for n in (1, 5))
    assert five["value"] == one["value"] and five["films"] == 60
    assert five["high"] - five["low"] >= 0.95 * (one["high"] - one["low"])


def test_a_source_of_one_label_has_no_score_of_its_own() -> None:
    pool = made_up()
    assert pool.mixed == ("one", "two")
    films = tuple(Film(f"{k}", Path(f"{k}"), "ill", f"{k}") for k in range(4))
    source = Source(films, ("a", "a", "b", "c"), np.ones(4, dtype=bool))
    answer = (np.array([True, False, False, False]), np.array([0.1, 0.2, 0.3, 0.9]), np.array([False, False, True, True]))
    found = adults.served(source, [answer, answer])
    assert found["AUC"]["value"] is None and found["false alarms"]["value"] is None
    ill = found["sensitivity"]
    assert ill["value"] == 0.5 and ill["patients"] == 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_adults: Any, write_picture: Any) -> Path:
    """Every collection with a few pictures of each label, each collection with greys of its own."""
    root = tmp_path_factory.mktemp("data")
    write_phantoms(root / "kermany" / "chest_xray", per_class=20, seed=5, size=64, films_per_patient=1, masks=False)
    write_adults(root, lambda source, label: 60 * source)
    rows = ["patient_id,image_id"]
    for number in range(16):
        write_picture(root / "hannover-covid" / "images" / f"{number:x}.png", 300 + number, 180)
        rows.append(f"p{number // 2},{number:x}")
    (root / "hannover-covid" / "data.csv").write_text("\n".join(rows))
    return root


def test_patients_are_those_of_the_collections(data: Path) -> None:
    found = {name: adults._about(source) for name, source in adults.adult_sources(data, 1).items()}
    assert found == {
        "NIH": {"films": 16, "patients": 8, "normal": 8, "ill": 8},
        "Hannover": {"films": 16, "patients": 8, "normal": 0, "ill": 16},
        "Shenzhen": {"films": 16, "patients": 16, "normal": 8, "ill": 8},
        "Montgomery": {"films": 16, "patients": 16, "normal": 8, "ill": 8},
    }


def test_the_whole_section(data: Path, tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, threshold in {"shipped": 1e9, **{f"fold-{k}": 1e-6 if k else 1e9 for k in range(5)}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(tiny.model_bytes(novelty_threshold=threshold))
    monkeypatch.setattr(transfer, "STRENGTHS", (0.01, 0.1))
    children = Children.open(data, 1)
    found = adults.measure(children, Runs(tmp_path), 1)
    assert set(found) == {"sources", "answers", "which source", "left out", "shortcut"}
    assert list(found["answers"]) == list(found["sources"]) == ["NIH", "Hannover", "Shenzhen", "Montgomery"]
    for row in found["answers"].values():
        assert row["shipped"]["refused"]["value"] == 0.0 and row["shipped"]["refused"]["high"] > 0
        assert row["folds"]["refused"] == row["folds"]["refused"] | {"value": 0.8, "lowest": 0.0, "highest": 1.0, "films": 16}
    told = found["which source"]
    assert [row["chance"] for row in told.values()] == [0.2, 0.25, 0.3333]
    assert told["adults and children"]["sources"] == ["NIH", "Hannover", "Shenzhen", "Montgomery", "children"]
    assert told["adults and children"]["balanced accuracy"]["films"] == 64 + len(children.tested(0))
    assert told["adults"]["balanced accuracy"]["value"] > 0.8, "each collection has greys of its own"
    assert list(found["left out"]) == ["NIH", "Shenzhen", "Montgomery"]
    assert found["left out"]["NIH"]["trained on"] == ["Hannover", "Shenzhen", "Montgomery"]
    json.dumps(found, allow_nan=False)
