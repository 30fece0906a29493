"""It knows what it does not know: what the gate refuses, of chest films, which should pass, and of pictures that are none.

Children's films, and what is made of them, are put to the model that has seen neither them nor their patients; everything else to the model
that ships. A recipe with counter-examples has shown its network pictures made in the same ways (see `training.counterexamples`), so those
made here say that it has learned to set them apart; hands, photographs and slices of real bodies say what it does with what it never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.errors import FilmError
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.model.file import Model
from studies.shipped.answers import Figure, OutOfFold, ask, out_of_fold, refused_by, share
from studies.shipped.films import Children, Pixels, adults, bare, patients_in, pictures_in
from studies.shipped.runs import Runs

PASSED, REFUSED = 0.97, 0.98
MOST_MADE = 200
NO_CHEST_FILMS = ("hands", "photographs", "slices", "blank", "inverted", "on the side", "noise")
_SIDE, _GREYS, _NOISES, _TILES = 224, 9, 40, 4
Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Refusals:
    """What a gate did with pictures of one kind. patients: [n]; refused: bool [n]; distance: float [n], 1 at the gate's threshold."""

    patients: tuple[str, ...]
    refused: NDArray[np.bool_]
    distance: NDArray[np.float64]

    @property
    def figure(self) -> Figure:
        """Share refused."""
        return share(self.refused, self.patients)


def measure(children: Children, runs: Runs, threads: int) -> dict[str, Any]:
    """The section "gate": shares refused, but for "passed"; the bars are those the model is held to."""
    models = {"shipped": Model.load(runs.shipped)} | {f"fold {k}": Model.load(runs.fold(k)) for k in range(len(children.splits))}
    held_out = out_of_fold(children, runs, threads)
    others = pictures_of_other_things(children.data)
    strange = {name: {kind: put(model, found, threads) for kind, found in others.items()} for name, model in models.items()}
    kinds = strange["shipped"] | made_of_films(children, models, threads)
    return {
        "thresholds": {name: round(float(model.record.novelty_threshold or 0), 4) for name, model in models.items()},
        "passed": {**share(~held_out.refused, held_out.patients), "bar": PASSED},
        "no chest films": {**joined([kinds[kind] for kind in NO_CHEST_FILMS]).figure, "bar": REFUSED},
        "weakest kind": min(NO_CHEST_FILMS, key=lambda kind: float(kinds[kind].refused.mean())),
        "refused": {
            **refused_children(held_out, models["shipped"].labels),
            **{kind: found.figure for kind, found in kinds.items()},
            **{f"adults, {source}": found for source, found in adults_films(children.data, models["shipped"], threads).items()},
        },
        "median distance": {kind: round(float(np.median(found.distance)), 3) for kind, found in kinds.items()},
        "slices by gate and header": slices_with_headers(children.data, models["shipped"], threads),
        "each model": {name: {kind: found.figure for kind, found in asked.items()} for name, asked in strange.items()},
    }


def put(model: Model, pictures: Iterable[tuple[str, Pixels]], threads: int) -> Refusals:
    """Put pictures, each with its patient, to the gate of a model."""
    pairs = list(pictures)
    answers = ask(model, (pixels for _, pixels in pairs), threads)
    novelty = np.array([answer.novelty for answer in answers])
    threshold = model.record.novelty_threshold
    assert threshold is not None
    return Refusals(tuple(patient for patient, _ in pairs), refused_by(model, answers), novelty / threshold)


def joined(parts: Sequence[Refusals]) -> Refusals:
    """Several kinds as one."""
    patients = tuple(patient for part in parts for patient in part.patients)
    refused, distance = (np.concatenate([getattr(part, name) for part in parts]) for name in ("refused", "distance"))
    return Refusals(patients, refused, distance)


def refused_children(found: OutOfFold, labels: Sequence[str]) -> dict[str, Figure]:
    """Of the children's films, all and by label."""
    each = {f"children, {label}": share(found.refused, found.patients, found.labels == c) for c, label in enumerate(labels)}
    return {"children": share(found.refused, found.patients), **each}


def pictures_of_other_things(data: Path) -> dict[str, list[tuple[str, Pixels]]]:
    """Hands, photographs, slices of CT, MR and ultrasound with other DICOM samples, one grey, noise; each with a key of what it shows."""
    strange = data / "not-cxr"
    slices = [strange / "dicom-png", data / "dicom" / "not-chest"]
    return {
        "hands": _keyed(pictures_in(strange / "hand-xray")),
        "photographs": _keyed(pictures_in(strange / "photos-cc0")),
        "slices": [pair for folder in slices for pair in _keyed(pictures_in(folder))],
        "blank": [(f"grey {grey}", np.full((_SIDE, _SIDE), grey, np.uint8)) for grey in np.linspace(0, 255, _GREYS).round()],
        "noise": [(f"noise {k}", noise(np.random.default_rng(k))) for k in range(_NOISES)],
    }


def noise(random: Random) -> Pixels:
    """A picture of which every pixel is drawn by itself, from all greys alike."""
    return random.integers(0, 256, (_SIDE, _SIDE), dtype=np.uint8)


def _keyed(paths: Sequence[Path]) -> list[tuple[str, Pixels]]:
    # Two folders hold some slices, as DICOM and as JPEG (CT1_J2KR.dcm, CT1_J2KR.png.jpg): they count as one patient's.
    return [(bare(path.name), film.pixels) for path, film in _readable(paths)]


def _readable(paths: Iterable[Path]) -> list[tuple[Path, Radiograph]]:
    found = []
    for path in paths:
        try:
            found.append((path, read_film(path)))
        except FilmError:
            continue
    return found


def slices_with_headers(data: Path, model: Model, threads: int) -> Figure:
    """Share of the DICOM files that show no chest film that is refused for what is seen or for what the header says of it."""
    films = _readable(pictures_in(data / "dicom" / "not-chest"))
    found = put(model, [(bare(path.name), film.pixels) for path, film in films], threads)
    return share(found.refused | np.array([bool(film.objections) for _, film in films]), found.patients)


def shuffled(film: Pixels, random: Random) -> Pixels:
    """The film's tiles, 4 x 4 of them, in another order; what is left over at the right and below is cut off."""
    rows, columns = film.shape[0] // _TILES, film.shape[1] // _TILES
    tiles = film[: rows * _TILES, : columns * _TILES].reshape(_TILES, rows, _TILES, columns).swapaxes(1, 2).reshape(-1, rows, columns)
    tiles = tiles[random.permutation(len(tiles))]
    return tiles.reshape(_TILES, _TILES, rows, columns).swapaxes(1, 2).reshape(_TILES * rows, _TILES * columns)


CHANGES: Mapping[str, Callable[[Pixels, Random], tuple[Pixels, ...]]] = MappingProxyType(
    {
        "inverted": lambda film, random: (255 - film,),
        "on the side": lambda film, random: (np.rot90(film), np.rot90(film, 3)),
        "upside down": lambda film, random: (film[::-1], film[::-1, ::-1]),
        "tiles shuffled": lambda film, random: (shuffled(film, random),),
    }
)


def made_of_films(children: Children, models: Mapping[str, Model], threads: int, most: int = MOST_MADE) -> dict[str, Refusals]:
    """Pictures made of at most `most` films of each fold, put to the fold's model."""
    parts: dict[str, list[Refusals]] = {kind: [] for kind in CHANGES}
    for k in range(len(children.splits)):
        films = evenly(children.tested(k), most)
        pixels = [read_film(film.path).pixels for film in films]
        random = np.random.default_rng(k)
        for kind, change in CHANGES.items():
            made = [(film.patient, picture) for film, read in zip(films, pixels, strict=True) for picture in change(read, random)]
            parts[kind].append(put(models[f"fold {k}"], made, threads))
    return {kind: joined(found) for kind, found in parts.items()}


def evenly(films: Sequence[Film], most: int) -> list[Film]:
    """At most `most` of the films, evenly spread over their order."""
    chosen = np.linspace(0, len(films) - 1, min(most, len(films))).round().astype(int)
    return [films[k] for k in chosen]


def adults_films(data: Path, model: Model, threads: int) -> dict[str, Figure]:
    """Share refused of adults' films, by source. They are chest films, of bodies and devices that the model has not learned from."""
    cohen = data / "cohen-covid-chestxray"
    known = patients_in(cohen / "metadata.csv", "filename", "patientid")
    sources = {name: [(film.path, film.patient) for film in index.films] for name, index in adults(data).items()}
    sources["cohen-covid-chestxray"] = [(path, path.stem) for path in pictures_in(cohen / "images")]
    sources["DICOM"] = [(path, path.stem) for path in pictures_in(data / "dicom" / "chest")]
    found = {}
    for name, films in sources.items():
        patient = dict(films)
        read = _readable(patient)
        found[name] = put(model, [(known.get(bare(path.name), patient[path]), film.pixels) for path, film in read], threads).figure
    return found
