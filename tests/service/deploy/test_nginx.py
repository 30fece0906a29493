"""The example of a proxy runs as it stands, but for its ports and files: TLS, sign-in, events as they happen."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deephealth.cli.main import main

ROOT = Path(__file__).parents[3]
ServiceOf = Callable[..., AbstractContextManager[Any]]
NAME = "films.example.org"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH')}:/usr/sbin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian: nginx-light)")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={NAME}"]
    names = ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return tmp_path


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def proxied(
    tmp_path: Path, certificate: Path, service_of: Callable[..., AbstractContextManager[Any]]
) -> Iterator[tuple[httpx.Client, int]]:
    """A client of a service with accounts behind nginx, and the port of plain http."""
    password = tmp_path / "password"
    password.write_text("correct horse battery staple\n")
    data = tmp_path / "data"
    assert main(["user", "add", "ana", "--role", "admin", "--password-file", str(password), "--data-dir", str(data)]) == 0
    settings = {"access": "accounts", "secure_cookies": True, "trusted_proxies": ("127.0.0.1",), "trusted_hosts": (NAME,)}
    with (
        service_of(data=data, **settings) as service,
        running_nginx(tmp_path, service.url.rpartition(":")[2]) as (secure, plain),
        httpx.Client(base_url=f"https://{NAME}", transport=through(certificate, secure), timeout=60) as client,
    ):
        yield client, plain


class running_nginx:  # noqa: N801 - a context manager, used like a function
    def __init__(self, folder: Path, service_port: str) -> None:
        self.folder, self.secure, self.plain = folder, free_port(), free_port()
        site = (ROOT / "deploy" / "nginx.conf").read_text()
        for old, new in {
            "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.secure} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            f"/etc/ssl/{NAME}/": f"{folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{service_port}",
        }.items():
            assert old in site, f"the example lost {old!r}"
            site = site.replace(old, new)
        (folder / "site.conf").write_text(site)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root; " if os.geteuid() == 0 else ""
        main_part = f"{user}daemon off; pid {folder}/pid; error_log {folder}/errors warn; events {{}}\n"
        (folder / "nginx.conf").write_text(f"{main_part}http {{ {temporary} include {folder}/site.conf; }}\n")

    def __enter__(self) -> tuple[int, int]:
        assert NGINX
        command = [NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "errors")]
        checked = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        self.process = subprocess.Popen(command)
        while not listens(self.secure):
            assert self.process.poll() is None, (self.folder / "errors").read_text()
            time.sleep(0.02)
        return self.secure, self.plain

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


def through(certificate: Path, port: int) -> httpx.BaseTransport:
    """To nginx on its port here, whatever the address says."""
    import ssl

    context = ssl.create_default_context(cafile=str(certificate / "fullchain.pem"))

    class Here(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            here = request.url.copy_with(host="127.0.0.1", port=port)
            extensions = {**request.extensions, "sni_hostname": NAME}
            return super().handle_request(
                httpx.Request(request.method, here, headers=request.headers, stream=request.stream, extensions=extensions)
            )

    return Here(verify=context)


@pytest.mark.slow
def test_the_service_behind_nginx(proxied: tuple[httpx.Client, int]) -> None:
    client, plain = proxied
    moved = httpx.get(f"http://127.0.0.1:{plain}/teach", headers={"Host": NAME})
    assert (moved.status_code, moved.headers["location"]) == (301, f"https://{NAME}/teach")
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/v1/projects").status_code == 401

    origin = {"Origin": f"https://{NAME}", "X-Deephealth": "1"}  # as the page sends them
    signed_in = client.post("/api/v1/session", json={"name": "ana", "password": "correct horse battery staple"}, headers=origin)
    assert signed_in.status_code == 200, signed_in.text
    assert "secure" in signed_in.headers["set-cookie"].lower()
    assert "nginx/" not in signed_in.headers.get("server", "")

    begun = client.post("/api/v1/projects/examples", json={"kind": "clean", "per_class": 150}, headers=origin)
    assert begun.status_code == 202, begun.text
    job = begun.json()["job"]["id"]
    with client.stream("GET", f"/api/v1/jobs/{job}/events") as events:
        lines = events.iter_lines()
        next(line for line in lines if line.startswith("event:"))
        # Had the proxy held the events back, the job would be over by now.
        assert client.post(f"/api/v1/jobs/{job}/cancel", headers=origin).status_code == 200
        assert any('"cancelled"' in line for line in lines)
