"""Cross-validation by film and by patient: what it holds out, what it finds where patients can be recognised, what it cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.errors import DatasetError
from deephealth.evaluation import out_of_fold
from deephealth.evaluation.out_of_fold import cross_validate, leakage_gap, no_gap, why_not


def data(
    patients: int = 60, each: int = 4, signal: float = 1.0, memory: float = 0.0, seed: int = 0
) -> tuple[DatasetIndex, np.ndarray, np.ndarray]:
    """Films of `patients`, `each` of a patient: features tell the label by `signal`, and the patient, whatever the label, by `memory`."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), each)
    labels = rng.integers(0, 2, patients)[patient]
    x = rng.normal(size=(len(patient), 64))
    x[:, 0] += signal * (2 * labels - 1)
    x += memory * rng.normal(size=(patients, 64))[patient]
    films = tuple(Film(f"{i:04}.png", Path(f"/{i}.png"), "ab"[label], f"p{patient[i]}") for i, label in enumerate(labels))
    return DatasetIndex(Path("/films"), "folders", films, ("a", "b"), ()), x.astype(np.float32), labels


def rows(gap: object) -> dict[str, object]:
    return {row.score: row for row in gap.rows}  # type: ignore[attr-defined]


def test_no_film_is_judged_by_a_head_that_saw_its_patient() -> None:
    """Features that name the patient and nothing else: by film the head recognises them, by patient it cannot."""
    index, x, labels = data(signal=0.0, memory=3.0)
    found = cross_validate(index, index.films, x, labels)
    assert found.folds == 5
    by_film, by_patient = ((p.argmax(axis=1) == labels).mean() for p in (found.by_film, found.by_patient))
    assert by_film > 0.7
    assert by_patient < 0.6
    np.testing.assert_allclose(found.by_patient.sum(axis=1), 1, atol=1e-6)


def test_the_gap_is_the_difference_of_the_two_and_stands_clear_of_zero() -> None:
    index, x, labels = data(signal=0.5, memory=3.0)
    gap = leakage_gap(cross_validate(index, index.films, x, labels), draws=300)
    assert [row.score for row in gap.rows] == ["accuracy", "balanced_accuracy", "macro_auc"]
    assert (gap.n_films, gap.n_patients, gap.folds, gap.reason) == (240, 60, 5, "")
    for row in gap.rows:
        assert row.difference.value == pytest.approx(row.by_film.value - row.by_patient.value)
        assert row.difference.low > 0.05
        assert row.difference.low < row.difference.value < row.difference.high


def test_where_no_patient_can_be_recognised_the_gap_holds_zero() -> None:
    index, x, labels = data(signal=1.0, memory=0.0)
    row = rows(leakage_gap(cross_validate(index, index.films, x, labels), draws=300))["balanced_accuracy"]
    assert row.difference.low <= 0 <= row.difference.high  # type: ignore[attr-defined]
    # The draws are paired: the difference is known far better than either score.
    assert row.difference.high - row.difference.low < row.by_film.high - row.by_film.low  # type: ignore[attr-defined]


def test_near_copies_stay_together_by_patient() -> None:
    index, x, labels = data(patients=40, each=1, signal=0.0)
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 255, (20, 64, 64), dtype=np.uint8).repeat(2, axis=0)  # films 2k and 2k + 1 are the same picture
    labels = np.arange(20).repeat(2) % 2
    x = x[::2].repeat(2, axis=0)
    films = tuple(Film(film.name, film.path, "ab"[label], film.patient) for film, label in zip(index.films, labels, strict=True))
    index = DatasetIndex(index.root, "folders", films, ("a", "b"), ())
    number = np.zeros(40, np.int32)
    facts = FilmFacts(
        tuple(film.name for film in films), tuple(f"{i:064x}" for i in range(40)), number, number, number.astype(np.int64), thumbnails,
        np.zeros((40, 32), np.uint8),
    )  # fmt: skip
    apart = cross_validate(index, films, x, labels)
    together = cross_validate(index, films, x, labels, facts)
    assert (apart.by_patient.argmax(axis=1) == labels).mean() > (together.by_patient.argmax(axis=1) == labels).mean() + 0.15


def test_the_answer_is_the_same_again() -> None:
    index, x, labels = data()
    one, other = cross_validate(index, index.films, x, labels, seed=3), cross_validate(index, index.films, x, labels, seed=3)
    assert one.by_patient.tobytes() == other.by_patient.tobytes() and one.by_film.tobytes() == other.by_film.tobytes()
    assert leakage_gap(one, draws=50) == leakage_gap(other, draws=50)


def test_a_rotation_and_fewer_components_change_little() -> None:
    index, x, labels = data(patients=200)
    whole = cross_validate(index, index.films, x, labels).by_patient
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(64, 64)))[0].astype(np.float32)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    assert np.abs(cross_validate(index, index.films, standard @ turn, labels).by_patient - whole).mean() < 0.02


def test_a_class_with_few_patients_takes_fewer_folds() -> None:
    index, x, labels = data(patients=30)
    rare = {film.patient for film in index.films if film.label == "b"} - {"p0", "p1", "p2"}
    kept = [i for i, film in enumerate(index.films) if film.label == "a" or film.patient in sorted(rare)[:3]]
    films = [index.films[i] for i in kept]
    assert cross_validate(index, films, x[kept], labels[kept]).folds == 3


def test_what_cannot_be_cross_validated_has_a_reason() -> None:
    index, x, labels = data()
    one_class = [i for i in range(len(labels)) if labels[i] == 0]
    films = [index.films[i] for i in one_class]
    assert "two classes" in why_not(films, labels[one_class])
    with pytest.raises(ValueError, match="two classes"):
        cross_validate(index, films, x[one_class], labels[one_class])
    first = {film.label: film.patient for film in reversed(index.films)}
    lone = [film for film in index.films if film.label == "a" or film.patient == first["b"]]
    assert "two patients" in why_not(lone, np.array([film.label == "b" for film in lone]))
    assert "two classes" in why_not([], np.empty(0, int))
    gap = no_gap("why", films)
    assert (gap.rows, gap.reason, gap.n_films) == ((), "why", len(films))


@pytest.mark.parametrize("shape", [(240, 1), (240, 300), (240, 240)])
def test_features_that_say_nothing_are_a_coin_and_no_crash(shape: tuple[int, int]) -> None:
    index, _, labels = data()
    found = cross_validate(index, index.films, np.ones(shape, np.float32), labels)
    np.testing.assert_allclose(found.by_patient, 0.5, atol=1e-3)
    assert len(leakage_gap(found, draws=20).rows) == 3


def test_copies_that_join_all_patients_are_an_error_for_the_caller() -> None:
    index, x, labels = data(patients=4, each=2)
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    films = tuple(
        Film(film.name, film.path, "ab"[label], film.patient, origin="one") for film, label in zip(index.films, labels, strict=True)
    )
    with pytest.raises(DatasetError, match="folds"):
        cross_validate(DatasetIndex(index.root, "folders", films, ("a", "b"), ()), films, x, labels)


@pytest.mark.slow
def test_five_thousand_films_take_seconds() -> None:
    import time

    index, x, labels = data(patients=2500, each=2)
    wide = np.random.default_rng(0).normal(size=(5000, 1280)).astype(np.float32)
    wide[:, :64] += x
    started = time.process_time()
    leakage_gap(cross_validate(index, index.films, wide, labels))
    assert time.process_time() - started < 60  # measured 7 s of one core
    assert out_of_fold.COMPONENTS == 512
