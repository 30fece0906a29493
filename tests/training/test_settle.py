"""Batch statistics and class offsets of films as they are: what a finished network is given from its training films alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from deephealth.training.settle import fit_offsets, measure_statistics

pytestmark = pytest.mark.train


def test_statistics_become_those_of_the_batches() -> None:
    layer = nn.BatchNorm2d(2)
    model = nn.Sequential(layer, nn.Dropout(0.9))
    films = (
        torch.randn(6, 8, 2, 5, 5, generator=torch.Generator().manual_seed(1)) * 3 + torch.tensor([4.0, -2.0])[None, None, :, None, None]
    )
    model(films[0] + 50)  # statistics of other films, which must be forgotten
    measure_statistics(model, films)
    torch.testing.assert_close(layer.running_mean, films.mean((0, 1, 3, 4)), atol=1e-4, rtol=1e-4)
    assert layer.running_var is not None
    torch.testing.assert_close(layer.running_var, torch.stack([batch.var((0, 2, 3)) for batch in films]).mean(0), atol=1e-3, rtol=1e-3)
    assert layer.momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_a_network_without_batch_normalisation_stays_as_it_is() -> None:
    model = nn.Conv2d(1, 2, 3)
    before = model.weight.clone()
    measure_statistics(model, [torch.zeros(1, 1, 8, 8)])
    torch.testing.assert_close(model.weight, before, atol=0, rtol=0)


def drawn(scale: float, offsets: list[float], n: int = 20000) -> tuple[np.ndarray, np.ndarray]:
    """Logits of three classes and labels drawn as scale * logits + offsets say."""
    random = np.random.default_rng(3)
    logits = random.normal(size=(n, 3)).astype(np.float32)
    powers = np.exp(scale * logits + offsets)
    chances = powers / powers.sum(axis=1, keepdims=True)
    labels = (random.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits, labels


def test_scale_and_offsets_are_found_again() -> None:
    logits, labels = drawn(1.7, [-1.1, 0.0, -0.2])
    scale, offsets = fit_offsets(logits, labels, np.ones(len(labels), np.float32))
    assert scale == pytest.approx(1.7, abs=0.06)
    assert offsets == pytest.approx([-1.1, 0.0, -0.2], abs=0.06)


def test_a_films_weight_counts_as_so_many_films() -> None:
    logits, labels = drawn(1.0, [0.0, 0.0, 0.0], n=400)
    twice = np.concatenate([np.arange(400), np.flatnonzero(labels == 1)])
    weighted = fit_offsets(logits, labels, np.where(labels == 1, 2, 1).astype(np.float32))
    repeated = fit_offsets(logits[twice], labels[twice], np.ones(len(twice), np.float32))
    assert weighted[0] == pytest.approx(repeated[0], abs=0.02)
    assert weighted[1] == pytest.approx(repeated[1], abs=0.02)
    assert weighted[1].argmax() == 1


def test_answers_that_are_all_right_do_not_become_endless() -> None:
    labels = np.arange(30) % 3
    logits = np.eye(3, dtype=np.float32)[labels]
    scale, offsets = fit_offsets(logits, labels, np.ones(30, np.float32))
    assert 1 < scale < 20
    assert offsets == pytest.approx([0, 0, 0], abs=0.01)
