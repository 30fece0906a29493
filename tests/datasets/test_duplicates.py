"""Copies are found whatever was done to them, and films that only resemble each other are left alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from deephealth.datasets import duplicates
from deephealth.datasets.duplicates import Pair, find_duplicates, fine_patterns, hash_thumbnails, match_seen, perceptual_hash, shrink
from deephealth.datasets.facts import FilmFacts, scan_films
from deephealth.datasets.index import DatasetIndex, Film
from deephealth.datasets.sources import open_dataset
from deephealth.settings import table

Pixels = NDArray[np.uint8]


def textured(seed: int, height: int = 240, width: int = 300) -> Pixels:
    """A picture with structure at every scale, as a film has: noise of several sizes over a common bright middle."""
    rng = np.random.default_rng(seed)
    total = 60 * np.exp(-(np.linspace(-1.5, 1.5, height)[:, None] ** 2) - np.linspace(-1.5, 1.5, width) ** 2)
    for side, strength in ((6, 40), (12, 20), (30, 14), (60, 10)):
        coarse = Image.fromarray(rng.normal(0, strength, (side, side)).astype(np.float32))
        total = total + np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(total + 90, 0, 255).astype(np.uint8)


def facts_of(pictures: list[Pixels]) -> FilmFacts:
    """Facts of pictures named "0", "1", ...; equal pictures are equal files."""
    thumbnails = np.array([shrink(picture) for picture in pictures]).reshape(-1, 64, 64)
    return FilmFacts(
        names=tuple(str(number) for number in range(len(pictures))),
        sha256=tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures),
        width=np.array([picture.shape[1] for picture in pictures], dtype=np.int32),
        height=np.array([picture.shape[0] for picture in pictures], dtype=np.int32),
        file_bytes=np.zeros(len(pictures), dtype=np.int64),
        thumbnails=thumbnails,
        phash=hash_thumbnails(thumbnails),
    )


def jpeg(picture: Pixels, quality: int) -> Pixels:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def brightened(picture: Pixels, factor: float) -> Pixels:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(picture)).enhance(factor))


def noisy(picture: Pixels) -> Pixels:
    return np.clip(picture + np.random.default_rng(0).normal(0, 5, picture.shape), 0, 255).astype(np.uint8)


REPROCESSED: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG quality 30": lambda picture: jpeg(picture, 30),
    "half size": lambda picture: resized(picture, picture.shape[1] // 2, picture.shape[0] // 2),
    "squashed to 224": lambda picture: resized(picture, 224, 224),
    "20 % brighter": lambda picture: brightened(picture, 1.2),
    "20 % darker": lambda picture: brightened(picture, 0.8),
    "gamma 0.7": lambda picture: (255 * (picture / 255) ** 0.7).astype(np.uint8),
    "noise": noisy,
}
LAID: dict[str, Callable[[Pixels], Pixels]] = {
    "mirrored": np.fliplr,
    "upside down": np.flipud,
    "turned by 90 degrees": np.rot90,
    "turned by 180 degrees": lambda picture: np.rot90(picture, 2),
    "mirrored, turned, darker": lambda picture: brightened(np.ascontiguousarray(np.rot90(np.fliplr(picture))), 0.8),
}


def test_equal_files_are_exact_and_named_by_the_first() -> None:
    a, b = textured(1), textured(2)
    assert find_duplicates(facts_of([a, b, a, a, b])) == (
        Pair("0", "2", "exact", 1.0),
        Pair("0", "3", "exact", 1.0),
        Pair("1", "4", "exact", 1.0),
    )


@pytest.mark.parametrize("change", [*REPROCESSED.values(), *LAID.values()], ids=[*REPROCESSED, *LAID])
def test_a_changed_copy_is_near_and_nothing_else_is(change: Callable[[Pixels], Pixels]) -> None:
    pictures = [textured(number) for number in range(30)]
    copies = [change(picture) for picture in pictures]
    pairs = find_duplicates(facts_of([*pictures, *copies]))
    assert {(pair.a, pair.b, pair.kind) for pair in pairs} == {(str(n), str(n + 30), "near") for n in range(30)}
    assert all(0.6 < pair.similarity <= 1 for pair in pairs)


@pytest.mark.parametrize("change", REPROCESSED.values(), ids=REPROCESSED)
def test_a_film_that_was_seen_is_known_again(change: Callable[[Pixels], Pixels]) -> None:
    pictures = [textured(number) for number in range(60)]
    seen = np.array([perceptual_hash(change(picture)) for picture in pictures[:30]])
    assert match_seen(facts_of(pictures), seen) == tuple(str(number) for number in range(30))


def test_a_hash_is_256_bits_and_the_same_from_the_thumbnail() -> None:
    picture = textured(0)
    bits = perceptual_hash(picture)
    assert (bits.dtype, bits.shape) == (np.uint8, (32,))
    np.testing.assert_array_equal(bits, hash_thumbnails(shrink(picture)[None])[0])
    ones = np.bitwise_count(np.array([perceptual_hash(textured(number)) for number in range(50)])).sum(axis=1)
    assert 100 < ones.mean() < 156


@pytest.mark.parametrize(("flipped", "known"), [(0, True), (30, True), (31, False)])
def test_the_hash_may_differ_in_thirty_bits(flipped: int, known: bool) -> None:
    facts = facts_of([textured(0)])
    bits = np.unpackbits(facts.phash[0])
    bits[np.random.default_rng(0).permutation(256)[:flipped]] ^= 1
    assert (match_seen(facts, np.packbits(bits)[None]) == ("0",)) is known


def test_many_films_against_many_hashes_in_blocks() -> None:
    rng = np.random.default_rng(0)
    facts = facts_of([textured(0)] * 1300)
    hashes = rng.integers(0, 256, size=(1300, 32), dtype=np.uint8)
    object.__setattr__(facts, "phash", hashes)
    seen = np.concatenate([rng.integers(0, 256, size=(700, 32), dtype=np.uint8), hashes[[3, 600, 1299]]])
    assert match_seen(facts, seen) == ("3", "600", "1299")
    assert match_seen(facts, np.zeros((0, 32), dtype=np.uint8)) == ()


def test_blank_films_resemble_nothing() -> None:
    blank = [np.full((50, 50), value, dtype=np.uint8) for value in (0, 100, 255)]
    assert find_duplicates(facts_of([*blank, textured(0)])) == ()
    assert not fine_patterns(facts_of(blank).thumbnails).any()
    assert not perceptual_hash(blank[1]).any()


def test_no_film_one_film_and_films_smaller_than_a_thumbnail() -> None:
    assert find_duplicates(facts_of([])) == ()
    assert match_seen(facts_of([]), np.zeros((3, 32), dtype=np.uint8)) == ()
    assert find_duplicates(facts_of([textured(0)])) == ()
    assert shrink(np.array([[7]], dtype=np.uint8)).tolist() == [[7] * 64] * 64


def test_a_thumbnail_is_the_mean_of_the_pixels_under_it() -> None:
    picture = np.random.default_rng(0).integers(0, 256, size=(256, 128), dtype=np.uint8)
    means = picture.reshape(64, 4, 64, 2).mean(axis=(1, 3))
    assert np.abs(shrink(picture) - means).max() <= 1


def test_the_answer_is_remembered_for_the_same_facts() -> None:
    facts = facts_of([textured(0), textured(0)])
    assert find_duplicates(facts) is find_duplicates(facts)


def scan_folder(folder: Path) -> FilmFacts:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (".jpg", ".jpeg", ".png"))
    films = tuple(Film(path.relative_to(folder).as_posix(), path, "", path.name) for path in paths)
    return scan_films(DatasetIndex(folder, "folders", films, (), ()), threads=2)


@pytest.fixture(scope="module")
def children(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> FilmFacts:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPHEALTH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return scan_films(open_dataset(shared / "data/kermany/chest_xray"), threads=2)


@pytest.mark.shared
@pytest.mark.slow
def test_the_known_pairs_of_real_films_and_no_other(shared: Path, children: FilmFacts) -> None:
    with (shared / "data/kermany/near_duplicates.csv").open() as file:
        known = {frozenset((row["file_a"], row["file_b"])) for row in csv.DictReader(file)}
    groups: dict[str, set[str]] = {}
    for pair in find_duplicates(children):
        a, b = Path(pair.a).name, Path(pair.b).name
        groups.setdefault(a, {a}).add(b)
    found = {frozenset((a, b)) for group in groups.values() for a in group for b in group if a != b}
    assert found == known


@pytest.mark.shared
@pytest.mark.slow
def test_originals_are_known_by_their_small_copies_and_films_of_elsewhere_are_not(shared: Path, children: FilmFacts) -> None:
    originals = scan_folder(shared / "data/kermany-originals")
    assert match_seen(originals, children.phash) == originals.names
    small = {Path(name).name: bits for name, bits in zip(children.names, children.phash, strict=True)}
    own = np.array([small[Path(name).name] for name in originals.names])
    assert np.bitwise_count(originals.phash ^ own).sum(axis=1).max() <= 15
    for other in ("nih", "tb-shenzhen-montgomery/cxr", "hannover-covid/images", "cohen-covid-chestxray/images"):
        assert match_seen(scan_folder(shared / "data" / other), children.phash) == ()


@pytest.mark.shared
@pytest.mark.slow
def test_different_children_do_not_match_one_another(children: FilmFacts) -> None:
    first = {digest: row for row, digest in reversed(list(enumerate(children.sha256)))}
    rows = sorted(first.values())
    words = np.ascontiguousarray(children.phash[rows]).view(np.uint64)
    lowest = 256
    for row in range(len(words) - 1):
        lowest = min(lowest, int(np.bitwise_count(words[row] ^ words[row + 1 :]).sum(axis=1).min()))
    assert lowest > 34


@pytest.mark.shared
@pytest.mark.slow
def test_a_collection_that_holds_films_twice(shared: Path) -> None:
    pairs = {(Path(pair.a).stem, Path(pair.b).stem) for pair in find_duplicates(scan_folder(shared / "data/cohen-covid-chestxray/images"))}
    assert {
        ("4-x-day1", "extubation-1"),
        ("4-x-day4", "extubation-4"),
        ("4-x-day8", "extubation-8"),
        ("4-x-day13", "extubation-13"),
    } <= pairs
    assert len(pairs) < 20


def test_pairs_are_json() -> None:
    assert json.dumps([vars(pair) for pair in find_duplicates(facts_of([textured(0), noisy(textured(0))]))])


def test_copies_of_a_large_set_are_found_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    thumbnails = rng.integers(0, 256, (600, 64, 64)).astype(np.uint8)
    thumbnails[7] = thumbnails[300]
    found = find_duplicates(noise_facts(thumbnails))
    assert [(pair.a, pair.b) for pair in found] == [("film-7", "film-300")]
    monkeypatch.setattr(duplicates, "_search", lambda *_: pytest.fail("searched again"))
    assert find_duplicates(noise_facts(thumbnails)) == found
    (note,) = (table.cache_dir() / "copies").iterdir()
    note.write_text("[[7, 6000")
    monkeypatch.setattr(duplicates, "_search", lambda *_: ())
    assert find_duplicates(noise_facts(thumbnails)) == (), "a torn note is as none"


def noise_facts(thumbnails: np.ndarray) -> FilmFacts:
    n = len(thumbnails)
    return FilmFacts(
        names=tuple(f"film-{i}" for i in range(n)),
        sha256=tuple(f"{i:064x}" for i in range(n)),
        width=np.full(n, 64, np.int32),
        height=np.full(n, 64, np.int32),
        file_bytes=np.full(n, 1, np.int64),
        thumbnails=thumbnails,
        phash=hash_thumbnails(thumbnails),
    )
