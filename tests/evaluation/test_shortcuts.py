"""The shortcut audit finds cues that were planted and none where there is none."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.duplicates import shrink
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.sources import open_dataset
from deephealth.evaluation.shortcuts import SENTENCES, AuditReport, audit_shortcuts
from deephealth.images.phantom import LABELS, draw_phantom

CLASSES = ("normal", "bacterial", "viral")
Set = tuple[FilmFacts, np.ndarray, list[str]]


def facts(thumbnails: np.ndarray, width: np.ndarray, height: np.ndarray) -> FilmFacts:
    n = len(thumbnails)
    return FilmFacts(
        names=tuple(f"film-{i}" for i in range(n)),
        sha256=tuple(f"{i:064x}" for i in range(n)),
        width=width.astype(np.int32),
        height=height.astype(np.int32),
        file_bytes=np.full(n, 50_000, dtype=np.int64),
        thumbnails=thumbnails.astype(np.uint8),
        phash=np.zeros((n, 32), dtype=np.uint8),
    )


def noise_films(n: int = 240, *, side: int = 64, seed: int = 0, lungs: float = 30, cue: str = "", strength: float = 60) -> Set:
    """Films of noise, two a patient, with a patch in the middle that depends on the label, and perhaps a cue outside."""
    rng = np.random.default_rng(seed)
    patient = np.arange(n) // 2
    labels = rng.permutation(n // 2)[patient] % 3
    films = 120 + 25 * rng.normal(size=(n, side, side)) + 15 * rng.normal(size=(n // 2, side, side))[patient]
    middle = slice(side // 3, 2 * side // 3)
    films[:, middle, middle] += lungs * (labels - 1)[:, None, None] * (0.3 + rng.random(n))[:, None, None] / 2
    width = rng.integers(900, 1100, n)
    if cue == "corner":
        films[:, 1:6, -7:-1] += strength * labels[:, None, None] / 2
    if cue == "size":
        width = width + (np.array([0, 400, 100])[labels] * strength / 60).astype(int)
    return facts(films.clip(0, 255), width, np.full(n, 1000)), labels, [f"p{p}" for p in patient]


def audited(films: Set, seed: int = 0) -> AuditReport:
    return audit_shortcuts(films[0], films[1], films[2], CLASSES, seed=seed, draws=200)


def test_clean_films_have_no_shortcut() -> None:
    found = audited(noise_films())
    assert (found.verdict, found.sentence) == ("none", "no shortcut found by these probes")
    assert found.results[0].beats_null, "the whole film does tell the labels apart"
    assert not any(result.beats_null for result in found.results if result.lung_free)


@pytest.mark.parametrize("cue", ["corner", "size"])
def test_a_strong_cue_is_sufficient(cue: str) -> None:
    found = audited(noise_films(cue=cue, lungs=10))
    assert found.sentence == "label predictable without the lungs: sufficient"


def test_a_weak_cue_beside_a_strong_finding_is_partial() -> None:
    found = audited(noise_films(900, cue="corner", lungs=60, strength=9))
    assert found.sentence == "label predictable without the lungs: partial"


def test_sentences_do_not_contain_one_another() -> None:
    assert SENTENCES["none"] == "no shortcut found by these probes"
    assert "without the lungs" not in SENTENCES["none"]


@pytest.mark.parametrize("side", [32, 64])
def test_thumbnails_of_any_side(side: int) -> None:
    assert audited(noise_films(120, side=side, cue="size")).verdict in ("sufficient", "partial")


def test_same_seed_same_report_and_it_is_json() -> None:
    films = noise_films(120)
    assert audited(films, 1) == audited(films, 1) != audited(films, 2)
    data = json.loads(json.dumps(audited(films).to_json(), allow_nan=False))
    assert data["verdict"] == "none"
    assert {result["name"] for result in data["results"]} == set(audited(films).probes)


def test_films_of_one_patient_are_not_taken_for_evidence() -> None:
    # Eight nearly equal films a patient: by film the border would tell the label through the patient.
    rng = np.random.default_rng(0)
    patient = np.arange(480) // 8
    films = rng.normal(120, 30, size=(60, 64, 64))[patient] + rng.normal(0, 3, size=(480, 64, 64))
    found = audited((facts(films.clip(0, 255), np.full(480, 1000), np.full(480, 1000)), patient % 3, [str(p) for p in patient]))
    assert found.verdict == "none"


@pytest.mark.parametrize(
    ("labels", "patients"), [([], []), ([0, 0], ["a", "b"]), ([0, 1], ["a", "a"]), ([0, 1, 1], ["a", "b", "c"])], ids=str
)
def test_too_little_is_said_to_be_too_little(labels: list[int], patients: list[str]) -> None:
    films = facts(np.zeros((len(labels), 64, 64)), np.full(len(labels), 9), np.full(len(labels), 9))
    found = audit_shortcuts(films, labels, patients, CLASSES)
    assert found.verdict == "unknown"
    assert found.reason in found.table()


def test_equal_films_are_no_error() -> None:
    films = facts(np.full((40, 64, 64), 7), np.full(40, 9), np.full(40, 9))
    assert audit_shortcuts(films, np.arange(40) % 2, [str(i) for i in range(40)], ("a", "b")).verdict == "none"


def test_the_table_names_every_probe() -> None:
    found = audited(noise_films(120))
    assert all(name in found.table() for name in found.probes)
    assert "240" not in found.table() and "120 films, 60 patients" in found.table()


def test_lists_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        audit_shortcuts(noise_films(12)[0], [0, 1], ["a", "b"], CLASSES)


@pytest.mark.slow
def test_clean_noise_raises_a_false_alarm_in_fewer_than_one_set_of_twenty() -> None:
    assert sum(audited(noise_films(120, seed=seed), seed).verdict != "none" for seed in range(40)) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("cue", [None, "corner-marker", "border", "size"])
def test_phantoms(cue: str | None) -> None:
    drawn = [(k, i) for k in range(3) for i in range(50)]
    films = [draw_phantom(LABELS[k], seed=4, patient=1000 * k + i // 2, film=i % 2, size=128, cue=cue).pixels for k, i in drawn]
    sizes = np.array([film.shape for film in films])
    labels = np.array([k for k, _ in drawn])
    found = audited(
        (facts(np.stack([shrink(film) for film in films]), sizes[:, 1], sizes[:, 0]), labels, [f"{k}-{i // 2}" for k, i in drawn])
    )
    if cue is None:
        assert found.verdict == "none"
    else:
        assert found.verdict in ("sufficient", "partial")


def test_labels_that_can_be_exchanged_in_more_ways_than_a_float_holds() -> None:
    assert audited(noise_films(1500, side=16)).verdict == "none"


@pytest.mark.slow
def test_5000_films_take_less_than_a_minute() -> None:
    films = noise_films(5000)
    # Processor time of all threads: what else the machine does is no matter.
    started = time.process_time()
    audit_shortcuts(*films, CLASSES)
    assert time.process_time() - started < 30


@pytest.mark.shared
@pytest.mark.slow
def test_the_border_of_the_childrens_films_tells_the_label(shared: Path) -> None:
    index = open_dataset(shared / "data" / "kermany" / "chest_xray")
    some = dataclasses.replace(index, films=index.films[::6])
    found = scan_films(some, threads=2)
    film = {film.name: film for film in some.films}
    labels = [index.classes.index(film[name].label) for name in found.names]
    report = audit_shortcuts(found, labels, [film[name].patient for name in found.names], index.classes, draws=200)
    assert report.verdict in ("sufficient", "partial")
    assert report.probes["border"].low > 0.7
