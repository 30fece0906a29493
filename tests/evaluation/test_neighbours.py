"""The training films nearest to a film."""

from __future__ import annotations

import numpy as np

from deephealth.evaluation.neighbours import nearest_films


def test_a_film_is_nearest_to_itself_and_then_to_the_films_drawn_around_it() -> None:
    rng = np.random.default_rng(0)
    centres = 5 * rng.normal(size=(4, 32))
    films = np.concatenate([centre + 0.1 * rng.normal(size=(5, 32)) for centre in centres])
    names, labels = [f"film {i}" for i in range(20)], [f"class {i // 5}" for i in range(20)]
    for row, near in enumerate(nearest_films(films, films, names, labels)):
        assert near[0].name == f"film {row}"
        assert {neighbour.label for neighbour in near} == {labels[row]}
        similar = [neighbour.similarity for neighbour in near]
        assert similar == sorted(similar, reverse=True) and abs(similar[0] - 1) < 1e-5


def test_no_feature_rules_by_its_scale_and_a_constant_one_says_nothing() -> None:
    others = np.array([[0.0, 1000, 7], [1, 0, 7], [0, 0, 7], [1, 1000, 7]])
    asked = np.array([[1.0, 980, 9]])
    (near,) = nearest_films(asked, others, "abcd", "wxyz", n=1)
    assert (near[0].name, near[0].label) == ("d", "z")


def test_fewer_films_than_asked_for_are_all_given() -> None:
    assert nearest_films(np.empty((0, 3)), np.eye(3), "abc", "abc") == []
    assert nearest_films(np.eye(3), np.empty((0, 3)), "", "") == [(), (), ()]
    assert [len(near) for near in nearest_films(np.eye(3), np.eye(3)[:2], "ab", "ab")] == [2, 2, 2]
