"""Where films lie: files, folders, zip archives. Nothing from an archive is ever written to disk."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.errors import FilmError, FilmTooLarge, UsageError
from deephealth.images.codecs import printable
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import first_bytes, read_capped, read_film, too_large
from deephealth.settings.table import number

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_SIDE_FILES = (".csv", ".json", ".jsonl", ".txt", ".md", ".html", ".toml", ".onnx")
_SIDE_NAMES = ("dicomdir", "thumbs.db", "desktop.ini")
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class FilmFile:
    """One film somewhere: a file, or a member of a zip archive.

    name: how to show it: the path relative to the folder that was given, with "/", or "archive.zip/member.png".
    path: the file or the archive. member: the name inside the archive. problem: why it cannot be read, if that is known already.
    """

    name: str
    path: Path
    member: str | None = None
    problem: FilmError | None = field(default=None, compare=False, repr=False)

    def read_bytes(self) -> bytes:
        """The film's bytes, unpacked, of at most the setting max_file_mb. Raises FilmError or FilmTooLarge. Thread-safe."""
        if self.problem is not None:
            raise type(self.problem)(*self.problem.args)
        if self.member is None:
            return read_capped(self.path, self.name)
        return _read_member(self.path, self.member, self.name)

    def read(self, channels: int = 1) -> Radiograph:
        """The film; see deephealth.images.read_film."""
        return read_film(self.read_bytes(), name=self.name, channels=channels)


def find_films(paths: Sequence[str | Path]) -> list[FilmFile]:
    """Every film in files, folders and zip archives, in the order given and sorted by name inside each folder and archive.

    Folders are searched to any depth. Inside folders and archives, names that start with "." or "_" (of files and folders) and side
    files (.csv, .json, .jsonl, .txt, .md, .html, .toml, .onnx, DICOMDIR) are left out; everything else counts as a film until it is read. A
    path that does not exist, a broken or too large archive, an archive in an archive or a member behind a password still gives a
    FilmFile: its read() raises FilmError with the reason, so that a batch reports it and goes on.
    """
    found: list[FilmFile] = []
    for given in map(_place, paths):
        if given.is_dir():
            for path in _walk(given):
                found.extend(_films_in(path, path.relative_to(given).as_posix()))
        else:
            found.extend(_films_in(given, given.name or str(given)))
    return found


def refuse_among(out: Path, given: Sequence[str | Path], films: Sequence[FilmFile]) -> None:
    """Raise UsageError when a picture written into the folder `out` could replace one of `films`, or would be found as a film next time.

    Below a given folder only a name that begins with "_" or "." is allowed, since that is never searched.
    """
    place = out.resolve()
    holds_films = place in {film.path.parent.resolve() for film in films}
    folders = [Path(path).resolve() for path in given if Path(path).is_dir()]
    if holds_films or any(place.is_relative_to(folder) and all(map(_is_candidate, place.relative_to(folder).parts)) for folder in folders):
        raise UsageError(f"{out} lies among the films, where a picture could replace one or be taken for one; choose a folder outside.")


def _place(given: str | Path) -> Path:
    # Path("") would be the folder that one stands in, which nobody meant who wrote "$FILMS" and had not set it.
    return Path(given if str(given) else "(no name)")


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(files):
            if _is_candidate(name):
                yield Path(parent) / name


def _is_candidate(name: str) -> bool:
    lower = name.lower()
    return not name.startswith((".", "_")) and not lower.endswith(_SIDE_FILES) and lower not in _SIDE_NAMES


def _films_in(path: Path, name: str) -> list[FilmFile]:
    shown = printable(name)
    if first_bytes(path, 4) not in (b"PK\x03\x04", b"PK\x05\x06"):
        return [FilmFile(shown, path)]  # reading it will say if it is no film
    return _members(path, shown)


def _members(path: Path, shown: str) -> list[FilmFile]:
    try:
        infos = _open_archive(path, shown).infolist()
    except FilmError as error:
        return [FilmFile(shown, path, problem=error)]
    limit = number("max_archive_mb")
    if sum(info.file_size for info in infos) > limit * _MEGABYTE:
        problem = FilmTooLarge(
            f"{shown} unpacks to more than the limit of {limit:,} MB for an archive; split it, or raise DEEPHEALTH_MAX_ARCHIVE_MB."
        )
        return [FilmFile(shown, path, problem=problem)]
    names = sorted({info.filename for info in infos if not info.is_dir() and all(map(_is_candidate, _parts(info.filename)))})
    if not names:
        return [
            FilmFile(shown, path, problem=FilmError(f"{shown} is a zip archive without films, expected at least one; check its contents."))
        ]
    return [FilmFile("/".join((shown, *map(printable, _parts(name)))), path, name) for name in names]


def _parts(member: str) -> list[str]:
    """The folders and name of a member, without what would lead out of a folder if someone made a path of them."""
    return [part for part in member.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _read_member(path: Path, member: str, shown: str) -> bytes:
    archive = _open_archive(path, shown)
    try:
        info = archive.getinfo(member)
    except KeyError as error:
        raise FilmError(f"{shown} is not in the archive, expected a film; the archive may have been replaced: list it again.") from error
    if info.flag_bits & 1:
        raise FilmError(f"{shown} is protected by a password, expected a film that can be read; unpack it with its password first.")
    limit = number("max_file_mb") * _MEGABYTE
    if info.file_size > limit:
        raise too_large(shown)
    data = _unpack(archive, info, limit, shown)
    if len(data) > limit:
        raise too_large(shown)
    if data.startswith(b"PK\x03\x04"):
        raise FilmError(f"{shown} is a zip archive inside a zip archive, expected a film; unpack the outer one first.")
    return data


def _unpack(archive: ZipFile, info: ZipInfo, limit: int, shown: str) -> bytes:
    """At most limit + 1 bytes of a member: its header may promise less than it holds."""
    import zlib
    from zipfile import BadZipFile

    broken = (BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, ValueError, struct.error)
    try:
        with archive.open(info) as stream:
            return stream.read(limit + 1)
    except broken as error:
        raise FilmError(
            f"{shown} cannot be unpacked: the archive is damaged or uses a rare compression; make the archive again."
        ) from error


def _open_archive(path: Path, shown: str) -> ZipFile:
    """An open archive, kept for the next member: parsing the directory again for each of thousands would dominate reading."""
    try:
        status = path.stat()
        return _cached_archive(path, status.st_size, status.st_mtime_ns)
    except FilmTooLarge as error:
        raise FilmTooLarge(f"{shown} {error}") from None
    except (OSError, ValueError, struct.error, NotImplementedError, EOFError) as error:
        raise FilmError(f"{shown} is a broken zip archive, expected one that opens; make or download it again.") from error


@lru_cache(maxsize=4)
def _cached_archive(path: Path, size: int, changed: int) -> ZipFile:
    from zipfile import BadZipFile, ZipFile

    limit = number("max_archive_members")
    too_many = FilmTooLarge(f"holds more than the limit of {limit:,} members; split it, or raise DEEPHEALTH_MAX_ARCHIVE_MEMBERS.")
    if _directory_size(path) > limit * 512:
        raise too_many
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise ValueError("not a zip archive") from error
    if len(archive.infolist()) > limit:
        archive.close()
        raise too_many
    return archive


def _directory_size(path: Path) -> int:
    """Bytes of the archive's list of members, from its end record (APPNOTE 4.3.16), so that a hostile list is not parsed; 0 if unknown."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 16 > len(tail):
        return 0
    listed = int(struct.unpack_from("<I", tail, at + 12)[0])
    return min(listed, size)
