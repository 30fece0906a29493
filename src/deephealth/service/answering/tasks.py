"""What a worker does, a method a task: keyword arguments from the frame's header, its body, and a header and body to send back."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.images.archive import FilmFile, find_films
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.inference.predictor import Prediction, Predictor
from deephealth.model.file import Model, shipped_model_path
from deephealth.service.answering.frames import Header
from deephealth.service.answering.pictures import png
from deephealth.service.answering.results import Answer, CannotAnswer, Member

_MODELS_KEPT = 3
_DIGITS = 6  # of a probability or a logit that is sent: float32 holds little more
_TRIED = 256  # side of the grey film that a model is first run on
_MAP_PIXELS = 512  # the longer side of a drawn heatmap

Reply = tuple[Header, bytes]


class Tasks:
    """The tasks, and the models used last, ready to run on `threads` threads."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._models: OrderedDict[str, Predictor] = OrderedDict()

    def nothing(self, body: bytes) -> Reply:
        """Only answer."""
        return {}, b""

    def warm(self, body: bytes, model: str) -> Reply:
        """Load a model and run it once, so that the first film does not wait for it."""
        predictor = self._predictor(model)
        predictor.model.run(_grey(predictor.model))
        return {}, b""

    def answer(self, body: bytes, model: str, name: str) -> Reply:
        """The model's answer to a film's bytes."""
        predictor = self._predictor(model)
        start = time.perf_counter()
        film = read_film(body, name=name, channels=predictor.model.record.channels)
        read = time.perf_counter()
        prediction = predictor.predict(film)
        # Not `asdict`, which copies the maps cell by cell: half a millisecond of every answer.
        return vars(_answer(prediction, film, read - start, time.perf_counter() - read)), b""

    def answer_member(self, body: bytes, model: str, archive: str, member: str, name: str) -> Reply:
        """The model's answer to a film in a zip archive."""
        return self.answer(FilmFile(name, Path(archive), member).read_bytes(), model, name)

    def members(self, body: bytes, archive: str, name: str) -> Reply:
        """The films in a zip archive, by their names there; one member with a problem where the archive cannot be used."""
        path = Path(archive)
        found = [
            Member(film.member or "", film.name.replace(path.name, name, 1), str(film.problem or "").replace(path.name, name, 1))
            for film in find_films([path])
        ]
        return {"members": [dataclasses.asdict(member) for member in found]}, b""

    def inspect(self, body: bytes, name: str, salt: str) -> Reply:
        """One film for a project."""
        from deephealth.service.answering.inspection import inspect

        return inspect(body, name, salt, self._predictor(str(shipped_model_path())))

    def inspect_file(self, body: bytes, path: str, member: str, name: str, salt: str) -> Reply:
        """One film for a project, in a file or in a zip archive."""
        return self.inspect(FilmFile(name, Path(path), member or None).read_bytes(), name, salt)

    def preview(self, body: bytes, name: str) -> Reply:
        """The film as an 8-bit grey PNG."""
        return {}, png(read_film(body, name=name).pixels)

    def describe(self, body: bytes, model: str) -> Reply:
        """What the model file says of itself, after checking it."""
        from deephealth.model.card import card

        loaded = Model.load(model)
        record = loaded.record.to_json()
        for hidden in ("seen", "fitted_on", "goldens", "card"):
            record.pop(hidden, None)
        cards = {f"card_{language}": card(loaded.record, language) for language in ("en", "es")}
        return {"sha256": loaded.sha256, "bytes": len(loaded.data), "record": record, **cards}, b""

    def check(self, body: bytes, model: str) -> Reply:
        """As `describe`, after running the model once. The worker is then replaced: the file is a stranger's."""
        loaded = Model.load(model, threads=self._threads, spinning=False)
        loaded.run(_grey(loaded))
        facts, _ = self.describe(body, model)
        return {**facts, "tired": True}, b""

    def verify(self, body: bytes, model: str) -> Reply:
        """Ask the model its golden films again."""
        from deephealth.model.verify import verify

        report = verify(self._predictor(model).model)
        largest = report.largest_difference
        return {"ok": report.ok, "largest_difference": largest if math.isfinite(largest) else 1e9, "films": report.n}, b""

    def draw_map(self, body: bytes, rows: list[list[float]], width: int, height: int) -> Reply:
        """A transparent PNG of a heatmap, in the film's aspect."""
        from deephealth.inference.heatmap import ALPHA, colours, evidence

        shrunk = min(1.0, _MAP_PIXELS / max(width, height))
        share = evidence(np.array(rows, np.float32), max(1, round(height * shrunk)), max(1, round(width * shrunk)), full=1.0)
        picture = np.concatenate([colours(share), (255 * ALPHA * share)[..., None]], axis=2)
        return {}, png((picture + 0.5).astype(np.uint8))

    def draw_phantoms(self, body: bytes, films: list[list[Any]], size: int) -> Reply:
        """Synthetic films, each of a label and a seed. The worker is then replaced: drawing imports what reading never needs."""
        from deephealth.images.phantom import draw_phantom

        drawn = [png(draw_phantom(label, seed=seed, size=size).pixels) for label, seed in films]
        return {"tired": True, "lengths": [len(film) for film in drawn]}, b"".join(drawn)

    def _predictor(self, path: str) -> Predictor:
        if path not in self._models:
            model = Model.load(path, threads=self._threads, spinning=False)
            self._models[path] = Predictor(model, threads=self._threads)
            if len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(path)
        return self._models[path]


def _grey(model: Model) -> NDArray[np.uint8]:
    """A grey film as the model takes them."""
    return np.full((_TRIED, _TRIED) if model.record.channels == 1 else (_TRIED, _TRIED, 3), 127, np.uint8)


def _answer(prediction: Prediction, film: Radiograph, read: float, run: float) -> Answer:
    if prediction.heatmap is None:
        raise CannotAnswer("model", "The model gives no heatmap, expected a whole Deep Health model file; get it again.")
    maps = zip(prediction.probabilities, np.round(prediction.heatmap.astype(np.float64), 4).tolist(), strict=True)
    return Answer(
        sha256=film.sha256,
        width=film.width,
        height=film.height,
        kind=film.format,
        label=prediction.label,
        probabilities={label: round(p, _DIGITS + 1) for label, p in prediction.probabilities.items()},
        novelty=round(prediction.novelty, _DIGITS) if math.isfinite(prediction.novelty) else None,
        refused=prediction.refused,
        reason=prediction.reason,
        objections=bool(film.objections),
        warnings=list(film.warnings),
        heatmap=dict(maps),
        model=prediction.model,
        read_ms=round(1000 * read, 2),
        run_ms=round(1000 * run, 2),
    )
