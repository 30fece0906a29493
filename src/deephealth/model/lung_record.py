"""What a lung finder's file says of itself: the record in the metadata of its ONNX graph, and the card written from it."""

# ruff: noqa: RUF009 - `spec` returns a dataclass field

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from deephealth.errors import ModelFileError
from deephealth.model import typed
from deephealth.model.typed import spec

LUNG_KEY = "deephealth-lungs"
LUNG_SCHEMA_VERSION = 1
LUNG_OUTPUT = "lungs"

INTENDED_USE = (
    "Finds the lung fields of a frontal chest radiograph, so that an audit can black them out and a heatmap can be held against them. "
    "For research, education and model evaluation. Not a medical device."
)


@dataclass(frozen=True)
class Plausibility:
    """What a mask must be like to be taken for two lungs; see `deephealth.evaluation.lungs.finder.judge`."""

    smallest: float = spec("least share of the film's area", minimum=0, maximum=1)
    largest: float = spec("largest share of the film's area", minimum=0, maximum=1)
    main: float = spec("least share of the mask that its two largest parts hold", minimum=0, maximum=1)
    balance: float = spec(
        "least area of the smaller half, left or right of the mask's middle, as a share of the larger", minimum=0, maximum=1
    )
    breadth: float = spec("least width of the mask as a share of its height, on the square; one lung alone is narrower", minimum=0)
    certainty: float = spec("least mean probability inside the mask", minimum=0, maximum=1)


@dataclass(frozen=True)
class LungData:
    """One set of films the finder learned from."""

    name: str = spec("what the set is", minLength=1)
    licence: str = spec("its licence")
    films: int = spec("films learned from", minimum=0)
    patients: int = spec("patients learned from", minimum=0)
    credit: str = spec("whom to credit", default="")
    sha256: str = spec("hash of their pixels and masks at the network's side", default="")


@dataclass(frozen=True)
class LungScore:
    """One measured number with its 95 % interval over patients; null where there is none."""

    films: str = spec("the films it was measured on", minLength=1)
    measure: str = spec("what was measured", minLength=1)
    value: float = spec("the number")
    n_films: int = spec("number of films", minimum=0)
    n_patients: int = spec("number of patients", minimum=0)
    low: float | None = spec("lower end of the 95 % interval over patients", default=None)
    high: float | None = spec("upper end", default=None)


@dataclass(frozen=True)
class LungRecord:
    """The record of a lung finder."""

    schema_version: int = spec("version of this record", minimum=1, maximum=LUNG_SCHEMA_VERSION)
    created_with: str = spec("version of Deep Health that wrote the file")
    side: int = spec("side of the network's square in pixels", minimum=16, maximum=1024)
    threshold: float = spec("a pixel is lung when its probability is at least this", exclusiveMinimum=0, maximum=1)
    plausibility: Plausibility = spec("what a mask must be like to be believed")
    seed: int = spec("seed of the split and of the training", default=0)
    held_out_share: float = spec("share of the patients that no choice was made on", default=0.0, minimum=0, maximum=1)
    validation_share: float = spec("share of the patients that threshold and network were chosen on", default=0.0, minimum=0, maximum=1)
    settings: Any = spec("everything else that decides the training", default=None)
    data: tuple[LungData, ...] = spec("the films it learned from", default=())
    scores: tuple[LungScore, ...] = spec("what was measured", default=())
    limits: tuple[str, ...] = spec("known limits, a sentence each", default=())
    intended_use: str = spec("what it is for", default=INTENDED_USE)
    card: str = spec("the card, Markdown", default="")

    @classmethod
    def from_text(cls, text: str) -> LungRecord:
        """Read and check a record. ModelFileError says what is wrong."""
        return typed.decode(cls, typed.loads(text))


def with_lung_record(data: bytes, record: LungRecord) -> bytes:
    """The finder's graph `data` with this record and its card; the graph itself stays as it is. The same inputs give the same bytes."""
    import onnx

    model = onnx.load_from_string(data)
    record = dataclasses.replace(record, card=lung_card(record))
    text = typed.dumps(record)
    if LungRecord.from_text(text) != record:
        raise ModelFileError("The lung finder's record cannot be read back as it was written; expected finite numbers, text and lists.")
    del model.metadata_props[:]
    model.metadata_props.add(key=LUNG_KEY, value=text)
    model.producer_name, model.producer_version = "deephealth", record.created_with
    model.doc_string = "For research, education and model evaluation. Not a medical device. The record is in the metadata."
    return bytes(model.SerializeToString(deterministic=True))


def lung_card(record: LungRecord) -> str:
    """The card as Markdown: use, numbers, data and credits, limits."""
    lines = [
        "# Lung finder",
        "",
        record.intended_use,
        "",
        f"Input: a grey film of any size, squashed to {record.side} x {record.side} px. Output: the probability that each of these pixels "
        f"is lung; it counts as lung from {record.threshold:g}.",
        "",
        "| films | measure | value (95 % interval over patients) | films | patients |",
        "|---|---|---|---|---|",
        *(_row(score) for score in record.scores),
        "",
        "Learned from:",
        "",
        *(_source(source) for source in record.data),
        "",
        f"Seed {record.seed}; {record.held_out_share:.0%} of the patients with masks were held out, {record.validation_share:.0%} chose.",
        "",
        "Limits:",
        "",
        *(f"- {limit}" for limit in record.limits),
    ]
    return "\n".join(lines) + "\n"


def _row(score: LungScore) -> str:
    interval = "" if score.low is None or score.high is None else f" ({score.low:.3f} to {score.high:.3f})"
    return f"| {score.films} | {score.measure} | {score.value:.3f}{interval} | {score.n_films} | {score.n_patients} |"


def _source(source: LungData) -> str:
    credit = f" {source.credit}" if source.credit else ""
    return f"- {source.name}: {source.films} films of {source.patients} patients. {source.licence}.{credit}"
