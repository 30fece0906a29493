"""Public sets of chest films, fetched with one command: a table of addresses and licences, download, unpacking, a list of the films.

The table is `data/public_films.toml`; anyone may give another of the same form. A set stands in its folder whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from deephealth.datasets.unpack import unpack
from deephealth.errors import DatasetError, InputError, UsageError
from deephealth.settings import atomic, table
from deephealth.settings.download import digest, download
from deephealth.settings.progress import Listener, silent

TABLE = Path(__file__).parent.parent / "data" / "public_films.toml"
MARK = "fetched.json"
LIST = "films.csv"
_FILMS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm")


@dataclass(frozen=True)
class PublicSet:
    """One row of the table; `public_films.toml` says what each field means."""

    name: str
    title: str
    licence: str
    licence_url: str
    citation: str
    films: int
    may_ship: str
    address: str
    file: str
    verified: bool = False
    size: int = 0
    sha256: str = ""
    list: str = ""
    layout: str = "csv"
    root: str = ""
    table: str = ""
    image: str = ""
    label: str = ""
    patient: str = ""
    view: str = ""
    suffix: str = ""
    constant: str = ""
    labels: Sequence[Sequence[str]] = ()
    note: str = ""


def public_sets(path: Path | None = None) -> dict[str, PublicSet]:
    """The sets of a table by name; of the table that ships without `path`. Raises UsageError when a row lacks a field or has another."""
    try:
        told = tomllib.loads((path or TABLE).read_text(encoding="utf-8"))
        return {name: _row(name, row) for name, row in told.items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise UsageError(f"The table {path} cannot be used ({error}), expected the form of {TABLE.name}; correct it.") from error


def _row(name: str, row: Mapping[str, Any]) -> PublicSet:
    known = {item.name for item in fields(PublicSet)}
    if not isinstance(row, Mapping) or (unknown := sorted(set(row) - known)):
        raise TypeError(f"[{name}] has the unknown field {unknown[0] if isinstance(row, Mapping) else row!r}")
    return PublicSet(name, **row)


def fetch(chosen: PublicSet, out: Path, *, listener: Listener = silent) -> Path:
    """Download and unpack a set into the folder `out`; the folder or list that `open_dataset` reads.

    Does nothing when the set is there already. What was downloaded before a cut is taken up again. The archive's digest is compared with
    the table's, or with the one recorded at the first download on this machine. Raises UsageError when `out` holds something else,
    InputError when what came is not what was expected.
    """
    mark = out / MARK
    if mark.is_file():
        told = json.loads(mark.read_text(encoding="utf-8"))
        if told.get("name") == chosen.name:
            return out / str(told["open"])
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and does not hold the set {chosen.name}, expected a new folder; give another --out.")
    recorded = _recorded(chosen)
    archive = table.cache_dir() / "downloads" / chosen.file
    download(
        chosen.address,
        archive,
        sha256=chosen.sha256 or recorded.get("sha256", ""),
        size=chosen.size or None,
        listener=listener,
        stage=f"download {chosen.file}",
    )
    found = digest(archive)
    size = archive.stat().st_size
    new = out.parent / f".{out.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        unpack(archive, new, listener=listener, stage=f"unpack {chosen.file}")
        opened = _listed(chosen, new)
        atomic.write_text(new / "ABOUT.txt", about(chosen, found, size))
        facts = {"name": chosen.name, "open": opened, "sha256": found, "size": size, "address": chosen.address}
        atomic.write_json(new / MARK, facts)
        if out.exists():
            out.rmdir()
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    _record(chosen, found, size)
    archive.unlink()
    return out / opened


def about(chosen: PublicSet, sha256: str, size: int) -> str:
    """What lies in the folder, for whoever finds it later."""
    lines = [
        chosen.title,
        "",
        f"Licence: {chosen.licence}",
        f"         {chosen.licence_url}",
        f"Cite:    {chosen.citation}",
        f"From:    {chosen.address}",
        f"File:    {chosen.file}, {size:,} bytes, SHA-256 {sha256}",
        f"A model trained on it may be given away: {chosen.may_ship}",
    ]
    return "\n".join([*lines, *([chosen.note] if chosen.note else [])]) + "\n"


def _listed(chosen: PublicSet, folder: Path) -> str:
    """Write films.csv where the set needs one; what to open, relative to the folder."""
    root = folder / chosen.root
    if not root.is_dir():
        raise InputError(f"{chosen.file} has no folder {chosen.root}, expected that of {chosen.name}; its publisher may have changed it.")
    if chosen.list == "":
        return chosen.root or "."
    rows = _by_suffix(chosen, folder) if chosen.list == "suffix" else _by_table(chosen, folder)
    if not rows:
        raise InputError(f"{chosen.file} holds no film that the table of {chosen.name} describes; its publisher may have changed it.")
    text = io.StringIO()
    writer = csv.DictWriter(text, ["path", "label", "patient", "view"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write_text(folder / LIST, text.getvalue())
    return LIST


def _by_suffix(chosen: PublicSet, folder: Path) -> list[dict[str, str]]:
    """Films whose names end as `labels` says; a patient a film."""
    rows = []
    for path in sorted((folder / chosen.root).rglob("*")):
        label = next((label for end, label in chosen.labels if path.stem.endswith(end)), "")
        if path.suffix.lower() in _FILMS and label:
            rows.append({"path": path.relative_to(folder).as_posix(), "label": label, "patient": path.stem, "view": ""})
    return rows


def _by_table(chosen: PublicSet, folder: Path) -> list[dict[str, str]]:
    """Films that a table of the archive lists and that lie anywhere in it."""
    tables = sorted((folder / chosen.root).rglob(chosen.table), key=lambda path: len(path.parts))
    if not tables:
        raise InputError(f"{chosen.file} has no {chosen.table}, expected the table of {chosen.name}; its publisher may have changed it.")
    films = {path.name: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _FILMS}
    try:
        lines = list(csv.DictReader(io.StringIO(tables[0].read_text(encoding="utf-8-sig"))))
        found = [(films.get(line[chosen.image] + chosen.suffix), line) for line in lines]
        return [
            {
                "path": path.relative_to(folder).as_posix(),
                "label": label,
                "patient": line[chosen.patient] if chosen.patient else "",
                "view": line[chosen.view] if chosen.view else "",
            }
            for path, line in found
            if path is not None and (label := _label(chosen, line))
        ]
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{chosen.table} lacks {error}, expected the columns of {chosen.name}; its publisher may have changed it."
        ) from error


def _label(chosen: PublicSet, line: Mapping[str, str]) -> str:
    return chosen.constant or next((label for part, label in chosen.labels if part in line[chosen.label]), "")


def _register() -> Path:
    return table.cache_dir() / "fetched" / "digests.json"


def _recorded(chosen: PublicSet) -> dict[str, Any]:
    """What was recorded of the address at its first download here; empty before that."""
    try:
        told = json.loads(_register().read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return dict(told.get(chosen.address, {}))


def _record(chosen: PublicSet, sha256: str, size: int) -> None:
    try:
        told = json.loads(_register().read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        told = {}
    told.setdefault(chosen.address, {"sha256": sha256, "size": size, "first": time.strftime("%Y-%m-%d", time.gmtime())})
    atomic.write_json(_register(), told)
