"""Heatmaps, right where it can be known: planted lesions are pointed at, and cells of much evidence change the answer when they are hidden.

The pointing game (Zhang et al. 2018, "Top-down neural attention by excitation backprop") on phantom films, whose lesions are known to the
pixel, with a head trained on other phantoms over the model's frozen backbone. Deletion and insertion (Petsiuk et al. 2018, "RISE") on real
films, of which nobody marked the lesions: the model's map beside Grad-CAM (Selvaraju et al. 2017) and a random order.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.split import make_split
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.features.backbones import load_backbone
from deephealth.features.extract import extract_features
from deephealth.features.graph import open_session
from deephealth.images.phantom import Phantom, draw_phantom, write_phantoms
from deephealth.images.read import read_film
from deephealth.inference.heatmap import evidence
from deephealth.model.file import Model
from deephealth.model.graph import compose
from deephealth.model.novelty import fit_novelty
from deephealth.model.record import ModelRecord
from deephealth.training.examples import examples_of
from deephealth.training.heads import fit_head
from deephealth.training.recipe import HeadSettings
from studies.shipped.answers import Figure, ask, figure, probabilities_of, share
from studies.shipped.films import Children, Pixels
from studies.shipped.runs import Runs

LESIONS = ("bacterial", "viral")
LEARNED, VIEWS, POINTED = 120, 5, 120
FILMS = 200
STEP = 0.05
WAYS = ("deletion", "insertion")
ORDERS = ("class activation map", "Grad-CAM", "random")
_LEARN_SEED, _POINT_SEED = 1, 2
Floats = NDArray[np.float64]
Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def measure(children: Children, runs: Runs, threads: int, *, model: Path | None = None) -> dict[str, Any]:
    """The section "heatmaps". model: whose backbone plays the pointing game, by default that of the model that ships."""
    return {
        "pointing game": pointing_game(model or runs.shipped, threads),
        "deletion and insertion": deletion_and_insertion(children, runs.fold(0), threads),
    }


@dataclass(frozen=True, eq=False)
class Pointed:
    """A phantom and where the heatmap of the label answered has its peak. place: row and column of the peak, as shares of the sides."""

    phantom: Phantom
    patient: str
    answered: str
    place: tuple[float, float]
    grid: int

    @property
    def right(self) -> bool:
        """Whether the label answered is the phantom's."""
        return self.answered == self.phantom.label

    def mask(self, near: bool) -> Mask:
        """The lesion, bool [H, W]; with `near`, also what lies within one cell of the map of it."""
        return widened(self.phantom.lesion_mask, self.grid) if near else self.phantom.lesion_mask


def pointing_game(path: Path, threads: int, *, learned: int = LEARNED, pointed: int = POINTED, size: int = 256) -> dict[str, Any]:
    """A head is trained on `learned` phantoms a label, and plays on `pointed` of each lesion, of other patients, one film each."""
    model = with_head_for_phantoms(path, threads, learned=learned, size=size)
    found = [point(model, label, k, size, threads) for label in LESIONS for k in range(pointed)]
    groups = {label: [one for one in found if one.phantom.label == label] for label in LESIONS} | {"together": found}
    return {
        "learned from": 3 * learned,
        "map": model.record.backbone.grid,
        "answered right": {name: share([one.right for one in group], [one.patient for one in group]) for name, group in groups.items()},
        **{name: _game([one for one in group if one.right]) for name, group in groups.items()},
    }


def with_head_for_phantoms(path: Path, threads: int, *, learned: int, size: int) -> Model:
    """A model's backbone as it is, with a logistic head for phantoms in `VIEWS` views; a fifth of their patients choose its penalty."""
    backbone = load_backbone(str(path))
    with tempfile.TemporaryDirectory() as folder:
        index = open_dataset(write_phantoms(Path(folder) / "films", per_class=learned, seed=_LEARN_SEED, size=size, masks=False))
        split = make_split(index, validation=0.2, test=0.0)
        learn, choose = (
            examples_of(index, extract_features(split.films(index, part), backbone, views=views, threads=threads, cache=False), views)
            for part, views in (("train", VIEWS), ("validation", 1))
        )
    head = fit_head(learn, classes=len(index.classes), settings=HeadSettings(), validation=choose)
    record = ModelRecord(name="phantoms", labels=index.classes, novelty_threshold=None)
    return Model.load(compose(backbone, head, temperature=1.0, novelty=fit_novelty(learn.features), record=record))


def point(model: Model, label: str, patient: int, size: int, threads: int) -> Pointed:
    """Draw a phantom with a lesion, answer it, and find the peak of the heatmap of the answer."""
    phantom = draw_phantom(label, seed=_POINT_SEED, patient=patient + (LESIONS.index(label) << 16), size=size)
    answer = model.run(phantom.pixels, threads=threads)
    c = int(answer.probabilities.argmax())
    return Pointed(phantom, f"{label} {patient}", model.labels[c], peak(answer.heatmap[c], *phantom.pixels.shape), answer.heatmap.shape[-1])


def peak(heatmap: Map, height: int, width: int) -> tuple[float, float]:
    """Where a map [h, w] is highest once it is enlarged to [height, width] as overlays are: shares of the sides, (row, column).

    The map is shifted and scaled to 0..1 first, since what is drawn ends at 0 and at full evidence. Beyond the middle of an outer cell the
    enlarged map is level; of such a plateau the middle is taken.
    """
    lowest, spread = heatmap.min(), float(np.ptp(heatmap))
    enlarged = evidence(heatmap - lowest, height, width, full=spread or 1.0)
    rows, columns = np.nonzero(enlarged >= enlarged.max() - 1e-6)
    return float(rows.mean() + 0.5) / height, float(columns.mean() + 0.5) / width


def widened(mask: Mask, grid: int) -> Mask:
    """The mask and what lies within one cell of a `grid` x `grid` map of it, along rows and columns."""
    from scipy.ndimage import maximum_filter

    reach = tuple(2 * math.ceil(side / grid) + 1 for side in mask.shape)
    return np.asarray(maximum_filter(mask, size=reach, mode="constant"), dtype=bool)


def inside(mask: Mask, place: tuple[float, float]) -> bool:
    """Whether a place, in shares of the sides, lies in a mask [H, W]."""
    row, column = (min(int(part * side), side - 1) for part, side in zip(place, mask.shape, strict=True))
    return bool(mask[row, column])


def _game(group: Sequence[Pointed]) -> dict[str, dict[str, Figure]]:
    """How often the peaks of films answered right lie in the lesion, and near it, and how often chance would."""
    return {"in the lesion": _hits(group, near=False), "within one cell": _hits(group, near=True)}


def _hits(group: Sequence[Pointed], near: bool) -> dict[str, Figure]:
    """Share of hits, and what chance gives: a place anywhere on the film, anywhere in the lungs, or where other films have their peak."""
    patients = [one.patient for one in group]
    masks = [one.mask(near) for one in group]
    lungs = [float(mask[one.phantom.lung_mask].mean()) for mask, one in zip(masks, group, strict=True)]
    return {
        "hits": share([inside(mask, one.place) for mask, one in zip(masks, group, strict=True)], patients),
        "chance on the film": _mean([float(mask.mean()) for mask in masks], patients),
        "chance in the lungs": _mean(lungs, patients),
        "peaks of other films": _mean(_elsewhere(group, masks), patients),
    }


def _elsewhere(group: Sequence[Pointed], masks: Sequence[Mask]) -> list[float]:
    """For each film, the share of the peaks of the others of its label that would hit: what the lesions' usual place alone explains."""
    found = []
    for one, mask in zip(group, masks, strict=True):
        others = [other.place for other in group if other is not one and other.phantom.label == one.phantom.label]
        found.append(float(np.mean([inside(mask, place) for place in others])) if others else 0.0)
    return found


def _mean(values: Sequence[float] | Floats, patients: Sequence[str], least: float = 0) -> Figure:
    return figure(PatientBootstrap(patients).mean(values, least=least, most=1))


@dataclass(frozen=True, eq=False)
class GradCam:
    """Grad-CAM of a model whose head is linear on the mean of the feature map. session: its backbone; weight: float32 [C, d]; bias: [C]."""

    session: Any
    weight: Map
    bias: Map

    @classmethod
    def of(cls, path: Path) -> GradCam:
        """Read backbone and weights from a model file."""
        from onnx import load_model_from_string, numpy_helper

        constants = {tensor.name: tensor for tensor in load_model_from_string(Model.load(path).data).graph.initializer}
        if "deephealth/hidden_weight" in constants:
            raise ValueError(f"the head of {path} is not linear: the gradient is not the same for every film")
        weight, bias = (numpy_helper.to_array(constants[f"deephealth/{name}"]) for name in ("weight", "bias"))
        return cls(open_session(load_backbone(str(path)).model), weight, bias)

    def map(self, pixels: Pixels, label: int) -> Map:
        """float32 [g, g], 0 or more: each feature's map times the mean gradient of the label's logit by it, summed, cut at 0.

        The logit is weight @ (mean of the map) + bias, so its gradient by every cell of feature k is weight[k] / (g * g).
        """
        (feature_map,) = self.session.run(["feature_map"], {"image": pixels})
        gradient = self.weight[label] / (feature_map.shape[1] * feature_map.shape[2])
        return np.maximum(np.tensordot(gradient, feature_map, axes=1), 0)

    def gap(self, gradcam: Map, heatmap: Map, label: int) -> float:
        """How far, in logits, Grad-CAM times the number of cells is from the positive part of the class activation map less its bias."""
        return float(np.abs(gradcam * gradcam.size - np.maximum(heatmap - self.bias[label], 0)).max())


def deletion_and_insertion(children: Children, path: Path, threads: int, *, films: int = FILMS) -> dict[str, Any]:
    """On films of fold 0, evenly spread over the labels: what the answer's probability does as cells are hidden, or shown, in three orders.

    Areas are those under the curves over the share of cells, 0..1: for deletion a low one is good, for insertion a high one.
    """
    model, gradcam = Model.load(path), GradCam.of(path)
    chosen = spread_over_labels(children.tested(0), model.labels, films)
    asked = [track(model, gradcam, read_film(film.path).pixels, k, threads) for k, film in enumerate(chosen)]
    curves = {way: {order: np.array([one.curves[way][order] for one in asked]) for order in ORDERS} for way in WAYS}
    answered = np.array([model.labels[one.label] for one in asked])
    patients = [film.patient for film in chosen]
    counts = steps(model.record.backbone.grid**2)
    areas = {way: {order: area(curve, counts) for order, curve in found.items()} for way, found in curves.items()}
    return {
        "cells": int(counts[-1]),
        "cells a step": int(counts[1]),
        "Grad-CAM's largest gap": max(one.gap for one in asked),
        "areas": {way: {order: _mean(found, patients) for order, found in each.items()} for way, each in areas.items()},
        "differences": _differences(areas, patients),
        "by answer": {label: _differences(areas, patients, answered == label) for label in model.labels},
        "curves": {
            "share": (counts / counts[-1]).round(4).tolist(),
            **{way: {order: curve.mean(axis=0).round(4).tolist() for order, curve in found.items()} for way, found in curves.items()},
        },
    }


def spread_over_labels(films: Sequence[Film], labels: Sequence[str], count: int) -> list[Film]:
    """`count` films, as evenly spread over the labels as it goes, and over each label's films in their order."""
    found = []
    for c, label in enumerate(labels):
        own = [film for film in films if film.label == label]
        wanted = (count + len(labels) - 1 - c) // len(labels)
        found += [own[k] for k in np.linspace(0, len(own) - 1, min(wanted, len(own))).round().astype(int)]
    return found


def steps(cells: int) -> NDArray[np.int64]:
    """How many cells are hidden in each picture: none, then about 5 % more each time, then all."""
    return np.append(np.arange(0, cells, max(1, round(STEP * cells))), cells)


def area(curves: Floats, counts: NDArray[np.int64]) -> Floats:
    """Area under curves [n, steps + 1] over the share of cells, by trapezoids: [n]."""
    return np.asarray(np.trapezoid(curves, counts / counts[-1], axis=-1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Track:
    """One film, hidden and shown cell by cell. curves: probability of the label first answered, [steps + 1], by way and order.

    label: number of that label; gap: see `GradCam.gap`.
    """

    curves: dict[str, dict[str, Floats]]
    label: int
    gap: float


def track(model: Model, gradcam: GradCam, pixels: Pixels, seed: int, threads: int) -> Track:
    """Hide and show the cells of a film in each order."""
    first = model.run(pixels, threads=threads)
    label = int(first.probabilities.argmax())
    random = np.random.default_rng(seed)
    own, other = first.heatmap[label], gradcam.map(pixels, label)
    ranks = {order: ranked(values, random) for order, values in zip(ORDERS, (own, other, random.random(own.shape)), strict=True)}
    curves = {
        way: {order: probabilities_of(ask(model, pictures(way, pixels, rank), threads))[:, label] for order, rank in ranks.items()}
        for way in WAYS
    }
    return Track(curves, label, gradcam.gap(other, own, label))


def ranked(values: NDArray[Any], random: np.random.Generator) -> NDArray[np.int64]:
    """The rank of each cell of a map [g, g], 0 for the most evidence; cells of equal evidence, as Grad-CAM's zeros, in random order."""
    flat = np.ravel(values)
    rank = np.empty(len(flat), dtype=np.int64)
    rank[np.lexsort((random.random(len(flat)), -flat))] = np.arange(len(flat))
    return rank.reshape(np.shape(values))


def pictures(way: str, pixels: Pixels, rank: NDArray[np.int64]) -> Iterator[Pixels]:
    """The film with ever more of its cells hidden behind its mean grey ("deletion"), or shown sharp over its blurred self ("insertion").

    The blur's standard deviation is half a cell, so that nothing is left that is finer than the map. Petsiuk's 5 px of 224 left the first
    answer a probability of 0.51, as a mean over 36 films of children; half a cell leaves 0.41, a grey picture 0.32.
    """
    from scipy.ndimage import gaussian_filter

    grid = len(rank)
    rows, columns = (np.arange(side) * grid // side for side in pixels.shape)
    turn = rank[rows[:, None], columns[None]]
    blurred = gaussian_filter(pixels.astype(np.float32), [side / grid / 2 for side in pixels.shape]).round().astype(np.uint8)
    grey = np.uint8(round(float(pixels.mean())))
    for count in steps(rank.size):
        yield np.where(turn < count, grey, pixels) if way == "deletion" else np.where(turn < count, pixels, blurred)


def _differences(
    areas: Mapping[str, Mapping[str, Floats]], patients: Sequence[str], among: Mask | None = None
) -> dict[str, dict[str, Figure]]:
    """Differences of areas on the same films: for deletion below 0, and for insertion above, the order named first is the better."""
    rows = np.arange(len(patients)) if among is None else np.flatnonzero(among)
    owners = np.asarray(patients)[rows].tolist()
    pairs = (("class activation map", "random"), ("Grad-CAM", "random"), ("class activation map", "Grad-CAM"))
    return {
        way: {f"{one} less {other}": _mean((each[one] - each[other])[rows], owners, least=-1) for one, other in pairs}
        for way, each in areas.items()
    }
