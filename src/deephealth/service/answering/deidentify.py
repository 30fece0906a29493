"""A film's file without anything that names a person: the pixels stay as `images` reads them, the rest goes.

JPEG and PNG keep their compressed pixels, so that nothing is lost and little grows; the other kinds become PNG. The way a film is turned
(Exif orientation) is the one thing kept of what the file says. The result is read again and compared, so that no doubt is left.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import FilmError
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.service.answering.pictures import png

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_EXIF = struct.Struct("<2sHIHHHIHHI")  # one directory with one short: the orientation


def deidentified(data: bytes, film: Radiograph) -> tuple[bytes, str]:
    """The film's file without names, times, places and texts, and its kind, "jpeg" or "png". film: `data` as read, in grey."""
    strip = _STRIPPED.get(film.format)
    if strip is not None:
        try:
            kept = strip(data, _orientation(data, film.format))
            if np.array_equal(read_film(kept).pixels, film.pixels):
                return kept, film.format
        except (FilmError, struct.error, IndexError, ValueError):
            pass  # a file with an unusual structure: its pixels are written anew instead
    return png(_colours_if_any(data, film)), "png"


def _colours_if_any(data: bytes, film: Radiograph) -> NDArray[np.uint8]:
    """The film's pixels in colour where it has any, since a model may take three channels; else in grey."""
    colour = read_film(data, channels=3).pixels
    grey = (colour[..., :1] == colour).all()
    return film.pixels if grey else colour


def strip_jpeg(data: bytes, orientation: int = 1) -> bytes:
    """The JPEG with its picture only: no Exif, comments, profiles or previews, nothing behind its end. `orientation`: kept, 1 to 8."""
    return b"".join([b"\xff\xd8", *(_jpeg_exif(orientation) if orientation != 1 else ()), *_jpeg_segments(data)])


def strip_png(data: bytes, orientation: int = 1) -> bytes:
    """The PNG with its picture only: size, palette, transparency, pixels. `orientation`: kept, 1 to 8."""
    chunks = [chunk for kind, chunk in _png_chunks(data) if kind in _PNG_KEPT]
    if orientation != 1:
        chunks.insert(1, _png_chunk(b"eXIf", _exif(orientation)))
    return b"".join([_PNG_START, *chunks])


_STRIPPED: dict[str, Callable[[bytes, int], bytes]] = {"jpeg": strip_jpeg, "png": strip_png}


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """The segments behind the start, but for those an application or a person wrote (ITU-T T.81, B.1.1)."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("no marker where one should be")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        # JFIF and Adobe say how the samples are to be taken; every other application segment and comment may say who the patient is.
        adobe = marker == 0xEE and data[at + 4 : at + 9] == b"Adobe"
        if adobe or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            yield data[at:end]
        if marker == 0xDA:
            start, end = end, _scan_end(data, end)
            yield data[start:end]
        at = end
    yield b"\xff\xd9"


def _scan_end(data: bytes, at: int) -> int:
    """Where the entropy-coded data ends: at the next marker that is neither a stuffed byte nor a restart."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] == 0xFF:
            at += 1
        elif data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
            at += 2
        else:
            return at


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_START)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at : at + 12 + length]
        if kind == b"IEND":
            return
        at += 12 + length


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _jpeg_exif(orientation: int) -> Iterator[bytes]:
    block = b"Exif\0\0" + _exif(orientation)
    yield b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block


def _exif(orientation: int) -> bytes:
    """An Exif block that says only how the picture is turned (Exif 2.32, 4.6.4)."""
    return _EXIF.pack(b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _orientation(data: bytes, kind: str) -> int:
    from deephealth.images.jpeg_header import jpeg_header

    if kind == "jpeg":
        found = jpeg_header(data).orientation
    else:
        from io import BytesIO

        from PIL.PngImagePlugin import PngImageFile

        with PngImageFile(BytesIO(data)) as picture:
            picture.load()
            found = int(picture.getexif().get(0x0112, 1))
    return found if 1 <= found <= 8 else 1
