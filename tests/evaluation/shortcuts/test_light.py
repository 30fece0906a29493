"""The shortcut audit finds cues that were planted and none where there is none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.duplicates import shrink
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import Film
from deephealth.datasets.sources import open_dataset
from deephealth.evaluation.shortcuts.light import SENTENCES, AuditReport, audit_shortcuts
from deephealth.evaluation.shortcuts.probes import Trial
from deephealth.evaluation.shortcuts.provenance import cramers_v
from deephealth.images.phantom import CUES, LABELS, draw_phantom

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


@pytest.mark.slow
def test_a_weak_cue_beside_a_strong_finding_is_partial() -> None:
    found = audited(noise_films(900, cue="corner", lungs=60, strength=9))
    assert found.sentence == "label predictable without the lungs: partial"


def test_sentences_do_not_contain_one_another() -> None:
    assert SENTENCES["none"] == "no shortcut found by these probes"
    assert "without the lungs" not in SENTENCES["none"]


@pytest.mark.parametrize("side", [32, 64])
def test_thumbnails_of_any_side(side: int) -> None:
    assert audited(noise_films(120, side=side, cue="size")).verdict in ("sufficient", "partial")


@pytest.mark.slow
def test_same_seed_same_report_and_it_is_json() -> None:
    films = noise_films(120)
    assert audited(films, 1) == audited(films, 1) != audited(films, 2)
    data = json.loads(json.dumps(audited(films).to_json(), allow_nan=False))
    assert data["verdict"] == "none"
    assert {result["name"] for result in data["results"]} == set(audited(films).probes)


@pytest.mark.slow
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
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_cue_is_found_and_a_clean_phantom_set_has_none(seed: int) -> None:
    """120 films show only strong cues, here 0.8; twenty larger sets, with cues from 0.3 on, are in benchmarks/audit.py."""
    drawn = phantom_facts(seed, per_class=40)
    labels, patients = np.repeat(np.arange(3), 40), [f"{k}-{i // 2}" for k in range(3) for i in range(40)]
    assert audit_shortcuts(drawn[None], labels, patients, LABELS, seed=seed, draws=200).sentence == SENTENCES["none"]
    for cue in CUES:
        told = np.random.default_rng(seed).random(len(labels)) < 0.8
        mixed = mix(drawn[None], drawn[cue], told)
        found = audit_shortcuts(mixed, labels, patients, LABELS, seed=seed, draws=200)
        assert found.sentence in (SENTENCES["sufficient"], SENTENCES["partial"]), cue
        sure = audit_shortcuts(drawn[cue], labels, patients, LABELS, seed=seed, draws=200)
        assert sure.sentence == SENTENCES["sufficient"], cue


def phantom_facts(seed: int, per_class: int) -> dict[str | None, FilmFacts]:
    """Facts of one phantom set four times: clean, and with each cue on every film."""
    found: dict[str | None, FilmFacts] = {}
    for cue in (None, *CUES):
        films = [
            draw_phantom(label, seed=seed, patient=1000 * k + i // 2, film=i % 2, size=96, cue=cue).pixels
            for k, label in enumerate(LABELS)
            for i in range(per_class)
        ]
        sizes = np.array([film.shape for film in films])
        found[cue] = facts(np.stack([shrink(film) for film in films]), sizes[:, 1], sizes[:, 0])
    return found


def mix(clean: FilmFacts, cued: FilmFacts, told: np.ndarray) -> FilmFacts:
    """Films with a cue where `told`, else without: what `draw_phantom` gives at a cue strength below 1."""
    parts = [np.where(told[:, None, None], cued.thumbnails, clean.thumbnails)]
    parts += [np.where(told, getattr(cued, name), getattr(clean, name)) for name in ("width", "height")]
    return facts(*parts)


def lung_shaped(side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] / side
    return sum(((rows - 0.5) / 0.35) ** 2 + ((columns - x) / 0.17) ** 2 < 1 for x in (0.27, 0.73)).astype(bool)


@pytest.mark.slow
def test_a_film_s_own_outline_tells_the_label_and_the_common_shape_does_not() -> None:
    """One lung is smaller where the label says so, and nothing else differs: the trap that one shape for all films is there for."""
    rng = np.random.default_rng(0)
    labels, patients = np.arange(240) % 3, [str(i) for i in range(240)]
    masks = np.repeat(lung_shaped()[None], 240, axis=0)
    for film, label in enumerate(labels):
        masks[film, 52 - 6 * label - int(rng.integers(0, 4)) :, :32] = False
    films = rng.normal(150, 20, (240, 64, 64))
    films[masks] -= 90
    found = audit_shortcuts(
        facts(films.clip(0, 255), np.full(240, 900), np.full(240, 900)), labels, patients, LABELS, lungs=masks, draws=100
    )
    assert found.verdict == "none"
    assert found.lungs_found == 240
    own = Trial(labels, patients, draws=100).ask("own", np.where(masks, 0, films).reshape(240, -1))
    assert own.beats_null and own.auc.value is not None and own.auc.value > 0.9


@pytest.mark.slow
def test_lungs_that_reach_into_the_border_do_not_make_it_a_shortcut() -> None:
    rng = np.random.default_rng(1)
    labels, patients = np.arange(240) % 3, [str(i) for i in range(240)]
    masks = np.repeat(lung_shaped()[None], 240, axis=0)
    masks[:, 20:44, :12] = True
    films = rng.normal(120, 15, (240, 64, 64)) + masks * (30 * labels[:, None, None])
    looked = facts(films.clip(0, 255), np.full(240, 900), np.full(240, 900))
    assert audit_shortcuts(looked, labels, patients, LABELS, lungs=masks, draws=100).verdict == "none"
    blind = audit_shortcuts(looked, labels, patients, LABELS, lungs=masks[:0], draws=100)
    assert blind.verdict == "sufficient", "without the masks the border holds lung"
    assert "0 of 240" in blind.warnings[0] and "lungs blacked out" not in blind.probes


def described(labels: np.ndarray, patients: list[str], **columns: list[object]) -> list[Film]:
    rows = [{name: values[i] for name, values in columns.items()} for i in range(len(labels))]
    return [Film(f"film-{i}", Path(f"/film-{i}"), LABELS[labels[i]], patients[i], **row) for i, row in enumerate(rows)]  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_source_that_goes_with_the_label_and_shows_is_told() -> None:
    looked, labels, patients = noise_films(240)
    sources = ["a" if label == 0 or i % 8 == 0 else "b" for i, label in enumerate(labels)]
    thumbnails = looked.thumbnails.copy()
    thumbnails[np.array(sources) == "a", 30:34, 30:34] = 250
    films = described(labels, patients, source=sources)
    found = audit_shortcuts(facts(thumbnails, looked.width, looked.height), labels, patients, CLASSES, films=films, draws=200)
    assert [probe.name for probe in found.identity] == ["source"] and found.identity[0].beats_null
    assert found.probes["source"].low > 0.6 and found.association is not None and found.association.value > 0.5
    assert "a model may learn the source for the label" in found.warnings[-1]
    assert "Cramer's V" in found.table() and "origin" in found.table()


def test_a_source_without_bearing_on_label_or_picture_brings_no_warning() -> None:
    looked, labels, patients = noise_films(240)
    films = described(labels, patients, source=[("a", "b")[(i // 6) % 2] for i in range(240)])
    found = audit_shortcuts(looked, labels, patients, CLASSES, films=films, lungs=np.ones((240, 64, 64), dtype=bool), draws=200)
    assert found.warnings == () and not found.identity[0].beats_null
    assert found.association is not None and found.association.value < 0.15


@pytest.mark.slow
def test_test_films_that_look_different_are_told_and_other_class_shares_alone_are_not() -> None:
    looked, labels, patients = noise_films(240, lungs=60)
    group = np.arange(240) // 2
    split = {f"film-{i}": "test" if (labels[i] == 0) == (group[i] % 3 > 0) else "train" for i in range(240)}
    films = described(labels, patients)
    shares = audit_shortcuts(looked, labels, patients, CLASSES, films=films, split=split, draws=200)
    assert [probe.name for probe in shares.identity] == ["train or test"]
    assert not shares.identity[0].beats_null
    thumbnails = looked.thumbnails.copy()
    thumbnails[[split[name] == "test" for name in looked.names], 44:] = 30
    marked = audit_shortcuts(facts(thumbnails, looked.width, looked.height), labels, patients, CLASSES, films=films, split=split, draws=200)
    assert marked.identity[0].beats_null and "test split" in marked.warnings[-1]


def test_age_that_tells_the_label_is_reported_and_decides_nothing() -> None:
    looked, labels, patients = noise_films(240)
    ages = [None if i % 10 == 0 else float(20 + 15 * label + i % 7) for i, label in enumerate(labels)]
    films = described(labels, patients, age=ages, sex=["F", "M"] * 120)
    found = audit_shortcuts(looked, labels, patients, CLASSES, films=films, draws=200)
    result = next(result for result in found.results if result.name == "age, sex")
    assert result.beats_null and result.auc.low > 0.9 and not result.lung_free
    assert found.verdict == "none"


@pytest.mark.parametrize(
    ("table", "expected"),
    [([[30, 0], [0, 30]], 1.0), ([[20, 20], [20, 20]], 0.0), ([[30, 10], [10, 30]], 0.488)],
)
def test_cramers_v_by_hand(table: list[list[int]], expected: float) -> None:
    # 2x2: phi^2 = 0.25 for the last; (0.25 - 1/79) / (2 - 1/79 - 1) is 0.2405, whose root is 0.490.
    assert cramers_v(np.array([table], dtype=float))[0] == pytest.approx(expected, abs=0.005)


def test_cramers_v_of_one_column_is_undefined() -> None:
    assert np.isnan(cramers_v(np.array([[[3.0, 0.0], [4.0, 0.0]]])))[0]


@pytest.mark.slow
def test_labels_that_can_be_exchanged_in_more_ways_than_a_float_holds() -> None:
    assert audited(noise_films(1500, side=16)).verdict == "none"


@pytest.mark.shared
@pytest.mark.slow
def test_the_border_of_the_childrens_films_tells_the_label(shared: Path) -> None:
    index = open_dataset(shared / "data" / "kermany" / "chest_xray")
    some = dataclasses.replace(index, films=index.films[::6])
    found = scan_films(some, threads=2)
    film = {film.name: film for film in some.films}
    labels = [index.classes.index(film[name].label) for name in found.names]
    report = audit_shortcuts(found, labels, [film[name].patient for name in found.names], index.classes, draws=200)
    assert report.sentence == "label predictable without the lungs: sufficient"
    assert report.probes["border"].low > 0.7 and report.probes["lungs blacked out"].low > 0.7
    assert report.lungs_found is not None and report.lungs_found > 0.98 * report.n_films
