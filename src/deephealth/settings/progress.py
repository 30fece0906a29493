"""Progress of long work, as values: whoever works says how far it is, whoever listens decides how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` items of `stage` are finished; `reused` of them were found in the cache."""

    stage: str
    done: int
    total: int
    reused: int = 0


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A listener that shows nothing."""
