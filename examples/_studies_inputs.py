"""What a network is given in the studies: films as they are, and inputs that hold no lung. Changed films are kept, features cached."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephealth.cli import common
from deephealth.datasets.index import Film
from deephealth.errors import DatasetError
from deephealth.evaluation.lungs.finder import MARGIN, LungFinder, grow_mask, resize_mask
from deephealth.features.backbones import Backbone
from deephealth.features.extract import extract_features
from deephealth.images.read import read_film
from deephealth.settings.progress import Listener, Progress

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Features = Mapping[str, NDArray[np.float32]]  # film name -> features [d]
Change = Callable[[Pixels], Pixels]
WHOLE = "whole film"


def border(height: int, width: int) -> Mask:
    """The outer eighth on every side of a film."""
    region = np.ones((height, width), bool)
    region[height // 8 : height - height // 8, width // 8 : width - width // 8] = False
    return region


def top_corners(height: int, width: int) -> Mask:
    """The two top corners of a film, 10/64 of each side."""
    rows, columns = round(height * 10 / 64), round(width * 10 / 64)
    region = np.zeros((height, width), bool)
    region[:rows, :columns] = region[:rows, width - columns :] = True
    return region


def everything(height: int, width: int) -> Mask:
    """The whole film."""
    return np.ones((height, width), bool)


OUTLINED = "own lungs blacked out"  # their outline is left, so this input is shown and does not count as free of lungs
REGIONS = {"border only": border, "top corners only": top_corners, "lungs blacked out": everything}


def only(region: Callable[[int, int], Mask], lungs: Mask, pixels: Pixels) -> Pixels:
    """The film with all black but the region, and in it the place of the lungs (of any grid) black too."""
    return np.where(region(*pixels.shape) & ~resize_mask(lungs, *pixels.shape), pixels, np.uint8(0))


def find_lungs(films: Sequence[Film], listener: Listener) -> dict[str, Mask]:
    """The lungs, by film name, of the films on which the lung finder finds a plausible pair.

    Raises DatasetError when these are fewer than half of the films.
    """
    finder, masks = LungFinder.shipped(), {}
    for number, film in enumerate(films, start=1):
        found = finder.find(read_film(film.path).pixels)
        if found.plausible:
            masks[film.name] = found.mask
        listener(Progress("lungs", number, len(films), 0))
    if 2 * len(masks) < len(films):
        raise DatasetError(f"Lungs are found on {len(masks)} of {len(films)} films, expected at least half; give frontal chest films.")
    return masks


def place_of_lungs(masks: Mapping[str, Mask]) -> Mask:
    """One shape to black out on every film: where 1 % of the films have lung, and 1/32 of the side about that.

    A film's own lungs have an outline that tells what is in them: a lobe that is filled is not found as lung.
    """
    return grow_mask(np.mean(list(masks.values()), axis=0) >= 0.01, 1 / 32)


def redraw(films: Sequence[tuple[Film, str, Change]], folder: Path, listener: Listener) -> list[Film]:
    """Each film changed and kept as a PNG `folder`/<key>.png; a file that is there is not made again, so a stopped run goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, (film, key, change) in enumerate(films, start=1):
        target = folder / f"{key}.png"
        if not target.exists():
            hidden = target.with_name(f".{key}.part")
            Image.fromarray(change(read_film(film.path).pixels)).save(hidden, format="PNG", compress_level=1)
            hidden.replace(target)
        made.append(replace(film, path=target))
        listener(Progress(f"films: {folder.name}", number, len(films), 0))
    return made


def features_of(films: Sequence[Film], backbone: Backbone, listener: Listener, threads: int) -> Features:
    """The features of films by name, from the cache where they are there. Raises DatasetError for a film that gives none."""
    table = extract_features(films, backbone, threads=threads, progress=listener)
    if table.problems:
        raise DatasetError(f"{table.problems[0].name} has no features: {table.problems[0].reason}")
    return dict(zip(table.names, table.features[:, 0], strict=True))


def inputs_of(
    films: Sequence[Film], keys: Mapping[str, str], backbone: Backbone, args: argparse.Namespace
) -> tuple[dict[str, Features], dict[str, Any]]:
    """The features of films as they are, under WHOLE, and without lungs, under each of REGIONS; and what was taken for lungs.

    keys: the name, without suffix, of each film's changed files.
    """
    listener = common.terminal(args.quiet)
    found = {WHOLE: features_of(films, backbone, listener, args.threads)}
    masks = find_lungs(films, listener)
    place = place_of_lungs(masks)
    blind = {name: {film.name: partial(only, region, place) for film in films} for name, region in REGIONS.items()}
    own = {name: grow_mask(mask, MARGIN) for name, mask in masks.items()}
    blind[OUTLINED] = {film.name: partial(only, everything, own.get(film.name, place)) for film in films}
    shape = hashlib.sha256(np.packbits(place).tobytes()).hexdigest()[:8]
    for name, changes in blind.items():
        folder = args.out / f"{name.replace(' ', '-')}-{shape}"
        changed = redraw([(film, keys[film.name], changes[film.name]) for film in films], folder, listener)
        found[name] = features_of(changed, backbone, listener, args.threads)
    finder = LungFinder.shipped().sha256
    return found, {"films": len(films), "with_plausible_lungs": len(masks), "share_blacked_out": float(place.mean()), "finder": finder}
