"""How good and how fast the lung finder is: the tables of docs/lung-finder.md, from the films in ../shared.

    python -m benchmarks.lungs                  scores, speed and what is refused, as Markdown
    python -m benchmarks.lungs --sheet OUT.png  also 24 adult films with outlines, to look at (never to be committed)

Unlike the other benchmarks this one needs the real films, and its figures are scores and not times; so it stands on its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.duplicates import shrink
from deephealth.errors import FilmError
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.lungs import agreement as lung_scores
from deephealth.evaluation.lungs.finder import LungFinder
from deephealth.images.phantom import draw_phantom
from deephealth.images.read import read_film
from deephealth.training import lung_films

Film = NDArray[np.uint8]


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), metavar="DIR")
    parser.add_argument("--finder", type=Path, metavar="FILE", help="default: the one that ships")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw 24 adult films with outlines")
    options = parser.parse_args()
    finder = LungFinder.load(options.finder) if options.finder else LungFinder.shipped()
    print(f"{len(finder.data):,} bytes, threshold {finder.record.threshold:g}, sha256 {finder.sha256[:16]}\n")
    _print(
        "| films | Dice | 5th percentile | lung covered | lung left by the margin | plausible | films, patients |",
        _scores(finder, options.data),
    )
    _print("| film | ms on the clock | ms of processor |", _speed(finder))
    _print("| pictures | taken for lungs | of |", _refusals(finder, options.data))
    if options.sheet:
        _sheet(finder, options.data, options.sheet)
    return 0


def _print(head: str, rows: Iterable[str]) -> None:
    print(head)
    print("|---" * (head.count("|") - 1) + "|")
    for row in rows:
        print(row, flush=True)
    print()


def _scores(finder: LungFinder, data: Path) -> Iterator[str]:
    seed = finder.record.seed
    sets = {
        "children, held out": lung_scores.masked_films(lung_films.children(data, seed)["test"]),
        "Montgomery, held out": lung_scores.masked_films(lung_films.montgomery(data, seed)["test"]),
        "Shenzhen": lung_scores.masked_films(lung_films.adults(data, "CHNCXR")),
        "phantoms, other patients": lung_scores.phantom_films(120, seed=2000),
    }
    for name, found in sets.items():
        films = list(found)
        for thumbnails in (False, True):
            answers = lung_scores.ask(finder, films, thumbnails=thumbnails)
            yield _row(name + (", thumbnail" if thumbnails else ""), answers)


def _row(name: str, answers: list[lung_scores.Answer]) -> str:
    from deephealth.evaluation.lungs.finder import MARGIN

    plain, grown = lung_scores.agreement(answers), lung_scores.agreement(answers, margin=MARGIN)
    left = PatientBootstrap(grown.patients).mean(1 - grown.covered, least=0, most=1)
    mean, cover, plausible = plain.mean_dice(), plain.mean_covered(), plain.share_plausible()
    cells = [f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})" for value in (mean, cover, plausible)]
    rest = f"{left.value:.2%} ({left.low:.2%} to {left.high:.2%})"
    return (
        f"| {name} | {cells[0]} | {plain.fifth_percentile():.3f} | {cells[1]} | {rest} | {cells[2]} | {mean.n_films}, {mean.n_patients} |"
    )


def _speed(finder: LungFinder, repetitions: int = 60) -> Iterator[str]:
    """One thread; the smallest of many repetitions on the clock, since other programs only ever add to it."""
    drawn = draw_phantom("normal", seed=1, size=400).pixels
    film = np.repeat(np.repeat(drawn, 5, axis=0), 5, axis=1)  # its size matters here, not its detail
    for name, pixels in (("64 x 64", shrink(film)), ("224 x 224", drawn[:224, :224].copy()), ("{} x {}".format(*film.shape), film)):
        clock, cpu = _times(lambda pixels=pixels: finder.find(pixels).mask, repetitions)  # type: ignore[misc]
        yield f"| {name} | {clock:.2f} | {cpu:.2f} |"
        if name == "64 x 64":
            clock, cpu = _times(lambda pixels=pixels: finder.find(pixels).plausible, repetitions)  # type: ignore[misc]
            yield f"| {name}, with its plausibility | {clock:.2f} | {cpu:.2f} |"


def _times(work: Callable[[], object], repetitions: int) -> tuple[float, float]:
    clocks, cpus = [], []
    for _ in range(repetitions):
        clock, cpu = time.perf_counter(), time.process_time()
        work()
        clocks.append(time.perf_counter() - clock)
        cpus.append(time.process_time() - cpu)
    return 1000 * min(clocks), 1000 * statistics.median(cpus)


def _refusals(finder: LungFinder, data: Path) -> Iterator[str]:
    children = [read_film(item.film).pixels for item in lung_films.children(data, finder.record.seed)["test"]]
    sets = {
        "children, held out": children,
        "the same upside down": [film[::-1] for film in children],
        "the same on their side": [np.rot90(film) for film in children],
        "NIH, adults": _films(data / "nih"),
        "Hannover, adults": _films(data / "hannover-covid"),
        "DICOM, chests": _films(data / "dicom" / "chest"),
        "DICOM, other parts": _films(data / "dicom" / "not-chest"),
        "hands": _films(data / "not-cxr" / "hand-xray"),
        "photographs": _films(data / "not-cxr" / "photos-cc0"),
        "other DICOM pictures": _films(data / "not-cxr" / "dicom-png"),
    }
    for name, films in sets.items():
        found = [finder.find(np.ascontiguousarray(film)).plausible for film in films]
        yield f"| {name} | {sum(found)} | {len(found)} |"


def _films(folder: Path) -> list[Film]:
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            found.append(read_film(path).pixels)
        except FilmError:
            continue  # tables and licences lie among the films
    return found


def _sheet(finder: LungFinder, data: Path, out: Path) -> None:
    from PIL import Image

    from deephealth.evaluation.lungs.pictures import outlined, write_picture

    random = np.random.default_rng(0)
    tiles = []
    for folder in ("nih", "hannover-covid"):
        films = _films(data / folder)
        for place in random.choice(len(films), 12, replace=False):
            film = np.asarray(Image.fromarray(films[place]).resize((320, 320), Image.Resampling.LANCZOS))
            tiles.append(outlined(film, finder.find(films[place])))
    rows = [np.concatenate(tiles[start : start + 6], axis=1) for start in range(0, len(tiles), 6)]
    write_picture(out, np.concatenate(rows))


if __name__ == "__main__":
    sys.exit(main())
