"""Bottleneck files as retrain.py cached them (numbers with commas, a file a film), and films changed at random before the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.features.backbones import Backbone
from deephealth.features.graph import open_session, run_features
from deephealth.images.read import read_film
from deephealth.settings import atomic
from deephealth.settings import threads as thread_settings
from deephealth.settings.progress import Listener, Progress
from deephealth.training.retrain.options import Options

Features = NDArray[np.float32]


class Bottlenecks:
    """Features of films, from the folder `bottleneck_dir` where they are there and whole, else computed and written there."""

    def __init__(self, backbone: Backbone, options: Options) -> None:
        self._backbone, self._options = backbone, options
        self._session = open_session(backbone.model, threads=thread_settings.resolve(options.threads))

    def of(self, films: Sequence[Film], listener: Listener, stage: str) -> Features:
        """float32 [n, d]. Raises FilmError for a film that cannot be read."""
        found, reused = [], 0
        for done, film in enumerate(films, start=1):
            held = self._held(film)
            reused += held is not None
            found.append(self._computed(film) if held is None else held)
            listener(Progress(stage, done, len(films), reused))
        return np.array(found, np.float32).reshape(len(films), self._backbone.dim)

    def distorted(self, films: Sequence[Film], random: np.random.Generator) -> Features:
        """float32 [n, d] of the films, each changed anew as the options say."""
        pixels = [read_film(film.path, channels=self._backbone.channels).pixels for film in films]
        return np.array([run_features(self._session, distort(one, self._options, random)) for one in pixels], np.float32)

    def _held(self, film: Film) -> Features | None:
        """A bottleneck file's numbers; None when there is none, or it is broken, which is then written again."""
        try:
            values = np.array(self._path(film).read_text(encoding="ascii").split(","), np.float32)
        except (FileNotFoundError, ValueError):
            return None
        return values if values.shape == (self._backbone.dim,) and np.isfinite(values).all() else None

    def _computed(self, film: Film) -> Features:
        values = run_features(self._session, read_film(film.path, channels=self._backbone.channels).pixels)
        atomic.write_text(self._path(film), ",".join(repr(float(value)) for value in values))
        return values

    def _path(self, film: Film) -> Any:
        return self._options.bottleneck_dir / film.label / f"{film.path.name}_{self._options.architecture}.txt"


def distort(pixels: NDArray[np.uint8], options: Options, random: np.random.Generator) -> NDArray[np.uint8]:
    """A film changed as retrain.py did: cut by up to `random_crop` percent and scaled by up to `random_scale`, mirrored, made brighter.

    The film is enlarged by (1 + crop) * (1 + uniform(0, scale)), cut at a random place to what the network sees, mirrored with a chance of
    one half, and multiplied by a number from 1 - brightness to 1 + brightness.
    """
    height, width = pixels.shape[:2]
    factor = (1 + options.random_crop / 100) * random.uniform(1, 1 + options.random_scale / 100)
    cut_height, cut_width = max(1, round(height / factor)), max(1, round(width / factor))
    top, left = random.integers(0, height - cut_height + 1), random.integers(0, width - cut_width + 1)
    changed = pixels[top : top + cut_height, left : left + cut_width]
    if options.flip_left_right and random.random() < 0.5:
        changed = changed[:, ::-1]
    if options.random_brightness:
        share = options.random_brightness / 100
        changed = np.clip(changed.astype(np.float32) * random.uniform(1 - share, 1 + share), 0, 255).astype(np.uint8)
    enlarged = Image.fromarray(np.ascontiguousarray(changed)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(enlarged)
