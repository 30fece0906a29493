"""What is drawn as lines: ribs, collar bones, shoulder blades, upper arms, spine; and the branching vessels of the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deephealth.images.phantom_anatomy import Anatomy, Posture, rib_cage, spine_bend
from deephealth.images.phantom_frame import Array, Frame, Points, points_at, ring

_RIBS = 12
_GENERATIONS = 5


def bones(patient: Anatomy, posture: Posture, frame: Frame, rng: np.random.Generator) -> Array:
    """Depth of bone at every pixel, float32 [H, W], film heights; `rng` is the patient's."""
    jitter = rng.normal(0, 1, (2, _RIBS)).astype(np.float32)
    return frame.splat(_ribs(patient, frame, jitter) + _shoulders(patient, posture, frame)) + _spine(patient, frame)


def _ribs(patient: Anatomy, frame: Frame, jitter: Array) -> list[Points]:
    """Each rib is a ribbon on the rib cage, from the spine round the side to the front, projected point by point.

    A ribbon seen edge on at the side of the chest so becomes the bright line that it is on a film.
    """
    number = np.arange(_RIBS, dtype=np.float32)
    count = max(120, int(frame.height * 0.62))
    reach = np.interp(number, [0, 1, 6, 8, 9, 10, 11], [0.72, 0.78, 0.8, 0.74, 0.66, 0.5, 0.36])
    turn = (0.02 + (reach[:, None] - 0.02) * np.linspace(0, 1, count)[None, :]) * np.pi
    turn = turn.astype(np.float32)
    drop = np.interp(number, [0, 2, 6, 11], [0.055, 0.075, 0.12, 0.13]) * patient.rib_slope
    least = np.interp(number, [0, 1, 2, 3], [0.125, 0.19, 0.24, 0.0])[:, None]
    parts = []
    for side in (0, 1):
        start = patient.apex - 0.022 + number * patient.pitch + 0.0025 * jitter[side]
        y = start[:, None] + drop[:, None] * (1 - np.cos(turn)) - 0.014 * np.sin(2 * turn) * (number[:, None] > 0)
        y = y.astype(np.float32)
        half = np.maximum(rib_cage(patient, y), least) + 0.008
        x = half * np.sin(turn)
        z = -patient.depth * np.cos(turn)
        parts += _ribbon(frame, (x, y, z), patient, side, turn)
    return parts


def _ribbon(frame: Frame, path: tuple[Array, Array, Array], patient: Anatomy, side: int, turn: Array) -> list[Points]:
    x, y, z = path
    dx, dy, dz = (np.gradient(part, axis=1) for part in path)
    step = np.sqrt(dx**2 + dy**2 + dz**2) + 1e-9
    lean = dy / step  # how far the rib runs downwards; the ribbon's width is at right angles to it
    up = np.stack([-lean * dx / step, 1 - lean**2, -lean * dz / step]) / np.sqrt(np.maximum(1 - lean**2, 0.05))
    broad = 0.0105 + 0.003 * np.clip(turn / np.pi, 0, 1)
    fade = np.interp(turn / np.pi, [0, 0.03, 0.5, 0.62, 0.8], [0.9, 1.0, 1.0, 0.62, 0.5])
    ends = np.clip((turn[:, -1:] - turn) / 0.06, 0, 1)
    offset = ring(int(np.ceil(0.026 * frame.pixels_per_unit)) | 1)
    shell = 1.05 * np.sqrt(1 - offset**2) - 0.75 * np.sqrt(np.maximum(0.74**2 - offset**2, 0))
    faint = np.where(np.arange(_RIBS) == 0, 0.45, 1.0)[:, None]  # the first rib lies flat, its edge never towards the beam
    weight = (step * broad * fade * ends * faint)[..., None] * (shell * (0.028 * patient.rib_density / len(offset)))
    across = broad[..., None] * offset
    sign = -1 if side == 0 else 1
    radial = np.sin(turn)[..., None] * 0.0022
    px = x[..., None] + up[0][..., None] * across
    py = y[..., None] + up[1][..., None] * across
    pz = z[..., None] + up[2][..., None] * across
    bend = spine_bend(patient, py) * np.cos(turn / 2)[..., None]
    return [points_at(sign * (px + shift * radial) + bend, py, weight, pz) for shift in (-1, 1)]


def _spine(patient: Anatomy, frame: Frame) -> Array:
    """Vertebral bodies parted by discs, with pedicles and spinous processes."""
    strip = _strip(frame, 0.09)
    x, y = (part[:, strip] for part in frame.body)
    x = x - spine_bend(patient, y)
    half = 0.03 + 0.008 * np.clip(y, 0, 1)
    inside = np.sqrt(np.maximum(1 - (x / half) ** 4, 0))
    phase = np.mod((y - patient.apex + 0.01) / patient.pitch, 1.0) - 0.5
    disc = np.exp(-(((np.abs(phase) - 0.5) / 0.085) ** 2))
    plate = np.exp(-(((np.abs(phase) - 0.37) / 0.05) ** 2))
    pedicle = np.exp(-(((np.abs(x) - 0.62 * half) / 0.0065) ** 2) - ((phase + 0.12) / 0.15) ** 2)
    process = np.exp(-((x / 0.006) ** 2) - ((phase - 0.2) / 0.22) ** 2)
    transverse = 0.3 * np.exp(-(((np.abs(x) - 1.35 * half) / 0.013) ** 2) - ((phase + 0.15) / 0.12) ** 2)
    column = inside * (0.75 - 0.34 * disc + 0.14 * plate) + 0.3 * pedicle + 0.34 * process + transverse
    total = np.zeros((frame.height, frame.width), np.float32)
    total[:, strip] = 0.034 * column
    return total


def _strip(frame: Frame, half: float) -> slice:
    """The columns that hold any of the body within `half` of the midline."""
    near = np.flatnonzero((np.abs(frame.body[0]) < half).any(axis=0))
    return slice(int(near[0]), int(near[-1]) + 1) if near.size else slice(0, 0)


def _shoulders(patient: Anatomy, posture: Posture, frame: Frame) -> list[Points]:
    """Collar bones, shoulder blades and upper arms; from front to back the blades lie over the lungs."""
    count = max(90, int(frame.height * 0.6))
    t = np.linspace(0, 1, count, dtype=np.float32)
    inward = 0.045 if posture.antero_posterior else 0.0
    inner_y = patient.apex + (0.035 if not posture.antero_posterior else 0.012)
    parts = []
    for sign in (-1.0, 1.0):
        lean = sign * 0.25 * np.sin(frame.yaw)
        x = 0.034 + lean + 0.345 * t
        y = inner_y - patient.clavicle * t - 0.012 * np.sin(2 * np.pi * t)
        radius = 0.0088 + 0.004 * np.abs(t - 0.45) + 0.004 * np.exp(-t / 0.06)
        parts.append(frame.tubes((sign * x)[None], y[None], radius[None], 2.7, hollow=0.75))
        parts += _blade(frame, t, sign, patient, inward)
        joint = (0.425 - 0.3 * inward, patient.shoulder + 0.075)
        ax, ay = joint[0] + 0.1 * t, joint[1] + 0.4 * t
        bulge = 0.0155 + 0.009 * np.exp(-((t / 0.12) ** 2))
        head_y = joint[1] + 0.068 * (t - 0.45)
        head = 0.033 * np.sqrt(np.maximum(1 - np.square(2 * t - 1), 0.002))
        parts.append(frame.tubes(np.full_like(t, sign * joint[0])[None], head_y[None], head[None], 0.55, hollow=0.5))
        parts.append(frame.tubes((sign * ax)[None], ay[None], bulge[None], 1.5, hollow=0.8))
    return parts


def _blade(frame: Frame, t: Array, sign: float, patient: Anatomy, inward: float) -> list[Points]:
    top = patient.shoulder + 0.05
    corner = np.array([[0.345, 0.02], [0.34, 0.12], [0.365, 0.235], [0.385, 0.235], [0.41, 0.15], [0.425, 0.06], [0.38, 0.015]], np.float32)
    corner += np.array([-inward, top], np.float32)
    x, y = _rounded(corner, len(t))
    edges = frame.tubes(sign * x[None], y[None], 0.0042, 1.2, hollow=0.3)
    ridge_x, ridge_y = 0.35 - inward + 0.09 * t, top + 0.045 - 0.06 * t - 0.008 * np.sin(np.pi * t)
    ridge = frame.tubes(sign * ridge_x[None], ridge_y[None], 0.007, 1.4, hollow=0.5)
    inner = np.sqrt(np.linspace(0.01, 1, max(30, len(t) // 3), dtype=np.float32))[:, None]
    plate_x, plate_y = x.mean() + (x - x.mean()) * inner, y.mean() + (y - y.mean()) * inner
    plate = points_at(sign * plate_x, plate_y, np.full(plate_x.shape, 0.0125 * 0.011 / plate_x.size, np.float32))
    return [edges, ridge, plate]


def _rounded(corner: Array, count: int) -> tuple[Array, Array]:
    """A closed smooth curve about corners (their polygon cut off at the corners again and again), `count` points."""
    for _ in range(4):
        after = np.roll(corner, -1, axis=0)
        corner = np.stack([0.75 * corner + 0.25 * after, 0.25 * corner + 0.75 * after], axis=1).reshape(-1, 2)
    place = np.linspace(0, len(corner), count)
    closed = np.concatenate([corner, corner[:1]])
    return tuple(np.interp(place, np.arange(len(closed)), closed[:, axis]).astype(np.float32) for axis in (0, 1))


@dataclass(frozen=True, eq=False)
class Tree:
    """Branches of the vessels and bronchi of both lungs, from thick to thin: for each generation x, y and radius [branches, points]."""

    generations: tuple[tuple[Array, Array, Array], ...]

    def draw(self, frame: Frame, *, calibre: float = 1.0, hollow: float = 0.0, deepest: int = 9) -> Array:
        """Projected depth of the branches down to a generation, float32 [H, W]."""
        some = self.generations[: deepest + 1]
        return frame.splat([frame.tubes(x, y, radius * calibre, hollow=hollow) for x, y, radius in some])


def vessel_tree(patient: Anatomy, frame: Frame, rng: np.random.Generator) -> Tree:
    """Grow the tree from the hila outwards: each branch bends a little and ends in two or three thinner ones."""
    hila = ((-0.078, 0.415), (0.082, 0.39))
    parts: list[list[tuple[Array, ...]]] = [[] for _ in range(_GENERATIONS + 1)]
    fineness = max(frame.pixels_per_unit / 256, 1)
    for sign, (hx, hy) in zip((-1.0, 1.0), hila, strict=True):
        x, y, angle, length, radius = _main_branches(hx, hy, patient.vessels, rng)
        for generation in range(_GENERATIONS):
            points = int(fineness * (36, 28, 20, 14, 10)[generation])
            bend = rng.normal(0, 0.28, len(x))
            t = np.linspace(0, 1, points)[None, :]
            heading = angle[:, None] + bend[:, None] * t
            px = x[:, None] + sign * np.cumsum(np.cos(heading), 1) * (length / points)[:, None]
            py = y[:, None] + np.cumsum(np.sin(heading), 1) * (length / points)[:, None]
            thick = radius[:, None] * (1 - 0.28 * t)
            parts[generation + 1].append((px, py, thick))
            x, y, angle, length, radius = _fork(px, py, heading, length, thick, rng)
        parts[0].append(_artery(sign, hx, hy, int(40 * fineness), patient.vessels))
    return Tree(tuple(tuple(np.concatenate(part).astype(np.float32) for part in zip(*sides, strict=True)) for sides in parts))  # type: ignore[misc]


def _main_branches(hx: float, hy: float, calibre: float, rng: np.random.Generator) -> tuple[Array, ...]:
    """The start x, y, direction, length and radius of the nine branches of one hilum; those downwards are the longest."""
    main = np.deg2rad(np.array([-74, -52, -30, -8, 14, 34, 50, 64, 78]) + rng.normal(0, 6, 9))
    length = rng.uniform(0.075, 0.12, 9) * (1 + 0.35 * np.maximum(np.sin(main), 0))
    radius = 0.0074 * rng.uniform(0.75, 1.15, 9) * calibre
    return np.full(9, hx), hy + 0.035 * np.sin(main), main, length, radius


def _artery(sign: float, x: float, y: float, points: int, calibre: float) -> tuple[Array, ...]:
    """The two thick arteries of a hilum: one bending down beside the heart, one rising a little."""
    t = np.linspace(0, 1, points)
    down = x + sign * (0.012 + 0.03 * t), y - 0.03 + 0.115 * t, 0.0125 * (1 - 0.45 * t)
    rising = x + sign * (-0.012 + 0.055 * t), y - 0.012 - 0.03 * np.sin(2.2 * t), 0.0115 * (1 - 0.5 * t)
    px, py, thick = (np.stack(pair) for pair in zip(down, rising, strict=True))
    return px, py, thick * calibre


def _fork(px: Array, py: Array, heading: Array, length: Array, thick: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    """The start, direction, length and radius of two children of every branch: one from the end, one from the way."""
    n, points = px.shape
    from_point = np.concatenate([np.full(n, points - 1), (rng.uniform(0.33, 0.9, n) * points).astype(np.intp)])
    row = np.tile(np.arange(n), 2)
    spread = np.concatenate([rng.normal(0, 0.22, n), rng.choice([-1, 1], n) * rng.uniform(0.45, 0.9, n)])
    shorter = np.tile(length, 2) * rng.uniform(0.55, 0.85, 2 * n)
    return (
        px[row, from_point],
        py[row, from_point],
        heading[row, from_point] + spread,
        shorter,
        thick[row, from_point] * rng.uniform(0.62, 0.82, 2 * n),
    )
