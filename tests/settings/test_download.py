"""Downloads against a real server on this machine that cuts the line, lies, changes its mind and redirects."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deephealth.errors import DeepHealthError, InputError, UsageError
from deephealth.settings import download as module
from deephealth.settings.download import digest, download
from deephealth.settings.progress import Progress

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()


class Server:
    """A web server of one file; what it does wrong is set from the test."""

    def __init__(self) -> None:
        self.body, self.etag = BODY, '"v1"'
        self.cut_after: int | None = None  # bytes of one answer, then the line is closed
        self.cuts = 0  # how many answers are cut
        self.ranges = True
        self.told: int | None = None  # a length that is not the body's
        self.statuses: list[int] = []  # answered first, one a request
        self.redirect = ""
        self.pause = 0.0
        self.requests: list[dict[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/file.bin"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(dict(self.headers))
                if server.redirect:
                    self.send_response(302)
                    self.send_header("Location", server.redirect)
                    self.end_headers()
                elif server.statuses:
                    self.send_error(server.statuses.pop(0))
                else:
                    self._send()

            def _send(self) -> None:
                start = 0
                wanted = self.headers.get("Range", "")
                if server.ranges and wanted and self.headers.get("If-Range") == server.etag:
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(server.body) - start if server.told is None else server.told))
                self.send_header("ETag", server.etag)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
                self.end_headers()
                end = len(server.body)
                if server.cuts and server.cut_after is not None:
                    server.cuts -= 1
                    end = min(end, start + server.cut_after)
                for at in range(start, end, 65536):
                    self.wfile.write(server.body[at : min(at + 65536, end)])
                    time.sleep(server.pause)
                self.close_connection = True

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.01)
    server = Server()
    yield server
    server.close()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    seen: list[Progress] = []
    path = download(server.url, tmp_path / "a.bin", sha256=SHA256, md5=MD5, size=len(BODY), listener=seen.append)
    assert path.read_bytes() == BODY
    assert left(tmp_path) == ["a.bin"]
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, len(BODY), len(BODY))
    download(server.url, path, sha256=SHA256)
    assert len(server.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_line_is_taken_up_again(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges, server.cut_after, server.cuts = ranges, 300_000, 2
    assert download(server.url, tmp_path / "a.bin", sha256=SHA256).read_bytes() == BODY
    assert len(server.requests) == 3
    assert server.requests[1]["Range"] == "bytes=300000-"
    assert server.requests[1]["If-Range"] == '"v1"'
    assert left(tmp_path) == ["a.bin"]


def test_two_versions_are_never_joined(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.cuts = 400_000, 1
    second = bytes(reversed(BODY))

    def change(progress: Progress) -> None:
        if progress.done >= 400_000:
            server.body, server.etag = second, '"v2"'

    assert download(server.url, tmp_path / "a.bin", listener=change).read_bytes() == second
    assert server.requests[1]["If-Range"] == '"v1"'


def test_a_line_that_is_always_cut_ends_in_a_sentence(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.cuts = 0, 100
    with pytest.raises(DeepHealthError, match="cut after 0 of"):
        download(server.url, tmp_path / "a.bin")
    assert left(tmp_path) == []


def test_a_server_that_goes_away_is_told_and_what_came_stays_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.cuts = 500_000, 1
    server.statuses = []
    path = tmp_path / "a.bin"

    def go_away(progress: Progress) -> None:
        if progress.done >= 500_000:
            server.statuses = [404]

    with pytest.raises(DeepHealthError, match=f"answered 404.*put it at {path}"):
        download(server.url, path, sha256=SHA256, listener=go_away)
    assert not path.exists()
    server.cuts, server.statuses = 0, []
    assert download(server.url, path, sha256=SHA256).read_bytes() == BODY
    assert server.requests[-1]["Range"] == "bytes=500000-"


def test_a_passing_failure_is_tried_again_a_lasting_one_is_not(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429, 503]
    assert download(server.url, tmp_path / "a.bin").read_bytes() == BODY
    server.statuses = [404]
    before = len(server.requests)
    with pytest.raises(DeepHealthError, match="404"):
        download(server.url, tmp_path / "b.bin")
    assert len(server.requests) == before + 1
    assert left(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("expected", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 12}])
def test_another_file_than_expected_is_refused_and_removed(server: Server, tmp_path: Path, expected: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        download(server.url, tmp_path / "a.bin", **expected)
    assert left(tmp_path) == []


def test_a_file_of_that_name_that_is_another_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"an earlier version")
    assert download(server.url, tmp_path / "a.bin", sha256=SHA256).read_bytes() == BODY


def test_a_server_that_tells_a_length_too_long_ends_in_a_sentence(server: Server, tmp_path: Path) -> None:
    server.told = len(BODY) + 1000
    with pytest.raises(DeepHealthError, match="could not be fetched"):
        download(server.url, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()


def test_more_than_the_disk_holds_is_refused_before_it_comes(server: Server, tmp_path: Path) -> None:
    server.told = 10**16
    with pytest.raises((DeepHealthError, InputError), match=r"expected at most|free"):
        download(server.url, tmp_path / "a.bin")
    assert left(tmp_path) == []


@pytest.mark.parametrize("url", ["http://example.org/a.bin", "file:///etc/passwd", "ftp://example.org/a", "a.bin"])
def test_only_https_is_spoken_to_others(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="expected https"):
        download(url, tmp_path / "a.bin")


def test_a_redirect_to_plain_http_elsewhere_is_not_followed(server: Server, tmp_path: Path) -> None:
    server.redirect = "http://example.org/file.bin"
    with pytest.raises(UsageError, match="expected https"):
        download(server.url, tmp_path / "a.bin")
    server.redirect = "file:///etc/passwd"
    with pytest.raises(DeepHealthError, match="not allowed"):
        download(server.url, tmp_path / "a.bin")
    assert left(tmp_path) == []


def test_no_server_is_a_sentence(server: Server, tmp_path: Path) -> None:
    url = server.url
    server.close()
    with pytest.raises(DeepHealthError, match=r"Connection refused.*put it at"):
        download(url, tmp_path / "a.bin")


_CHILD = """
import sys
from pathlib import Path
from deephealth.settings.download import download
download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])
"""


def test_a_kill_loses_nothing_and_two_processes_do_not_meet(server: Server, tmp_path: Path) -> None:
    server.pause = 0.05
    path = tmp_path / "a.bin"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, server.url, str(path), SHA256], env=os.environ)
    part = tmp_path / ".a.bin.part"
    deadline = time.monotonic() + 30
    while (not part.exists() or part.stat().st_size < 200_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(UsageError, match="another process"):
        download(server.url, path)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    assert not path.exists()
    server.pause = 0.0
    assert download(server.url, path, sha256=SHA256).read_bytes() == BODY
    assert int(server.requests[-1]["Range"].removeprefix("bytes=").rstrip("-")) >= 200_000
    assert left(tmp_path) == ["a.bin"]


def test_digests_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BODY)
    assert (digest(tmp_path / "a"), digest(tmp_path / "a", "md5")) == (SHA256, MD5)
