from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.datasets.index import Film
from deephealth.errors import UsageError
from deephealth.features import graph
from deephealth.features.augment import Augmentation
from deephealth.features.backbones import load_backbone
from deephealth.features.extract import extract_features
from deephealth.images.read import read_film
from deephealth.settings import table
from deephealth.settings.progress import Progress

WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet/mobilenet_v2_0.35_224_notop_bn.pth"


def tables() -> list[Path]:
    return sorted((table.cache_dir() / "features").glob("*"))


@pytest.mark.parametrize("cache", [True, False])
def test_view_0_is_the_film_through_the_backbone(make_films, backbone, cache: bool) -> None:
    films = make_films(5)
    found = extract_features(films, backbone, cache=cache)
    session = graph.open_session(backbone.model)
    expected = [graph.run_features(session, read_film(film.path).pixels) for film in films]
    assert found.names == tuple(film.name for film in films)
    assert found.features.shape == (5, 1, 6)
    assert found.features.dtype == np.float32
    np.testing.assert_array_equal(found.features[:, 0], expected)
    assert isinstance(found.features, np.memmap)
    assert len(tables()) == cache


def test_the_second_run_computes_nothing(make_films, backbone) -> None:
    films = make_films(8)
    first = extract_features(films, backbone, views=3)
    again = extract_features(list(reversed(films)), backbone, views=3)
    assert (first.reused, again.reused) == (0, 24)
    np.testing.assert_array_equal(first.features, again.features[::-1])


def test_only_new_films_are_computed(make_films, backbone) -> None:
    films = make_films(8)
    extract_features(films[:5], backbone)
    assert extract_features(films, backbone, seed=9).reused == 5, "a film alone does not depend on the seed"


def test_a_renamed_film_and_a_copy_are_known(make_films, backbone, tmp_path: Path) -> None:
    films = make_films(3)
    first = extract_features(films, backbone)
    moved = tmp_path / "elsewhere.png"
    films[1].path.rename(moved)
    renamed = [
        films[0],
        dataclasses.replace(films[1], name="elsewhere.png", path=moved),
        films[2],
        dataclasses.replace(films[0], name="copy"),
    ]
    again = extract_features(renamed, backbone)
    assert again.reused == 4
    np.testing.assert_array_equal(again.features, first.features[[0, 1, 2, 0]])


def test_a_changed_film_is_computed_again(make_films, backbone) -> None:
    films = make_films(2)
    first = extract_features(films, backbone)
    Image.new("L", (30, 30), 77).save(films[0].path)
    again = extract_features(films, backbone)
    assert again.reused == 1
    assert not np.array_equal(first.features[0], again.features[0])


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_and_order_change_nothing(make_films, backbone, threads: int) -> None:
    films = make_films(30)
    one = extract_features(films, backbone, views=3, threads=1, cache=False)
    many = extract_features(films[::-1], backbone, views=3, threads=threads, cache=False)
    np.testing.assert_array_equal(one.features, many.features[::-1])


def test_the_table_on_disk_is_the_same_for_any_number_of_threads(make_films, backbone) -> None:
    films = make_films(20)
    extract_features(films, backbone, threads=1)
    (path,) = tables()
    first = path.read_bytes()
    path.unlink()
    extract_features(films, backbone, threads=3)
    assert path.read_bytes() == first


def test_views_differ_by_seed_number_and_augmentation(make_films, backbone) -> None:
    films = make_films(3)
    base = extract_features(films, backbone, views=3).features
    assert len(np.unique(base.reshape(9, -1), axis=0)) == 9
    other_seed = extract_features(films, backbone, views=3, seed=1)
    other_way = extract_features(films, backbone, views=3, augmentation=Augmentation(rotate=1))
    assert other_seed.reused == other_way.reused == 0
    for other in (other_seed.features, other_way.features):
        np.testing.assert_array_equal(other[:, 0], base[:, 0])
        assert not np.array_equal(other[:, 1:], base[:, 1:])
    assert len(tables()) == 3


def test_more_views_than_before_keep_those_there_are(make_films, backbone) -> None:
    films = make_films(3)
    two = extract_features(films, backbone, views=2)
    four = extract_features(films, backbone, views=4)
    assert four.reused == 6
    np.testing.assert_array_equal(four.features[:, :2], two.features)


def test_a_film_that_cannot_be_read_is_a_problem_and_the_rest_goes_on(make_films, backbone, tmp_path: Path) -> None:
    films = make_films(4)
    films[1].path.write_bytes(b"this is no picture")
    films.insert(0, Film("gone.png", tmp_path / "gone.png", "normal", "p"))
    seen: list[Progress] = []
    found = extract_features(films, backbone, views=2, threads=2, progress=seen.append)
    assert found.names == ("film000.png", "film002.png", "film003.png")
    assert [problem.name for problem in found.problems] == ["gone.png", "film001.png"]
    assert all(problem.reason for problem in found.problems)
    assert found.features.shape == (3, 2, 6)
    assert [event.done for event in seen] == [2, 4, 6, 8, 10]
    assert {(event.stage, event.total, event.reused) for event in seen} == {("features", 10, 0)}


def test_no_films_give_an_empty_table(backbone) -> None:
    assert extract_features([], backbone, views=2).features.shape == (0, 2, 6)


def test_a_view_is_at_least_the_film(make_films, backbone) -> None:
    with pytest.raises(UsageError, match="0 views"):
        extract_features(make_films(1), backbone, views=0)


def test_a_large_film_is_reduced_before_it_is_augmented(backbone, tmp_path: Path, random_film) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(random_film(1, 700, 900)).save(path)
    film = Film("large.png", path, "normal", "p")
    still = Augmentation(rotate=0, shift=0, scale=0, gamma=0, contrast=0, brightness=0, noise=0, erase=0)
    found = extract_features([film], backbone, views=2, augmentation=still, cache=False).features[0]
    np.testing.assert_allclose(found[1], found[0], atol=0.02)


def test_a_listener_that_stops_the_work_loses_nothing_finished(make_films, backbone) -> None:
    films = make_films(30)

    def stop(progress: Progress) -> None:
        if progress.done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(films, backbone, threads=2, progress=stop)
    assert extract_features(films, backbone).reused >= 12


def test_the_cache_is_brought_within_its_limit_but_keeps_this_run(make_films, backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    films = make_films(4)
    extract_features(films, backbone, views=2)
    monkeypatch.setenv("DEEPHEALTH_CACHE_LIMIT_MB", "0")
    extract_features(films, backbone)
    (path,) = tables()
    assert path.name == f"{backbone.sha256}-1-plain.rec"


@pytest.mark.shared
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_films(shared: Path, tmp_path: Path) -> None:
    """4,000 films of 224 px on one thread, the whole process: at most 700 MB (about 130 measured)."""
    import subprocess
    import sys

    code = f"""
from pathlib import Path
from deephealth.datasets.index import Film
from deephealth.features.backbones import load_backbone
from deephealth.features.extract import extract_features
paths = sorted(Path({str(shared / "data/kermany/chest_xray/train")!r}).rglob("*.jp*g"))[:4000]
films = [Film(path.name, path, "x", path.name) for path in paths]
table = extract_features(films, load_backbone({str(shared / WEIGHTS)!r}), cache=False)
assert table.features.shape == (4000, 1, 1280), table.features.shape
from deephealth.settings.threads import peak_memory_mb
print(peak_memory_mb())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 700


@pytest.mark.shared
def test_real_films(shared: Path) -> None:
    paths = sorted((shared / "data/kermany-originals").rglob("*.jp*g"))[:4]
    films = [Film(path.name, path, "normal", path.name) for path in paths]
    found = extract_features(films, load_backbone(str(shared / WEIGHTS)), threads=2, views=2)
    assert found.features.shape == (4, 2, 1280)
    assert not found.problems
    same = np.linalg.norm(found.features[:, 0] - found.features[:, 1], axis=1)
    other = np.linalg.norm(found.features[:, 0] - found.features[[1, 2, 3, 0], 1], axis=1)
    assert same.mean() < other.mean(), "a view lies nearer to its own film than to another"


def test_a_film_whose_features_are_no_numbers_is_a_problem(make_films, backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    films = make_films(3)
    dark = read_film(films[1].path).pixels
    plain = graph.run_features

    def sometimes(session, pixels):  # type: ignore[no-untyped-def]
        features = plain(session, pixels)
        return features * np.float32("nan") if np.array_equal(pixels, dark) else features

    monkeypatch.setattr(graph, "run_features", sometimes)
    found = extract_features(films, backbone)
    assert found.names == (films[0].name, films[2].name)
    assert [problem.name for problem in found.problems] == [films[1].name]
    assert "expected finite features" in found.problems[0].reason
