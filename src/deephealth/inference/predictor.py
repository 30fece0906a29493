"""From a film to a `Prediction`: read, run, gate. One film at a time, or many on several threads, in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import DeepHealthError, UsageError
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.inference.gate import refusal
from deephealth.model.file import Model, shipped_model_path
from deephealth.settings import threads as thread_settings
from deephealth.settings.progress import Listener, Progress, silent

if TYPE_CHECKING:
    from deephealth.images.archive import FilmFile

    Source = str | Path | bytes | Radiograph | FilmFile

SHIPPED_NAME = "deephealth-small"
_AHEAD = 2  # films in flight for each thread: enough to keep all busy, few enough to hold in memory


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's answer to one film, or why there is none.

    probabilities: label -> 0..1, in the model's order, sum 1; label: the most probable. They stand even when the film is refused. novelty:
    1 for the training films' median; NaN when the film could not be read. heatmap: float32 [C, h, w], each label's evidence by place, or
    None. model: SHA-256 of the model file. error: the film could not be read; then refused is True, label "", probabilities empty.
    """

    name: str
    label: str
    probabilities: dict[str, float]
    novelty: float
    refused: bool
    reason: str
    heatmap: NDArray[np.float32] | None
    model: str
    warnings: tuple[str, ...] = ()
    error: bool = False


class ReadyModel(Model):
    """A model that reads the film as well: ``load_model().predict("film.dcm")``."""

    def predict(self, source: Source) -> Prediction:
        """The answer to one film, as `Predictor.predict`."""
        return Predictor(self, threads=self.threads).predict(source)


def load_model(source: str | Path | bytes = SHIPPED_NAME, *, threads: int | None = None) -> ReadyModel:
    """The model in a file, or the one that ships ("deephealth-small"). ModelFileError when it cannot be used."""
    chosen = shipped_model_path() if source == SHIPPED_NAME else source
    return ReadyModel.load(chosen, threads=thread_settings.resolve(threads))


class Predictor:
    """Asks one model about films.

    threads: for one film, threads inside the network; for many, films at a time, each on one thread. None: every processor. May be shared
    by threads.
    """

    def __init__(self, model: Model, *, threads: int | None = 1) -> None:
        self.model = model
        self.threads = thread_settings.resolve(threads)

    def predict(self, source: Source) -> Prediction:
        """The answer to one film: a path, the file's bytes, a FilmFile or a film already read.

        FilmError when it cannot be read; a film that is read but refused is an answer with `refused` and a reason.
        """
        return self._predict(source, self.threads)

    def predict_many(self, files: Iterable[FilmFile], progress: Listener = silent) -> Iterator[Prediction]:
        """The answers to many films, in order, computed a few ahead.

        Never raises for one film: its prediction has `error` and the reason. Stopping early drops the films not yet begun.
        """
        films: Sequence[FilmFile] = files if isinstance(files, Sequence) else list(files)
        workers = min(self.threads, len(films))
        answers = self._on_threads(films, workers) if workers > 1 else (self._attempt(film, self.threads) for film in films)
        for done, prediction in enumerate(answers, start=1):
            progress(Progress("predict", done, len(films)))
            yield prediction

    def _on_threads(self, films: Sequence[FilmFile], workers: int) -> Iterator[Prediction]:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="predict")
        waiting: deque[Future[Prediction]] = deque()
        try:
            for film in films:
                waiting.append(pool.submit(self._attempt, film, 1))
                if len(waiting) >= workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _attempt(self, film: FilmFile, threads: int) -> Prediction:
        try:
            return self._predict(film, threads)
        except UsageError:
            raise  # a wrong setting is not the film's fault
        except DeepHealthError as error:
            return self._unreadable(film.name, str(error))
        except Exception as error:  # one film, however broken, must not end a batch of thousands; the reason says what happened
            return self._unreadable(
                film.name, f"The film could not be read ({type(error).__name__}: {str(error)[:120]}); please report this file."
            )

    def _unreadable(self, name: str, reason: str) -> Prediction:
        return Prediction(name, "", {}, math.nan, True, reason, None, self.model.sha256, error=True)

    def _predict(self, source: Source, threads: int) -> Prediction:
        record = self.model.record
        film = _read(source, record.channels)
        answer = self.model.run(_shaped(film.pixels, record.channels), threads=threads)
        reason = refusal(answer.novelty, record.novelty_threshold, film.objections)
        return Prediction(
            name=film.name if isinstance(source, Radiograph | str | Path | bytes) else source.name,
            label=record.labels[int(answer.probabilities.argmax())],
            probabilities=dict(zip(record.labels, answer.probabilities.tolist(), strict=True)),
            novelty=answer.novelty,
            refused=bool(reason),
            reason=reason,
            heatmap=answer.heatmap,
            model=self.model.sha256,
            warnings=film.warnings,
        )


def _read(source: Source, channels: int) -> Radiograph:
    if isinstance(source, Radiograph):
        return source
    if isinstance(source, str | Path | bytes):
        return read_film(source, channels=channels)
    return source.read(channels)


def _shaped(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    # A film read before the model was known may be grey where the model takes three channels.
    return np.repeat(pixels[:, :, None], 3, axis=2) if channels == 3 and pixels.ndim == 2 else pixels
