"""What a network still lacks when its last step is taken: batch statistics and class offsets of films as they are.

While it learned, films were exposed otherwise, mixed and partly hidden, and the pictures that are no chest films stood among them. A film
as it comes is sharper and clearer than those, so the network, asked with the batch statistics of its training, takes too many for normal.
Both steps use the training films alone (and their lungs alone, where a recipe keeps the label of those), so the validation films stay
unseen for temperature, operating points and gate. What each is worth: docs/decisions/033-settled-on-films-as-they-are.md.

Batch statistics after Izmailov et al., "Averaging weights leads to wider optima", 2018; why films as they are differ from augmented ones:
Touvron et al., "Fixing the train-test resolution discrepancy", 2019. Offsets and one scale: "bias-corrected temperature scaling" of
Alexandari et al., "Maximum likelihood with bias-corrected calibration is hard to beat at label shift adaptation", 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deephealth.training.counterexamples import unpacked
from deephealth.training.film_array import FilmArray
from deephealth.training.networks import Classifier, Normalisation

Floats = NDArray[np.float64]
Which = NDArray[np.int64]
Bits = NDArray[np.uint8]
_BATCH = 64
_LUNGS_WEIGHT = 1 / 2  # of a film's lungs alone, beside the film
_LARGEST = 20.0  # no scale above it: where every training film is answered right, the sharpest answers would always fit best


def settle(
    model: Classifier, films: FilmArray, weights: NDArray[np.float32], normalise: Normalisation, *, order: Which, lungs: Bits | None = None
) -> tuple[float, Floats]:
    """Give `model` the batch statistics of `films`, and find the scale and the offsets [C] that its logits want.

    weights [n]: how much each film counts; order [n]: a random one. lungs: bits of the films' lung masks, as
    `unpacked` takes them; where given, the films that have any are asked about a second time with all else black, at a lower weight.
    """
    size = min(_BATCH, len(order))
    fair = [np.sort(order[start : start + size]) for start in range(0, len(order) - size + 1, size)]
    measure_statistics(model, shown(films, fair, normalise, model))
    logits, labels = answers(model, films, normalise), films.labels
    seen = np.empty(0, np.int64) if lungs is None else np.flatnonzero(lungs.any(axis=1))
    if len(seen):
        alone = answers(model, films, normalise, seen, lungs)
        logits, labels = np.concatenate([logits, alone]), np.concatenate([labels, labels[seen]])
        weights = np.concatenate([weights, _LUNGS_WEIGHT * weights[seen]])
    return fit_offsets(logits, labels, weights)


def answers(
    model: Classifier, films: FilmArray, normalise: Normalisation, which: Which | None = None, lungs: Bits | None = None
) -> NDArray[np.float32]:
    """The logits of films, by default all, as they are or with only their lungs: float32 [n, C]."""
    with torch.no_grad():
        batches = shown(films, _batches(np.arange(len(films)) if which is None else which), normalise, model, lungs)
        return torch.cat([model(batch).float().cpu() for batch in batches]).numpy()


def shown(
    films: FilmArray, batches: Iterable[Which], normalise: Normalisation, model: nn.Module, lungs: Bits | None = None
) -> Iterator[Tensor]:
    """The films of each batch as they are, or with only their lungs, normalised, where `model` lies: float32 [k, 1, S, S]."""
    device = next(model.parameters()).device
    for which in batches:
        grey = torch.from_numpy(films.batch(which)).to(device)[:, None].float()
        if lungs is not None:
            grey = grey * functional.interpolate(unpacked(lungs[which]).to(device), size=grey.shape[-1], mode="nearest")
        yield normalise(grey).contiguous(memory_format=torch.channels_last)


def _batches(which: Which) -> Sequence[Which]:
    return [which[start : start + _BATCH] for start in range(0, len(which), _BATCH)]


def measure_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give the batch normalisations of `model` the mean statistics of `batches` [n, 1, S, S], normalised; the model is left evaluating.

    Each batch should be a fair sample of the films: the variance between batches is not seen.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    model.eval()  # dropout and whatever else differs stays off; only these layers look at the batch
    for layer in layers:
        layer.train()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


def fit_offsets(logits: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float32]) -> tuple[float, Floats]:
    """The scale and the offsets [C] with which scale * logits + offsets fit `labels` best: least mean cross-entropy, weighted by film.

    logits [n, C]; labels int [n]; weights [n]. Only differences of offsets matter; the largest is 0, so that no class gains evidence. By
    Laplace's rule no film's target is quite sure, (n + 1) / (n + 2), so the best answer is finite though every film is answered right.
    """
    from scipy.optimize import minimize

    n, classes = logits.shape
    shares = weights / weights.sum()
    targets = np.full((n, classes), 1 / (n + 2) / max(1, classes - 1))
    targets[np.arange(n), labels] = (n + 1) / (n + 2)
    z = logits.astype(np.float64)
    z -= z.mean(axis=1, keepdims=True)

    def loss(unknown: Floats) -> tuple[float, Floats]:
        scale, offsets = np.exp(unknown[0]), unknown[1:]
        answered = scale * z + offsets
        top = answered.max(axis=1, keepdims=True)
        log_p = answered - top - np.log(np.exp(answered - top).sum(axis=1, keepdims=True))
        slope = (np.exp(log_p) - targets) * shares[:, None]
        return float(-(shares[:, None] * targets * log_p).sum()), np.concatenate([[scale * (slope * z).sum()], slope.sum(axis=0)])

    widest = np.log(_LARGEST)
    bounds = [(-widest, widest), *[(-_LARGEST, _LARGEST)] * classes]
    found = minimize(loss, np.zeros(classes + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), np.asarray(found[1:] - found[1:].max())
