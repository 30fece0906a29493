#!/usr/bin/env python
"""The Teachable Machine study of 2020, again: COVID-19 against other findings, "100 % on 21 films"; then an honest version of it.

As published: the first 136 films of covid-chestxray (102 COVID-19, 34 other), turned, shifted, mirrored and re-exposed to 135 a class, then
15 % of each class held out film by film; Teachable Machine's own network and head, 50 epochs of batches of 16, Adam at 0.001. Then, one
change after the other: copies of training films only, patients kept whole, near copies kept together; the same recipe on inputs that hold
no lung; and what age, sex and projection tell without any film.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import _studies
import _studies_inputs
import _studies_page
import numpy as np
from _studies import Answers, Draw
from _studies_inputs import Change, Pixels
from PIL import Image

from deephealth.cli import common
from deephealth.datasets.balance import plan_copies
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.leakage import check_leakage
from deephealth.datasets.published_splits import teachable_machine_split
from deephealth.datasets.sources.tables import read_rows
from deephealth.datasets.split import Split, make_split
from deephealth.errors import DeepHealthError
from deephealth.evaluation.intervals import clopper_pearson_edge
from deephealth.features.augment import Augmentation
from deephealth.features.backbones import load_backbone
from deephealth.settings import threads as thread_settings
from deephealth.training.recipe import HeadSettings

NAME, LARGER = "teachable_machine_2020", "teachable_machine_collection"
FIRST = 136  # films of the collection when the study was made
SHARE = 0.15  # held out of each class by Teachable Machine
CHANGES = Augmentation(rotate=15, shift=0.05, scale=0.1, flip=True, gamma=0.2, contrast=0.15, brightness=0.05, noise=0, erase=0)
EXAMPLES = """\
  python examples/teachable_machine_2020.py --data covid-chestxray-dataset --weights mobilenet_v2_0.35_224_notop_bn.pth --out runs/tm-2020
  python examples/teachable_machine_2020.py ... --seeds 2 --epochs 10     a quick look"""


def square(pixels: Pixels) -> Pixels:
    """The centre square of a film at 224 px, as Teachable Machine's page cuts it."""
    side = min(pixels.shape)
    top, left = ((length - side) // 2 for length in pixels.shape)
    return np.asarray(Image.fromarray(pixels[top : top + side, left : left + side]).resize((224, 224), Image.Resampling.BILINEAR))


def films_of_2020(index: DatasetIndex, facts: FilmFacts) -> tuple[DatasetIndex, FilmFacts]:
    """The first 136 films in the order of metadata.csv, to whose end new films were added; all films of any other data set."""
    if index.layout != "covid-chestxray":
        return index, facts
    _, rows = read_rows(index.root / "metadata.csv" if index.root.is_dir() else index.root)
    order = {row["filename"]: number for number, row in reversed(list(enumerate(rows)))}
    # A copy converted to JPEG carries the new suffix after the old one.
    place = {film.name: order.get(Path(film.name).name, order.get(Path(film.name).stem, len(rows))) for film in index.films}
    return _studies.keep(index, facts, sorted(index.films, key=lambda film: place[film.name])[:FIRST])


class Copies:
    """Changed copies of films, planned for every draw before any is made; copy k of a film is the same wherever it is asked for."""

    def __init__(self) -> None:
        self.planned: dict[str, tuple[Film, str, Change]] = {}  # the copy (its path still the film's), its key, how it is made

    def balance(self, films: Sequence[Film], size: int, seed: int) -> list[Film]:
        """The films and as many copies as bring every class to `size`; films take turns, in an order drawn by hash with `seed`."""
        planned = plan_copies(films, {film.name: "train" for film in films}, size, seed=seed)
        return [*films, *(self._plan(film, number) for film, number in planned)]

    def _plan(self, film: Film, number: int) -> Film:
        copy = replace(film, name=f"{PurePosixPath(film.name).with_suffix('')}-copy{number}.png", origin=film.name)
        seed = [number, int(film.path.stem[:16], 16)]  # the stem is the film's SHA-256
        self.planned[copy.name] = (copy, f"{film.path.stem}-{number}", lambda pixels: CHANGES.apply(pixels, np.random.default_rng(seed)))
        return copy


def steps_of(
    index: DatasetIndex, facts: FilmFacts, copies: Copies, per_class: int, seeds: int
) -> dict[str, list[tuple[DatasetIndex, Split]]]:
    """The draws of each step: the films, with copies where they are made before the split, and the split."""
    large = [replace(index, films=tuple(copies.balance(index.films, per_class, k))) for k in range(seeds)]
    return {
        "as published: copies, then split": [(one, teachable_machine_split(one, seed=k, share=SHARE)) for k, one in enumerate(large)],
        "copies of training films only": [(index, teachable_machine_split(index, seed=k, share=SHARE)) for k in range(seeds)],
        "patients kept whole": [(index, make_split(index, seed=k, validation=SHARE, test=0)) for k in range(seeds)],
        "near copies kept together too": [(index, make_split(index, seed=k, validation=SHARE, test=0, facts=facts)) for k in range(seeds)],
    }


def draws_of(step: Sequence[tuple[DatasetIndex, Split]], copies: Copies, per_class: int) -> list[Draw]:
    """A draw a split. Training films have copies up to the number the published recipe trains on; what is asked has none but its own."""
    size = per_class - math.ceil(SHARE * per_class)
    return [
        Draw(copies.balance(split.films(index, "train"), size, seed), {"held out": split.films(index, "validation")})
        for seed, (index, split) in enumerate(step)
    ]


def in_films(answers: Answers, classes: Sequence[str]) -> dict[str, Any]:
    """The study's own form of result: of the films held out of each class, how many were answered right in each draw."""
    shown = {}
    for number, label in enumerate(classes):
        right = [answers.answers[(answers.labels == number) & (answers.draw == k)] == number for k in np.unique(answers.draw)]
        worth = clopper_pearson_edge(1.0, len(right[0]))[0]
        shown[label] = {"of": len(right[0]), "right": [int(hits.sum()) for hits in right], "lower_bound_if_all_right": worth}
    return shown


def study(index: DatasetIndex, facts: FilmFacts, per_class: int, args: argparse.Namespace) -> dict[str, Any]:
    """All steps, as JSON values; the films of `index` are the originals."""
    listener, classes, copies = common.terminal(args.quiet), index.classes, Copies()
    settings = HeadSettings(kind="dense", epochs=args.epochs, learning_rate=0.001, batch=16, class_weights="none")
    backbone = _studies.unseen(load_backbone(str(args.weights)), facts)
    audit, data = _studies.audited(index, facts), _studies.counted(index)
    key = dict(zip(facts.names, facts.sha256, strict=True))
    index = replace(
        index, films=tuple(_studies_inputs.redraw([(film, key[film.name], square) for film in index.films], args.out / "squares", listener))
    )
    facts = scan_films(index, threads=args.threads, progress=listener)  # of the squares, which the network and the leakage gate see
    splits = steps_of(index, facts, copies, per_class, args.seeds)
    draws = {name: draws_of(step, copies, per_class) for name, step in splits.items()}
    films = {
        film.name: film for film in [*index.films, *_studies_inputs.redraw(list(copies.planned.values()), args.out / "copies", listener)]
    }
    features, lungs = _studies_inputs.inputs_of(
        list(films.values()), {name: film.path.stem for name, film in films.items()}, backbone, args
    )
    answers = {
        name: _studies.answer(step, features[_studies_inputs.WHOLE], classes, settings, listener)["held out"]
        for name, step in draws.items()
    }
    first, *_, last = draws
    blind = {
        name: _studies.answer(draws[last], features[name], classes, settings, listener)["held out"]
        for name in features
        if name != _studies_inputs.WHOLE
    }
    return {
        "backbone": {"name": backbone.name, "sha256": backbone.sha256},
        "head": {"kind": "dense", "hidden": 100, "epochs": args.epochs, "learning_rate": 0.001, "batch": 16, "per_class": per_class},
        "seeds": args.seeds,
        "published": {"held out": 1.0},
        "data": data,
        "steps": [_studies.step(name, answers[name], leakage_of(*splits[name][0], films, args)) for name in draws],
        "in_films": in_films(answers[first], classes),
        **_studies.decomposition(answers[first], answers[last], blind),
        "facts_alone": {
            "age, sex and projection": _studies.balanced_accuracy(
                _studies.facts_alone(draws[last], classes, "held out", places=False)
            ).to_json(),
            "age, sex, projection and country": _studies.balanced_accuracy(
                _studies.facts_alone(draws[last], classes, "held out", places=True)
            ).to_json(),
        },
        "lungs": lungs,
        "audit": audit,
    }


def leakage_of(index: DatasetIndex, split: Split, films: Mapping[str, Film], args: argparse.Namespace) -> str:
    """What the package's leakage gate says of a draw; the copies stand in `films` with the files that were made."""
    made = replace(index, films=tuple(films[film.name] for film in index.films))
    return check_leakage(made, split, scan_films(made, threads=args.threads, progress=common.terminal(args.quiet))).sentence


def main() -> None:
    """Run the study on the films of then, and when asked on all that are at hand; write study.json; tell what was found."""
    parser = _studies.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--epochs", type=int, default=50, metavar="N", help="training epochs of the head (default: %(default)s)")
    parser.add_argument("--per-class", type=int, default=135, metavar="N", help="films a class, with copies (default: %(default)s)")
    parser.add_argument("--collection", action="store_true", help="then the same on all films of DATA, as many a class as its largest has")
    args = parser.parse_args()
    args.threads = thread_settings.limit(args.threads)
    collection, facts = _studies.read_index(args.data, common.terminal(args.quiet), args.threads)
    index, facts_of_2020 = films_of_2020(collection, facts)
    _studies_page.finish({NAME: study(index, facts_of_2020, args.per_class, args)}, args.out, args.write)
    if args.collection:
        _studies_page.finish({LARGER: study(collection, facts, max(collection.by_label().values()), args)}, args.out, args.write)


if __name__ == "__main__":
    try:
        main()
    except DeepHealthError as error:
        sys.exit(f"error: {error}")
