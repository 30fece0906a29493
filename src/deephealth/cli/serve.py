"""`deephealth serve`: the page and the API."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from deephealth.cli.common import SubCommands, add_command, whole_number

if TYPE_CHECKING:
    from deephealth.service.config import ServiceConfig
    from deephealth.service.security.listening import Tls

_EXAMPLES = """\
  deephealth serve                                   the page on http://127.0.0.1:8000, for this machine only
  deephealth serve --port 0 --data-dir /srv/films    any free port, everything kept in /srv/films
  deephealth serve --model run/model.onnx            with a model of your own among the models
  deephealth serve --classroom run/model.onnx        with a model trained on phantoms, for the synthetic examples
  deephealth user add ana --role admin               make an account; from then on everybody has to sign in
  deephealth serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  deephealth serve --check                           start, answer one example, end"""


def add_commands(commands: SubCommands) -> None:
    """Add `serve` to the command line."""
    parser = add_command(commands, "serve", "the page and the API: read films, teach classifiers, see the evidence", examples=_EXAMPLES)
    place = parser.add_argument_group("where it listens and what it keeps")
    place.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: 127.0.0.1, this machine only)")
    place.add_argument("--port", type=whole_number(0, 65535), default=8000, metavar="N", help="port, 0: any free one (default: 8000)")
    place.add_argument("--data-dir", type=Path, metavar="DIR", help="folder for everything kept (default: the setting data_dir)")
    models = parser.add_argument_group("models")
    models.add_argument("--model", type=Path, action="append", default=[], metavar="FILE", help="take in this model file; may be repeated")
    models.add_argument(
        "--classroom", type=Path, metavar="FILE", help="take in this model, trained on phantoms, to answer the synthetic examples"
    )
    people = parser.add_argument_group("who may use it")
    people.add_argument("--accounts", action="store_true", help="everybody signs in; so it is, too, as soon as there is an account")
    people.add_argument("--open", action="store_true", help="no accounts, though others can reach it: whoever can, may use it")
    people.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate with its chain, PEM, to serve https")
    people.add_argument("--tls-key", type=Path, metavar="FILE", help="private key of the certificate, PEM")
    people.add_argument("--behind-tls", action="store_true", help="a proxy in front speaks https: cookies are bound to it")
    people.add_argument("--name", action="append", default=[], metavar="HOST", help="a name it may be asked by, such as films.example.org")
    people.add_argument("--proxy", action="append", default=[], metavar="ADDRESS", help="a proxy whose word on who asks is believed")
    work = parser.add_argument_group("how it works")
    work.add_argument("--workers", type=whole_number(1, 64), metavar="N", help="processes that read films (default: one a core, at most 4)")
    work.add_argument("--threads", type=whole_number(1, 512), metavar="N", help="threads of all workers together (default: all there are)")
    work.add_argument("--worker-memory", type=whole_number(300, 99_999), metavar="MB", help="most memory of one worker (default: 1024)")
    work.add_argument("--worker-seconds", type=whole_number(1, 3600), metavar="S", help="longest time for one film (default: 20)")
    work.add_argument("--requests-per-minute", type=whole_number(0, 99_999), metavar="N", help="of one client (default: 600; 0: no limit)")
    parser.add_argument("--check", action="store_true", help="start, answer one example, end: exit code 0 when all is well")
    parser.set_defaults(run=_serve, worker_memory=1024, worker_seconds=20, requests_per_minute=600)


def _serve(options: argparse.Namespace) -> int:
    from deephealth.errors import MissingExtra

    try:
        from deephealth.service import run, self_check
    except ModuleNotFoundError as error:
        raise MissingExtra("The service", "serve") from error
    config = _config(options)
    run.take_in(config, options.model, classroom=False)
    run.take_in(config, [options.classroom] if options.classroom else [], classroom=True)
    if options.check:
        print(self_check.self_check(dataclasses.replace(config, access="local")), flush=True)
        return 0
    access = run.who_may_use_it(config, accounts_wanted=options.accounts, open_to_all=options.open)
    run.run(dataclasses.replace(config, access=access), options.host, options.port, _tls(options), listening=_say)
    return 0


def _config(options: argparse.Namespace) -> ServiceConfig:
    from deephealth.service.config import ServiceConfig
    from deephealth.settings import table, threads

    return ServiceConfig(
        data=(options.data_dir or table.data_dir()).absolute(),
        database=table.text("database"),
        workers=options.workers or min(4, threads.available()),
        threads=options.threads or 0,
        worker_memory_mb=options.worker_memory,
        worker_seconds=options.worker_seconds,
        quota_mb=table.number("quota_mb"),
        keep_days=table.number("keep_days"),
        requests_per_minute=options.requests_per_minute,
        secure_cookies=options.behind_tls or bool(options.tls_cert),
        trusted_hosts=tuple(options.name),
        trusted_proxies=tuple(options.proxy),
    )


def _tls(options: argparse.Namespace) -> Tls | None:
    from deephealth.errors import UsageError
    from deephealth.service.security.listening import Tls

    if not options.tls_cert and not options.tls_key:
        return None
    if not options.tls_cert or not options.tls_key:
        raise UsageError("TLS needs both files; give --tls-cert and --tls-key.")
    return Tls(options.tls_cert, options.tls_key)


def _say(sentence: str) -> None:
    print(sentence, flush=True)
