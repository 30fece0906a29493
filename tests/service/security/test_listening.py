"""Where the service listens, and TLS."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deephealth.errors import UsageError
from deephealth.service.config import ServiceConfig
from deephealth.service.security.listening import Tls, check, is_loopback

LOCAL = ServiceConfig(Path("data"))
ACCOUNTS, OPEN = ServiceConfig(Path("data"), access="accounts"), ServiceConfig(Path("data"), access="open")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(folder: Path, *more: str) -> Tls:
    made = Tls(folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *(more or ["-nodes"])]
    subprocess.run([*command, *names, "-keyout", made.key, "-out", made.cert], check=True, capture_output=True)
    return made


def test_this_machine_only_needs_nothing() -> None:
    assert check(LOCAL, "127.0.0.1", None) == check(LOCAL, "localhost", None) == check(LOCAL, "::1", None) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "films.example.org"])
def test_where_others_come_there_are_accounts_or_an_explicit_flag(host: str, tls: Tls) -> None:
    assert not is_loopback(host)
    with pytest.raises(UsageError, match=r"user add NAME --role admin.*--open"):
        check(LOCAL, host, None)
    assert check(ACCOUNTS, host, tls) == []
    assert "passwords" in check(ACCOUNTS, host, None)[0]
    assert "every project" in check(OPEN, host, tls)[0]


def test_wrong_files_are_told_in_one_sentence(tls: Tls, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(UsageError, match="is not the key of"):
        Tls(tls.cert, other.key).check()
    with pytest.raises(UsageError, match="not a certificate and a private key"):
        Tls(tls.cert, tmp_path / "text").check()
    with pytest.raises(UsageError, match=r"--tls-cert names .*no file"):
        Tls(tmp_path / "absent", tls.key).check()
    (tmp_path / "locked").mkdir()
    with pytest.raises(UsageError, match="asks for a passphrase"):
        make_certificate(tmp_path / "locked", "-passout", "pass:secret").check()


@pytest.fixture(scope="module")
def encrypted(service_of: Any, tls: Tls) -> Iterator[Any]:
    with service_of(tls=tls) as running:
        yield running


def test_the_service_speaks_tls_of_today_only(encrypted: Any, tls: Tls) -> None:
    trusting = ssl.create_default_context(cafile=str(tls.cert))
    with httpx.Client(verify=trusting) as client:
        answer = client.get(f"{encrypted.url}/api/v1/about")
        assert answer.status_code == 200 and answer.headers["strict-transport-security"] == "max-age=31536000"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(tls.cert)
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError), httpx.Client(verify=old) as client:
        client.get(encrypted.url)


def test_over_tls_only_the_cookie_bound_to_it_counts(encrypted: Any, tls: Tls) -> None:
    from deephealth.service.security.sessions import cookie

    def held(scheme: str, name: str) -> str | None:
        return cookie({"type": "http", "scheme": scheme, "headers": [(b"cookie", f"a=b; {name}=secret".encode())]})

    assert held("https", "__Host-deephealth-session") == held("http", "deephealth-session") == "secret"
    assert held("https", "deephealth-session") is None
