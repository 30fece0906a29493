"""Learning curves on features that were made up: who may be drawn, and that the better features win."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deephealth.datasets.index import Film
from studies.shipped import transfer
from studies.shipped.transfer import Task, always_ahead, draw, score, student


def task(patients: int = 60, films: int = 3) -> Task:
    found = []
    for number in range(patients):
        label = ("normal", "ill")[number % 2]
        found += [Film(f"{number}-{k}", Path(f"{number}-{k}.png"), label, f"p{number}") for k in range(films)]
    return Task(tuple(found), ("normal", "ill"), (5, 20))


def test_no_patient_is_learned_from_and_judged_on() -> None:
    subject = task()
    patients = np.array([film.patient for film in subject.films])
    drawn = []
    for seed in range(5):
        learn, judge = draw(subject, 20, np.random.default_rng(seed))
        assert np.bincount(subject.labels[learn]).tolist() == [20, 20]
        assert not set(patients[learn]) & set(patients[judge])
        assert set(patients[learn]) | set(patients[judge]) == set(patients)
        drawn.append(tuple(learn))
    assert len(set(drawn)) == 5


def test_features_that_know_the_label_score_above_those_that_do_not() -> None:
    subject = task()
    random = np.random.default_rng(0)
    noise = random.normal(size=(len(subject.films), 8)).astype(np.float32)
    telling = noise + 2.0 * subject.labels[:, None].astype(np.float32)
    assert score(subject, telling, 20, 0) > 0.95
    assert 0.3 < score(subject, noise, 20, 0) < 0.7


def test_curves_pair_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = task()
    random = np.random.default_rng(1)
    noise = random.normal(size=(len(subject.films), 8)).astype(np.float32)
    features = {
        transfer.OURS: noise + 1.0 * subject.labels[:, None].astype(np.float32),
        "weak": noise + 0.2 * subject.labels[:, None].astype(np.float32),
        "none": noise,
    }
    monkeypatch.setattr(transfer, "features_of", lambda films, backbones, threads: (features, tuple(films)))
    found = transfer.curves(subject, {}, 1)
    for size in ("5", "20"):
        gain = found["sizes"][size]["gain"]
        assert gain["low"] <= gain["value"] <= gain["high"]
        assert gain["over"] == "weak"
        assert gain["value"] == pytest.approx(found["sizes"][size]["ours"]["mean"] - found["sizes"][size]["weak"]["mean"], abs=2e-4)
    assert found["patients"] == 60
    assert always_ahead(found)
    found["sizes"]["5"]["gain"]["value"] = -0.01
    assert not always_ahead(found)


def test_students_interval_is_the_textbooks() -> None:
    found = student(np.array([0.1, 0.2, 0.3, 0.2]))  # mean 0.2, standard error 0.0408, t 3.182
    assert found == {"value": 0.2, "low": pytest.approx(0.0701, abs=1e-4), "high": pytest.approx(0.3299, abs=1e-4)}
