"""`deephealth user` and `deephealth audit-log`: who may use the service, and who did what."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephealth.cli.common import SubCommands, add_command, who, whole_number

if TYPE_CHECKING:
    from deephealth.service.store.database import Database

_ROLES = ("viewer", "editor", "admin")
_ROLES_HELP = "viewer: reads films; editor: projects, training, models; admin: users, audit log, which model serves"


def add_commands(commands: SubCommands) -> None:
    """Add `user` and `audit-log` to the command line."""
    _add_user(commands)
    _add_audit_log(commands)


def _add_user(commands: SubCommands) -> None:
    actions = add_command(
        commands,
        "user",
        "make and change the accounts of the service",
        examples="  deephealth user add ana --role admin\n  deephealth user list\n  deephealth user password ana --password-file new.txt",
    ).add_subparsers(metavar="ACTION", required=True)
    add = _action(actions, "add", "make an account; the password is asked for", _add)
    add.add_argument("--role", choices=_ROLES, default="viewer", help=f"{_ROLES_HELP} (default: viewer)")
    _add_password_option(add)
    _action(actions, "list", "print every account", _list, with_name=False)
    role = _action(actions, "role", "give an account another role", _role)
    role.add_argument("role", choices=_ROLES, help=_ROLES_HELP)
    _add_password_option(_action(actions, "password", "give an account another password, and sign it out everywhere", _password))
    _action(actions, "disable", "keep an account from being used, its sessions and tokens too", lambda options: _able(options, True))
    _action(actions, "enable", "let a disabled account be used again", lambda options: _able(options, False))
    _action(actions, "remove", "remove an account with its sessions and tokens", _remove)


def _add_audit_log(commands: SubCommands) -> None:
    actions = add_command(
        commands,
        "audit-log",
        "show who did what, or prove that nothing in that log was changed",
        examples="  deephealth audit-log show --last 20\n  deephealth audit-log verify\n  deephealth audit-log verify --head 120:5f0c...",
    ).add_subparsers(metavar="ACTION", required=True)
    show = _action(actions, "show", "print the newest entries, one JSON object a line", _show, with_name=False)
    show.add_argument("--last", type=whole_number(1, 1_000_000), default=50, metavar="N", help="how many (default: 50)")
    verify = _action(
        actions, "verify", "compute every entry's seal again; exit code 1 when one is not as it was written", _verify, with_name=False
    )
    verify.add_argument("--head", default="", metavar="NUMBER:HASH", help="the head that an earlier `verify` printed: must still be there")


def _action(
    actions: SubCommands, name: str, help: str, run: Callable[[argparse.Namespace], int], *, with_name: bool = True
) -> argparse.ArgumentParser:
    parser = add_command(actions, name, help)
    if with_name:
        parser.add_argument("name", metavar="NAME", help="the account's name")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the service's folder (default: the setting data_dir)")
    parser.set_defaults(run=run)
    return parser


def _add_password_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--password-file", metavar="FILE", help="file whose first line is the password; -: standard input")


def _add(options: argparse.Namespace) -> int:
    from deephealth.service.store import accounts, audit_log

    with _database(options) as database:
        hashed = _hashed(options)
        with database.begin() as connection:
            accounts.add_user(connection, options.name, hashed, options.role)
            name = accounts.the_user(connection, options.name)["name"]
            audit_log.append(connection, who(), "user.add", {"user": name, "role": options.role})
    print(f"{name} can sign in, with the role {options.role}.")
    return 0


def _list(options: argparse.Namespace) -> int:
    from deephealth.service.store import accounts
    from deephealth.service.times import iso

    with _database(options) as database, database.read() as connection:
        rows = accounts.all_users(connection)
    for row in rows:
        seen = f"seen {iso(row['seen'])}" if row["seen"] else ""
        print(f"{row['name']:<24} {row['role']:<7} {'disabled' if row['disabled'] else '':<9} made {iso(row['created'])} {seen}".rstrip())
    if not rows:
        print("There are no accounts; make one with: deephealth user add NAME --role admin", file=sys.stderr)
    return 0


def _role(options: argparse.Namespace) -> int:
    return _change(options, {"role": options.role}, role=options.role)


def _password(options: argparse.Namespace) -> int:
    return _change(options, {"password": True}, hashed=_hashed(options))


def _able(options: argparse.Namespace, disabled: bool) -> int:
    return _change(options, {"disabled": disabled}, disabled=disabled)


def _change(options: argparse.Namespace, noted: dict[str, Any], **changes: Any) -> int:
    from deephealth.service.store import accounts, audit_log

    with _database(options) as database, database.begin() as connection:
        name = accounts.the_user(connection, options.name)["name"]
        accounts.change_user(connection, name, **changes)
        audit_log.append(connection, who(), "user.change", {"user": name, **noted})
    return 0


def _remove(options: argparse.Namespace) -> int:
    from deephealth.service.store import accounts, audit_log

    with _database(options) as database, database.begin() as connection:
        name = accounts.the_user(connection, options.name)["name"]
        accounts.remove_user(connection, name)
        audit_log.append(connection, who(), "user.remove", {"user": name})
    return 0


def _show(options: argparse.Namespace) -> int:
    import json

    from deephealth.service.store import audit_log
    from deephealth.service.times import iso

    with _database(options) as database, database.read() as connection:
        for entry in audit_log.entries(connection, limit=options.last):
            print(json.dumps({**entry, "time": iso(entry["time"])}, ensure_ascii=False))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from deephealth.service.store import audit_log

    with _database(options) as database, database.read() as connection:
        verdict = audit_log.verify(connection, noted=options.head)
    if verdict.intact:
        print(f"All {verdict.entries} entries are as they were written; head {verdict.head}")
        return 0
    print(f"The audit log is not as it was written: {verdict.problem}.")
    return 1


@contextmanager
def _database(options: argparse.Namespace) -> Iterator[Database]:
    """The service's database; a sentence meant for the service's clients becomes the command's."""
    from deephealth.errors import MissingExtra, UsageError
    from deephealth.settings import table

    try:
        from deephealth.service.config import ServiceConfig
        from deephealth.service.problems import ServiceProblem
        from deephealth.service.store import folder
        from deephealth.service.store.database import Database
    except ModuleNotFoundError as error:
        raise MissingExtra("The service", "serve") from error
    config = ServiceConfig((options.data_dir or table.data_dir()).absolute(), database=table.text("database"))
    folder.make(config.data)
    database = Database(config.database_url)
    try:
        yield database
    except ServiceProblem as problem:
        raise UsageError(problem.sentences[0]) from problem
    finally:
        database.close()


def _hashed(options: argparse.Namespace) -> str:
    from deephealth.service.security.passwords import Passwords

    return Passwords().hash(_asked_password() if options.password_file is None else _read_password(options.password_file))


def _read_password(file: str) -> str:
    text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
    return text.split("\n", 1)[0].rstrip("\r")


def _asked_password() -> str:
    import getpass

    from deephealth.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for a password on; give --password-file FILE, or - for standard input.")
    password = getpass.getpass("Password (10 characters or more): ")
    if getpass.getpass("The same again: ") != password:
        raise UsageError("The two passwords differ; nothing was changed, give the command again.")
    return password
