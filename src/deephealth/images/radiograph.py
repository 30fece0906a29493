"""What reading a film gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One film: its pixels as a model takes them, and what its file says of it.

    pixels: uint8 [H, W], 0 black (air) to 255 white (bone); [H, W, 3] when colour was asked for.
    tags: from DICOM only, by plain names: patient_id, sex (M/F/O), age_years, view (PA/AP/LATERAL/...), modality, body_part, manufacturer,
        sop_instance_uid, study_date, pixel_spacing_mm, ... Absent when the file does not say.
    objections: reasons, by the file's own tags, why this is not a frontal chest film; a predictor refuses a film that has any.
    warnings: what a reader should know but need not stop for.
    """

    pixels: NDArray[np.uint8]
    name: str
    format: str
    sha256: str
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    objections: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Rows of the film."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the film."""
        return int(self.pixels.shape[1])
