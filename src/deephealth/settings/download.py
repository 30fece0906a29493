"""One file from an address to a path: resumed where it was cut, checked by size and digest, whole under its name or not there at all.

What has come so far lies beside the file as `.NAME.part`, with a `.NAME.part.json` that says of which version of which address it is (ETag
or Last-Modified), so that a later call goes on with it after a kill and never joins two versions. The standard library's HTTP client is
enough for this; no package resumes and checks and is as light (docs/decisions/029-downloads.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import deephealth
from deephealth.errors import DeepHealthError, InputError, UsageError
from deephealth.settings import atomic
from deephealth.settings.progress import Listener, Progress, silent

LARGEST = 64 * 2**30
"""Bytes of one file at most, where its size is not known beforehand."""
_BLOCK = 2**18
_TRIES = 4  # without a byte more in between
_WAIT_SECONDS = 1.0  # before the second try; doubled for each one after it
_TIME_OUT_SECONDS = 60
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers that another try may mend


@dataclass(frozen=True)
class Expected:
    """What a file must be: its size in bytes, and one digest or both in hexadecimal; empty or None where it is not known."""

    sha256: str = ""
    md5: str = ""
    size: int | None = None

    def fits(self, path: Path) -> str:
        """Empty when the file at `path` is the expected one; else what is wrong with it, as found and expected."""
        if self.size is not None and path.stat().st_size != self.size:
            return f"{path.stat().st_size:,} bytes, expected {self.size:,}"
        for name, wanted in (("sha256", self.sha256), ("md5", self.md5)):
            if wanted and (found := digest(path, name)) != wanted.lower():
                return f"the {name.upper()} {found}, expected {wanted.lower()}"
        return ""

    @property
    def checkable(self) -> bool:
        """Whether a digest is known."""
        return bool(self.sha256 or self.md5)


def download(
    url: str, path: Path, *, sha256: str = "", md5: str = "", size: int | None = None, listener: Listener = silent, stage: str = "download"
) -> Path:
    """The file at `url` as `path`; nothing is fetched when `path` already is that file.

    sha256, md5: hexadecimal digests, size: bytes, each checked where given. Progress counts bytes. A transfer that was cut is resumed, now
    and in later calls. Raises UsageError for an address that is not https (http is for this machine only) and when another process fetches
    the same file; InputError when what came is not what was expected (it is removed); DeepHealthError when it cannot be had: the sentence
    says where to put a file fetched by other means.
    """
    _require_secure(url)
    expected = Expected(sha256, md5, size)
    if path.is_file() and (expected.checkable or size is not None) and not expected.fits(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path, url)
    with part.held():
        _fetch(url, part, path, expected, listener, stage)
        if wrong := expected.fits(part.file):
            part.empty()
            raise InputError(
                f"{url} gave a file with {wrong}; try again later, or put the right file at {path} if its publisher changed the address."
            )
        with part.file.open("rb") as file:
            os.fsync(file.fileno())
        part.file.replace(path)
    return path


def digest(path: Path, name: str = "sha256") -> str:
    """The hexadecimal digest of a file, read block by block. `name`: sha256 or md5 (which only tells damage, not malice)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


class _Part:
    """What has come of a file, and of which version of the address it is."""

    def __init__(self, path: Path, url: str) -> None:
        self.file = path.parent / f".{path.name}.part"
        self._about = path.parent / f".{path.name}.part.json"
        self._path, self._url = path, url

    def resumable(self) -> tuple[int, str]:
        """Bytes at hand and the validator that a server must still agree with; (0, "") where a new start is needed."""
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
            if about["url"] == self._url and about["validator"]:
                return self.file.stat().st_size, str(about["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, ""

    def empty(self, validator: str = "") -> None:
        """Drop what has come, and start anew with the version that `validator` names."""
        os.truncate(self.file, 0)
        atomic.write_json(self._about, {"url": self._url, "validator": validator})

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out; the system lets go when this one ends, however. What has come stays for a later call."""
        handle = self._lock()
        try:
            yield
        finally:
            if not self.file.exists() or not self.file.stat().st_size:
                self.file.unlink(missing_ok=True)
                self._about.unlink(missing_ok=True)
            os.close(handle)

    def _lock(self) -> int:
        while True:
            handle = os.open(self.file, os.O_CREAT | os.O_RDWR, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(handle), self.file.stat()):
                    return handle
            except BlockingIOError as error:
                os.close(handle)
                raise UsageError(f"{self._path} is being fetched by another process; wait for it.") from error
            except FileNotFoundError:
                pass
            os.close(handle)  # another process finished this very file between the two calls


def _fetch(url: str, part: _Part, path: Path, expected: Expected, listener: Listener, stage: str) -> None:
    """Try until everything has come; give up after `_TRIES` tries in a row that brought nothing."""
    failures = 0
    while True:
        before = _held(part)
        try:
            _once(url, part, path, expected, listener, stage)
            return
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failures = 1 if _held(part) > before else failures + 1
            if failures >= _TRIES or not _passing(error):
                raise DeepHealthError(
                    f"{url} could not be fetched ({_reason(error)}); try again later, or fetch it elsewhere and put it at {path}."
                ) from error
            time.sleep(_WAIT_SECONDS * 2 ** (failures - 1))


def _held(part: _Part) -> int:
    return part.file.stat().st_size if part.file.exists() else 0


def _once(url: str, part: _Part, path: Path, expected: Expected, listener: Listener, stage: str) -> None:
    at_hand, validator = part.resumable()
    headers = {"User-Agent": f"deephealth/{deephealth.__version__}", "Accept-Encoding": "identity"}
    if at_hand:
        headers |= {"Range": f"bytes={at_hand}-", "If-Range": validator}
    try:
        answer = _open(url, headers)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not at_hand:
            raise
        part.empty()  # what has come is longer than the file is now
        raise ConnectionError("the file changed while it was fetched") from error
    with answer:
        start = _start(answer, at_hand)
        total = start + length if (length := _length(answer)) is not None else expected.size
        _refuse_size(url, total, expected, part)
        _refuse_full_disk(path, (total or 0) - start)
        if not start:
            part.empty(_validator(answer.headers))
        _receive(answer, part, start, total, listener, stage)


def _receive(answer: Any, part: _Part, start: int, total: int | None, listener: Listener, stage: str) -> None:
    most = LARGEST if total is None else total
    with part.file.open("ab") as file:
        done = start
        listener(Progress(stage, done, max(total or 0, done), reused=start))
        for block in _blocks(answer):
            file.write(block)
            done += len(block)
            if done > most:
                break
            listener(Progress(stage, done, max(total or 0, done), reused=start))
    if done > most:
        part.empty()
        raise InputError(f"{answer.url} gave more than {most:,} bytes, expected no more; check the address.")
    if total is not None and done < total:
        raise ConnectionError(f"the line was cut after {done:,} of {total:,} bytes")


def _blocks(answer: IO[bytes]) -> Iterator[bytes]:
    while block := answer.read(_BLOCK):
        yield block


def _start(answer: Any, at_hand: int) -> int:
    """Where the answer's bytes begin: after those at hand only when the server says so."""
    given = str(answer.headers.get("Content-Range", ""))
    return at_hand if answer.status == http.HTTPStatus.PARTIAL_CONTENT and given.startswith(f"bytes {at_hand}-") else 0


def _length(answer: Any) -> int | None:
    text = str(answer.headers.get("Content-Length", ""))
    return int(text) if text.isdigit() else None


def _validator(headers: Mapping[str, str]) -> str:
    """What names this version of the file; a weak ETag promises no equal bytes, so it does not count."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _refuse_size(url: str, total: int | None, expected: Expected, part: _Part) -> None:
    if total is None:
        return
    if expected.size is not None and total != expected.size:
        part.empty()
        raise InputError(
            f"{url} has {total:,} bytes, expected {expected.size:,}; check the address, its publisher may have changed the file."
        )
    if total > LARGEST:
        raise InputError(f"{url} has {total:,} bytes, expected at most {LARGEST:,}; check the address.")


def _refuse_full_disk(path: Path, wanted: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if wanted > free:
        raise DeepHealthError(
            f"{path.parent} has {free / 1e6:,.0f} MB free, {wanted / 1e6:,.0f} MB are needed; free space or choose another folder."
        )


def _require_secure(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise UsageError(f"The address {url} begins with {parts.scheme or 'nothing'}, expected https; give a https address.")


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows only where `_require_secure` lets it."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _require_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, headers: Mapping[str, str]) -> Any:
    opener = urllib.request.build_opener(_SecureRedirects)  # and the environment's proxies; file: and ftp: are refused before
    return opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=_TIME_OUT_SECONDS)  # noqa: S310 - https, checked


def _passing(error: Exception) -> bool:
    return not isinstance(error, urllib.error.HTTPError) or error.code in _PASSING


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(inner, "strerror", None) or inner or type(error).__name__).rstrip(".")[:200]
