"""For Jupyter: a film with its answer as a picture, tables as pandas frames, progress as a bar. Everything shown is self-contained HTML."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.index import DatasetIndex
from deephealth.evaluation.results import Evaluation
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.inference.heatmap import overlay
from deephealth.inference.predictor import Prediction, Predictor
from deephealth.model.file import Model

if TYPE_CHECKING:
    import pandas

_HEIGHT = 260  # pixels of a film on the page


class Shown:
    """A film, where the evidence lies, and a bar for each label: what a cell that ends in `show(...)` displays."""

    def __init__(self, film: Radiograph, prediction: Prediction, scale: float) -> None:
        self.film, self.prediction, self._scale = film, prediction, scale

    def _repr_html_(self) -> str:
        answer = self.prediction
        pictures = [_picture(self.film.pixels, self.film.name)]
        if answer.heatmap is not None and self.film.pixels.ndim == 2:
            place = list(answer.probabilities).index(answer.label)
            drawn = np.asarray(overlay(self.film.pixels, answer.heatmap[place], full=self._scale))
            pictures.append(_picture(drawn, f"evidence for {answer.label}"))
        bars = "".join(_bar(label, share) for label, share in answer.probabilities.items())
        note = f"<p><b>Refused:</b> {html.escape(answer.reason)}</p>" if answer.refused else ""
        style = "display:flex;gap:12px;align-items:flex-start;flex-wrap:wrap"
        return f'<div style="{style}">{"".join(pictures)}<div>{bars}{note}<p><small>{_FOR}</small></p></div></div>'

    def __repr__(self) -> str:
        return f"{self.prediction.label} {self.prediction.probabilities}"


_FOR = "For research, education and model evaluation. Not a medical device."


def show(model: Model, film: str | Path | bytes | Radiograph) -> Shown:
    """Ask `model` about one film and show both. Raises FilmError when the film cannot be read."""
    read = film if isinstance(film, Radiograph) else read_film(film, channels=model.record.channels)
    return Shown(read, Predictor(model).predict(read), model.record.heatmap_scale)


def frame(source: DatasetIndex | Evaluation | Iterable[Prediction]) -> pandas.DataFrame:
    """A pandas frame: of an index a row a film, of predictions a row a film, of an evaluation a row a score with its interval and n.

    Raises MissingExtra without pandas.
    """
    from deephealth.errors import MissingExtra

    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("A pandas frame", "notebook") from error
    return pandas.DataFrame(rows(source))


def rows(source: DatasetIndex | Evaluation | Iterable[Prediction]) -> list[dict[str, Any]]:
    """The same as plain rows, without pandas."""
    if isinstance(source, DatasetIndex):
        return [
            {"name": film.name, "label": film.label, "patient": film.patient, "split": film.split, "path": str(film.path)}
            for film in source.films
        ]
    if isinstance(source, Evaluation):
        return _scores(source)
    return [
        {"name": one.name, "label": one.label, **one.probabilities, "novelty": one.novelty, "refused": one.refused, "reason": one.reason}
        for one in source
    ]


def _scores(evaluation: Evaluation) -> list[dict[str, Any]]:
    from deephealth.evaluation.intervals import Interval

    found = []
    for name, value in vars(evaluation.scores).items():
        if isinstance(value, Interval) and value.value is not None:
            found.append({"score": name, **value.to_json()})
    return found


def films_of(index: DatasetIndex) -> tuple[list[Path], list[str], list[str]]:
    """Paths, labels and patients of an index: what `ChestXrayClassifier.fit` takes."""
    return [film.path for film in index.films], [film.label for film in index.films], [film.patient for film in index.films]


def gallery(films: Sequence[str | Path], captions: Sequence[str] = ()) -> Any:
    """Some films side by side, with a line under each."""

    class Gallery:
        def _repr_html_(self) -> str:
            texts = list(captions) or [Path(film).name for film in films]
            figures = [
                f'<figure style="margin:0">{_picture(read_film(film).pixels, text)}<figcaption>{html.escape(text)}</figcaption></figure>'
                for film, text in zip(films, texts, strict=True)
            ]
            return f'<div style="display:flex;gap:12px;flex-wrap:wrap">{"".join(figures)}</div>'

    return Gallery()


def _picture(pixels: NDArray[np.uint8], alternative: str) -> str:
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((2 * _HEIGHT, _HEIGHT))
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    source = base64.b64encode(data.getvalue()).decode()
    return f'<img alt="{html.escape(alternative)}" style="max-height:{_HEIGHT}px" src="data:image/png;base64,{source}">'


def _bar(label: str, share: float) -> str:
    inner = f'<span style="display:block;height:.7em;width:{100 * share:.1f}%;background:#3b6fb6"></span>'
    outer = f'<span style="display:inline-block;width:9em;border:1px solid #8888">{inner}</span>'
    return f"<div>{html.escape(label)}<br>{outer} {100 * share:.1f} %</div>"
