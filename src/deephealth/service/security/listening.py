"""Where the service may listen, and how: nothing but this machine unless it has accounts or an explicit flag; TLS."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephealth.errors import UsageError
from deephealth.service.config import ServiceConfig
from deephealth.service.security.logs import LOGGING
from deephealth.service.security.protocol import Protocol


@dataclass(frozen=True)
class Tls:
    """A certificate (with its chain) and its private key, both PEM files; the key without a passphrase."""

    cert: Path
    key: Path

    def check(self) -> None:
        """UsageError when the two cannot be used together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for path, option in ((self.cert, "--tls-cert"), (self.key, "--tls-key")):
            if not path.is_file():
                raise UsageError(f"{option} names {path}, which is no file; give the PEM file of the {option.removeprefix('--tls-')}.")
        try:
            context.load_cert_chain(self.cert, self.key, password=_refuse_passphrase)
        except PermissionError as error:
            raise UsageError(f"{error.filename or self.key} may not be read by this user; give the service's user the right to.") from error
        except ssl.SSLError as error:
            reason = (
                f"{self.key} is not the key of {self.cert}"
                if error.reason == "KEY_VALUES_MISMATCH"
                else f"{self.cert} and {self.key} are not a certificate and a private key in PEM form"
            )
            raise UsageError(f"{reason}; give the two files that were issued together.") from error


def check(config: ServiceConfig, host: str, tls: Tls | None) -> list[str]:
    """Sentences to tell whoever starts the service on `host`; UsageError when others could reach it who should not, or TLS cannot work."""
    if tls:
        tls.check()
    if is_loopback(host):
        return []
    if config.access == "local":
        raise UsageError(
            f"Others can reach {host}, and it has no accounts: make one (deephealth user add NAME --role admin) and give --accounts, "
            "or give --open to let anyone who can reach it use it."
        )
    notices = []
    if not tls and not config.secure_cookies:
        what = "passwords and films" if config.access == "accounts" else "films"
        notices.append(f"Without TLS, {what} cross the network readable: give --tls-cert and --tls-key, or put a proxy with TLS in front.")
    if config.access == "open":
        notices.append("Anyone who can reach this address can read, change and delete every project.")
    return notices


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def server_options(tls: Tls | None) -> dict[str, Any]:
    """The options of uvicorn.Config that security asks for."""
    return {
        "http": Protocol,
        "ws": "none",
        "log_config": LOGGING,
        "access_log": False,
        "server_header": False,
        "date_header": True,
        "proxy_headers": False,  # protect() does it, and only for proxies that the configuration names
        "h11_max_incomplete_event_size": 32 * 1024,
        "timeout_keep_alive": 10,
        **({"ssl_context_factory": lambda _config, _default: _context(tls)} if tls else {}),
    }


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.cert, tls.key, password=_refuse_passphrase)
    return context


def _refuse_passphrase() -> str:
    raise UsageError(
        "The private key asks for a passphrase, which a service cannot type: give a key without one, readable by the service only."
    )
