"""One patient's chest: proportions drawn once from the patient's seed, and the soft tissue and air that a ray meets on its way through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deephealth.images.phantom_frame import Array, Frame, smooth

_SOFTNESS = 0.0035  # half-width of an organ's edge, film heights: about a pixel at 256


@dataclass(frozen=True)
class Anatomy:
    """Proportions of one patient in film heights, and what a film's header says of him or her."""

    sex: str
    age: int
    apex: float  # y of the lung's top
    dome: float  # y of the right diaphragm at a deep breath
    chest: float  # half-width of the lungs at their widest
    taper: float  # how pointed the apices are
    depth: float  # half the chest's depth, back to front
    fat: float  # thickness of the chest wall
    heart: float  # cardiothoracic ratio
    heart_tilt: float
    knob: float  # radius of the aortic arch
    mediastinum: float  # half-width above the heart
    trachea: float  # x of the windpipe
    pitch: float  # distance of one vertebra from the next
    rib_slope: float
    rib_density: float
    clavicle: float  # slope of the collar bones
    shoulder: float  # y of the shoulders
    scoliosis: float
    breast: float
    stomach: float  # size of the gas bubble; 0 for none
    vessels: float  # calibre of the pulmonary vessels


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A patient at random."""
    female = rng.random() < 0.5
    age = int(np.clip(rng.normal(52, 19), 18, 92))
    stout = float(rng.random())
    old = max(0.0, (age - 50) / 40)

    def about(mean: float, spread: float) -> float:
        return float(np.clip(rng.normal(mean, spread), mean - 2.2 * spread, mean + 2.2 * spread))

    return Anatomy(
        sex="F" if female else "M",
        age=age,
        apex=about(0.125, 0.014),
        dome=about(0.745, 0.025) + (0.0 if female else 0.012),
        chest=about(0.368 if female else 0.385, 0.016),
        taper=about(2.35, 0.2),
        depth=about(0.235, 0.02),
        fat=0.025 + 0.05 * stout,
        heart=about(0.455 + 0.03 * stout + 0.02 * old, 0.03),
        heart_tilt=about(0.62, 0.12),
        knob=about(0.036 + 0.008 * old, 0.005),
        mediastinum=about(0.062 + 0.01 * stout, 0.006),
        trachea=about(-0.006 - 0.006 * old, 0.004),
        pitch=about(0.0565, 0.002),
        rib_slope=about(1.0, 0.16),
        rib_density=about(1.0, 0.15) * (1 - 0.2 * old),
        clavicle=about(0.05, 0.018),
        shoulder=about(0.095, 0.018),
        scoliosis=about(0.0, 0.006),
        breast=about(0.055, 0.02) if female else 0.0,
        stomach=about(0.06, 0.02) if rng.random() < 0.75 else 0.0,
        vessels=about(1.0, 0.12),
    )


@dataclass(frozen=True)
class Posture:
    """How the patient stood for one film: breath (y by which the diaphragm is higher) and, from front to back, a magnified heart."""

    breath: float = 0.0
    antero_posterior: bool = False


def rib_cage(patient: Anatomy, y: Array) -> Array:
    """Half-width of the inside of the rib cage at height y."""
    widest = patient.dome - 0.03
    up = np.clip((widest - y) / (widest - patient.apex + 0.012), 0, 1)
    down = np.clip((y - widest) / 0.5, 0, 1)
    return np.asarray(patient.chest * np.sqrt(np.maximum(1 - up**patient.taper, 0)) * (1 - 0.25 * down**2), dtype=np.float32)


def spine_bend(patient: Anatomy, y: Array) -> Array:
    """x of the spine's middle at height y."""
    return np.asarray(patient.scoliosis * np.sin(y * 6.5), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Tissue:
    """What a ray meets at every pixel, [H, W] in film heights: `solid` tissue as if there were no air, `air` in the lungs, `gas` elsewhere.

    lungs: share of each pixel within the visible lung fields, 0..1; diaphragm: y of the dome; lateral: |x| over the lung's half-width.
    """

    solid: Array
    air: Array
    gas: Array
    lungs: Array
    diaphragm: Array
    lateral: Array


def tissue(patient: Anatomy, posture: Posture, frame: Frame) -> Tissue:
    """The soft tissue, heart, lungs and gas of a patient in a posture."""
    x, y = frame.body
    x = x + np.float32(0.06 * np.sin(frame.yaw))
    side = np.abs(x)
    half = rib_cage(patient, y)
    lateral = side / np.maximum(half, 1e-3)
    chord = 2 * patient.depth * np.sqrt(np.maximum(1 - lateral**2, 0)) * np.clip(0.45 + 1.3 * (y - patient.apex), 0.3, 1)
    dome = _diaphragm(patient, posture, x)
    above = smooth(dome - y, _SOFTNESS)
    behind = 0.09 * smooth(dome + 0.035 - y, 0.012) * (lateral < 1)  # the recess behind the dome still holds a little air
    heart = _heart(patient, posture, x, y)
    middle = _mediastinum(patient, x, y)
    air = np.maximum(chord * np.maximum(above, behind) - heart - middle, 0)
    medial = smooth(side - _medial_edge(patient, y), 0.006)
    air = air * medial
    clear = smooth(0.62 * chord - heart - middle, 0.04) * (lateral < 0.995) * medial
    return Tissue(
        solid=_body(patient, x, y) + 0.25 * heart * above,
        air=air,
        gas=_gas(patient, posture, x, y, dome),
        lungs=above * clear,
        diaphragm=dome,
        lateral=lateral,
    )


def _medial_edge(patient: Anatomy, y: Array) -> Array:
    top = np.exp(-np.maximum(y - patient.apex, -0.02) / 0.02)
    return np.asarray(0.03 + 0.085 * np.minimum(top, 1.2), dtype=np.float32)


def _diaphragm(patient: Anatomy, posture: Posture, x: Array) -> Array:
    centre, width = 0.48 * patient.chest, 0.55 * patient.chest
    right = x < 0
    level = patient.dome - posture.breath + np.where(right, 0.0, 0.022)
    offset = (np.abs(x) - centre) / width
    curve = np.where(offset > 0, 0.1, 0.045) * np.square(offset)
    sulcus = 0.55 * np.maximum(np.abs(x) / patient.chest - 0.84, 0) ** 1.3
    return np.asarray(level + curve + sulcus, dtype=np.float32)


def _heart(patient: Anatomy, posture: Posture, x: Array, y: Array) -> Array:
    """Depth of the heart: a tilted egg (left ventricle), a round right border, and the great vessels' root above them."""
    ratio = patient.heart * (1.1 if posture.antero_posterior else 1.0)
    width = ratio * 2 * patient.chest
    low = patient.dome - posture.breath + 0.012
    left, right = 0.66 * width, 0.34 * width
    cx, cy = 0.32 * left, low - 0.115
    cos, sin = np.float32(np.cos(patient.heart_tilt)), np.float32(np.sin(patient.heart_tilt))
    along, across = (x - cx) * cos + (y - cy) * sin, -(x - cx) * sin + (y - cy) * cos
    long, short = 0.86 * left, 0.105 + 0.16 * (width - 0.3)
    ventricle = 1 - (along / long) ** 2 - (across / short) ** 2
    atrium = 1 - ((x + 0.2 * right) / (0.8 * right)) ** 2 - ((y - low + 0.125) / 0.165) ** 2
    root = 1 - ((x - 0.016) / 0.09) ** 2 - ((y - low + 0.25) / 0.21) ** 2
    parts = [np.square(np.maximum(part, 0)) for part in (ventricle, atrium, root)]
    return np.asarray(0.3 * np.sqrt(np.sqrt(parts[0] + parts[1] + parts[2])), dtype=np.float32)


def _mediastinum(patient: Anatomy, x: Array, y: Array) -> Array:
    """Depth of what lies between the lungs: great vessels, aortic arch and descending aorta, tissue about the spine."""
    flare = 1 + 0.9 * np.exp(-np.maximum(y - 0.06, 0) / 0.05)
    band = np.exp(-np.square(np.square((x + 0.004) / (patient.mediastinum * flare))))
    arch = np.sqrt(np.maximum(1 - ((x - 0.052) ** 2 + (y - 0.285) ** 2) / patient.knob**2, 0))
    descending = np.sqrt(np.maximum(1 - ((x - 0.048) / 0.028) ** 2, 0)) * smooth(y - 0.29, 0.01)
    return np.asarray(0.42 * band + 0.26 * arch + 0.09 * descending + 0.12 * np.exp(-((x / 0.05) ** 2)), dtype=np.float32)


def _body(patient: Anatomy, x: Array, y: Array) -> Array:
    """Depth of the trunk, neck and arms, taken as if filled with tissue."""
    side = np.abs(x)
    wall = patient.chest + 0.035 + patient.fat
    trunk_half = wall * (1 - 0.05 * np.cos((y - 0.3) * 5))
    flank = np.sqrt(np.maximum(1 - np.square(side / trunk_half), 0) * (1 + 0.5 * np.square(side / trunk_half)))
    shoulders = patient.shoulder - 0.055 + 0.2 * np.square(np.maximum(side - 0.12, 0)) - 0.2 * np.exp(-((side / 0.1) ** 2))
    sunk = np.maximum(y - shoulders, 0)
    slope = np.sqrt(np.minimum(sunk / 0.2, 1))
    trunk = 2 * (patient.depth + 0.4 * patient.fat) * flank * slope * (0.86 + 0.2 * smooth(y - 0.7, 0.1))
    neck = 0.21 * np.sqrt(np.maximum(1 - (side / 0.105) ** 2, 0))
    arm_axis = 0.45 + 0.22 * np.maximum(y - 0.15, 0)
    arm = 0.24 * np.sqrt(np.maximum(1 - ((side - arm_axis) / (0.095 + patient.fat * 0.5)) ** 2, 0)) * np.sqrt(np.minimum(sunk / 0.12, 1))
    fold = 0.035 * smooth(0.36 + 0.55 * (side - 0.38) - y, 0.012) * smooth(side - 0.26, 0.05) * (y > patient.shoulder)
    breast = np.zeros_like(x)
    if patient.breast:
        reach = ((side - 0.23) / 0.17) ** 2 + ((y - 0.58) / 0.15) ** 2
        breast = patient.breast * np.sqrt(np.maximum(1 - reach, 0)) * smooth(y - 0.4, 0.08)
    return np.asarray(np.maximum(np.maximum(trunk, neck * (y < 0.4)), arm) + fold * (trunk > 0.05) + breast, dtype=np.float32)


def _gas(patient: Anatomy, posture: Posture, x: Array, y: Array, dome: Array) -> Array:
    """Depth of gas outside the lungs: windpipe and main bronchi, stomach bubble."""
    down = np.clip((y - 0.02) / 0.33, 0, 1)
    pipe = np.sqrt(np.maximum(1 - ((x - patient.trachea * down) / 0.0165) ** 2, 0)) * smooth(0.345 - y, 0.006)
    right = _bronchus(x, y, patient.trachea, -0.072, 0.425)
    left = _bronchus(x, y, patient.trachea, 0.085, 0.405)
    total = 0.058 * pipe + 0.03 * np.maximum(right, left)
    if patient.stomach:
        top = patient.dome + 0.022 - posture.breath + 0.028
        level = top + 0.75 * patient.stomach  # of the fluid, flat when the patient stands
        reach = ((x - 0.5 * patient.chest) / (1.5 * patient.stomach)) ** 2 + ((y - level) / (0.8 * patient.stomach)) ** 2
        bubble = np.sqrt(np.maximum(1 - reach, 0)) * smooth(y - dome - 0.014, 0.004) * smooth(level + 0.02 - y, 0.012)
        total = total + 0.13 * bubble
    return np.asarray(total, dtype=np.float32)


def _bronchus(x: Array, y: Array, start: float, end_x: float, end_y: float) -> Array:
    dx, dy = end_x - start, end_y - 0.34
    along = np.clip(((x - start) * dx + (y - 0.34) * dy) / (dx * dx + dy * dy), 0, 1)
    distance = (x - start - along * dx) ** 2 + (y - 0.34 - along * dy) ** 2
    return np.asarray(np.sqrt(np.maximum(1 - distance / 0.0115**2, 0)), dtype=np.float32)
