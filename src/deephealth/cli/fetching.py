"""`deephealth dataset fetch`: a public set of films, with its licence shown and accepted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import SubCommands, add_command, terminal

if TYPE_CHECKING:
    from deephealth.datasets.public import PublicSet


def add_action(actions: SubCommands) -> None:
    """Add `fetch` to `deephealth dataset`."""
    command = add_command(
        actions,
        "fetch",
        "download a public set of chest films, ready to train on",
        examples="  deephealth dataset fetch --list\n  deephealth dataset fetch kermany\n"
        "  deephealth dataset fetch montgomery --out tb --accept-licence",
    )
    command.add_argument("name", nargs="?", metavar="NAME", help="one of --list")
    command.add_argument("--list", action="store_true", help="print the sets, their licences, and whether their digests are known")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="the folder to make (default: NAME)")
    command.add_argument("--accept-licence", action="store_true", help="accept the licence that is shown, without being asked")
    command.add_argument(
        "--table", type=Path, metavar="TOML", help="sets of your own, described as data/public_films.toml describes its own"
    )
    command.add_argument("--quiet", "-q", action="store_true", help="no progress, only results and errors")
    command.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    import difflib

    from deephealth.datasets.public import fetch, public_sets
    from deephealth.errors import UsageError

    sets = public_sets(options.table)
    if options.list or not options.name:
        _print(sets.values())
        return 0
    if options.name not in sets:
        near = difflib.get_close_matches(options.name, sets, n=1, cutoff=0)
        raise UsageError(f"There is no set {options.name!r}, the nearest is {', '.join(near)}; `deephealth dataset fetch --list` has all.")
    chosen = sets[options.name]
    _accept(chosen, accepted=options.accept_licence)
    place = fetch(chosen, options.out or Path(chosen.name), listener=terminal(options.quiet))
    layout = "" if chosen.layout == "csv" else f" --layout {chosen.layout}"
    print(f"{chosen.title}\ndeephealth dataset audit {place}{layout}\ndeephealth train {place}{layout} --out run")
    return 0


def _print(sets: Iterable[PublicSet]) -> None:
    for one in sets:
        known = (
            "digest known" if one.sha256 else "digest recorded at the first download and compared ever after; not verified before release"
        )
        print(f"{one.name}: {one.title}, {one.films:,} films")
        print(f"  licence: {one.licence}; a model may be given away: {one.may_ship}")
        print(f"  {known}")
        if one.note:
            print(f"  {one.note}")


def _accept(chosen: PublicSet, *, accepted: bool) -> None:
    """Show the licence; UsageError unless it is accepted."""
    from deephealth.errors import UsageError

    print(
        f"{chosen.title}\nLicence: {chosen.licence}\n         {chosen.licence_url}\nCite:    {chosen.citation}\nFrom:    {chosen.address}"
    )
    if accepted:
        return
    if sys.stdin.isatty() and input("Accept this licence? [y/N] ").strip().lower() in ("y", "yes", "s", "si", "sí"):
        return
    raise UsageError(f"The licence of {chosen.name} was not accepted, and nothing was fetched; add --accept-licence to accept it.")
