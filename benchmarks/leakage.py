"""The leakage check on 5,000 films: seconds, memory, which changed copies it finds, and whether it takes different films for copies."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options

if TYPE_CHECKING:
    from deephealth.datasets.facts import FilmFacts

TITLE = "copies and leakage among 5,000 films of 224 px, two threads"
SECONDS = Bar("at most", 60)
RECALL = Bar("at least", 99)
ALARMS = Bar("at most", 0)
_LARGEST = 512
_SOURCES = {"children": ("kermany/chest_xray",), "adults": ("nih", "tb-shenzhen-montgomery/cxr", "hannover-covid/images")}

Pixels = NDArray[np.uint8]
Fill = Literal["black", "white", "edge", "reflect"]


def turned(film: Pixels, degrees: float, fill: Fill = "black", expand: bool = False) -> Pixels:
    """A film turned about its centre on its own canvas, or on one that holds it all; the corners filled."""
    if fill in ("edge", "reflect"):
        pad = max(film.shape) // 4
        padded = np.pad(film, pad, mode="edge" if fill == "edge" else "reflect")
        return turned(padded, degrees)[pad:-pad, pad:-pad]
    colour = 255 if fill == "white" else 0
    return np.asarray(Image.fromarray(film).rotate(degrees, Image.Resampling.BILINEAR, expand=expand, fillcolor=colour))


def cropped(film: Pixels, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0, back: bool = False) -> Pixels:
    """A film less these shares of its sides, brought back to its size if `back`."""
    height, width = film.shape
    inner = film[round(height * top) : height - round(height * bottom), round(width * left) : width - round(width * right)]
    return resized(inner, width, height) if back else np.ascontiguousarray(inner)


def resized(film: Pixels, width: int, height: int) -> Pixels:
    """A film at another size."""
    return np.asarray(Image.fromarray(film).resize((width, height), Image.Resampling.BILINEAR))


def encoded(film: Pixels, quality: int) -> Pixels:
    """A film as it comes back from a JPEG file."""
    data = io.BytesIO()
    Image.fromarray(film).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def lit(film: Pixels, factor: float) -> Pixels:
    """A film brighter or darker, cut off at white."""
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(film)).enhance(factor))


def mirrored(film: Pixels) -> Pixels:
    """A film with left and right changed."""
    return np.ascontiguousarray(film[:, ::-1])


def quartered(film: Pixels) -> Pixels:
    """A film turned by 90 degrees."""
    return np.ascontiguousarray(np.rot90(film))


# What the check must find in 99 of 100 films.
REQUIRED: dict[str, Callable[[Pixels], Pixels]] = {
    "turned by 3 degrees": lambda film: turned(film, 3),
    "turned by 5 degrees": lambda film: turned(film, 5),
    "turned by 8 degrees": lambda film: turned(film, -8),
    "turned by 10 degrees, black corners": lambda film: turned(film, 10),
    "turned by 10 degrees, other sense, white corners": lambda film: turned(film, -10, "white"),
    "turned by 10 degrees, edge repeated": lambda film: turned(film, 10, "edge"),
    "turned by 10 degrees, reflected": lambda film: turned(film, -10, "reflect"),
    "turned by 10 degrees, JPEG quality 30": lambda film: encoded(turned(film, -10), 30),
    "turned by 90 degrees": quartered,
    "mirrored": mirrored,
    "upside down": lambda film: np.ascontiguousarray(film[::-1]),
    "JPEG quality 30": lambda film: encoded(film, 30),
    "half the size": lambda film: resized(film, film.shape[1] // 2, film.shape[0] // 2),
    "20 % brighter": lambda film: lit(film, 1.2),
    "20 % darker": lambda film: lit(film, 0.8),
    "5 % cropped from every side": lambda film: cropped(film, 0.05, 0.05, 0.05, 0.05),
    "5 % cropped from every side, size kept": lambda film: cropped(film, 0.05, 0.05, 0.05, 0.05, back=True),
    "5 % cropped from the left": lambda film: cropped(film, left=0.05),
    "5 % cropped from the right": lambda film: cropped(film, right=0.05),
    "5 % cropped from the top": lambda film: cropped(film, top=0.05),
    "5 % cropped from the bottom": lambda film: cropped(film, bottom=0.05),
    "5 % cropped from left and top, size kept": lambda film: cropped(film, left=0.05, top=0.05, back=True),
    "5 % cropped from right and bottom, JPEG quality 30": lambda film: encoded(cropped(film, right=0.05, bottom=0.05), 30),
}
# Several changes at once, and larger ones: how far it reaches.
BEYOND: dict[str, Callable[[Pixels], Pixels]] = {
    "turned by 5 degrees, 3 % cropped, JPEG quality 60": lambda film: encoded(cropped(turned(film, 5), 0.03, 0.03, 0.03, 0.03), 60),
    "mirrored, turned by 10 degrees": lambda film: turned(mirrored(film), 10),
    "turned by 10 degrees, half the size": lambda film: resized(turned(film, 10), film.shape[1] // 2, film.shape[0] // 2),
    "turned by 10 degrees, canvas grown": lambda film: turned(film, 10, expand=True),
    "turned by 90 and 10 degrees": lambda film: turned(quartered(film), 10),
    "mirrored, turned by 7 degrees, up to 5 % cropped, 20 % brighter": lambda film: lit(
        cropped(turned(mirrored(film), -7), 0.05, 0.02, 0.0, 0.05), 1.2
    ),
    "turned by 15 degrees": lambda film: turned(film, 15),
    "turned by 20 degrees": lambda film: turned(film, 20),
    "10 % cropped from every side": lambda film: cropped(film, 0.1, 0.1, 0.1, 0.1),
    "10 % cropped from the left": lambda film: cropped(film, left=0.1),
}


def run(options: Options) -> Iterator[Figure]:
    """Speed and memory in a process of its own; recall and false alarms here."""
    yield _speed(options)
    films = {name: _real(folders, options.sized(1000, 6)) for name, folders in _SOURCES.items()}
    films = {name: pictures for name, pictures in films.items() if pictures}
    films["phantoms"] = _phantoms(options.sized(1000, 6))
    sample = options.sized(100, 6)
    yield _recall({name: pictures[:: max(1, len(pictures) // sample)][:sample] for name, pictures in films.items()})
    yield _alarms(films)


def facts_of(films: Sequence[Pixels]) -> FilmFacts:
    """Facts of pictures named "0", "1", ..., as a scan of lossless files would gather them."""
    from deephealth.datasets.copies import DETAIL_SIDE
    from deephealth.datasets.duplicates import hash_thumbnails, shrink
    from deephealth.datasets.facts import FilmFacts

    thumbnails = np.array([shrink(film) for film in films])
    return FilmFacts(
        names=tuple(str(number) for number in range(len(films))),
        sha256=tuple(hashlib.sha256(repr(film.shape).encode() + film.tobytes()).hexdigest() for film in films),
        width=np.array([film.shape[1] for film in films], dtype=np.int32),
        height=np.array([film.shape[0] for film in films], dtype=np.int32),
        file_bytes=np.array([film.size for film in films], dtype=np.int64),
        thumbnails=thumbnails,
        phash=hash_thumbnails(thumbnails),
        details=np.array([shrink(film, DETAIL_SIDE) for film in films]),
    )


def found(films: Sequence[Pixels], change: Callable[[Pixels], Pixels]) -> int:
    """How many of `films` are paired with their own changed copy, when all films and copies are one set."""
    from deephealth.datasets.duplicates import find_duplicates

    count = len(films)
    pairs = find_duplicates(facts_of([*films, *(change(film) for film in films)]))
    return len({int(pair.a) for pair in pairs if int(pair.b) == int(pair.a) + count})


def _speed(options: Options) -> Figure:
    data, what = materials.training_set(options.work, options.sized(5000, 12))
    environment = {**os.environ, "DEEPHEALTH_CACHE_DIR": str(options.work / "cache")}
    command = [sys.executable, "-m", "benchmarks.worker", "leakage", str(data)]
    done = subprocess.run(command, cwd=materials.ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(data)
    seconds = result["check"]
    return Figure(
        TITLE,
        seconds,
        seconds,
        seconds,
        "s",
        "1 run",
        "check_leakage(index, split, scan_films(index, threads=2))",
        SECONDS,
        notes=(
            f"{result['check_cpu']:.0f} s of processor time; scanning the files before, with nothing cached, {result['scan']:.0f} s.",
            f"Largest memory of the process {result['peak'] / 1e6:.0f} MB; {result['pairs']} pairs; {what}.",
        ),
    )


def _recall(films: dict[str, list[Pixels]]) -> Figure:
    table = [("change", *(f"{name} (n={len(pictures)})" for name, pictures in films.items()))]
    rates = []
    for name, change in (REQUIRED | BEYOND).items():
        counts = [found(pictures, change) for pictures in films.values()]
        table.append((name, *(str(count) for count in counts)))
        if name in REQUIRED:
            rates += [100 * count / len(pictures) for count, pictures in zip(counts, films.values(), strict=True)]
    return Figure(
        "changed copies found, the worst kind of change and source",
        min(rates),
        min(rates),
        max(rates),
        "%",
        f"{sum(len(pictures) for pictures in films.values())} films, {len(REQUIRED)} changes",
        "find_duplicates(facts of films and their changed copies)",
        RECALL,
        notes=(f"Held to the bar are the first {len(REQUIRED)} changes; the others show how far it reaches.",),
        table=tuple(table),
    )


def _alarms(films: dict[str, list[Pixels]]) -> Figure:
    """Pairs found among different films, less those that equal known copies by being nearly the same thumbnail."""
    from deephealth.datasets.duplicates import find_duplicates

    alarms, notes = 0, []
    for name, pictures in films.items():
        pairs = find_duplicates(facts_of(pictures))
        changed = [pair for pair in pairs if pair.similarity < 0.97]
        alarms += len(changed)
        notes.append(
            f"{name}: {len(pictures)} films, {len(pictures) * (len(pictures) - 1) // 2:,} pairs, "
            f"{len(pairs)} found, {len(pairs) - len(changed)} of them over 0.97 and taken for true copies."
        )
    return Figure(
        "pairs of different films taken for copies",
        alarms,
        alarms,
        alarms,
        "pairs",
        f"{sum(len(pictures) for pictures in films.values())} films",
        "find_duplicates(facts of different films)",
        ALARMS,
        notes=tuple(notes),
    )


def _real(folders: tuple[str, ...], count: int) -> list[Pixels]:
    from deephealth.images.read import read_film

    root = materials.shared() / "data"
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    chosen = [paths[k * len(paths) // count] for k in range(min(count, len(paths)))] if paths else []
    return [_limited(read_film(path.read_bytes(), name=path.name).pixels) for path in chosen]


def _limited(film: Pixels) -> Pixels:
    share = _LARGEST / max(film.shape)
    if share >= 1:
        return film
    size = round(film.shape[1] * share), round(film.shape[0] * share)
    return np.asarray(Image.fromarray(film).resize(size, Image.Resampling.BOX))


def _phantoms(count: int) -> list[Pixels]:
    """Of as many patients."""
    from deephealth.images.phantom import draw_phantom

    return [draw_phantom(materials.LABELS[k % 3], seed=1, patient=k, size=192).pixels for k in range(count)]
