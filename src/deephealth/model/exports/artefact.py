"""What every format gives: files, and how their answers are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deephealth.model.file import Model

Precision = Literal["fp32", "fp16", "int8"]
TOLERANCE: Mapping[Precision, float] = {"fp32": 1e-3, "fp16": 1e-2}
"""Largest difference of a class probability that an export may have; for int8 it is `MOST_POINTS` that counts."""
MOST_POINTS = 1.0
"""Percentage points of accuracy that an int8 export may lose."""


@dataclass(frozen=True)
class Interface:
    """How an artefact is asked: what goes in and what comes out, for its runtime, its snippets and whoever reads the certificate.

    file: the artefact's main file. input, output: names of the tensors. film: True when it takes uint8 films of any size, [H, W] or
    [H, W, 3]; else it takes float32 squares, `layout` "NCHW" or "NHWC" of side `size`, each value x * scale + offset for x in 0..255 as an
    antialiased linear resize gives it. batch: films at once, 0 for any number.
    """

    file: str
    size: int
    channels: int
    labels: tuple[str, ...]
    film: bool = False
    layout: Literal["NCHW", "NHWC"] = "NHWC"
    scale: float = 1.0
    offset: float = 0.0
    batch: int = 1
    input: str = "pixels"
    output: str = "probabilities"


@dataclass(frozen=True, eq=False)
class Artefact:
    """The files of an export by name, and how to ask them. notes: sentences for its users, such as what was left out."""

    files: Mapping[str, bytes]
    interface: Interface
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Source:
    """What a format is written from. calibration: float32 [n, C, S, S] in 0..255, for formats in whole numbers, when first asked."""

    model: Model
    calibration: Callable[[], NDArray[np.float32]] = field(repr=False)


@dataclass(frozen=True)
class Format:
    """One format.

    runtime: the module that asks it, in a process of its own; needs, extra: packages it cannot do without, and their extra. settings: more
    for the runtime's request. snippets: the templates' name where it is not the runtime's.
    """

    name: str
    title: str
    precision: Precision
    runtime: str
    write: Callable[[Source], Artefact]
    needs: Sequence[str] = ()
    extra: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    snippets: str = ""
