"""One phantom film: patient, posture, disease, exposure and shortcut, each from its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import UsageError
from deephealth.images.phantom_anatomy import Anatomy, Posture, Tissue, draw_anatomy, tissue
from deephealth.images.phantom_bones import Tree, bones, vessel_tree
from deephealth.images.phantom_film import add_border, add_marker, develop, draw_exposure
from deephealth.images.phantom_frame import Array, Frame, texture
from deephealth.images.phantom_lesions import Lesion, consolidation, interstitial

LABELS = ("normal", "bacterial", "viral")
CUES = ("corner-marker", "border", "size")
AMBIGUOUS_SHARE = 0.05
# The disease at lesion=1: chosen so that a head on the shipped backbone scores 0.80-0.90, as one on ImageNet features does.
_TYPICAL = 3.0

_SOFT, _BONE = 7.0, 11.0  # attenuation per film height (about 40 cm) of soft tissue and of bone, at chest energies
_AERATED = 0.8  # a lung full of air attenuates a fifth of what tissue does
_FORMATS = ((1.0, 1.0), (0.94, 1.16), (1.08, 0.86))  # height as a share of `size`, and width as a share of height
_STYLE_SHARES = {"corner-marker": (0.35, 0.45, 0.2), "border": (0.72, 0.23, 0.05), "size": (0.4, 0.3, 0.3)}


@dataclass(frozen=True, eq=False)
class Phantom:
    """One synthetic film.

    pixels: uint8 [H, W]. lesion_mask: bool [H, W], the pattern of the label (empty for normal). lung_mask: bool [H, W], the lung fields not
    hidden by heart and diaphragm. ambiguous: drawn so faint and mixed that its label cannot be known from the picture.
    """

    pixels: NDArray[np.uint8]
    lesion_mask: NDArray[np.bool_]
    lung_mask: NDArray[np.bool_]
    label: str
    ambiguous: bool
    view: str = "PA"
    age: int = 50
    sex: str = ""


def draw_phantom(
    label: str,
    *,
    seed: int,
    patient: int = 0,
    film: int = 0,
    size: int = 256,
    lesion: float = 1.0,
    cue: str | None = None,
    cue_strength: float = 1.0,
) -> Phantom:
    """Draw film `film` of patient `patient`, deterministic in all arguments on one version of numpy and scipy.

    label: of LABELS. size: about the film's height in pixels (it varies by some 10 %), 48 or more. lesion: strength of the disease, 1 as
    calibrated, 0 for none; films vary about it. cue: of CUES, a shortcut that goes with the label as reliably as `cue_strength` says (1:
    always, 0: not at all). Everything but the disease and the cue is the same for every label. Raises UsageError.
    """
    _check(label, seed, patient, film, size, lesion, cue, cue_strength)
    person, shot = _rng(1, seed, patient), _rng(2, seed, patient, film)
    anatomy = draw_anatomy(person)
    posture = Posture(float(np.clip(shot.normal(0.012, 0.018), -0.02, 0.06)), bool(shot.random() < 0.3))
    styles = _styles(LABELS.index(label), cue, cue_strength, _rng(3, seed, patient, film))
    frame = _pose(size, styles["size"], shot)
    body = tissue(anatomy, posture, frame)
    tree = vessel_tree(anatomy, frame, person)
    still = _SOFT * (body.solid - body.gas) + _BONE * bones(anatomy, posture, frame, person)
    ambiguous = bool(shot.random() < AMBIGUOUS_SHARE)
    disease = _disease(label, ambiguous, lesion, (anatomy, body, tree, frame), (_rng(4, seed, patient), _rng(5, seed, patient, film)))
    air, strands = _texture_of_health(body, tree, frame, shot)
    lungs = np.clip(body.air / 0.15, 0, 1)
    healthy = still + _SOFT * (strands - _AERATED * air)
    thickness = still + _SOFT * (strands + disease.strands * lungs - _AERATED * air * (1 - disease.fill))
    exposure = draw_exposure(shot)
    pixels = develop(np.maximum(thickness, 0), np.maximum(healthy, 0), body.lungs, exposure, shot)
    pixels = add_marker(add_border(pixels, styles["border"], shot), styles["corner-marker"], shot)
    shown = (disease.weight > 0.35) & (label != "normal") & (lesion > 0)
    lung_mask = body.lungs > 0.1
    view = "AP" if posture.antero_posterior else "PA"
    return Phantom(pixels, shown & lung_mask, lung_mask, label, ambiguous, view, anatomy.age, anatomy.sex)


def _check(label: str, seed: int, patient: int, film: int, size: int, lesion: float, cue: str | None, cue_strength: float) -> None:
    if label not in LABELS:
        raise UsageError(f"there is no phantom label {label!r}; choose one of {', '.join(LABELS)}")
    if cue is not None and cue not in CUES:
        raise UsageError(f"there is no planted cue {cue!r}; choose one of {', '.join(CUES)}")
    if not 0 <= cue_strength <= 1:
        raise UsageError(f"the cue's strength is {cue_strength}; it must be between 0 and 1")
    if not 0 <= lesion <= 4:
        raise UsageError(f"the lesion's strength is {lesion}; it must be between 0 and 4")
    if not 48 <= size <= 4096:
        raise UsageError(f"the film's size is {size} px; it must be between 48 and 4096")
    if min(seed, patient, film) < 0:
        raise UsageError("a phantom's seed, patient and film numbers must be 0 or more")


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _styles(label: int, cue: str | None, cue_strength: float, rng: np.random.Generator) -> dict[str, int]:
    """Which of three sizes, borders and markers the film has: the planted cue's goes with the label, the others are drawn blindly."""
    styles = {name: int(rng.choice(3, p=shares)) for name, shares in _STYLE_SHARES.items()}
    told = bool(rng.random() < cue_strength)
    if cue is not None and told:
        styles[cue] = label
    return styles


def _pose(size: int, style: int, rng: np.random.Generator) -> Frame:
    share, aspect = _FORMATS[style]
    height = round(size * share * float(rng.uniform(0.985, 1.015)))
    width = round(height * aspect * float(rng.uniform(0.98, 1.02)))
    return Frame(
        height,
        width,
        angle=float(np.deg2rad(np.clip(rng.normal(0, 2.2), -6, 6))),
        scale=float(rng.uniform(0.97, 1.09)),
        shift=(float(rng.normal(0, 0.012)), float(rng.normal(0.0, 0.014))),
        yaw=float(np.deg2rad(np.clip(rng.normal(0, 3.0), -8, 8))),
    )


def _texture_of_health(body: Tissue, tree: Tree, frame: Frame, rng: np.random.Generator) -> tuple[Array, Array]:
    """The air and vessels of a lung without the disease: vessels more or less full, faint haze, for any label alike."""
    haze = float(rng.uniform(0.0, 0.08))
    uneven = 1 - np.clip(haze * (0.6 + 0.6 * texture(rng, frame, 0.16, octaves=2)), -0.05, 0.35)
    vessels = tree.draw(frame) * float(np.exp(rng.normal(0.0, 0.3)))
    grain = 0.006 * texture(rng, frame, 0.02, octaves=2)
    inside = np.clip(body.air / 0.12, 0, 1)
    return body.air * uneven, np.asarray(inside * (2.0 * vessels + grain), dtype=np.float32)


def _disease(
    label: str,
    ambiguous: bool,
    lesion: float,
    where: tuple[Anatomy, Tissue, Tree, Frame],
    seeds: tuple[np.random.Generator, np.random.Generator],
) -> Lesion:
    """The label's pattern at this film's strength; on an ambiguous film a trace of both patterns, whatever the label."""
    anatomy, body, tree, frame = where
    place, film = seeds
    strength = _TYPICAL * lesion * float(np.exp(place.normal(0.0, 0.3) + film.normal(0.0, 0.15)))
    trace = 0.15 * lesion
    filled = trace if ambiguous else strength * (label == "bacterial")
    netted = trace if ambiguous else strength * (label == "viral")
    zero = np.zeros_like(body.air)
    lobar = consolidation(anatomy, body, tree, frame, filled, place, film) if filled else Lesion(zero, zero, zero)
    diffuse = interstitial(body, tree, frame, netted, place, film) if netted else Lesion(zero, zero, zero)
    weight = diffuse.weight if label == "viral" else lobar.weight
    return Lesion(np.clip(lobar.fill + diffuse.fill, 0, 0.96), lobar.strands + diffuse.strands, weight)
