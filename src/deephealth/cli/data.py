"""`deephealth backup`, `restore` and `data`: what the service keeps, saved, brought back, counted, cleaned and checked."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import SubCommands, add_command, terminal, who

if TYPE_CHECKING:
    from deephealth.service.store.backup import Manifest
    from deephealth.service.store.folder import Store

_BACKUP = """\
  deephealth backup backup.zip                                 while the service runs, too
  deephealth backup backup.zip --data-dir /var/lib/deephealth
  deephealth restore backup.zip --check                        is the backup whole?"""
_RESTORE = """\
  deephealth restore backup.zip                                into a data folder that holds nothing yet
  deephealth restore backup.zip --data-dir /srv/new
  DEEPHEALTH_DATABASE=postgresql://USER@HOST/NAME deephealth restore backup.zip      from SQLite to PostgreSQL"""


def add_commands(commands: SubCommands) -> None:
    """Add `backup`, `restore` and `data` to the command line."""
    backup = add_command(commands, "backup", "save everything the service keeps in one file", examples=_BACKUP)
    backup.add_argument(
        "file", type=Path, metavar="FILE", help="the archive to write (zip); an older one is replaced when the new is whole"
    )
    _add_options(backup, _backup)

    back = add_command(commands, "restore", "bring a backup back, once all of it has been checked", examples=_RESTORE)
    back.add_argument("file", type=Path, metavar="FILE", help="an archive that `deephealth backup` wrote")
    how = back.add_mutually_exclusive_group()
    how.add_argument("--overwrite", action="store_true", help="replace everything that is in the data folder now")
    how.add_argument("--check", action="store_true", help="only check the archive; nothing is written")
    _add_options(back, _restore)

    examples = "  deephealth data usage\n  deephealth data clean\n  deephealth data check"
    actions = add_command(commands, "data", "count, clean or check what the service keeps", examples=examples)
    verbs = actions.add_subparsers(metavar="ACTION", required=True)
    _add_options(add_command(verbs, "usage", "print how much is kept, of what kind, and the quota"), _usage)
    clean = "remove for good what was deleted long ago (setting keep_days) and what nothing refers to; the service does so every hour"
    _add_options(add_command(verbs, "clean", clean), _clean)
    check = "read every file that a row names and compare its SHA-256; exit code 1 when one is missing or changed"
    _add_options(add_command(verbs, "check", check), _check)


def _add_options(parser: argparse.ArgumentParser, act: Callable[[argparse.Namespace], int]) -> None:
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the service's data folder (default: the setting data_dir)")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, only results and errors")
    parser.set_defaults(run=functools.partial(_run, act))


def _run(act: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    from deephealth.errors import DeepHealthError, MissingExtra

    try:
        from deephealth.service.problems import ServiceProblem

        try:
            return act(options)
        except ServiceProblem as error:
            raise DeepHealthError(str(error)) from error
    except ModuleNotFoundError as error:
        raise MissingExtra("The service", "serve") from error


def _backup(options: argparse.Namespace) -> int:
    from deephealth.service.store import audit_log
    from deephealth.service.store.backup import write_backup

    with _opened(options) as store:
        manifest = write_backup(store.database, store.blobs, store.data, options.file, terminal(options.quiet))
        with store.database.begin() as connection:
            audit_log.append(connection, who(), "data.backup", {"made": manifest.made, "bytes": manifest.bytes})
    print(f"{options.file}: {_contents(manifest)}")
    if manifest.missing:
        print(f"{_missing(len(manifest.missing))}; the backup holds all the rest: deephealth data check names them", file=sys.stderr)
    return 1 if manifest.missing else 0


def _restore(options: argparse.Namespace) -> int:
    from deephealth.service.store import folder
    from deephealth.service.store.restore import Archive, restore

    with contextlib.closing(Archive(options.file)) as archive:
        archive.verify(terminal(options.quiet))
        if options.check:
            print(f"{options.file} is whole: {_contents(archive.manifest)}")
            return 0
        with folder.replacing(_data(options)), _opened(options, new=True) as store:
            show = terminal(options.quiet)
            restore(archive, store.database, store.blobs, store.data, who=who(), overwrite=options.overwrite, listener=show)
        print(f"{_data(options)}: restored {_contents(archive.manifest)}; everybody has to sign in again")
    return 0


def _usage(options: argparse.Namespace) -> int:
    from deephealth.service.store import quota
    from deephealth.settings import table

    with _opened(options) as store:
        found = quota.sizes(store.data)
    for name, size in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{size / 1e6:10.1f} MB  {name}")
    limit = table.number("quota_mb")
    print(f"{sum(found.values()) / 1e6:10.1f} MB  of {f'{limit} MB (setting quota_mb)' if limit else 'all that the disk holds'}")
    return 0


def _clean(options: argparse.Namespace) -> int:
    from deephealth.service.store.cleaning import clean
    from deephealth.settings import table

    with _opened(options) as store:
        done = clean(store.database, store.blobs, store.data, table.number("keep_days"))
    print(f"removed for good: {done.rows} rows, {done.files} files ({done.bytes / 1e6:.1f} MB), {done.folders} job folders")
    return 0


def _check(options: argparse.Namespace) -> int:
    from deephealth.service.store.check import check

    with _opened(options) as store:
        found = check(store.database, store.blobs, terminal(options.quiet))
    for name in found.missing:
        print(f"missing or changed: {name}", file=sys.stderr)
    for fault in found.database:
        print(f"database: {fault}", file=sys.stderr)
    print(f"{found.files} files checked, {_missing(len(found.missing))}, {len(found.database)} faults of the database")
    return 0 if found.whole else 1


def _missing(count: int) -> str:
    return f"{count} missing or changed"


def _contents(manifest: Manifest) -> str:
    rows = manifest.rows
    counted = ", ".join(f"{rows[name]} {name}" for name in ("projects", "films", "models", "jobs", "users"))
    return f"{counted}, {len(manifest.files)} files, {manifest.bytes / 1e6:.1f} MB, made {manifest.made}"


def _data(options: argparse.Namespace) -> Path:
    from deephealth.settings import table

    folder: Path = options.data_dir or table.data_dir()
    return folder.absolute()


def _opened(options: argparse.Namespace, *, new: bool = False) -> contextlib.AbstractContextManager[Store]:
    from deephealth.service.config import ServiceConfig
    from deephealth.service.store.folder import opened
    from deephealth.settings import table

    return opened(ServiceConfig(_data(options), table.text("database")), new=new)
