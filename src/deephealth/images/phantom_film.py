"""From what the rays met to a film: scatter, noise, exposure and the film's curve; then what people put on it: letters and edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.images.phantom_frame import Array, blur

MARKERS = ("", "R", "AP")
BORDERS = ("none", "dark", "light")


@dataclass(frozen=True)
class Exposure:
    """How one film was exposed and developed."""

    photons: float  # at full beam, per pixel at 256 px
    scatter: float  # scattered against direct beam behind the patient
    latitude: float  # share of coarse contrast that processing takes out
    sharpness: float
    gamma: float
    low: float
    high: float
    beam: tuple[float, float]  # unevenness of the beam across and down the film


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """An exposure at random, about a good one."""
    return Exposure(
        photons=float(np.exp(rng.normal(9.8, 0.4))),
        scatter=float(rng.uniform(0.25, 0.6)),
        latitude=float(rng.uniform(0.1, 0.45)),
        sharpness=float(rng.uniform(0.0, 0.8)),
        gamma=float(np.exp(rng.normal(0.0, 0.16))),
        low=float(rng.uniform(-0.05, 0.06)),
        high=float(rng.uniform(-0.08, 0.1)),
        beam=(float(rng.normal(0, 0.05)), float(rng.normal(0, 0.05))),
    )


def develop(thickness: Array, healthy: Array, lungs: Array, exposure: Exposure, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The film of a body of optical thickness `thickness` [H, W]; uint8 [H, W], dense tissue white.

    Scatter, coarse contrast and exposure are taken from `healthy`, the same body without disease: else the disease would shift the grey of
    the whole film, and a film would tell its label from outside the lungs.
    """
    height, width = thickness.shape
    beam = _beam(height, width, exposure.beam)
    scatter = exposure.scatter * blur(np.exp(-healthy), 0.075 * height) * beam
    signal = np.exp(-thickness) * beam + scatter
    photons = np.float32(exposure.photons) * (256 / height) ** 0.5
    counts = signal * photons
    counts = counts + np.sqrt(counts) * rng.standard_normal(counts.shape, dtype=np.float32) * 0.9
    density = -np.log(np.maximum(counts / photons, 1e-4))
    still = -np.log(np.exp(-healthy) * beam + scatter)
    density = density - exposure.latitude * blur(still, 0.09 * height)
    still = still - exposure.latitude * blur(still, 0.09 * height)
    if exposure.sharpness:
        density = density + exposure.sharpness * (density - blur(density, 0.006 * height))
    low, high = _window(still, lungs)
    span = high - low
    value = (density - low - exposure.low * span) / (span * (1 + exposure.high))
    return _curve(value, exposure.gamma)


def _beam(height: int, width: int, slope: tuple[float, float]) -> Array:
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * slope[0]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * slope[1]
    return np.asarray(np.exp(across + down), dtype=np.float32)


def _window(still: Array, lungs: Array) -> tuple[float, float]:
    """Darkest and brightest density shown: from the clear lung and from the dense middle of the body."""
    height, width = still.shape
    trunk = still[height // 8 :, width // 8 : -width // 8]
    field = still[lungs > 0.9]
    dark = float(np.percentile(field, 3)) if field.size > 20 else float(np.percentile(trunk, 5))
    bright = float(np.percentile(trunk, 97))
    return dark - 0.16 * (bright - dark), bright + 0.14 * (bright - dark)


def _curve(value: Array, gamma: float) -> NDArray[np.uint8]:
    """The film's toe and shoulder: straight in the middle, soft at both ends."""
    soft = np.clip(value, -0.5, 1.6)
    toe = np.where(soft < 0.12, 0.12 * np.exp((soft - 0.12) / 0.12), soft)
    shoulder = np.where(toe > 0.85, 0.85 + 0.15 * (1 - np.exp(-(toe - 0.85) / 0.15)), toe)
    return np.asarray(np.clip(shoulder, 0, 1) ** gamma * 255 + 0.5, dtype=np.uint8)


def add_border(pixels: NDArray[np.uint8], kind: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The collimator's edge: none, dark or light (`kind` indexes BORDERS), 3 to 5 % of the film wide."""
    share, tone = float(rng.uniform(0.03, 0.05)), int(rng.integers(0, 14))
    if BORDERS[kind] == "none":
        return pixels
    height, width = pixels.shape
    edge = max(2, round(share * height))
    framed = np.full_like(pixels, tone if BORDERS[kind] == "dark" else 225 + tone)
    framed[edge : height - edge, edge : width - edge] = pixels[edge : height - edge, edge : width - edge]
    return framed


def add_marker(pixels: NDArray[np.uint8], kind: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A side marker burned in: none, `R` in the left upper corner or `AP` in the right one (`kind` indexes MARKERS)."""
    from PIL import Image, ImageDraw, ImageFont

    share, inset_x, inset_y = float(rng.uniform(0.075, 0.095)), float(rng.uniform(0.045, 0.07)), float(rng.uniform(0.045, 0.07))
    text = MARKERS[kind]
    if not text:
        return pixels
    height, width = pixels.shape
    font = ImageFont.load_default(size=max(8, round(share * height)))
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    box = draw.textbbox((0, 0), text, font=font)
    left = inset_x * width if text == "R" else width * (1 - inset_x) - box[2]
    draw.text((left, inset_y * height - box[1]), text, fill=250, font=font)
    return np.array(picture)
