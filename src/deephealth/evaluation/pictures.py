"""The pictures of a report: which films it shows, read once each, kept only as encoded JPEG.

Decoded films are large (a megapixel and more), so they stream by: every film that anything in the report needs is read once, all its
pictures are drawn from that one reading, and only their bytes stay.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import Film
from deephealth.errors import DeepHealthError
from deephealth.evaluation.judge import Judged
from deephealth.evaluation.results import Case
from deephealth.images.read import read_film
from deephealth.inference.heatmap import overlay
from deephealth.settings.progress import Listener, Progress, silent

MOST_WRONG, FEW_RIGHT = 60, 12
"""Films shown of a cell of the confusion matrix: of wrong answers the surest 60, of right ones the 6 surest and the 6 least sure."""
MOST_IN_CELLS = 900
"""Films shown in all cells together: about 4 kB each in the page, so that the page stays under 8 MB."""
_LARGE_SIDE, _LARGE_QUALITY = 320, 85
_SMALL_SIDE, _SMALL_QUALITY = 120, 70


def _nothing() -> Mapping[str, bytes]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Cell:
    """The films that the report shows of one cell of the confusion matrix, the surest answers first; `total` films are in it."""

    truth: str
    answer: str
    cases: tuple[Case, ...]
    total: int


@dataclass(frozen=True, eq=False)
class Pictures:
    """Encoded pictures (JPEG) by the name of their film. A film that could not be read again has none.

    films, overlays: 320 px, of the most confident errors, without and with the evidence for the answer. thumbnails: 120 px, of films in
    `cells` and of probable label errors. neighbours: 120 px, of training films, whose names are another data set's.
    """

    films: Mapping[str, bytes] = field(default_factory=_nothing)
    overlays: Mapping[str, bytes] = field(default_factory=_nothing)
    thumbnails: Mapping[str, bytes] = field(default_factory=_nothing)
    neighbours: Mapping[str, bytes] = field(default_factory=_nothing)
    cells: tuple[Cell, ...] = ()


def pictures(judged: Judged, scale: float, *, training: Iterable[Film] = (), progress: Listener = silent) -> Pictures:
    """The pictures that the report on `judged` shows.

    scale: the evidence, in logits, at full colour of a heatmap. training: films that the model learned from, for those nearest to the
    errors and for probable label errors that are not among the films judged. Films that cannot be read are left without a picture.
    """
    known = {film.name: film.path for film in training}
    evidence = judged.evaluation.evidence
    here = {film.name: film.path for film in judged.films}
    cells = confusion_cells(judged)
    errors = {case.name for case in judged.evaluation.errors}
    suspects = {suspect.name for suspect in evidence.label_errors.suspects} if evidence.label_errors else set()
    small = {case.name: here[case.name] for cell in cells for case in cell.cases}
    small |= {name: path for name in sorted(suspects) if (path := here.get(name) or known.get(name))}
    near = {near.name: known[near.name] for found in evidence.neighbours.values() for near in found if near.name in known}
    large = {name: here[name] for name in sorted(errors & here.keys())}

    drawn: dict[str, dict[str, bytes]] = {"films": {}, "overlays": {}, "thumbnails": {}, "neighbours": {}}
    answers = {film.name: answer for film, answer in zip(judged.films, judged.predictions, strict=True)}
    for path, pixels in _read_each({**small, **large}.values(), near.values(), progress):
        thumbnail = _jpeg(_shrunk(pixels, _SMALL_SIDE), _SMALL_QUALITY)
        drawn["thumbnails"] |= {name: thumbnail for name, at in small.items() if at == path}
        drawn["neighbours"] |= {name: thumbnail for name, at in near.items() if at == path}
        for name in (name for name, at in large.items() if at == path):
            film, answer = _shrunk(pixels, _LARGE_SIDE), answers[name]
            drawn["films"][name] = _jpeg(film, _LARGE_QUALITY)
            if answer.heatmap is not None:
                evidence_map = answer.heatmap[list(answer.probabilities).index(answer.label)]
                drawn["overlays"][name] = _jpeg(overlay(film, evidence_map, full=scale), _LARGE_QUALITY)
    return Pictures(drawn["films"], drawn["overlays"], drawn["thumbnails"], drawn["neighbours"], cells)


def confusion_cells(judged: Judged) -> tuple[Cell, ...]:
    """The cells of the confusion matrix that hold films, with those that the report shows of each."""
    found: dict[tuple[str, str], list[Case]] = {}
    classes = judged.evaluation.classes
    known = [pair for pair in zip(judged.films, judged.predictions, strict=True) if pair[0].label in classes]
    for index, (film, answer) in enumerate(known):
        case = Case(index, film.name, film.label, answer.label, answer.probabilities[answer.label])
        found.setdefault((film.label, answer.label), []).append(case)
    wrong = [len(cases) for (truth, answered), cases in found.items() if truth != answered]
    most = _share_out(wrong, MOST_WRONG, MOST_IN_CELLS - FEW_RIGHT * len(classes))
    return tuple(
        Cell(truth, answered, _shown(cases, most if truth != answered else None), len(cases))
        for (truth, answered), cases in sorted(found.items(), key=lambda item: [classes.index(label) for label in item[0]])
    )


def _shown(cases: Sequence[Case], most: int | None) -> tuple[Case, ...]:
    """The surest `most` answers; None: the surest and the least sure few."""
    ordered = sorted(cases, key=lambda case: (-case.probability, case.index))
    if most is not None:
        return tuple(ordered[:most])
    half = FEW_RIGHT // 2
    return tuple(ordered if len(ordered) <= FEW_RIGHT else [*ordered[:half], *ordered[-half:]])


def _share_out(sizes: Sequence[int], most: int, budget: int) -> int:
    """The largest number up to `most` that, as a cap on each of `sizes`, keeps their sum within `budget`; at least 1."""
    return next((cap for cap in range(most, 1, -1) if sum(min(size, cap) for size in sizes) <= budget), 1)


def _read_each(first: Iterable[Path], more: Iterable[Path], progress: Listener) -> Iterable[tuple[Path, NDArray[np.uint8]]]:
    """Every file once with its grey pixels; those that can no longer be read are passed over."""
    paths = list(dict.fromkeys([*first, *more]))
    for done, path in enumerate(paths, start=1):
        try:
            pixels = read_film(path).pixels
        except DeepHealthError:
            continue
        finally:
            progress(Progress("pictures", done, len(paths)))
        yield path, pixels


def _shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    return np.asarray(image)


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality, optimize=True)
    return file.getvalue()
