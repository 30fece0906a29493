"""Headers, errors, body limits and request limits, on a real service and on raw sockets."""

from __future__ import annotations

import io
import json
import logging
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from deephealth.service.security import bodies, protocol
from deephealth.service.security.headers import CONTENT_SECURITY

MB = 1_000_000


@pytest.fixture(autouse=True)
def _short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_DRAIN_SECONDS", 0.3)


@pytest.fixture(scope="module")
def small(service_of: Any) -> Iterator[Any]:
    """A service that takes 2 MB at once."""
    with service_of(request_mb=2, chunk_mb=1) as running:
        yield running


def raw(url: str, data: bytes, *, wait: float = 10.0) -> bytes:
    """What comes back for `data` sent as it is, until the connection ends."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=wait) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while more := connection.recv(65536):
                answer += more
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


# ---- headers


@pytest.mark.parametrize("path", ["/", "/api/v1/about", "/api/v1/nothing", "/healthz"])
def test_every_answer_bears_the_headers(service: Any, path: str) -> None:
    headers = service.client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY
    assert "'unsafe-inline'" not in CONTENT_SECURITY and "default-src 'none'" in CONTENT_SECURITY
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY" and "frame-ancestors 'none'" in CONTENT_SECURITY
    assert headers["permissions-policy"].startswith("camera=(self), ") and "microphone=()" in headers["permissions-policy"]
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert "server" not in headers and "strict-transport-security" not in headers
    assert (headers.get("cache-control") == "no-store") == path.startswith("/api/")


def test_the_headers_stand_on_errors_of_the_outermost_layers_too(service: Any) -> None:
    for answer in (
        service.client.get("/api/v1/about", headers={"Host": "evil.example"}),
        service.client.post("/api/v1/projects", headers={"Origin": "http://evil.example"}),
    ):
        assert answer.status_code in {403, 421} and answer.headers["content-security-policy"] == CONTENT_SECURITY


def test_no_other_site_is_let_in_by_cors(service: Any) -> None:
    answer = service.client.options("/api/v1/projects", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 405 and not [name for name in answer.headers if name.startswith("access-control")]


# ---- hosts and origins (the rules themselves: test_origin.py)


def test_another_name_pointed_at_this_machine_gets_nothing(service: Any) -> None:
    answer = service.client.get("/api/v1/projects", headers={"Host": "rebound.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "unknown-host")
    two = raw(service.url, b"GET /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert b" 400 " in two.partition(b"\r\n")[0] or b" 421 " in two.partition(b"\r\n")[0]
    none = raw(service.url, b"GET /api/v1/projects HTTP/1.0\r\n\r\n")
    assert b" 421 " in none.partition(b"\r\n")[0]


def test_a_form_on_another_site_changes_nothing(service: Any) -> None:
    forged = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
    answer = service.client.post("/api/v1/projects", content=json.dumps({"name": "forged"}), headers=forged)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
    assert "forged" not in service.client.get("/api/v1/projects").text


# ---- errors


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "code"),
    [
        ("GET", "/api/v1/nothing", {}, 404, "not-found"),
        ("PUT", "/api/v1/projects", {}, 405, "method"),
        ("POST", "/api/v1/projects", {"json": {}}, 422, "invalid"),
        ("POST", "/api/v1/projects", {"json": {"name": 7}}, 422, "invalid"),
        ("POST", "/api/v1/projects", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid"),
        ("POST", "/api/v1/projects", {"content": b"[" * 900_000, "headers": {"Content-Type": "application/json"}}, 400, "bad-request"),
        ("POST", "/api/v1/projects", {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}}, 422, "invalid"),
        ("GET", "/api/v1/audit-log?after=x", {}, 422, "invalid"),
        ("GET", "/api/v1/audit-log?after=-1", {}, 422, "invalid"),
    ],
)
def test_every_error_is_a_problem_in_both_languages(
    service: Any, method: str, path: str, given: dict[str, Any], status: int, code: str
) -> None:
    details = set()
    for language in ("en", "es"):
        answer = service.client.request(method, path, **{**given, "headers": {**given.get("headers", {}), "Accept-Language": language}})
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
        details.add(problem["detail"])
    assert len(details) == 2


def test_what_does_not_fit_is_named_and_never_repeated(service: Any) -> None:
    problem = service.client.post("/api/v1/users", json={"name": "x", "password": "JOHN DOE 1234", "role": "JOHN DOE"}).json()
    assert problem["about"] == "role" and "viewer" in problem["detail"] and "JOHN" not in json.dumps(problem)


def test_a_failure_inside_shows_a_number_and_logs_the_place_without_the_message(
    service: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("DOE^JOHN.dcm could not be opened")

    monkeypatch.setattr("deephealth.service.security.router.accounts.all_users", broken)
    with caplog.at_level(logging.INFO):
        answer = service.client.get("/api/v1/users")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal") and "DOE" not in answer.text and "RuntimeError" not in answer.text
    line = next(record.getMessage() for record in caplog.records if record.name == "deephealth.errors")
    assert line.split(":")[0] in problem["detail"] and "RuntimeError" in line and "router.py" in line
    assert "DOE" not in caplog.text


def access_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Method and path of every request noted so far."""
    return [record.getMessage().split(" ", 1)[1].rsplit(" ", 3)[0] for record in caplog.records if record.name == "deephealth.access"]


def wait_for(true: Callable[[], bool], seconds: float = 20) -> None:
    """Until it is true, or the time is up."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)


def test_the_log_holds_the_path_as_a_pattern(service: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "deephealth.access"):
        service.client.get("/api/v1/projects/DOE-JOHN?name=DOE-JOHN")
        service.client.get("/DOE-JOHN.png")
        service.client.get("/teach/DOE/JOHN")
        service.client.get("/api/v1/heatmaps/DOE%0AJOHN.png")
        wait_for(lambda: len(access_lines(caplog)) == 4)  # a request is noted once its answer is out, by the server's own thread
    lines = access_lines(caplog)
    assert lines[:2] == ["GET /api/v1/projects/{project}", "GET /{name:path}"]
    assert lines[3] == "GET /api/v1/heatmaps/{token}.png" and "DOE" not in caplog.text


# ---- bodies


def test_a_body_announced_too_large_is_refused_before_it_is_read(small: Any) -> None:
    # None of the promised bytes is sent, and the answer comes all the same.
    head = b"POST /api/v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: "
    assert b" 413 " in raw(small.url, head + b"3000000\r\n\r\n").partition(b"\r\n")[0]


def test_a_body_that_grows_too_large_without_saying_so_is_refused(small: Any) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 100_000

    for path, content_type in (
        ("/api/v1/predictions", "multipart/form-data; boundary=x"),
        ("/api/v1/projects", "application/json"),
        ("/api/v1/projects", "application/x-www-form-urlencoded"),
        ("/api/v1/predictions", "application/json"),
        ("/api/v1/session", "text/plain"),
    ):
        answer = small.client.post(path, content=endless(), headers={"Content-Type": content_type})
        assert answer.status_code in {400, 413, 415}, (path, content_type, answer.text)
        if path == "/api/v1/projects":
            assert answer.json()["code"] == "too-large"


def test_a_refused_upload_gets_its_answer_not_a_broken_connection(small: Any) -> None:
    film = {"file": ("film.png", io.BytesIO(b"x" * 20 * MB))}
    for _ in range(3):
        assert small.client.post("/api/v1/predictions", files=film).status_code == 413
    assert small.client.get("/api/v1/about").status_code == 200


def test_lengths_that_contradict_one_another_are_refused(service: Any) -> None:
    for lengths in (
        b"Content-Length: 5\r\nContent-Length: 50\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ):
        answer = raw(service.url, b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\n" + lengths + b"Connection: close\r\n\r\n{}")
        assert answer.split(b" ")[1:2] in ([b"400"], [b"403"], [b"415"], [b"422"]), answer


def test_huge_headers_are_refused(service: Any) -> None:
    assert b" 400 " in raw(service.url, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000).partition(b"\r\n")[0]


def test_a_body_that_stops_coming_is_given_up(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_SILENCE_SECONDS", 0.3)
    head = b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\nContent-Type: application/json\r\n\r\n{"
    assert b" 408 " in raw(small.url, head).partition(b"\r\n")[0]


def test_a_body_that_trickles_is_given_up(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_SLOW_AFTER_SECONDS", 0.3)
    host, _, port = small.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\nContent-Type: application/json\r\n\r\n"
        )
        for _ in range(6):
            connection.sendall(b"{")
            time.sleep(0.1)
        assert b" 408 " in connection.recv(65536)


def test_a_head_that_never_ends_is_given_up(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEAD_SECONDS", 0.3)
    assert raw(small.url, b"") == b""
    assert raw(small.url, b"GET / HTTP/1.1\r\nHost: loc") == b""
    host, _, port = small.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:  # after a whole request on the same connection too
        connection.sendall(b"GET /api/v1/about HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in connection.recv(65536).partition(b"\r\n")[0]
        connection.sendall(b"GET / HTT")
        while connection.recv(65536):
            pass


def test_more_uploads_than_can_be_held_are_put_off(small: Any) -> None:
    host, _, port = small.url.removeprefix("http://").partition(":")
    head = b"POST /api/v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1900000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    waiting = [socket.create_connection((host, int(port)), timeout=10) for _ in range(3)]
    for connection in waiting:
        connection.sendall(head + b"--x\r\n" + b'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"x" * 1_500_000)
    first, _, _ = select.select(waiting, [], [], 10)  # two requests of 2 MB fit, and not three
    answer = first[0].recv(65536)
    assert b" 503 " in answer.partition(b"\r\n")[0] and b"retry-after: 2" in answer.lower()
    for connection in waiting:
        connection.close()
    while small.client.post("/api/v1/predictions", files={"file": b"x" * 1_500_000}).status_code == 503:
        time.sleep(0.05)  # what was held is free again, as soon as the others are noticed to be gone


def test_caps_are_what_the_configuration_says(small: Any) -> None:
    config = small.services.config
    form, octets = "multipart/form-data; boundary=x", "application/octet-stream"
    assert bodies.cap(config, "POST", "/api/v1/predictions", form) == 2 * MB
    assert bodies.cap(config, "POST", "/api/v1/models", octets) == 2 * MB
    assert bodies.cap(config, "PATCH", "/api/v1/uploads/abc", octets) == 1 * MB
    assert bodies.cap(config, "POST", "/api/v1/predictions", "Application/JSON ; charset=utf-8") == 1 * MB
    assert bodies.cap(config, "POST", "/api/v1/projects/../predictions", form) == 1 * MB


# ---- how often


def test_one_client_is_told_to_wait_and_others_are_not(service_of: Any) -> None:
    with service_of(access="open", requests_per_minute=3, trusted_proxies=("127.0.0.1",)) as running:

        def ask(client: str) -> httpx.Response:
            return running.client.post("/api/v1/previews", content=b"", headers={"X-Forwarded-For": client})

        assert [ask("192.0.2.1").status_code for _ in range(5)] == [415, 415, 415, 429, 429]
        assert 1 <= int(ask("192.0.2.1").headers["Retry-After"]) <= 20
        assert ask("192.0.2.2").status_code == 415
        assert [ask("2001:db8::1").status_code, ask("2001:db8::2").status_code, ask("2001:db8::3").status_code] == [415] * 3
        assert ask("2001:db8::4").status_code == 429  # one network of an IPv6 provider's customer is one client


def test_a_client_cannot_choose_its_address_where_no_proxy_is_trusted(service_of: Any) -> None:
    with service_of(access="open", requests_per_minute=2) as running:
        answers = [
            running.client.post("/api/v1/previews", content=b"", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
            for number in range(4)
        ]
        assert answers == [415, 415, 429, 429]
