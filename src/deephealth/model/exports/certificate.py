"""The parity certificate: how far an export's answers are from the model file's, in the export's own runtime, on named films."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import deephealth
from deephealth.errors import ParityError
from deephealth.model import typed
from deephealth.model.exports.artefact import MOST_POINTS, TOLERANCE, Precision
from deephealth.model.exports.films import Films
from deephealth.model.typed import spec

_ZERO = 1e-9  # rounding of a share of films is no loss


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was measured after an export, as it stands in `certificate.json`."""

    schema_version: Literal[1] = spec("version of this certificate", default=1, required=True)
    format: str = spec("the format's name", minLength=1, said="a name")
    precision: Literal["fp32", "fp16", "int8"] = spec("the numbers the format computes with")
    created_with: str = spec("version of Deep Health that exported", default=deephealth.__version__, required=True)
    model_sha256: str = spec("SHA-256 of the model file that was exported")
    files: Mapping[str, str] = spec("SHA-256 of each file of the artefact")
    runtime: str = spec("what the artefact was run with")
    machine: str = spec("kind of machine it was run on", default="")
    film_source: str = spec("where the films come from: phantoms, or the name of a folder")
    films: int = spec("films it was measured on", minimum=1)
    films_sha256: str = spec("SHA-256 over the films' pixels and shapes")
    largest: Mapping[str, float] = spec("largest difference of each class's probability", minimum=0)
    mean: Mapping[str, float] = spec("mean absolute difference of each class's probability", minimum=0)
    same_label: float = spec("share of films with the same most probable label", minimum=0, maximum=1)
    accuracy: float | None = spec("accuracy of the export, where the films have labels", default=None)
    accuracy_before: float | None = spec("accuracy of the model file on the same films", default=None)
    points_lost: float = spec(
        "percentage points of accuracy lost; without labels, of the accuracy that the model file's own probabilities promise"
    )
    tolerance: str = spec("what had to hold")
    resize: Literal["inside", "outside"] = spec("inside: takes films of any size; outside: the caller resizes, as the snippets do")
    plain_resize: float | None = spec(
        "largest difference of a probability when the caller resizes without antialiasing; null when the resize is inside", default=None
    )
    milliseconds: float = spec("time a film in this runtime", minimum=0)
    milliseconds_before: float = spec("time a film of the model file in ONNX Runtime, one thread, in the same run", minimum=0)
    notes: tuple[str, ...] = spec("what a user should know", default=())

    @property
    def largest_difference(self) -> float:
        """Of any class."""
        return max(self.largest.values())

    def sentence(self) -> str:
        """The certificate in one sentence."""
        labels = f"the same label for {self.same_label:.1%}"
        if self.accuracy is not None:
            labels += f", accuracy {self.accuracy:.1%} (the model file: {self.accuracy_before:.1%})"
        return (
            f"{self.format}: {self.films} films ({self.film_source}) in {self.runtime}: largest difference of a probability "
            f"{self.largest_difference:.1e}, mean {float(np.mean(list(self.mean.values()))):.1e}, {labels}; tolerance: {self.tolerance}."
        )

    def markdown(self) -> str:
        """The section that joins the model card."""
        rows = [f"| {label} | {self.largest[label]:.2e} | {self.mean[label]:.2e} |" for label in self.largest]
        lines = [
            "## Parity certificate",
            "",
            self.sentence(),
            "",
            "| class | largest difference | mean difference |",
            "|---|---|---|",
            *rows,
            "",
        ]
        if self.plain_resize is not None:
            lines += [
                "The resize is outside: this artefact takes squares made by an antialiased linear resize, as in the snippets. With a plain "
                f"bilinear resize instead, a probability changed by up to {self.plain_resize:.2g} on the same films.",
                "",
            ]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join([*lines, f"Model file: SHA-256 `{self.model_sha256}`. Machine: {self.machine}."]) + "\n"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dict(typed.encode(self))

    @classmethod
    def from_json(cls, data: Any) -> Certificate:
        """Checked against the types above. ModelFileError says what is wrong."""
        return typed.decode(cls, data)


def compare(
    labels: Sequence[str], before: NDArray[np.float64], after: NDArray[np.float64], films: Films, precision: Precision
) -> dict[str, Any]:
    """The measured part of a certificate, from probabilities [n, classes] of the model file and of the export.

    Raises ParityError when they are further apart than the precision allows.
    """
    if after.shape != before.shape or not np.isfinite(after).all():
        raise ParityError(
            f"The export answers {list(after.shape)} numbers, expected {list(before.shape)} finite probabilities; nothing was written."
        )
    apart = np.abs(after - before)
    same = before.argmax(axis=1) == after.argmax(axis=1)
    scores = _accuracies(labels, before, after, films)
    lost = 100 * (scores[0] - scores[1] if scores else _promised(before, before) - _promised(before, after))
    _require(precision, float(apart.max()), lost, len(before))
    return {
        "films": len(before),
        "largest": dict(zip(labels, apart.max(axis=0).tolist(), strict=True)),
        "mean": dict(zip(labels, apart.mean(axis=0).tolist(), strict=True)),
        "same_label": float(same.mean()),
        "accuracy_before": scores[0] if scores else None,
        "accuracy": scores[1] if scores else None,
        "points_lost": lost,
        "tolerance": tolerance(precision),
    }


def tolerance(precision: Precision) -> str:
    """What an export of this precision must keep, in words."""
    if precision == "int8":
        return f"less than {MOST_POINTS:g} percentage point of accuracy lost"
    return f"no probability more than {TOLERANCE[precision]:g} away"


def machine() -> str:
    """The kind of this machine, without its name."""
    return f"{platform.system()} {platform.machine()}"


def _accuracies(labels: Sequence[str], before: NDArray[Any], after: NDArray[Any], films: Films) -> tuple[float, float] | None:
    if not films.labels or not set(films.labels) <= set(labels):
        return None
    truth = np.array([labels.index(label) for label in films.labels])
    return float((before.argmax(axis=1) == truth).mean()), float((after.argmax(axis=1) == truth).mean())


def _promised(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """The accuracy of the labels of `after` if the model file's probabilities `before` hold: a label changed between two classes that the
    model file finds equally probable costs nothing, one against a sure answer nearly a whole film."""
    return float(np.take_along_axis(before, after.argmax(axis=1)[:, None], axis=1).mean())


def _require(precision: Precision, largest: float, lost: float, films: int) -> None:
    wanted = f"expected {tolerance(precision)}"
    if precision == "int8" and lost >= MOST_POINTS - _ZERO:
        raise ParityError(
            f"In whole numbers the model loses {lost:.1f} percentage points on {films} films, {wanted}; give films like yours with "
            "--calibration, or export in floating point."
        )
    if precision != "int8" and not largest <= TOLERANCE[precision]:
        raise ParityError(
            f"The export's probabilities differ by up to {largest:.2g} on {films} films, {wanted}; nothing was written, please report it "
            "with the model's name."
        )
