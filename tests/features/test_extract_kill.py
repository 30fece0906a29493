"""Killing an extraction with SIGKILL, at moments drawn by chance, loses nothing that was finished and changes no result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.features.backbones import Backbone, load_backbone, save_backbone
from deephealth.features.extract import FeatureTable, extract_features

FILMS, VIEWS = 80, 2
_CHILD = """
import sys
from pathlib import Path
from deephealth.datasets.index import Film
from deephealth.features.backbones import load_backbone
from deephealth.features.extract import extract_features
paths = sorted(Path(sys.argv[1]).glob("*.png"))
films = [Film(path.name, path, "x", path.name) for path in paths]
backbone = load_backbone(sys.argv[2])
print(0, flush=True)
extract_features(films, backbone, views=int(sys.argv[3]), seed=3, threads=2, progress=lambda p: print(p.done, flush=True))
"""


@pytest.fixture
def folder(tmp_path: Path, backbone: Backbone) -> Path:
    rng = np.random.default_rng(0)
    for number in range(FILMS):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        coarse.resize((220, 200), Image.Resampling.BICUBIC).save(tmp_path / f"{number:03}.png")
    save_backbone(backbone, tmp_path / "backbone.onnx")
    return tmp_path


def extract(folder: Path, **how: bool) -> FeatureTable:
    films = [Film(path.name, path, "x", path.name) for path in sorted(folder.glob("*.png"))]
    return extract_features(films, load_backbone(str(folder / "backbone.onnx")), views=VIEWS, seed=3, **how)


def run_and_kill(folder: Path, cache: Path, moment: random.Random) -> int:
    """Start the extraction, kill it after a random number of films and a random moment more; the views it had reported as done."""
    environment = os.environ | {"DEEPHEALTH_CACHE_DIR": str(cache)}
    arguments = [sys.executable, "-c", _CHILD, str(folder), str(folder / "backbone.onnx"), str(VIEWS)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for _ in range(moment.randrange(1, FILMS // 2)):
            if not child.stdout.readline():
                break
        time.sleep(moment.uniform(0, 0.004))
        child.send_signal(signal.SIGKILL)
        reported = [line for line in child.stdout.read().splitlines() if line]
        child.wait()
    return int(reported[-1]) if reported else 0


def check(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, *, moments: int, seed: int) -> None:
    whole = extract(folder, cache=False).features
    moment = random.Random(seed)
    kept: list[int] = []
    for number in range(moments):
        # Every fourth kill starts from nothing; those between go on from what the kill before left.
        if number % 4 == 0:
            cache = tmp_path_factory.mktemp("killed")
        reported = run_and_kill(folder, cache, moment)
        # A copy, so that counting what is there does not finish the work of the killed process.
        copy = tmp_path_factory.mktemp("copy")
        for table in (cache / "features").glob("*.rec"):
            (copy / "features").mkdir()
            (copy / "features" / table.name).write_bytes(table.read_bytes())
        monkeypatch.setenv("DEEPHEALTH_CACHE_DIR", str(copy))
        resumed = extract(folder)
        assert resumed.reused >= reported
        assert resumed.features.tobytes() == whole.tobytes()
        kept.append(resumed.reused)
    assert any(0 < count < FILMS * VIEWS for count in kept), "no kill fell into the work itself"


def test_a_few_kills(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    check(folder, tmp_path_factory, monkeypatch, moments=3, seed=time.time_ns())


@pytest.mark.slow
def test_twenty_kills(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    check(folder, tmp_path_factory, monkeypatch, moments=20, seed=time.time_ns())
