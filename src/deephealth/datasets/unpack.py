"""An archive's films and tables into a folder: nothing outside of it, no links, no bombs."""

from __future__ import annotations

import functools
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from deephealth.errors import InputError
from deephealth.settings import table
from deephealth.settings.progress import Listener, Progress, silent

KEPT = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".csv", ".txt", ".md", "")
"""Endings of what is unpacked: films, tables and texts ("": a name without an ending, as LICENSE has); programs and archives stay."""


def unpack(archive: Path, folder: Path, *, listener: Listener = silent, stage: str = "unpack") -> int:
    """Unpack the films, tables and texts of a zip or tar into `folder`; how many files.

    Raises InputError for an archive that cannot be read, is larger unpacked than the settings max_archive_mb and max_archive_members, or
    holds a name that leads out of the folder; what was unpacked until then stays, for the caller to remove.
    """
    total, members = 0, 0
    try:
        for name, size, open_member, count in _members(archive):
            total, members = total + size, members + 1
            if total > table.number("max_archive_mb") * 1_000_000 or count > table.number("max_archive_members"):
                raise InputError(f"{archive.name} unpacks to more than the settings max_archive_mb and max_archive_members; raise them.")
            place = folder / _inside(name, archive)
            place.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as source, place.open("wb") as target:
                shutil.copyfileobj(_Capped(source, size), target, 2**20)
            if members % 50 == 0 or members == count:
                listener(Progress(stage, min(members, count), count))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{archive.name} cannot be unpacked ({str(error)[:120]}), expected a whole zip or tar; remove it and fetch again."
        ) from error
    return members


def _members(archive: Path) -> Iterator[tuple[str, int, Callable[[], Any], int]]:
    """Name, size, how to open, and the number of all, of each regular file worth keeping."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            infos = [info for info in packed.infolist() if not info.is_dir() and _is_kept(info.filename) and not _is_link(info)]
            for info in infos:
                yield info.filename, info.file_size, functools.partial(packed.open, info), len(infos)
        return
    with tarfile.open(archive) as packed_tar:
        files = [member for member in packed_tar if member.isreg() and _is_kept(member.name)]
        for member in files:
            yield member.name, member.size, functools.partial(packed_tar.extractfile, member), len(files)


def _is_kept(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in KEPT and "__MACOSX" not in path.parts and not path.name.startswith("._")


def _is_link(info: zipfile.ZipInfo) -> bool:
    return (info.external_attr >> 16) & 0o170000 == 0o120000


def _inside(name: str, archive: Path) -> Path:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise InputError(f"{archive.name} holds a file named {name[:80]!r}, expected names inside it; do not use this archive.")
    return Path(*path.parts)


class _Capped:
    """A member that may not be longer than it says."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self._left = source, size

    def read(self, count: int = -1) -> bytes:
        data = self._source.read(count)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("a file in it is longer than it says")
        return data
