"""Training the lung finder: a few steps learn something, the same seed gives the same file, and the file answers as the network did."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from deephealth.errors import ParityError
from deephealth.evaluation.lungs.finder import LungFinder
from deephealth.images.phantom import draw_phantom
from deephealth.model.lung_record import LungRecord, Plausibility, with_lung_record
from deephealth.training import lung_films, lungs

pytestmark = pytest.mark.train

SETTINGS = dataclasses.replace(lungs.LungSettings(), side=64, widths=(8, 16, 16), epochs=6, batch=8, coarsest=16)


@pytest.fixture(scope="module")
def examples() -> lung_films.LungExamples:
    return lung_films.phantoms(24, SETTINGS.side, seed=5)


@pytest.fixture(scope="module")
def network(examples: lung_films.LungExamples) -> lungs.LungNetwork:
    return lungs.train(examples, SETTINGS, seed=3)


def test_a_few_steps_learn_where_the_lungs_are(network: lungs.LungNetwork) -> None:
    data = lungs.to_onnx(network, SETTINGS.side)
    rule = Plausibility(smallest=0.0, largest=1.0, main=0.0, balance=0.0, breadth=0.0, certainty=0.0)
    record = LungRecord(schema_version=1, created_with="test", side=SETTINGS.side, threshold=0.5, plausibility=rule)
    finder = LungFinder.load(with_lung_record(data, record))
    phantom = draw_phantom("normal", seed=999, size=160)
    found = finder.find(phantom.pixels)
    inside = found.at(*phantom.pixels.shape)
    # Better by far than the share of the area that any guess would get.
    assert found.probabilities.mean() > 0
    assert inside[phantom.lung_mask].mean() > inside[~phantom.lung_mask].mean() + 0.3


def test_the_same_seed_gives_the_same_file(examples: lung_films.LungExamples, network: lungs.LungNetwork) -> None:
    again = lungs.to_onnx(lungs.train(examples, SETTINGS, seed=3), SETTINGS.side)
    assert again == lungs.to_onnx(network, SETTINGS.side)
    assert again != lungs.to_onnx(lungs.train(examples, SETTINGS, seed=4), SETTINGS.side)


def test_the_file_answers_as_the_network_did(network: lungs.LungNetwork) -> None:
    data = lungs.to_onnx(network, SETTINGS.side)
    films = [draw_phantom("viral", seed=1, size=size).pixels for size in (48, 64, 200)]
    assert lungs.check_parity(data, network, films, SETTINGS.side) < 1e-4
    torch.manual_seed(0)
    other = lungs.LungNetwork(SETTINGS.widths).eval()
    torch.nn.init.normal_(other.head.weight)
    with pytest.raises(ParityError):
        lungs.check_parity(data, other, films, SETTINGS.side)


def test_ignored_pixels_change_neither_loss_nor_gradient() -> None:
    torch.manual_seed(1)
    logits = torch.randn(2, 1, 8, 8, requires_grad=True)
    lung = (torch.rand(2, 1, 8, 8) > 0.5).float()
    known = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    known[:, :, 2:5] = False
    turned = torch.where(known, lung, 1 - lung)
    loss, other = lungs.loss_of(logits, lung, known), lungs.loss_of(logits, turned, known)
    assert torch.equal(loss, other)
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[~known].any()
    assert logits.grad[known].any()
