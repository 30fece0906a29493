"""MobileNetV2 to train: the published weights give the published network's map, on a finer grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.features.test_mobilenet import WEIGHTS, random_weights

from deephealth.errors import ModelFileError, UsageError
from deephealth.features import graph
from deephealth.features.checkpoint import read_checkpoint
from deephealth.features.mobilenet import mobilenet_backbone
from deephealth.training.mobilenet import MobileNetV2
from deephealth.training.networks import build_network
from deephealth.training.recipe import FineTuneSettings

pytestmark = pytest.mark.train

WIDTHS = (16, 8, *[8] * 2, *[16] * 3, *[24] * 4, *[32] * 3, *[56] * 3, 112)  # of 0.35


def settings(start: str, **changes: object) -> FineTuneSettings:
    return FineTuneSettings(architecture="mobilenet-v2-0.35", start=start, **changes)  # type: ignore[arg-type]


def saved(state: dict[str, np.ndarray], path: Path) -> Path:
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, path)
    return path


def film(side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (side, side), dtype=np.uint8)


def the_same_network(weights: Path, pixels: np.ndarray) -> None:
    """Every second cell of the fine map is a cell of the frozen network's: spreading a kernel changes nothing where it is sampled."""
    network, normalise = build_network(settings(str(weights), standardise=False))
    frozen = graph.serialise(mobilenet_backbone(read_checkpoint(weights), size=len(pixels)))
    (expected,) = graph.open_session(frozen).run(["feature_map"], {"image": pixels})
    with torch.no_grad():
        found = network.eval()(normalise(torch.from_numpy(pixels)[None, None].float()))[0].numpy()
    assert found.shape == (1280, len(pixels) // 16, len(pixels) // 16)
    assert float(expected.std()) > 0.05
    np.testing.assert_allclose(found[:, 1::2, 1::2], expected, atol=2e-4)


def test_the_weights_make_the_frozen_network_on_a_finer_grid(tmp_path: Path) -> None:
    the_same_network(saved(random_weights(WIDTHS, 1280), tmp_path / "random.pth"), film(96))


def test_imagenets_weights_make_the_published_network(shared: Path) -> None:
    the_same_network(shared / "weights" / WEIGHTS["mobilenet_v2_0.35_224"], film(224))


def test_a_standardised_film_reaches_the_network_as_spread_as_a_photograph(tmp_path: Path) -> None:
    weights = saved(random_weights(WIDTHS, 1280), tmp_path / "random.pth")
    plain, _ = build_network(settings(str(weights), standardise=False))
    spread, _ = build_network(settings(str(weights), standardise=True))
    photograph = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(spread.eval()(2 * photograph), plain.eval()(photograph))


def test_from_nothing_every_draw_of_a_seed_is_the_same() -> None:
    first, second = (_seeded() for _ in range(2))
    torch.testing.assert_close(first.state_dict(), second.state_dict())


def _seeded() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_network(settings("scratch"))[0]


def test_weights_that_do_not_fit_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    narrow = saved(random_weights(), tmp_path / "narrow.pth")
    with pytest.raises(ModelFileError, match=r"narrow.pth has no features.0.0.weight of shape \(16, 3, 3, 3\)"):
        build_network(settings(str(narrow)))
    with pytest.raises(ModelFileError, match=r"none\.pth"):
        build_network(settings(str(tmp_path / "none.pth")))


def test_an_unknown_width_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"widths 0.35, 0.50, .*'2.0' is none of them"):
        build_network(FineTuneSettings(architecture="mobilenet-v2-2.0"))


def test_the_widest_has_as_many_values_as_published() -> None:
    values = sum(parameter.numel() for parameter in MobileNetV2(1.0).parameters())
    assert values == 2_223_872 - 2 * 32 * 9  # torchvision's 3,504,872 less its classifier, and two of the first kernel's three colours
