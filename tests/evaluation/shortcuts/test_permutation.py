"""The null of the shortcut audit rejects as often as it says where labels and films have nothing to do with each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from deephealth.datasets.facts import FilmFacts
from deephealth.evaluation import metrics
from deephealth.evaluation.shortcuts import probes
from deephealth.evaluation.shortcuts.light import audit_shortcuts
from deephealth.evaluation.shortcuts.permutation import p_value, shuffle_patients
from deephealth.evaluation.shortcuts.probes import NULL_LEVEL, SHUFFLES

SIZES = {
    "two": lambda rng, n: np.full(n, 2),
    "one": lambda rng, n: np.ones(n, dtype=int),
    "up to 30": lambda rng, n: np.minimum(30, rng.geometric(0.3, n)),
}


def label_free(n_patients: int, sizes: str, shares: tuple[float, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Features [n, 40], half of whose variance a patient's films share; labels of patients, every class at least twice; patients."""
    patient = np.repeat(np.arange(n_patients), SIZES[sizes](rng, n_patients))
    classes = len(shares)
    labels = np.concatenate([np.arange(classes).repeat(2), rng.choice(classes, n_patients - 2 * classes, p=shares)])
    features = rng.normal(size=(n_patients, 40))[patient] + rng.normal(size=(len(patient), 40))
    return features, rng.permutation(labels)[patient], patient


def probed(n_patients: int, sizes: str, shares: tuple[float, ...], seed: int, *, across_folds: bool = False) -> float:
    """The p-value of one probe on label-free films, as `audit_shortcuts` computes it."""
    rng = np.random.default_rng([11, seed])
    features, y, patient = label_free(n_patients, sizes, shares, rng)
    smallest = min(len(np.unique(patient[y == c])) for c in range(len(shares)))
    fold = probes.deal_folds(y, patient, min(probes.FOLDS, smallest), rng)
    within = np.zeros_like(fold) if across_folds else fold
    stacked = np.stack([y, *(shuffle_patients(y, patient, within, rng) for _ in range(SHUFFLES))])
    scores = probes.held_out_scores(features, stacked, len(shares), fold)
    found = [metrics.macro_auc(score, labels) for score, labels in zip(scores, stacked, strict=True)]
    return p_value(found[0], found[1:])


def within_chance(count: int, sets: int, rate: float, sigmas: float = 3.3) -> bool:
    """Whether `count` of `sets` is what a true `rate` gives; a right one is refused once in a thousand."""
    return abs(count / sets - rate) <= sigmas * np.sqrt(rate * (1 - rate) / sets)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_patients", "sizes", "shares", "sets"),
    [(30, "two", (1 / 3, 1 / 3, 1 / 3), 400), (60, "up to 30", (0.1, 0.6, 0.3), 300), (150, "one", (0.5, 0.5), 300)],
    ids=["60 films", "unequal classes and patients", "two classes"],
)
def test_label_free_films_are_rejected_at_the_stated_rate(n_patients: int, sizes: str, shares: tuple[float, ...], sets: int) -> None:
    found = np.array([probed(n_patients, sizes, shares, seed) for seed in range(sets)])
    for level in (0.01, 0.05, 0.25, 0.5):
        assert within_chance(int((found <= level).sum()), sets, level), f"{(found <= level).mean():.3f} at {level}"


@pytest.mark.slow
def test_shuffling_across_folds_would_miss_the_rate() -> None:
    """The same check refuses the null that does not keep the folds: it is as sharp as it has to be."""
    found = np.array([probed(30, "two", (1 / 3, 1 / 3, 1 / 3), seed, across_folds=True) for seed in range(500)])
    assert not all(within_chance(int((found <= level).sum()), 500, level) for level in (0.05, 0.25, 0.5))


@pytest.mark.slow
def test_the_verdict_finds_no_shortcut_in_label_free_sets() -> None:
    """At most `NULL_LEVEL` a deciding probe by Boole's inequality: more than 2 alarms in 60 sets have a chance below 0.001."""
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng([12, seed])
        patient = np.arange(60) // 2
        films = (120 + 30 * rng.normal(size=(30, 32, 32))[patient] + 10 * rng.normal(size=(60, 32, 32))).clip(0, 255).astype(np.uint8)
        width = rng.integers(900, 1100, 30)[patient].astype(np.int32)
        facts = FilmFacts(
            names=tuple(map(str, range(60))),
            sha256=tuple(f"{i:064x}" for i in range(60)),
            width=width,
            height=np.full(60, 1000, dtype=np.int32),
            file_bytes=rng.integers(40_000, 60_000, 60),
            thumbnails=films,
            phash=np.zeros((60, 32), dtype=np.uint8),
        )
        labels = rng.permutation(30)[patient] % 3
        found = audit_shortcuts(facts, labels, [str(p) for p in patient], ("a", "b", "c"), seed=seed, draws=20)
        deciding = [result for result in found.results if result.lung_free]
        assert all(result.beats_null == (result.p_value <= NULL_LEVEL and result.auc.value > 0.5) for result in found.results)
        assert len(deciding) * NULL_LEVEL <= 0.02, "the verdict may err in one set of fifty at most"
        alarms += found.verdict != "none"
    assert alarms <= 2


def test_patients_keep_their_films_together_and_stay_in_their_fold() -> None:
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 3)
    labels, fold = (np.arange(40) % 3)[patient], (np.arange(40) % 4)[patient]
    for _ in range(20):
        shuffled = shuffle_patients(labels, patient, fold, rng)
        assert all(len(set(shuffled[patient == p])) == 1 for p in range(40))
        for number in range(4):
            assert sorted(shuffled[fold == number]) == sorted(labels[fold == number])


def test_labels_of_a_patient_with_fewer_films_go_round() -> None:
    found = {tuple(shuffle_patients([5, 6, 7, 8, 9], [0, 0, 0, 1, 1], [0] * 5, np.random.default_rng(s)).tolist()) for s in range(9)}
    assert found == {(5, 6, 7, 8, 9), (8, 9, 8, 5, 6)}


def test_every_exchange_of_patients_comes_equally_often() -> None:
    rng = np.random.default_rng(1)
    drawn = [tuple(shuffle_patients([0, 1, 2], [0, 1, 2], [0, 0, 0], rng).tolist()) for _ in range(6000)]
    for order in itertools.permutations(range(3)):
        assert within_chance(drawn.count(order), 6000, 1 / 6)


def test_p_values_by_hand() -> None:
    null = list(np.linspace(0.4, 0.6, 99))
    assert p_value(0.3, null) == 1
    assert p_value(0.5, null) == pytest.approx(51 / 100)
    assert p_value(0.6, null) == pytest.approx(2 / 100), "a tie counts against the true labels"
    assert p_value(0.601, null) == pytest.approx(1 / 100), "the normal tail is fatter here, so the rank stands"
    assert p_value(0.9, null) < 1e-6
    assert p_value(0.9, [0.5] * 99) == pytest.approx(1 / 100), "scores without spread have no tail"
    assert p_value(0.9, []) == 1


def test_the_tail_beyond_the_last_shuffle_is_that_of_one_more_draw() -> None:
    rng = np.random.default_rng(2)
    beyond = np.array([p_value(float(rng.normal()), rng.normal(size=20)) for _ in range(20_000)])
    for level in (0.002, 0.01, 0.02):
        assert within_chance(int((beyond <= level).sum()), 20_000, level)
