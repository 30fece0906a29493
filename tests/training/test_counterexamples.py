"""Pictures from which not everything may be told: what is hidden, what may still be told, and that a network learns it from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from deephealth.training import counterexamples
from deephealth.training.counterexamples import LUNG_SIDE, conceal, not_chest
from deephealth.training.film_array import array_of
from deephealth.training.finetune import find_all_lungs
from deephealth.training.recipe import CounterExamples, FineTuneAugmentation, FineTuneSettings
from deephealth.training.torch_augment import mix
from deephealth.training.trainer import Trainer, run, torch_threads

pytestmark = pytest.mark.train
SIDE = 32
STILL = FineTuneAugmentation(**dict.fromkeys(FineTuneAugmentation.__dataclass_fields__, 0.0))


def films_and_lungs(n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Films of grey 100 with two lungs of grey 200."""
    lungs = torch.zeros(n, 1, SIDE, SIDE)
    lungs[:, :, 8:24, 6:14] = lungs[:, :, 8:24, 18:26] = 1
    return 100 + 100 * lungs, lungs


def concealed(seed: int = 0, **shares: float) -> tuple[torch.Tensor, np.ndarray, torch.Tensor]:
    films, lungs = films_and_lungs()
    found, told = conceal(films, lungs, CounterExamples(**shares), np.random.default_rng(seed))
    return found, told, lungs


def test_nothing_is_hidden_where_nothing_is_asked() -> None:
    films, _ = films_and_lungs()
    found, told, _ = concealed()
    assert torch.equal(found, films)
    assert told.all()


def test_with_only_the_lungs_the_label_stays() -> None:
    found, told, lungs = concealed(only_lungs=1 / 3)
    changed = [k for k in range(len(found)) if not torch.equal(found[k], films_and_lungs()[0][k])]
    assert told.all()
    assert 8 < len(changed) < 35
    for k in changed:
        assert bool((found[k][lungs[k] == 1] == 200).all())
        assert (
            float(found[k, 0, 0, 0]) != 100 or float(found[k, 0, 0, 31]) != 100 or torch.equal(found[k, 0, 0], torch.full((SIDE,), 100.0))
        )


def test_without_lungs_no_label_holds() -> None:
    found, told, lungs = concealed(without_lungs=1 / 3)
    assert 8 < (~told).sum() < 35
    for k in np.flatnonzero(~told):
        inside = found[k][lungs[k] == 1]
        assert float(inside.min()) == float(inside.max())
        assert float(inside[0]) != 200
        assert float(found[k, 0, 0, 0]) == 100


def test_in_a_frame_the_middle_is_hidden() -> None:
    found, told, _ = concealed(frame=1 / 3)
    assert 8 < (~told).sum() < 35
    for k in np.flatnonzero(~told):
        middle = found[k, 0, 12:20, 12:20]
        assert float(middle.min()) == float(middle.max())
        corners = found[k, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert bool((corners == 100).any())


def test_a_film_without_lungs_stays_whole() -> None:
    films, lungs = films_and_lungs()
    found, told = conceal(films, torch.zeros_like(lungs), CounterExamples(1 / 3, 1 / 3), np.random.default_rng(0))
    assert torch.equal(found, films)
    assert told.all()


@pytest.mark.parametrize("maker", counterexamples._MAKERS[:3] + counterexamples._MAKERS[4:], ids=lambda maker: maker.__name__)
def test_every_maker_gives_another_picture_of_the_same_form(maker: object) -> None:
    film = torch.from_numpy(np.random.default_rng(1).uniform(0, 255, (1, 64, 64)).astype(np.float32))
    pictures = [maker(film, np.random.default_rng(seed)) for seed in (0, 0, 1)]  # type: ignore[operator]
    for picture in pictures:
        assert picture.shape == film.shape
        assert picture.dtype == torch.float32
        assert bool(torch.isfinite(picture).all())
        assert not torch.equal(picture, film)
    assert torch.equal(pictures[0], pictures[1])


def test_pictures_lie_in_the_grey_range() -> None:
    films, _ = films_and_lungs(40)
    pictures = not_chest(films, np.random.default_rng(0))
    assert pictures.shape == films.shape
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 255


def test_lungs_are_kept_as_bits_and_the_films_without_are_told() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE)).astype(np.uint8)
    mask = np.random.default_rng(1).random((LUNG_SIDE, LUNG_SIDE)) < 0.5
    told: list[object] = []
    answers = iter([mask, None, mask])
    bits = find_all_lungs(array_of(pixels, np.zeros(3, np.int64)), lambda film, side: next(answers), told.append)
    np.testing.assert_array_equal(np.unpackbits(bits[0]).reshape(LUNG_SIDE, LUNG_SIDE), mask)
    assert not bits[1].any()
    assert "On 1 of 3 films" in str(told[-1])


def cheating_set(n: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Films whose class is told by a faint texture in the lungs, and by a bright corner: pixels, labels, bits of the lungs."""
    random = np.random.default_rng(3)
    labels = np.arange(n) % 2
    pixels = random.integers(70, 130, (n, SIDE, SIDE)).astype(np.int64)
    lungs = films_and_lungs(1)[1][0, 0].numpy() == 1
    stripes = np.where(np.arange(SIDE) % 4 < 2, 40, -40)[None, :, None] * lungs
    pixels += labels[:, None, None] * stripes
    pixels[labels == 1, :5, :5] = 250
    place = np.arange(LUNG_SIDE) * SIDE // LUNG_SIDE
    mask = lungs[place[:, None], place[None]]
    return np.clip(pixels, 0, 255).astype(np.uint8), labels, np.tile(np.packbits(mask), (n, 1))


def test_a_network_that_was_shown_them_leaves_the_corner_alone() -> None:
    pixels, labels, bits = cheating_set()
    settings = FineTuneSettings(size=SIDE, channels_width=8, epochs=16, batch=16, learning_rate=5e-3, mixup=0, average=0.9)
    frame = np.full_like(pixels, 0)
    frame[:, :6] = pixels[:, :6]
    shares = {}
    for name, counter in (("naive", CounterExamples()), ("taught", CounterExamples(0.2, 0.2, 0.2, 0.25))):
        with torch_threads(1):
            subject = Trainer(array_of(pixels, labels), 2, settings, STILL, counter, lungs=bits if counter.need_lungs else None)
            run(subject, None, None, lambda event: None)
        whole, part = (subject.logits(array_of(shown, labels)) for shown in (pixels, frame))
        assert (whole.argmax(1) == labels).mean() > 0.95
        shares[name] = np.abs(part[:, 1] - part[:, 0]).mean() / np.abs(whole[:, 1] - whole[:, 0]).mean()
    assert shares["taught"] < 0.5 * shares["naive"]


def test_hiding_lungs_needs_lungs() -> None:
    with pytest.raises(ValueError, match="need to know where the lungs are"):
        Trainer(
            array_of(np.zeros((4, SIDE, SIDE), np.uint8), np.arange(4) % 2),
            2,
            FineTuneSettings(size=SIDE, channels_width=4),
            STILL,
            dataclasses.replace(CounterExamples(), only_lungs=0.1),
        )


def test_evidence_outside_the_lungs_is_a_share_of_the_map_that_the_model_draws() -> None:
    head = torch.nn.Linear(2, 2).requires_grad_(False)
    head.weight.copy_(torch.eye(2))
    head.bias.zero_()
    maps = torch.zeros(3, 2, 2, 2)
    maps[:, 0, 0, 0], maps[:, 0, 1, 1], maps[:, 1, 0, 1] = 3, 1, 5
    lungs = torch.zeros(3, 1, 8, 8)
    lungs[:2, :, :4, :4] = 1
    mass = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    told = torch.ones(3)
    share = counterexamples.outside(maps, mass, head, lungs, told)
    assert float(share) == pytest.approx((1 / 4 + 1) / 2, abs=1e-3)  # the third film's lungs are not known
    told[1] = 0
    assert float(counterexamples.outside(maps, mass, head, lungs, told)) == pytest.approx(1 / 4, abs=1e-3)


def test_masks_are_blended_with_their_films() -> None:
    films, targets = torch.rand(4, 1, 8, 8), torch.eye(4)
    masks = torch.zeros(4, 1, 8, 8)
    for k in range(4):
        masks[k, :, k] = 1
    _, shares, blended = mix(films, targets, masks, 5.0, np.random.default_rng(0))
    for k in range(4):
        seen = {int(row) for row in torch.nonzero(blended[k, 0, :, 0])[:, 0]}
        assert seen == {int(c) for c in torch.nonzero(shares[k] > 0.1)[:, 0]}
