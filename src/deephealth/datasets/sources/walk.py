"""Which files of a folder may be films. Names only; nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_SIDE_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".html", ".toml", ".onnx", ".zip", ".xml", ".pdf", ".xlsx"})
_SIDE_NAMES = frozenset({"thumbs.db", "desktop.ini", "dicomdir", "license", "readme"})


def visible(name: str) -> bool:
    """False for names that begin with "_" or ".", which are never part of a data set."""
    return not name.startswith(("_", "."))


def may_be_film(name: str) -> bool:
    """False for hidden files and for the lists, notes and thumbnails that lie beside films."""
    folded = name.lower()
    return visible(name) and folded not in _SIDE_NAMES and PurePosixPath(folded).suffix not in _SIDE_SUFFIXES


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in `folder` that may be part of a data set, sorted; folders of masks are none."""
    return sorted(entry for entry in folder.iterdir() if visible(entry.name) and entry.is_dir() and not is_mask_folder(entry.name))


def is_mask_folder(name: str) -> bool:
    """True for folders that hold masks of films, such as "lung_masks"."""
    return name.lower().replace("-", "_").rsplit("_", 1)[-1] in ("mask", "masks")


def films_below(folder: Path) -> Iterator[str]:
    """Paths, relative to `folder` with "/" separators, of all files at any depth that may be films; a loop of links is walked once."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, onerror=_give_up, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if visible(name))
        relative = os.path.relpath(parent, folder)
        prefix = "" if relative == "." else relative.replace(os.sep, "/") + "/"
        yield from (prefix + name for name in sorted(files) if may_be_film(name))


def _give_up(error: OSError) -> None:
    # Left to itself, os.walk passes over a folder that it may not read.
    raise error
