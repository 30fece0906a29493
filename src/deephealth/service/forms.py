"""Uploaded files, taken from a multipart body as it streams in: all of one request in one unnamed file on disk, never in memory.

Every limit holds while the bytes arrive, so that nothing large is kept first and measured later. Names are only ever shown.
"""

from __future__ import annotations

import codecs
import mmap
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import python_multipart
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from deephealth.service.problems import ServiceProblem
from deephealth.service.store.space import told_when_full

_LONGEST_NAME = 400
_LONGEST_FIELD = 4096
_MOST_PARTS = 10_000
_LONGEST_HEADER = 16_384
_LONGEST_BOUNDARY = 70  # RFC 2046, 5.1.1


@dataclass
class Part:
    """One uploaded file: the field it came in, its name as the sender calls it, and where its bytes lie."""

    field: str
    name: str
    start: int
    length: int = 0


@dataclass
class Form:
    """The files of one request and its other fields. `data` gives the bytes of a file without copying them."""

    parts: list[Part] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    _view: memoryview | None = None

    def data(self, part: Part) -> memoryview:
        """The bytes of `part`; valid while the form is open."""
        return self._view[part.start : part.start + part.length] if self._view is not None else memoryview(b"")


@asynccontextmanager
async def received(request: Request, folder: Path, most_bytes: int, most_files: int) -> AsyncIterator[Form]:
    """Read the request's multipart body; what it holds is there until the block ends.

    folder: where the bytes are kept meanwhile. ServiceProblem 415 when it is no multipart body, 400 when it is damaged, 413 when it has
    more than `most_bytes` bytes or `most_files` files, 507 when the disk is full.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not 0 < len(options.get(b"boundary", b"")) <= _LONGEST_BOUNDARY:
        raise _not_multipart()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        reader = _Reader(options[b"boundary"], file, most_files)
        with told_when_full():
            await reader.read(request, most_bytes)
            file.flush()
        if not reader.written:
            yield reader.form
            return
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader.form._view = memoryview(mapped)
        try:
            yield reader.form
        finally:
            # Whoever still holds a slice keeps the mapping; it goes with the last of them.
            reader.form._view = None


class _Reader:
    """Callbacks of the parser, which writes files' bytes one behind the other."""

    def __init__(self, boundary: bytes, file: IO[bytes], most_files: int) -> None:
        self.form = Form()
        self.written = 0
        self._file = file
        self._most_files = most_files
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = bytearray(), bytearray()
        self._part: Part | None = None
        self._field, self._value = "", bytearray()
        self._ended = False
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "headers_finished", "end")
        callbacks: Any = {f"on_{name}": getattr(self, f"_on_{name}") for name in names}
        self._parser = python_multipart.MultipartParser(boundary, callbacks)

    async def read(self, request: Request, most_bytes: int) -> None:
        """The whole body, or ServiceProblem."""
        received = 0
        try:
            async for chunk in request.stream():
                received += len(chunk)
                if received > most_bytes:
                    raise too_large(most_bytes)
                self._parser.write(chunk)
            self._parser.finalize()
        except (FormParserError, ClientDisconnect) as error:
            raise damaged() from error
        if not self._ended:
            raise damaged()

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise damaged()
        self._headers.clear()
        self._part = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._refuse_long_header()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._refuse_long_header()

    def _refuse_long_header(self) -> None:
        if len(self._header_name) + len(self._header_value) > _LONGEST_HEADER:
            raise damaged()

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field, self._value = _text(options.get(b"name", b""), 100), bytearray()
        if b"filename" not in options:
            return
        if len(self.form.parts) >= self._most_files:
            raise _too_many(self._most_files)
        self._part = Part(self._field, _text(options[b"filename"], _LONGEST_NAME), self.written)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is None:
            self._value += data[start:end]
            if len(self._value) > _LONGEST_FIELD:
                raise damaged()
            return
        self._file.write(memoryview(data)[start:end])
        self.written += end - start
        self._part.length += end - start

    def _on_part_end(self) -> None:
        if self._part is not None:
            self.form.parts.append(self._part)
        else:
            self.form.fields[self._field] = _text(bytes(self._value), _LONGEST_FIELD)

    def _on_end(self) -> None:
        self._ended = True


def _text(data: bytes, longest: int) -> str:
    """A name as text, without what steers a terminal; never a path to anything of ours."""
    text = codecs.decode(data, "utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)[-longest:]


def _not_multipart() -> ServiceProblem:
    return ServiceProblem(
        415,
        "not-multipart",
        (
            "The request is no upload, expected multipart/form-data with the films in the field file; send it as a form.",
            "La petición no es una carga de archivos; se esperaba multipart/form-data con las radiografías en el campo file.",
        ),
    )


def damaged() -> ServiceProblem:
    """The answer to a body that ends too soon or is no multipart body."""
    return ServiceProblem(
        400,
        "damaged-upload",
        (
            "The upload is damaged or cut short, expected a whole multipart body; send it again.",
            "La carga está dañada o incompleta; se esperaba un cuerpo multipart entero: envíela de nuevo.",
        ),
    )


def too_large(most_bytes: int) -> ServiceProblem:
    """The answer to a request of more bytes than one may have."""
    megabytes = most_bytes // 1_000_000
    return ServiceProblem(
        413,
        "too-large",
        (
            f"The upload is larger than the limit of {megabytes} MB for one request; send fewer films at a time.",
            f"La carga supera el límite de {megabytes} MB por petición; envíe menos radiografías a la vez.",
        ),
    )


def _too_many(most_files: int) -> ServiceProblem:
    return ServiceProblem(
        413,
        "too-many-films",
        (
            f"The upload holds more than {most_files} films, the limit for one request; send fewer at a time.",
            f"La carga contiene más de {most_files} radiografías, el límite por petición; envíe menos a la vez.",
        ),
    )
