"""Train the lung finder that ships, judge it on films held out by patient, and write the file with its card: `make lungs`.

python tools/train_lungs.py --data ../shared/data --out src/deephealth/data/lungs.onnx

The same films, seed, machine and thread count give the same file. A quarter of an hour on one idle core.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

import deephealth
from deephealth.cli.common import terminal
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.lungs.agreement import Answer, agreement, ask, masked_films, phantom_films
from deephealth.evaluation.lungs.finder import LungFinder
from deephealth.model.lung_record import LungData, LungRecord, LungScore, Plausibility, lung_card, with_lung_record
from deephealth.settings import atomic
from deephealth.settings.progress import Listener
from deephealth.training import lung_films, lungs
from deephealth.training.lung_films import LungExamples, MaskedFilm

PHANTOMS, PHANTOM_SEED = 300, 1000
PHANTOM_TEST, PHANTOM_TEST_SEED = 120, 2000
NO_CHESTS = 100
THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
WANTED_COVER = 0.975
"""Share of the adult lung that the threshold shall cover on films the finder may learn from, a little above the 0.97 wanted elsewhere."""
PLAUSIBLE = Plausibility(smallest=0.08, largest=0.75, main=0.90, balance=0.30, breadth=0.60, certainty=0.85)
LIMITS = (
    "The masks hold the lungs with most of the heart's shadow on them, leave out the spine, and end at the diaphragm.",
    "Learned from children of one hospital, some adults of one tuberculosis programme and synthetic films; other films may fare worse.",
    "A film upside down, on its side or mirrored may get a plausible mask too: nothing is said of whether it is the right way round.",
    "A plausible mask is one of the right size and parts; that it is right is for a person to see.",
)


def main() -> int:
    """Train, judge, write; 0 when all went well."""
    options = _parser().parse_args()
    show = terminal(options.quiet)
    started = time.monotonic()
    settings = dataclasses.replace(lungs.LungSettings(), epochs=options.epochs or lungs.LungSettings().epochs)
    children = lung_films.children(options.data, options.seed)
    adults = lung_films.montgomery(options.data, options.seed)
    examples, sources = _examples(children, adults, settings.side, options, show)
    network = lungs.train(examples, settings, seed=options.seed, threads=options.threads, progress=show)
    graph = lungs.to_onnx(network, settings.side)
    lungs.check_parity(graph, network, [examples.films[0], np.ascontiguousarray(examples.films[1][::2, ::3])], settings.side)
    record = LungRecord(
        schema_version=1,
        created_with=deephealth.__version__,
        side=settings.side,
        threshold=0.5,
        plausibility=PLAUSIBLE,
        seed=options.seed,
        held_out_share=lung_films.TEST,
        validation_share=lung_films.VALIDATION,
        settings=settings.to_json(),
        data=sources,
        limits=LIMITS,
    )
    finder = LungFinder.load(with_lung_record(graph, record))
    threshold = choose_threshold(
        ask(finder, masked_films(children["validation"])), ask(finder, masked_films(adults["validation"] + adults["train"]))
    )
    record = dataclasses.replace(record, threshold=threshold)
    finder = LungFinder.load(with_lung_record(graph, record))
    record = dataclasses.replace(record, scores=scores(finder, options.data, children["test"], adults["test"]))
    data = with_lung_record(graph, record)
    atomic.write_bytes(options.out, data)
    print(lung_card(record))
    print(f"{options.out}: {len(data):,} bytes, {time.monotonic() - started:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), metavar="DIR", help="films and masks (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("src/deephealth/data/lungs.onnx"), metavar="FILE", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of split and training (default: 0)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads to train with (default: 1)")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="passes over the films (default: as the shipped file was made)")
    parser.add_argument("--without-adults", action="store_true", help="leave Montgomery's films out, to see what they are worth")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    return parser


def _examples(
    children: dict[str, tuple[MaskedFilm, ...]],
    adults: dict[str, tuple[MaskedFilm, ...]],
    side: int,
    options: argparse.Namespace,
    show: Listener,
) -> tuple[LungExamples, tuple[LungData, ...]]:
    """What to learn from, and where it comes from."""
    young = lung_films.load(children["train"], side, heart=True, progress=show)
    drawn = lung_films.phantoms(PHANTOMS, side, PHANTOM_SEED, progress=show)
    parts = [young, drawn]
    sources = [
        LungData(
            name="Children aged 1 to 5 (Kermany et al.)",
            licence="Films and masks CC BY 4.0",
            credit="Films: Kermany, Zhang, Goldbaum, Mendeley Data, doi 10.17632/rscbjbr9sj.2. Masks: V7 Labs, covid-19-xray-dataset.",
            films=len(young.films),
            patients=len({film.patient for film in children["train"]}),
            sha256=young.sha256,
        ),
        LungData(name="Phantom films", licence="Drawn by this project", films=PHANTOMS, patients=PHANTOMS, sha256=drawn.sha256),
    ]
    if not options.without_adults:
        old = lung_films.load(adults["train"], side, heart=False, progress=show)
        parts.append(old)
        sources.append(
            LungData(
                name="Adults screened for tuberculosis in Montgomery County",
                licence="Free for research, with citation",
                credit="U.S. National Library of Medicine; Jaeger et al., Quant Imaging Med Surg 2014;4(6):475-477.",
                films=len(old.films),
                patients=len(old.films),
                sha256=old.sha256,
            )
        )
    empty = lung_films.no_chests(LungExamples.joined(parts).films, NO_CHESTS, options.seed)
    sources.append(
        LungData(name="Pictures without lungs (shuffled films, noise, ramps)", licence="Made from the above", films=NO_CHESTS, patients=0)
    )
    return LungExamples.joined([*parts, empty]), tuple(sources)


def choose_threshold(children: list[Answer], adults: list[Answer]) -> float:
    """The threshold with the best Dice on validation children among those that cover enough adult lung, else the one that covers most."""
    cover = {threshold: float(agreement(adults, threshold=threshold).covered.mean()) for threshold in THRESHOLDS}
    enough = [threshold for threshold in THRESHOLDS if cover[threshold] >= WANTED_COVER]
    if not enough:
        return THRESHOLDS[0]
    return max(enough, key=lambda threshold: float(agreement(children, threshold=threshold).dice.mean()))


def scores(finder: LungFinder, data: Path, children: tuple[MaskedFilm, ...], adults: tuple[MaskedFilm, ...]) -> tuple[LungScore, ...]:
    """All that the card tells, on films that no choice was made on."""
    sets = [
        ("children, held out", list(masked_films(children)), False),
        ("Montgomery, held out (heart not in the masks)", list(masked_films(adults)), True),
        ("Shenzhen (heart not in the masks)", list(masked_films(lung_films.adults(data, "CHNCXR"))), True),
        ("phantoms, other patients", list(phantom_films(PHANTOM_TEST, seed=PHANTOM_TEST_SEED)), False),
    ]
    found: list[LungScore] = []
    for name, films, cover in sets:
        for thumbnails in (False, True):
            where = f"{name}{', from the 64 x 64 thumbnail' if thumbnails else ''}"
            result = agreement(ask(finder, films, thumbnails=thumbnails))
            found.append(_score(where, "Dice", result.mean_dice()))
            if cover:
                found.append(_score(where, "share of lung covered", result.mean_covered()))
            else:
                n, patients = len(result.dice), len(set(result.patients))
                found.append(LungScore(where, "Dice, 5th percentile of the films", result.fifth_percentile(), n, patients))
            found.append(_score(where, "share plausible", result.share_plausible()))
    return tuple(found)


def _score(films: str, measure: str, interval: Interval) -> LungScore:
    if interval.value is None:
        raise ValueError(f"{measure} is undefined on {films}")
    return LungScore(films, measure, interval.value, interval.n_films, interval.n_patients, interval.low, interval.high)


if __name__ == "__main__":
    sys.exit(main())
