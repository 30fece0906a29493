"""What the benchmarks work on: real films and weights of ../shared where they are, else phantom films drawn for the occasion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
LABELS = ("normal", "bacterial", "viral")
_TWO_MEGAPIXELS = (1.8e6, 2.2e6)
_WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet/mobilenet_v2_0.35_224_notop_bn.pth"


def shared() -> Path:
    """The folder of real films beside the project, which need not exist."""
    return Path(os.environ.get("DEEPHEALTH_SHARED", ROOT.parent / "shared")).resolve()


def imagenet_weights() -> Path | None:
    """MobileNetV2 0.35 with ImageNet weights, or None."""
    path = shared() / _WEIGHTS
    return path if path.is_file() else None


def large_films(work: Path, count: int) -> tuple[list[Path], str]:
    """Up to `count` JPEG films of about two megapixels, and what they are."""
    found = []
    for path in _original_films():
        with Image.open(path) as picture:
            pixels = picture.width * picture.height
        if _TWO_MEGAPIXELS[0] <= pixels <= _TWO_MEGAPIXELS[1]:
            found.append(path)
        if len(found) == count:
            break
    return (found, "films of Kermany et al. at original size") if found else (_drawn_large(work, count), "phantom films drawn large")


def film_folder(work: Path, count: int) -> tuple[list[Path], str]:
    """Up to `count` films as a hospital has them, of 0.5 to 4 megapixels, and what they are."""
    found = list(_original_films())[:count]
    return (found, "films of Kermany et al. at original size") if found else (_drawn_large(work, count), "phantom films drawn large")


def training_set(work: Path, count: int) -> tuple[Path, str]:
    """A folder of class folders with `count` films of 224 px, and what they are."""
    out = work / f"training-{count}"
    source = shared() / "data" / "kermany" / "chest_xray" / "train"
    films = sorted(source.glob("*/*.jp*g")) if source.is_dir() else []
    if len(films) < count:
        return _noisy_phantoms(out, count), "phantom films of 224 px with noise added"
    # Every so-many-th film, so that all classes and the whole range of patients are there.
    chosen = [films[k * len(films) // count] for k in range(count)]
    for film in chosen:
        label = "normal" if film.parent.name == "NORMAL" else "bacterial" if "bacteria" in film.name else "viral"
        target = out / label / film.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(film.read_bytes())
    return out, "films of Kermany et al. at 224 px"


def _original_films() -> Iterator[Path]:
    folder = shared() / "data" / "kermany-originals"
    yield from sorted(folder.rglob("*.jp*g"))


def _drawn_large(work: Path, count: int) -> list[Path]:
    """A few phantoms drawn at 512 px, enlarged and given a film's grain, as JPEG of about two megapixels."""
    from deephealth.images.phantom import draw_phantom

    folder = work / "large"
    folder.mkdir(exist_ok=True)
    bases = [draw_phantom(LABELS[k], seed=k, size=512).pixels for k in range(min(3, count))]
    paths = []
    for k in range(count):
        enlarged = Image.fromarray(bases[k % len(bases)]).resize((1600, 1300), Image.Resampling.BICUBIC)
        grain = np.random.default_rng(k).normal(0, 3, (1300, 1600))
        paths.append(folder / f"film-{k:04d}.jpeg")
        Image.fromarray(_grey(np.asarray(enlarged) + grain)).save(paths[-1], quality=90)
    return paths


def _noisy_phantoms(out: Path, count: int) -> Path:
    """`count` films from at most 200 phantoms, each copy with noise of its own and as its own patient."""
    from deephealth.images.phantom import draw_phantom

    bases = [draw_phantom(LABELS[k % 3], seed=0, patient=k, size=224).pixels for k in range(min(200, count))]
    for k in range(count):
        label = LABELS[k % len(bases) % 3]
        pixels = bases[k % len(bases)] + np.random.default_rng(k).normal(0, 8, bases[k % len(bases)].shape)
        path = out / label / f"{label}-p{k:05d}-f1.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_grey(pixels)).save(path)
    return out


def _grey(pixels: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
