"""What a worker gives back, and the one error that it may report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CannotAnswer(Exception):
    """A film (or a model file, an archive) that could not be dealt with.

    code: "unreadable", "too-large", "timeout", "memory" or "model". sentence: what was found, expected and to do, in English; where a film
    is meant it begins with its name.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


@dataclass(frozen=True)
class Answer:
    """A model's answer to one film, as `inference.Prediction`, with what the film's file says.

    objections: the film's own tags say that it is no frontal chest film. heatmap: label -> rows of logits. read_ms, run_ms: milliseconds.
    """

    sha256: str
    width: int
    height: int
    kind: str
    label: str
    probabilities: dict[str, float]
    novelty: float | None
    refused: bool
    reason: str
    objections: bool
    warnings: list[str]
    heatmap: dict[str, list[list[float]]]
    model: str
    read_ms: float
    run_ms: float


@dataclass(frozen=True)
class Inspected:
    """One film looked at for a project, and the film itself without anything that names a person.

    sha256: of the file as it came. film: the de-identified file, kind_kept its kind ("jpeg" or "png"): read by `images` it has the very
    same pixels. width, height: pixels, upright. kind: of the file as it came. patient: the patient ID salted and hashed, 16 hexadecimal
    digits; "" where the file names none. age_years, sex ("M", "F", "O"), view: from DICOM; "" where unknown. phash: the perceptual hash,
    64 hexadecimal digits. novelty, refused, reason: of the shipped model's gate (reason in English). thumbnail: WebP, 160 pixels the
    longer side. warnings: English sentences.
    """

    sha256: str
    film: bytes
    kind_kept: str
    width: int
    height: int
    kind: str
    patient: str
    age_years: str
    sex: str
    view: str
    phash: str
    novelty: float | None
    refused: bool
    reason: str
    thumbnail: bytes
    warnings: list[str]


@dataclass(frozen=True)
class Member:
    """A film inside a zip archive: its name there, how to show it, and why it cannot be read where that is known already."""

    member: str
    name: str
    problem: str


Facts = dict[str, Any]
"""What a model file says of itself: its record without hashes, golden films and card, and sha256, bytes, card_en, card_es."""
