#!/usr/bin/env python
"""Deep Health, 2020, again: normal, bacterial or viral, by retrain.py's softmax layer on a frozen network; then an honest version of it.

As published: 1,341 normal, 1,400 bacterial and 1,345 viral films of Kermany et al., a split by a hash of each file's path, 4,000 steps of
gradient descent at 0.01 with batches of 100. Then, one change after the other: patients kept whole, near copies kept together; and the same
recipe on inputs that hold no lung.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _studies
import _studies_inputs
import _studies_page
from _studies import Draw

from deephealth.cli import common
from deephealth.datasets.balance import cut_films
from deephealth.datasets.facts import FilmFacts
from deephealth.datasets.index import DatasetIndex
from deephealth.datasets.leakage import check_leakage
from deephealth.datasets.published_splits import retrain_split
from deephealth.datasets.split import Split, make_split
from deephealth.errors import DeepHealthError
from deephealth.features.backbones import Backbone, load_backbone
from deephealth.settings import threads as thread_settings
from deephealth.training.recipe import HeadSettings

NAME = "deep_health_2020"
BACTERIAL = 1400  # of 2,530, to balance the classes
FOLDERS = {"normal": "normal", "bacterial": "pneumonia_bacteria", "viral": "pneumonia_virus"}  # the class folders of then
PUBLISHED = {"train": 0.83, "validation": 0.78}
INCEPTION = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
EXAMPLES = """\
  python examples/deep_health_2020.py --data chest_xray --weights mobilenet_v2_1.0_folded_fp32.pth --out runs/deep-health-2020
  python examples/deep_health_2020.py ... --seeds 2 --steps 500          a quick look
  python examples/deep_health_2020.py ... --weights-inception auto       with Inception V3 too, as in 2020 (downloads 84 MB)"""


def films_of_2020(data: Path, listener: Any, threads: int) -> tuple[DatasetIndex, FilmFacts]:
    """The official training films, bacterial ones cut to 1,400: whole patients in an order drawn by hash with seed 0, as `prepare` cuts."""
    index, facts = _studies.read_index(data, listener, threads)
    films = index.films
    if index.layout == "kaggle-pneumonia":
        films = tuple(film for film in films if film.name.startswith("train/"))
    return _studies.keep(index, facts, cut_films(films, {film.name: "" for film in films}, BACTERIAL, seed=0))


def splits_of(index: DatasetIndex, facts: FilmFacts, seeds: int) -> dict[str, list[Split]]:
    """The splits of each step, 80/10/10. A draw of the old rule is a folder's name: it is part of what is hashed."""
    paths = {film.name: f"{FOLDERS.get(film.label, film.label)}/{Path(film.name).name}" for film in index.films}
    return {
        "as published: by path hash": [retrain_split(index, f"chest_xray-{k}", paths=paths) for k in range(seeds)],
        "patients kept whole": [make_split(index, seed=k, validation=0.1, test=0.1) for k in range(seeds)],
        "near copies kept together too": [make_split(index, seed=k, validation=0.1, test=0.1, facts=facts) for k in range(seeds)],
    }


def draws_of(index: DatasetIndex, splits: Sequence[Split]) -> list[Draw]:
    """A draw a split; the published system also told its accuracy on training and validation films."""
    parts = [{name: split.films(index, name) for name in ("train", "validation", "test")} for split in splits]
    return [Draw(part["train"], part) for part in parts]


def study(index: DatasetIndex, facts: FilmFacts, backbone: Backbone, args: argparse.Namespace) -> dict[str, Any]:
    """All steps with one backbone, as JSON values."""
    listener, classes = common.terminal(args.quiet), index.classes
    settings = HeadSettings(kind="softmax", steps=args.steps, learning_rate=0.01, batch=100, class_weights="none")
    audit = _studies.audited(index, facts)
    features, lungs = _studies_inputs.inputs_of(index.films, dict(zip(facts.names, facts.sha256, strict=True)), backbone, args)
    steps, answers = [], {}
    for name, splits in splits_of(index, facts, args.seeds).items():
        answers[name] = _studies.answer(draws_of(index, splits), features[_studies_inputs.WHOLE], classes, settings, listener)
        steps.append(_studies.step(name, answers[name]["test"], check_leakage(index, splits[0], facts).sentence))
        steps[-1]["other"] = {part: _studies.balanced_accuracy(answers[name][part]).to_json() for part in ("train", "validation")}
    honest = draws_of(index, splits)  # the last step's
    blind = {
        name: _studies.answer(honest, features[name], classes, settings, listener)["test"]
        for name in features
        if name != _studies_inputs.WHOLE
    }
    published, last = (answers[steps[k]["step"]]["test"] for k in (0, -1))
    return {
        "backbone": {"name": backbone.name, "sha256": backbone.sha256},
        "head": {"kind": "softmax", "steps": args.steps, "learning_rate": 0.01, "batch": 100},
        "seeds": args.seeds,
        "published": PUBLISHED,
        "data": _studies.counted(index),
        "steps": steps,
        **_studies.decomposition(published, last, blind),
        "lungs": lungs,
        "audit": audit,
    }


def inception(where: str) -> Backbone | None:
    """Inception V3 with Keras's official weights: from a file, from Keras's cache, or ("auto") by download; None when not at hand."""
    cached = Path.home() / ".keras" / "models" / INCEPTION
    if not where and not cached.exists():
        return None
    from deephealth.features import keras_backbones
    from deephealth.model.from_torch import backbone_of

    start = "imagenet" if where in ("", "auto") else where
    network = keras_backbones.build("InceptionV3", 299, start)
    return backbone_of(network, name="inception_v3", size=299, standardise=False, mean=127.5, scale=1 / 127.5, licence="Apache-2.0")


def main() -> None:
    """Run the study, write study.json, and tell what the headline was made of."""
    parser = _studies.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--steps", type=int, default=4000, metavar="N", help="training steps of the head (default: %(default)s)")
    parser.add_argument(
        "--weights-inception", default="", metavar="FILE|auto", help="also run Inception V3; without: if Keras's cache has it"
    )
    args = parser.parse_args()
    args.threads = thread_settings.limit(args.threads)
    index, facts = films_of_2020(args.data, common.terminal(args.quiet), args.threads)
    stand_in = _studies.unseen(load_backbone(str(args.weights)), facts)
    _studies_page.finish({NAME: study(index, facts, stand_in, args)}, args.out, args.write)
    original = inception(args.weights_inception)
    if original:
        _studies_page.finish({NAME + "_inception": study(index, facts, original, args)}, args.out, args.write)
    else:
        print("Inception V3 was not run: no weights at hand; --weights-inception auto downloads Keras's, or give a .weights.h5 file.")


if __name__ == "__main__":
    try:
        main()
    except DeepHealthError as error:
        sys.exit(f"error: {error}")
