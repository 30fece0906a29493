"""What happens during training, as typed values in one stream; terminal, file and others all read it.

Anything callable with an event can listen. `JsonLines` writes events to a file, one JSON object a line, so that a run can be followed,
replayed or plotted; each line is flushed, so a kill loses at most the one being written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephealth.settings.progress import Listener, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deephealth.model.heads import Head


@dataclasses.dataclass(frozen=True)
class RunStarted:
    """A run begins: what it was asked to do."""

    command: str
    data: str
    seed: int
    threads: int


@dataclasses.dataclass(frozen=True)
class StageStarted:
    """A stage of the pipeline begins: index, audit, split, features, head, calibrate, evaluate, file."""

    stage: str
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class StepDone:
    """One evaluation step of a head or network; losses are cross-entropy in nats, accuracies in [0, 1]; None where not measured."""

    step: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    learning_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class EpochDone:
    """One pass over the training films."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    learning_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Note:
    """Something a person should know, such as films left out or leakage allowed."""

    text: str


@dataclasses.dataclass(frozen=True)
class RunFinished:
    """A run ended well: where its model and report lie."""

    model: str
    report: str


@dataclasses.dataclass(frozen=True, eq=False)
class HeadStep:
    """The head as it stands at an evaluation, and features float32 [n, d] of the films it was measured on: for histograms, not for files.

    `step` is that of the StepDone, or the epoch of the EpochDone, that was told just before.
    """

    step: int
    head: Head
    features: NDArray[np.float32]


Event = RunStarted | StageStarted | Progress | StepDone | EpochDone | HeadStep | Note | RunFinished
EventListener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does nothing."""


def tee(*listeners: EventListener) -> EventListener:
    """A listener that hands each event to every one of `listeners`, in order."""

    def hand_on(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return hand_on


def progress_of(listener: EventListener) -> Listener:
    """The same listener, for work of the lower layers that only reports progress."""
    return listener


class JsonLines:
    """Write events to `path`, one JSON object a line: {"event": "StepDone", "time": seconds since 1970, ...}.

    Appends, so a resumed run goes on in the same file. Use as a context manager.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        # A film's name may hold bytes that are not UTF-8; as backslash escapes they are valid JSON.
        self._file = open(path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - closed by close()
        self._progress_written = 0.0

    def __call__(self, event: Event) -> None:
        """Write one event; of progress within a stage, at most one a second; of arrays, nothing."""
        if isinstance(event, HeadStep):
            return  # its arrays are for listeners that draw them
        now = time.time()
        if isinstance(event, Progress):
            if event.done < event.total and now - self._progress_written < 1:
                return
            self._progress_written = now
        record = {"event": type(event).__name__, "time": round(now, 3), **_finite(dataclasses.asdict(event))}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _cut_torn_line(path: Path) -> None:
    """Remove what a kill left of the last line, or the next event would be lost in it."""
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    # JSON has no NaN or infinity; a diverged loss is written as null.
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()}
