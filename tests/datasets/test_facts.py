"""Film facts: right, cached by content, resumable after a kill, and never stopped by one bad film."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.duplicates import perceptual_hash, shrink
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.settings.progress import Progress


def write_films(folder: Path, count: int, size: tuple[int, int] = (100, 80)) -> DatasetIndex:
    rng = np.random.default_rng(0)
    films = []
    for number in range(count):
        path = folder / f"film-{number:03}.png"
        Image.fromarray(rng.integers(0, 256, size=size[::-1], dtype=np.uint8)).save(path)
        films.append(Film(path.name, path, "normal", f"p{number}"))
    return DatasetIndex(folder, "folders", tuple(films), ("normal",), ())


def equal(a: FilmFacts, b: FilmFacts) -> bool:
    return all(np.array_equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(FilmFacts))


def test_what_is_said_of_a_film(tmp_path: Path) -> None:
    index = write_films(tmp_path, 3)
    facts = scan_films(index)
    assert facts.names == tuple(film.name for film in index.films)
    assert facts.problems == ()
    assert facts.width.tolist() == [100] * 3
    assert facts.height.tolist() == [80] * 3
    for row, film in enumerate(index.films):
        pixels = np.asarray(Image.open(film.path))
        assert facts.sha256[row] == hashlib.sha256(film.path.read_bytes()).hexdigest()
        assert facts.file_bytes[row] == film.path.stat().st_size
        np.testing.assert_array_equal(facts.thumbnails[row], shrink(pixels))
        np.testing.assert_array_equal(facts.phash[row], perceptual_hash(pixels))
    assert (facts.thumbnails.dtype, facts.thumbnails.shape) == (np.uint8, (3, 64, 64))
    assert (facts.phash.dtype, facts.phash.shape) == (np.uint8, (3, 32))


@pytest.mark.parametrize("cache", [True, False])
def test_threads_and_cache_change_nothing(tmp_path: Path, cache: bool) -> None:
    index = write_films(tmp_path, 20)
    first = scan_films(index, threads=1, cache=cache)
    assert equal(first, scan_films(index, threads=4, cache=cache))
    assert equal(first, scan_films(index, threads=4, cache=False))


def test_a_second_run_reuses_by_content_not_by_name(tmp_path: Path) -> None:
    index = write_films(tmp_path, 5)
    heard: list[Progress] = []
    scan_films(index, progress=heard.append)
    assert [(p.done, p.total, p.reused) for p in heard] == [(n, 5, 0) for n in range(1, 6)]
    renamed = index.films[0].path.rename(tmp_path / "other.png")
    films = (replace(index.films[0], name="other.png", path=renamed), *index.films[1:])
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(films[1].path)
    facts = scan_films(replace(index, films=films), progress=heard.append)
    assert heard[-1] == Progress("film facts", 5, 5, 4)
    assert facts.width.tolist() == [100, 9, 100, 100, 100]


def test_films_that_cannot_be_read_are_problems_and_the_rest_goes_on(tmp_path: Path) -> None:
    index = write_films(tmp_path, 6)
    index.films[1].path.write_bytes(b"not a film")
    index.films[3].path.write_bytes(index.films[4].path.read_bytes()[:200])
    index.films[5].path.unlink()
    for _ in range(2):
        facts = scan_films(index, threads=2)
        assert facts.names == ("film-000.png", "film-002.png", "film-004.png")
        assert [problem.name for problem in facts.problems] == ["film-001.png", "film-003.png", "film-005.png"]
        assert all(len(problem.reason) > 20 for problem in facts.problems)
        assert len(facts.thumbnails) == len(facts.sha256) == len(facts.width) == 3


def test_an_empty_index_has_empty_facts(tmp_path: Path) -> None:
    facts = scan_films(DatasetIndex(tmp_path, "folders", (), (), ()))
    assert facts.names == ()
    assert facts.thumbnails.shape == (0, 64, 64)
    assert facts.width.shape == facts.height.shape == facts.file_bytes.shape == (0,)


SCAN = """
import os, signal, sys
from pathlib import Path
from deephealth.datasets.facts import scan_films
from deephealth.datasets.index import DatasetIndex, Film
folder, stop = Path(sys.argv[1]), int(sys.argv[2])
films = tuple(Film(p.name, p, "normal", p.name) for p in sorted(folder.glob("*.png")))
scan_films(DatasetIndex(folder, "folders", films, ("normal",), ()), threads=2,
           progress=lambda p: os.kill(os.getpid(), signal.SIGKILL) if p.done == stop else None)
"""


@pytest.mark.parametrize("stop", [1, 64, 65, 150])
def test_a_killed_run_keeps_what_it_finished(tmp_path: Path, stop: int) -> None:
    index = write_films(tmp_path, 160, size=(16, 16))
    done = subprocess.run([sys.executable, "-c", SCAN, str(tmp_path), str(stop)], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    heard: list[Progress] = []
    facts = scan_films(index, progress=heard.append)
    assert heard[-1].reused >= stop // 64 * 64
    assert equal(facts, scan_films(index, cache=False))


@pytest.mark.shared
@pytest.mark.slow
def test_five_thousand_real_films(shared: Path) -> None:
    index = open_dataset(shared / "data/kermany/chest_xray")
    facts = scan_films(index, threads=2)
    assert len(facts.names) == 5232
    assert facts.problems == ()
    heard: list[Progress] = []
    assert equal(facts, scan_films(index, threads=2, progress=heard.append))
    assert heard[-1].reused == 5232
