"""A tiny fine-tuning for tests, also run as a program of its own so that it can be killed: python tiny_finetune.py FOLDER OUT."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.features.backbones import save_backbone
from deephealth.training.finetune import FineTuned, fine_tune
from deephealth.training.recipe import FineTuneSettings, Recipe

CLASSES = ("normal", "bacterial")
SETTINGS = FineTuneSettings(size=32, channels_width=4, epochs=6, batch=8, learning_rate=1e-2, checkpoint_every=3, average=0.9)
SEEN = np.zeros((1, 32), np.uint8)


def write_films(folder: Path, count: int = 40) -> list[Film]:
    """Noise with a bright blob on the left (normal) or the right (bacterial)."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    films = []
    for k in range(count):
        label = CLASSES[k % 2]
        grey = random.integers(60, 120, (40, 48)).astype(np.uint8)
        left = 8 + 20 * (k % 2)
        grey[14:28, left : left + 12] += 90
        path = folder / f"{label}-{k}.png"
        if not path.exists():
            Image.fromarray(grey).save(path)
        films.append(Film(path.name, path, label, f"p{k}"))
    return films


def train(
    folder: Path, films: list[Film], listener: object = lambda event: None, *, seen: np.ndarray = SEEN, **changes: object
) -> FineTuned:
    recipe = Recipe(name="tiny", fine_tune=FineTuneSettings(**{**vars(SETTINGS), **changes}))  # type: ignore[arg-type]
    return fine_tune(
        films[8:],
        films[:8],
        CLASSES,
        recipe,
        seed=5,
        threads=1,
        folder=folder,
        seen=seen,
        listener=listener,  # type: ignore[arg-type]
    )


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    films = write_films(folder.parent / "films")
    print("ready", flush=True)
    tuned = train(folder, films, epochs=60)
    save_backbone(tuned.backbone, out.with_suffix(".onnx"))
    np.savez(out.with_suffix(".npz"), weight=tuned.head.weight, bias=tuned.head.bias)


if __name__ == "__main__":
    main()
