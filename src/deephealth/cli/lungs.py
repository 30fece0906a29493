"""`deephealth lungs`: where the lungs are on films."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import SubCommands, add_command, add_work_options, output_folder, picture_name, terminal

if TYPE_CHECKING:
    from deephealth.evaluation.lungs.finder import LungFinder
    from deephealth.evaluation.lungs.pictures import LungRow
    from deephealth.images.archive import FilmFile

_TABLE = "lungs.csv"


def add_commands(commands: SubCommands) -> None:
    """Add `lungs` to the command line."""
    parser = add_command(
        commands,
        "lungs",
        "find the lungs on films: masks, overlays and a table",
        examples="  deephealth lungs films/ --out masks\n  deephealth lungs film.dcm archive.zip --out masks\n  deephealth lungs --card",
    )
    parser.add_argument(
        "films", nargs="*", metavar="FILE|FOLDER", help="films (JPEG, PNG, TIFF, BMP, DICOM), folders or zip archives of them"
    )
    parser.add_argument(
        "--out",
        type=output_folder,
        metavar="DIR",
        help=f"gets {_TABLE} and for each film an overlay, and a mask (255 on the lungs) when it is plausible",
    )
    parser.add_argument("--card", action="store_true", help="print the lung finder's card and stop")
    add_work_options(parser, seed=False)
    parser.set_defaults(run=_lungs)


def _lungs(options: argparse.Namespace) -> int:
    from deephealth.errors import UsageError
    from deephealth.evaluation.lungs.finder import LungFinder

    finder = LungFinder.shipped(threads=options.threads)
    if options.card:
        print(finder.record.card)
        return 0
    if not options.films or options.out is None:
        raise UsageError("lungs was given no films or no --out; expected both: deephealth lungs FILM|FOLDER --out DIR, or lungs --card.")
    return _find_all(options, finder)


def _find_all(options: argparse.Namespace, finder: LungFinder) -> int:
    from deephealth.evaluation.lungs.pictures import write_csv
    from deephealth.images.archive import find_films, refuse_among
    from deephealth.inference.batch import printable
    from deephealth.settings.progress import Progress

    films = find_films(options.films)
    refuse_among(options.out, options.films, films)
    show = terminal(options.quiet)
    rows = []
    for row in _rows(finder, films, options.out):
        rows.append(row)
        show(Progress("finding lungs", len(rows), len(films)))
    write_csv(options.out / _TABLE, rows)
    for row in rows:
        if not row.plausible:
            print(f"not masked: {printable(row.name)}: {row.reason.removeprefix(f'{row.name} ')}", file=sys.stderr)
    plausible = sum(row.plausible for row in rows)
    print(f"{plausible} of {len(rows)} films with plausible lungs; masks, overlays and {_TABLE} in {options.out}")
    return 0 if plausible else 3


def _rows(finder: LungFinder, films: list[FilmFile], out: Path) -> Iterator[LungRow]:
    """One row a film, its pictures written; a film that cannot be read gives a row with the reason."""
    from deephealth.errors import FilmError
    from deephealth.evaluation.lungs.pictures import LungRow

    taken: set[str] = set()
    for film in films:
        try:
            yield _row(finder, film, out, picture_name(film.name, taken))
        except FilmError as error:
            yield LungRow(film.name, reason=str(error))


def _row(finder: LungFinder, film: FilmFile, out: Path, picture: str) -> LungRow:
    import numpy as np

    from deephealth.evaluation.lungs.pictures import LungRow, outlined, write_picture

    pixels = film.read().pixels
    found = finder.find(pixels)
    stem = picture.removesuffix(".png")
    mask, overlay = f"{stem}.mask.png" if found.plausible else "", f"{stem}.overlay.png"
    write_picture(out / overlay, outlined(pixels, found))
    if mask:
        write_picture(out / mask, found.at(*pixels.shape[:2]).astype(np.uint8) * np.uint8(255))
    return LungRow(film.name, found.plausible, found.share, len(found.parts), found.reason, mask, overlay)
