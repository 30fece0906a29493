"""Golden values: drawn films that ride in a model file with the answers the model gave when it was made.

Any copy of the file, on any machine and in any runtime, can be asked the same films again; the largest difference says whether it is
still the same model.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deephealth.errors import ModelFileError
from deephealth.model.file import Model, Outputs
from deephealth.model.record import Golden, with_values

TOLERANCE = 1e-4  # of a probability; of the other outputs, relative to their size where that is above 1
_LARGEST_GOLDEN = 2**20  # pixels

# label, side of the drawn film, then rows and columns kept of it: smaller and larger than a network's square, upright and wide
_FILMS = (("normal", 128, 128, 128), ("bacterial", 320, 320, 260), ("viral", 256, 200, 256))


@dataclass(frozen=True)
class VerifyReport:
    """How far a model's answers to its golden films are from the recorded ones.

    differences: largest difference of each output, for outputs above 1 relative to the recorded value; n: golden films.
    """

    differences: dict[str, float]
    n: int

    @property
    def largest_difference(self) -> float:
        """The largest difference of any output; infinite when an answer is not a number."""
        return max(self.differences.values(), default=float("inf"))

    @property
    def ok(self) -> bool:
        """True when there were golden films and every answer is within the tolerance."""
        return self.n > 0 and self.largest_difference <= TOLERANCE

    @property
    def sentence(self) -> str:
        """The report in one sentence."""
        if not self.n:
            return "The model file carries no golden films, so it cannot be verified."
        worst = max(self.differences, key=lambda name: self.differences[name])
        verdict = "the model answers as when it was made" if self.ok else "the model does NOT answer as when it was made"
        return (
            f"{self.n} golden films: the largest difference is {self.largest_difference:.1e} ({worst}), "
            f"{'within' if self.ok else 'above'} {TOLERANCE:.0e}: {verdict}."
        )


def add_goldens(data: bytes) -> bytes:
    """The model file `data` with golden films computed by itself; its graph stays as it is."""
    from deephealth.model.graph import with_record

    model = Model.load(data)
    return with_record(data, with_values(model.record, goldens=make_goldens(model)))


def make_goldens(model: Model) -> tuple[Golden, ...]:
    """Phantom films of several sizes and this model's answers to them."""
    goldens = []
    for name, pixels in _golden_films():
        shaped = pixels if model.record.channels == 1 else np.repeat(pixels[:, :, None], 3, axis=2)
        goldens.append(_golden(name, pixels, model.run(shaped)))
    return tuple(goldens)


def verify(model: Model) -> VerifyReport:
    """Ask the model its golden films again. ModelFileError when a golden film cannot be read or the graph fails."""
    differences = dict.fromkeys(("probabilities", "novelty", "heatmap"), 0.0)
    for golden in model.record.goldens:
        found = _differences(golden, model.run(_decode(golden, model.record.channels)))
        differences = {name: max(differences[name], found[name]) for name in differences}
    return VerifyReport(differences if model.record.goldens else {}, len(model.record.goldens))


def _differences(golden: Golden, outputs: Outputs) -> dict[str, float]:
    flat = outputs.heatmap.reshape(len(outputs.heatmap), -1)
    # Read at the recorded place, so that a turned or mirrored map is noticed and a tie for the maximum does no harm.
    places = np.minimum(golden.heatmap_peak, flat.shape[1] - 1)
    heat = (_difference(flat.mean(axis=1), golden.heatmap_mean), _difference(flat[np.arange(len(flat)), places], golden.heatmap_max))
    return {
        "probabilities": _difference(outputs.probabilities, golden.probabilities),
        "novelty": _difference((outputs.novelty,), (golden.novelty,)),
        "heatmap": max(heat),
    }


def _golden_films() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    from deephealth.images.phantom import draw_phantom

    for place, (label, size, rows, columns) in enumerate(_FILMS):
        pixels = draw_phantom(label, seed=2024, patient=place, size=size).pixels[:rows, :columns]
        yield f"phantom {label} {columns} x {rows}", np.ascontiguousarray(pixels)


def _golden(name: str, pixels: NDArray[np.uint8], outputs: Outputs) -> Golden:
    flat = outputs.heatmap.reshape(len(outputs.heatmap), -1)
    return Golden(
        name=name,
        png=_encode(pixels),
        probabilities=_short(outputs.probabilities),
        novelty=_short(np.array([outputs.novelty], dtype=np.float32))[0],
        heatmap_mean=_short(flat.mean(axis=1)),
        heatmap_max=_short(flat.max(axis=1)),
        heatmap_peak=tuple(int(cell) for cell in flat.argmax(axis=1)),
    )


def _short(values: NDArray[np.float32]) -> tuple[float, ...]:
    """Each float32 as the double with the fewest digits that stands for it."""
    return tuple(float(str(value)) for value in values.astype(np.float32))


def _difference(found: ArrayLike, recorded: ArrayLike) -> float:
    a, b = np.asarray(found), np.asarray(recorded)
    largest = float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1.0)))
    return largest if np.isfinite(largest) else float("inf")


def _encode(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _decode(golden: Golden, channels: int) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(base64.b64decode(golden.png, validate=True)), formats=["PNG"])
        if image.width * image.height > _LARGEST_GOLDEN:
            raise ModelFileError(
                f"The golden film {golden.name} has {image.width} x {image.height} pixels, which is refused; get the file again."
            )
        return np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ModelFileError(
            f"The golden film {golden.name} cannot be read, expected a PNG in base64; get the model file again."
        ) from error
