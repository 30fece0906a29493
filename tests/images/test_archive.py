"""Where films lie: files, folders and zip archives, with hostile ones."""

from __future__ import annotations

import os
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deephealth.errors import FilmError, FilmTooLarge, UsageError
from deephealth.images import FilmFile, find_films, read_film
from deephealth.images.archive import refuse_among
from deephealth.images.codecs import printable


def picture(value: int = 7) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((6, 5), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def refusal(file: FilmFile) -> str:
    with pytest.raises(FilmError) as caught:
        file.read()
    text = str(caught.value)
    assert text.endswith(".") and ". " not in text and "\n" not in text
    return text


def test_a_folder_is_searched_to_any_depth_in_order(tmp_path: Path) -> None:
    for name in (
        "b/2.png",
        "b/10.png",
        "a/x/y/1.jpeg",
        "c.bin",
        "no-suffix",
        ".hidden/1.png",
        "_masks/1.png",
        "a/_lungs/1.png",
        "a/.DS_Store",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture())
    for name in ("index.csv", "a/LABELS.JSON", "notes.txt", "README.md", "r.html", "c.toml", "model.onnx", "DICOMDIR"):
        (tmp_path / name).write_text("x")
    films = find_films([tmp_path])
    assert [film.name for film in films] == ["c.bin", "no-suffix", "a/x/y/1.jpeg", "b/10.png", "b/2.png"]
    assert all(film.path == tmp_path / film.name and film.member is None for film in films)
    assert all(film.read().pixels[0, 0] == 7 and film.read().name == film.name for film in films)


def test_a_side_file_that_is_named_counts(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_bytes(picture())
    assert [film.name for film in find_films([tmp_path / "odd.txt"])] == ["odd.txt"]


def test_what_cannot_be_read_is_still_listed(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "good.png").write_bytes(picture())
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 cut short")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nothing")
    films = {film.name: film for film in find_films([tmp_path, tmp_path / "absent.png"])}
    assert set(films) == {"bad.png", "good.png", "broken.zip", "dangling.png", "absent.png"}
    assert films["good.png"].read().pixels.shape == (6, 5)
    assert refusal(films["bad.png"]).startswith("bad.png is a text file")
    assert refusal(films["broken.zip"]).startswith("broken.zip is a broken zip archive")
    assert refusal(films["absent.png"]).startswith("absent.png does not exist")
    assert "dangling.png" in refusal(films["dangling.png"])


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_an_archive(tmp_path: Path, compression: int) -> None:
    members = {
        "b/2.png": picture(2),
        "a.png": picture(1),
        "index.csv": b"path,label",
        "__MACOSX/a.png": b"x",
        "b/.x.png": b"x",
        "_m/1.png": b"x",
    }
    path = zipped(tmp_path / "films.bin", members, compression)  # an archive by content, whatever its name
    films = find_films([path])
    assert [(film.name, film.member) for film in films] == [("films.bin/a.png", "a.png"), ("films.bin/b/2.png", "b/2.png")]
    assert [film.read().pixels[0, 0] for film in films] == [1, 2]
    assert films[0].read(channels=3).pixels.shape == (6, 5, 3)
    assert films[0].read_bytes() == picture(1)


def test_an_archive_inside_a_folder_is_opened(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "f.zip", {"1.png": picture()})
    assert [film.name for film in find_films([str(tmp_path)])] == ["in/f.zip/1.png"]


def test_read_film_does_not_take_an_archive(tmp_path: Path) -> None:
    with pytest.raises(FilmError, match=r"^f\.zip is a zip archive"):
        read_film(zipped(tmp_path / "f.zip", {"1.png": picture()}))


def test_an_archive_without_films(tmp_path: Path) -> None:
    for members in ({}, {"a.csv": b"x"}):
        (film,) = find_films([zipped(tmp_path / "e.zip", members)])
        assert refusal(film).startswith("e.zip is a zip archive without films")


def test_an_archive_in_an_archive_is_refused(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"1.png": picture()}).read_bytes()
    films = find_films([zipped(tmp_path / "outer.zip", {"inner.zip": inner, "z.png": picture()})])
    assert refusal(films[0]).startswith("outer.zip/inner.zip is a zip archive inside a zip archive")
    assert films[1].read().pixels[0, 0] == 7


def encrypted(path: Path) -> Path:
    """Set the flag of encryption in both headers of every member, as a password-protected archive has it."""
    data = bytearray(zipped(path, {"1.png": picture()}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def test_a_password_is_said(tmp_path: Path) -> None:
    (film,) = find_films([encrypted(tmp_path / "p.zip")])
    assert refusal(film).startswith("p.zip/1.png is protected by a password")


def test_names_from_an_archive_are_shown_safely(tmp_path: Path) -> None:
    films = find_films([zipped(tmp_path / "n.zip", {"../../etc/x\x1b[2J.png": picture(), "/abs.png": picture()})])
    assert {film.name for film in films} == {"n.zip/etc/x?[2J.png", "n.zip/abs.png"}
    assert all(film.read().pixels.shape == (6, 5) for film in films)
    assert not (tmp_path.parent / "etc").exists()


def test_a_bomb_is_caught_by_its_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "bomb.zip", {"1.png": bytes(1_000_001), "2.png": picture()})
    monkeypatch.setenv("DEEPHEALTH_MAX_FILE_MB", "1")
    films = find_films([path])
    with pytest.raises(FilmTooLarge, match=r"^bomb\.zip/1\.png is larger than the limit of 1 MB"):
        films[0].read()
    assert films[1].read().pixels.size
    monkeypatch.setenv("DEEPHEALTH_MAX_ARCHIVE_MB", "1")
    (film,) = find_films([path])
    assert refusal(film).startswith("bomb.zip unpacks to more than the limit of 1 MB")


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    path = zipped(tmp_path / "liar.zip", {"1.png": bytes(50_000_000)})
    data = bytearray(path.read_bytes())
    for at in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    (film,) = find_films([path])
    assert refusal(film).startswith("liar.zip/1.png cannot be unpacked")


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "many.zip", {f"{number}.png": b"" for number in range(20)})
    monkeypatch.setenv("DEEPHEALTH_MAX_ARCHIVE_MEMBERS", "19")
    (film,) = find_films([path])
    assert refusal(film).startswith("many.zip holds more than the limit of 19 members")
    monkeypatch.setenv("DEEPHEALTH_MAX_ARCHIVE_MEMBERS", "1")  # now refused by the size of its list, before the list is parsed
    assert "more than the limit of 1 members" in refusal(find_films([path])[0])


def test_an_archive_that_changes_is_opened_again(tmp_path: Path) -> None:
    path = zipped(tmp_path / "c.zip", {"1.png": picture(1), "2.png": picture(2)})
    first, second = find_films([path])
    assert first.read().pixels[0, 0] == 1
    zipped(path, {"1.png": picture(9)})
    assert first.read().pixels[0, 0] == 9
    assert "is not in the archive" in refusal(second)
    path.unlink()
    assert "is a broken zip archive" in refusal(first) or "does not exist" in refusal(first)


def test_threads_share_an_archive(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", {f"{value:03}.png": picture(value) for value in range(200)})
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda film: int(film.read().pixels[0, 0]), find_films([path])))
    assert values == list(range(200))


ARCHIVE = BytesIO()
with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as _archive:
    _archive.writestr("1.png", picture(1))
    _archive.writestr("d/2.png", picture(2))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5), st.floats(0, 1))
def test_damaged_archives_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(ARCHIVE.getvalue())
    for where, value in changes:
        data[int(where * len(data))] = value
    path = tmp_path_factory.mktemp("zips") / "d.zip"
    path.write_bytes(data[: max(4, int(len(data) * min(1.0, keep * 2)))])
    for film in find_films([path]):
        try:
            assert film.read().pixels.shape == (6, 5)
        except FilmError as error:
            assert str(error).startswith("d.zip")


def test_a_pipe_or_device_in_a_folder_is_named_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zeros.png").symlink_to("/dev/zero")
    found = find_films([tmp_path])
    assert [file.name for file in found] == ["pipe.png", "zeros.png"]
    for file in found:
        assert "is not a file" in refusal(file)


def test_an_empty_argument_is_not_the_folder_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "film.png").write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    (found,) = find_films([""])
    assert "does not exist" in refusal(found)


@pytest.mark.parametrize("out", [".", "maps", "films", "films/maps", "elsewhere/../films", "link"])
def test_results_do_not_go_among_the_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    """Else a picture could replace the film it was drawn from, or be answered as a film the next time."""
    films = tmp_path / "films"
    films.mkdir()
    (films / "film.png").write_bytes(picture())
    (tmp_path / "link").symlink_to("films")
    monkeypatch.chdir(tmp_path)
    given = {".": ["."], "maps": ["."]}.get(out, ["films"])
    with pytest.raises(UsageError, match="among the films"):
        refuse_among(Path(out), given, find_films(given))
    with pytest.raises(UsageError, match="among the films"):
        refuse_among(films, ["films/film.png"], find_films(["films/film.png"]))
    for allowed in ("outside", "films/_maps", "films/.maps"):
        refuse_among(Path(allowed), ["films"], find_films(["films"]))


@pytest.mark.parametrize(
    ("name", "shown"), [("ñandú 😀.png", "ñandú 😀.png"), ("a\nb\x1b[31m\u202e\u2066.png", "a?b?[31m??.png"), ("\udcff.png", "\udcff.png")]
)
def test_names_keep_what_can_be_shown(name: str, shown: str) -> None:
    assert printable(name) == shown
