from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from deephealth.service import page


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page as the build leaves it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Deep Health</title>")
    (tmp_path / "assets" / "index-abc123.js").write_text("console.log(1)" * 100)
    (tmp_path / "assets" / "ort.wasm").write_bytes(b"\0asm" * 100)
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("address", ["/", "/teach", "/teach/0123456789abcdef", "/models/" + "0" * 64, "/help", "/sign-in"])
def test_every_place_of_the_page_is_the_page(service: Any, built: Path, address: str) -> None:
    reply = service.client.get(address)
    assert reply.status_code == 200 and reply.text == (built / "index.html").read_text()
    assert reply.headers["cache-control"] == "no-cache" and reply.headers["content-type"].startswith("text/html")
    assert service.client.head(address).status_code == 200


def test_assets_are_packed_and_kept_for_ever(service: Any, built: Path) -> None:
    reply = service.client.get("/assets/index-abc123.js", headers={"Accept-Encoding": "gzip"})
    assert reply.text == "console.log(1)" * 100 and reply.headers["content-encoding"] == "gzip"
    assert int(reply.headers["content-length"]) < 200 and "immutable" in reply.headers["cache-control"]
    assert reply.headers["content-type"].startswith("text/javascript")
    plain = service.client.get("/assets/index-abc123.js", headers={"Accept-Encoding": "identity"})
    assert plain.text == reply.text and "content-encoding" not in plain.headers
    again = service.client.get("/assets/index-abc123.js", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.client.get("/assets/ort.wasm").headers["content-type"] == "application/wasm"


def test_a_new_build_is_noticed(service: Any, built: Path) -> None:
    assert "Deep Health" in service.client.get("/").text
    (built / "index.html").write_text("<!doctype html><title>Newer</title>")
    assert "Newer" in service.client.get("/").text


def test_what_is_not_there_is_not_found(service: Any, built: Path) -> None:
    secret = built.parent / "secret.txt"
    secret.write_text("secret")
    for address in ("/nothing.js", "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/api/v1/nothing", "//etc/passwd"):
        reply = service.client.get(address)
        assert reply.status_code == 404 and reply.headers["content-type"] == "application/problem+json", address
    lost = service.client.get("/somewhere", headers={"Accept": "text/html"})
    assert lost.status_code == 404 and "Deep Health" in lost.text
    assert service.client.get("/api/v1/nothing", headers={"Accept": "text/html"}).headers["content-type"] == "application/problem+json"


def test_without_a_build_it_says_what_to_do(service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "FOLDER", tmp_path / "none")
    assert service.client.get("/").json()["code"] == "no-page"


def test_what_is_packed_is_what_was_built(built: Path) -> None:
    assert gzip.decompress(page._load("assets/ort.wasm", 1).packed or b"") == b"\0asm" * 100
