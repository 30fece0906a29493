"""Predictions as a table for people, JSON and CSV for programs, and the exit code they amount to.

CSV and spreadsheets: a file name that starts with = + - @, a tab or a return is written with an apostrophe before it, since a spreadsheet
would run it as a formula; control characters are written as escapes. The JSON output holds every name as it is.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deephealth.inference.predictor import Prediction
from deephealth.settings import atomic

DISCLAIMER = "Probabilities of dataset labels, for research, education and model evaluation. Not a medical device."
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_NAME = 48
_ALL_REFUSED = 3


def exit_code(predictions: Sequence[Prediction]) -> int:
    """3 when every film was refused or could not be read, or there was none; else 0."""
    return 0 if any(not prediction.refused for prediction in predictions) else _ALL_REFUSED


def to_rows(predictions: Iterable[Prediction]) -> list[dict[str, Any]]:
    """The predictions as JSON objects: file, label, probabilities, novelty (null if unreadable), refused, reason, model, warnings."""
    return [
        {
            "file": _utf8(prediction.name),
            "label": prediction.label,
            "probabilities": {label: _short(p) for label, p in prediction.probabilities.items()},
            "novelty": _short(prediction.novelty) if math.isfinite(prediction.novelty) else None,
            "refused": prediction.refused,
            "reason": _utf8(prediction.reason),
            "model": prediction.model,
            "warnings": [_utf8(warning) for warning in prediction.warnings],
        }
        for prediction in predictions
    ]


def to_json(predictions: Iterable[Prediction]) -> str:
    """The predictions as a JSON list, indented."""
    return json.dumps(to_rows(predictions), indent=2, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write the JSON list to `path`, whole or not at all."""
    atomic.write_text(path, to_json(predictions) + "\n")


def to_csv(predictions: Iterable[Prediction], labels: Sequence[str]) -> str:
    """CSV text with the columns file, label, p_<label>..., novelty, refused (true or false), reason; empty where unreadable."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "label", *(f"p_{_cell(label)}" for label in labels), "novelty", "refused", "reason"])
    for prediction in predictions:
        shares = [f"{prediction.probabilities[label]:.6f}" if label in prediction.probabilities else "" for label in labels]
        novelty = f"{prediction.novelty:.6g}" if math.isfinite(prediction.novelty) else ""
        refused = "true" if prediction.refused else "false"
        writer.writerow([_cell(prediction.name), _cell(prediction.label), *shares, novelty, refused, _cell(prediction.reason)])
    return buffer.getvalue()


def write_csv(path: Path, predictions: Iterable[Prediction], labels: Sequence[str]) -> None:
    """Write the CSV to `path`, UTF-8, whole or not at all."""
    atomic.write_text(path, to_csv(predictions, labels))


def table(predictions: Sequence[Prediction], labels: Sequence[str]) -> str:
    """The predictions as aligned columns for a terminal, "refused" or "unreadable" behind such a film, and what they are not for."""
    heads = ["file", "label", *labels, "novelty", ""]
    rows = [_columns(prediction, labels) for prediction in predictions]
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    return "\n".join([*(_aligned(row, widths) for row in [heads, *rows]), "", DISCLAIMER])


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes as escapes: no file's name may steer a terminal or break a file."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii") for letter in text)


def _columns(prediction: Prediction, labels: Sequence[str]) -> list[str]:
    name = printable(prediction.name)
    name = name if len(name) <= _LONGEST_NAME else "..." + name[3 - _LONGEST_NAME :]
    shares = [f"{prediction.probabilities[label]:.3f}" if label in prediction.probabilities else "-" for label in labels]
    novelty = f"{prediction.novelty:.2f}" if math.isfinite(prediction.novelty) else "-"
    note = "unreadable" if prediction.error else "refused" if prediction.refused else ""
    return [name, prediction.label or "-", *shares, novelty, note]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    text = [cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(text).rstrip()


def _cell(text: str) -> str:
    # The first letter decides, before control characters become escapes: a tab before a formula does not stop a spreadsheet.
    return ("'" if text.startswith(_FORMULA) else "") + printable(text)


def _utf8(text: str) -> str:
    """`text` with the bytes of a name that is not UTF-8 as escapes, since JSON has no place for them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _short(number: float) -> float:
    """At most seven significant digits: what a float32 holds."""
    return float(f"{number:.7g}")
