"""The two patterns of disease, as teaching shapes: one lobe filled (consolidation), or both lungs' framework thickened (interstitial).

A pattern's place belongs to the patient and its extent to the film, so that several films of one patient look alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deephealth.images.phantom_anatomy import Anatomy, Tissue
from deephealth.images.phantom_bones import Tree
from deephealth.images.phantom_frame import Array, Frame, smooth, texture


@dataclass(frozen=True, eq=False)
class Lesion:
    """What disease does to a ray: `fill`, the share of the lung's air replaced, and `strands`, depth of tissue added; float32 [H, W].

    weight: where the pattern lies, 0..1, at any strength.
    """

    fill: Array
    strands: Array
    weight: Array


@dataclass(frozen=True)
class _Lobe:
    right: bool
    height: float  # of its centre: 0 apex, 1 diaphragm
    lateral: float  # of its centre: 0 midline, 1 chest wall
    reach: tuple[float, float]
    fissure: float  # height of a sharp edge; 0 for none
    below: bool  # whether the lobe lies below that edge


_LOBES = (
    _Lobe(True, 0.27, 0.62, (0.24, 0.5), 0.5, False),  # right upper
    _Lobe(True, 0.74, 0.42, (0.24, 0.34), 0.54, True),  # middle
    _Lobe(True, 0.83, 0.62, (0.26, 0.45), 0.0, True),  # right lower
    _Lobe(False, 0.32, 0.6, (0.27, 0.46), 0.0, True),  # left upper
    _Lobe(False, 0.66, 0.74, (0.24, 0.34), 0.0, True),  # lingula
    _Lobe(False, 0.85, 0.76, (0.24, 0.36), 0.0, True),  # left lower
)
_LOBE_SHARES = (0.2, 0.16, 0.24, 0.14, 0.1, 0.16)


def consolidation(
    patient: Anatomy, body: Tissue, tree: Tree, frame: Frame, strength: float, place: np.random.Generator, film: np.random.Generator
) -> Lesion:
    """A confluent opacity of one lobe, with a soft border, blunt against a fissure, and air-filled bronchi showing through it."""
    lobe = _LOBES[int(place.choice(len(_LOBES), p=_LOBE_SHARES))]
    size = float(place.uniform(0.75, 1.1)) * float(film.uniform(0.88, 1.12))
    x, y = frame.body
    height = (y - patient.apex) / (body.diaphragm - patient.apex)
    centre = lobe.height + float(place.normal(0, 0.035)), lobe.lateral + float(place.normal(0, 0.05))
    away = ((height - centre[0]) / (lobe.reach[0] * size)) ** 2 + ((body.lateral - centre[1]) / (lobe.reach[1] * size)) ** 2
    ragged = texture(place, frame, 0.09, octaves=3)
    weight = smooth(1 - away + 0.3 * ragged, 0.42) * (x < 0 if lobe.right else x > 0)
    if lobe.fissure:
        tilt = lobe.fissure + 0.06 * (body.lateral - 0.5)
        weight = weight * smooth((height - tilt) * (1 if lobe.below else -1), 0.02)
    weight = weight * body.lungs
    mottled = np.clip(0.88 + 0.08 * texture(film, frame, 0.022, octaves=2), 0.3, 1.1)
    bronchi = np.clip(tree.draw(frame, calibre=0.7, deepest=4) / 0.011, 0, 1)
    fill = strength * 1.4 * weight * mottled * (1 - 0.42 * bronchi)
    return Lesion(0.93 * np.tanh(np.maximum(fill, 0) / 0.93), np.zeros_like(fill), weight)


def interstitial(body: Tissue, tree: Tree, frame: Frame, strength: float, place: np.random.Generator, film: np.random.Generator) -> Lesion:
    """A net of fine lines, cuffs about the bronchi and a little haze, uneven, over both lungs."""
    x, y = frame.body
    patchy = np.clip(0.78 + 0.34 * texture(place, frame, 0.22, octaves=2), 0.12, 1.7)
    central = np.exp(-(((np.abs(x) - 0.13) / 0.2) ** 2) - ((y - 0.47) / 0.26) ** 2)
    weight = patchy * (0.45 + 0.75 * central) * body.lungs
    net = sum(np.exp(-((texture(place, frame, grain) / 0.42) ** 2)) * share for grain, share in ((0.024, 0.5), (0.015, 0.6)))
    nodules = np.maximum(texture(film, frame, 0.014) - 0.9, 0)
    cuffs = tree.draw(frame, calibre=1.75, hollow=0.8, deepest=3)
    strands = strength * weight * (0.045 * net + 0.02 * nodules + 1.6 * cuffs)
    fill = strength * 0.13 * weight
    return Lesion(np.clip(fill, 0, 0.9), strands.astype(np.float32), np.clip(weight, 0, 1))
