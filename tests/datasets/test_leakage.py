"""The leakage gate: every planted leak of each kind is found, and none in a clean split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deephealth.datasets.duplicates import hash_thumbnails
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.leakage import KINDS, LeakageReport, check_leakage
from deephealth.datasets.split import SPLITS, Split, make_split

COUNT = 30
PICTURES = np.random.default_rng(0).integers(0, 256, size=(COUNT, 64, 64), dtype=np.uint8)
NAMES = tuple(f"film-{number:02}.png" for number in range(COUNT))


def index_of(patients: dict[str, str] | None = None, origins: dict[str, str] | None = None) -> DatasetIndex:
    films = tuple(
        Film(name, Path("/data") / name, "normal", (patients or {}).get(name, f"SECRET-{name}"), origin=(origins or {}).get(name, ""))
        for name in NAMES
    )
    return DatasetIndex(Path("/data"), "folders", films, ("normal",), ())


def facts_of(exact: dict[str, str] | None = None, near: dict[str, str] | None = None) -> FilmFacts:
    """Facts of 30 unlike pictures; `exact` and `near` give a film the file, or the brightened picture, of another."""
    pictures, digests = PICTURES.copy(), []
    for row, name in enumerate(NAMES):
        source = NAMES.index((exact or {}).get(name) or (near or {}).get(name) or name)
        pictures[row] = PICTURES[source]
        if name in (near or {}):
            pictures[row] = (PICTURES[source] * 0.8).astype(np.uint8)
        digests.append(hashlib.sha256(pictures[row].tobytes()).hexdigest())
    size = np.full(COUNT, 64, dtype=np.int32)
    return FilmFacts(NAMES, tuple(digests), size, size, size.astype(np.int64), pictures, hash_thumbnails(pictures))


def placed(train: int = 10, validation: int = 10) -> Split:
    """The first ten films train, the next ten validate, the rest test."""
    order = ["train"] * train + ["validation"] * validation + ["test"] * (COUNT - train - validation)
    return Split(dict(zip(NAMES, order, strict=True)), 0, "patient")


CLEAN = check_leakage(index_of(), placed(), facts_of())

# A film among the first ten (train) and, for each of some films of the other splits, which of them it copies.
plans = st.dictionaries(st.sampled_from(NAMES[10:]), st.sampled_from(NAMES[:10]), min_size=1, max_size=8)


def found(report: LeakageReport, kind: str) -> dict[str, str]:
    return {finding.a: finding.b for finding in report.findings if finding.kind == kind}


def test_a_clean_split_has_no_finding() -> None:
    assert not CLEAN.leaks
    assert set(CLEAN.counts) == {*KINDS, "backbone_train", "backbone_validation", "backbone_test"}
    assert not any(CLEAN.counts.values())
    assert CLEAN.sentence == "No leakage found: 30 films, no copy and no patient on two sides of the split."
    seen = hash_thumbnails(np.random.default_rng(1).integers(0, 256, size=(50, 64, 64), dtype=np.uint8))
    report = check_leakage(index_of(), placed(), facts_of(), seen=seen)
    assert report.sentence == (
        "No leakage found: 30 films, no copy and no patient on two sides of the split and the backbone learned from none of them."
    )


@given(plans)
@settings(max_examples=25, deadline=None)
def test_every_exact_copy_across_splits_is_found(plan: dict[str, str]) -> None:
    report = check_leakage(index_of(), placed(), facts_of(exact=plan))
    assert found(report, "exact").keys() == plan.keys()
    assert all(placed().assignments[b] == "train" for b in found(report, "exact").values())
    assert report.counts["exact"] == len(plan) == len(report.findings)


@given(plans)
@settings(max_examples=25, deadline=None)
def test_every_near_copy_across_splits_is_found(plan: dict[str, str]) -> None:
    report = check_leakage(index_of(), placed(), facts_of(near=plan))
    assert {finding.a for finding in report.findings if finding.kind in ("near", "exact")} == plan.keys()
    assert found(report, "near").keys() == plan.keys()


@given(plans)
@settings(max_examples=25, deadline=None)
def test_every_patient_in_two_splits_is_found(plan: dict[str, str]) -> None:
    shared_patients = {a: f"SECRET-{b}" for a, b in plan.items()}
    report = check_leakage(index_of(patients=shared_patients), placed(), facts_of())
    wanted = {(b, placed().assignments[a]) for a, b in plan.items()}
    assert {(finding.b, placed().assignments[finding.a]) for finding in report.findings} == wanted
    assert report.counts["patient"] == len(wanted) == len(report.findings)


@given(plans)
@settings(max_examples=25, deadline=None)
def test_every_augmented_copy_across_splits_is_found(plan: dict[str, str]) -> None:
    report = check_leakage(index_of(origins=plan), placed(), facts_of())
    assert found(report, "augmented") == plan
    assert len(report.findings) == len(plan)


@given(st.sets(st.sampled_from(NAMES)), st.integers(0, 255))
@settings(max_examples=25, deadline=None)
def test_every_film_that_the_backbone_learned_from_is_listed(names: set[str], bit: int) -> None:
    facts = facts_of()
    seen = facts.phash[[NAMES.index(name) for name in sorted(names)]].copy()
    seen[:, bit // 8] ^= 1 << (bit % 8)
    report = check_leakage(index_of(), placed(), facts, seen=seen)
    assert found(report, "backbone").keys() == names
    for split in SPLITS:
        assert report.counts[f"backbone_{split}"] == sum(placed().assignments[name] == split for name in names)


@given(plans, plans, plans, st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_a_split_drawn_with_the_facts_leaks_nothing(
    exact: dict[str, str], near: dict[str, str], origins: dict[str, str], seed: int
) -> None:
    near = {a: b for a, b in near.items() if a not in exact}
    index, facts = index_of(origins=origins), facts_of(exact, near)
    assert not check_leakage(index, make_split(index, seed=seed, facts=facts), facts).leaks


def test_copies_within_one_split_are_no_leak() -> None:
    plan = {NAMES[1]: NAMES[0], NAMES[12]: NAMES[11]}
    assert not check_leakage(index_of(origins=plan), placed(), facts_of(near=plan)).leaks


def test_of_three_equal_files_in_three_splits_two_leak() -> None:
    plan = {NAMES[15]: NAMES[0], NAMES[25]: NAMES[0]}
    assert found(check_leakage(index_of(), placed(), facts_of(exact=plan)), "exact") == plan


def test_a_near_copy_of_an_equal_file_is_found_through_it() -> None:
    # Films 0 (train) and 12 (validation) are one file; 13 (validation) and 25 (test) are one file too, a darker copy of it.
    report = check_leakage(index_of(), placed(), facts_of(exact={NAMES[12]: NAMES[0]}, near={NAMES[25]: NAMES[0], NAMES[13]: NAMES[0]}))
    assert found(report, "exact") == {NAMES[12]: NAMES[0], NAMES[25]: NAMES[13]}
    assert found(report, "near") == {NAMES[13]: NAMES[0], NAMES[25]: NAMES[0]}


def test_copies_of_an_origin_that_is_gone_leak_too() -> None:
    report = check_leakage(index_of(origins={NAMES[0]: "gone.png", NAMES[15]: "gone.png"}), placed(), facts_of())
    assert found(report, "augmented") == {NAMES[15]: NAMES[0]}


def test_films_without_a_place_or_without_facts_are_not_compared() -> None:
    split = Split({name: place for name, place in placed().assignments.items() if name != NAMES[20]}, 0, "patient")
    assert not check_leakage(index_of(), split, facts_of(exact={NAMES[20]: NAMES[0]})).leaks
    facts = facts_of()
    fewer = replace(
        facts,
        names=NAMES[1:],
        sha256=facts.sha256[1:],
        thumbnails=facts.thumbnails[1:],
        phash=facts.phash[1:],
    )
    report = check_leakage(index_of(patients={NAMES[20]: f"SECRET-{NAMES[0]}"}), placed(), fewer)
    assert report.unread == 1
    assert report.counts["patient"] == 1
    assert "(1 film could not be read and was not compared)" in report.sentence


def test_the_sentence_has_counts_and_no_names_and_the_json_is_json() -> None:
    exact, near = {NAMES[10]: NAMES[0]}, {NAMES[11]: NAMES[1], NAMES[12]: NAMES[2]}
    facts = facts_of(exact, near)
    index = index_of({NAMES[13]: f"SECRET-{NAMES[3]}"}, {NAMES[14]: NAMES[4]})
    report = check_leakage(index, placed(), facts, seen=facts.phash[[5, 16, 26]])
    assert report.leaks
    assert report.sentence == (
        "Leakage: 1 film is an exact copy of a film in another split; 2 films are a near-identical copy of a film in another split; "
        "1 patient stands in two splits; 1 augmented copy stands in another split than the origin; "
        "and the backbone learned from 3 films (1 in train, 1 in validation, 1 in test), so scores on them are too good."
    )
    text = json.dumps(report.to_json(), allow_nan=False)
    assert "SECRET" not in text
    assert json.loads(text)["counts"] == report.counts


def test_the_table_has_the_most_certain_first_and_says_how_many_more() -> None:
    facts = facts_of({NAMES[10]: NAMES[0]}, {NAMES[11]: NAMES[1], NAMES[12]: NAMES[2]})
    report = check_leakage(index_of({NAMES[13]: f"SECRET-{NAMES[3]}"}), placed(), facts)
    lines = report.table().splitlines()
    assert [line.split()[0] for line in lines] == ["exact", "patient", "near", "near"]
    assert f"{NAMES[10]} = {NAMES[0]}: validation film equal to a train film" in lines[0]
    assert "encoding or brightness (correlation" in lines[2]
    assert "SECRET" not in report.table()
    assert report.table(limit=1).splitlines()[1:] == ["... and 3 findings more"]
    assert CLEAN.table() == ""


def test_copies_that_only_their_names_give_away_leak_and_the_finding_says_so() -> None:
    index = index_of()
    renamed = {NAMES[0]: "a.png", NAMES[20]: "a_rot10.png"}
    films = tuple(replace(film, name=renamed.get(film.name, film.name)) for film in index.films)
    split = Split({renamed.get(name, name): place for name, place in placed().assignments.items()}, 0, "patient")
    facts = replace(facts_of(), names=tuple(renamed.get(name, name) for name in NAMES))
    report = check_leakage(replace(index, films=films), split, facts)
    assert found(report, "augmented") == {"a_rot10.png": "a.png"}
    assert report.findings[0].detail == "test film of the same origin as a train film, by their names"


def test_notes_on_names_are_no_leak() -> None:
    index = replace(index_of(), classes=("normal", "Normals "))
    report = check_leakage(index, placed(), facts_of())
    assert not report.leaks
    assert report.notes == ("The classes 'normal' and 'Normals ' may be one class, spelt in two ways.",)
    assert report.to_json()["notes"] == list(report.notes)
    assert report.table() == f"note: {report.notes[0]}"
