"""Write src/deephealth/data/chest_patterns.npz: what the fine patterns of chest films share. Needs the real films of ../shared.

    python tools/chest_patterns.py

mean, float16 [m], and whitening, float16 [m, 192], of the patterns that `datasets.copies` compares. Three kinds of films weigh in, by
`SHARES`: children (Kermany), adults (NIH ChestX-ray14, Montgomery and Shenzhen, Hannover), phantoms. No film can be read back from it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephealth.datasets.copies import disc_patterns
from deephealth.datasets.duplicates import shrink
from deephealth.images.phantom import draw_phantom
from deephealth.images.read import read_film

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "src/deephealth/data/chest_patterns.npz"
CHILDREN = ("kermany/chest_xray",)
ADULTS = ("nih", "tb-shenzhen-montgomery/cxr", "hannover-covid/images")
SHARES = (0.4, 0.4, 0.2)
KEPT = 192  # components: 98 % of the variance
RIDGE = 0.3  # of the mean variance, added to each component's before dividing, so that noise is not raised
PHANTOMS = 1000


def main() -> int:
    """Learn from all films and write the file."""
    sets = [disc_patterns(_real(CHILDREN)), disc_patterns(_real(ADULTS)), disc_patterns(_phantoms())]
    mean = sum(share * patterns.mean(axis=0) for share, patterns in zip(SHARES, sets, strict=True))
    weighted = []
    for share, patterns in zip(SHARES, sets, strict=True):
        rest = patterns - mean
        weighted.append(np.sqrt(share / len(rest)) * rest / np.linalg.norm(rest, axis=1, keepdims=True))
    _, sizes, components = np.linalg.svd(np.concatenate(weighted), full_matrices=False)
    # The sign of a component is arbitrary; fix it, so that the file is the same each time.
    components *= np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])[:, None]
    whitening = components[:KEPT].T / np.sqrt(sizes[:KEPT] ** 2 + RIDGE * np.mean(sizes**2))
    np.savez_compressed(OUT, mean=np.asarray(mean, dtype=np.float16), whitening=whitening.astype(np.float16))
    print(f"{OUT}: {OUT.stat().st_size:,} bytes from {[len(patterns) for patterns in sets]} films")
    return 0


def _real(folders: tuple[str, ...]) -> NDArray[np.uint8]:
    shared = ROOT.parent / "shared" / "data"
    paths = [
        path for folder in folders for path in sorted((shared / folder).rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    return np.array([shrink(read_film(path.read_bytes(), name=path.name).pixels) for path in paths])


def _phantoms() -> NDArray[np.uint8]:
    labels = ("normal", "bacterial", "viral")
    return np.array([shrink(draw_phantom(labels[k % 3], seed=0, patient=k, size=192).pixels) for k in range(PHANTOMS)])


if __name__ == "__main__":
    sys.exit(main())
