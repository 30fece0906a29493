"""What no service wants to be sent: some 200 files and multipart bodies, each made from a few lines and always the same."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from deephealth.images.phantom import draw_phantom
from deephealth.images.phantom_dicom import dicom_bytes

# What a file outside the service's folder would be called, and what no log may hold.
MARKER = "zzhostile"
BOUNDARY = b"BoUnDaRy"


@dataclass(frozen=True)
class Upload:
    """One multipart request, and the file in it. sound: the film itself is one, so that an answer is right too."""

    label: str
    body: bytes
    sound: bool = False
    content_type: bytes = b"multipart/form-data; boundary=" + BOUNDARY
    file: bytes | None = None


def uploads() -> list[Upload]:
    """Every hostile upload."""
    films = _films()
    made = [form(label, data, sound=sound) for label, data, sound in _files(films)]
    return [*made, *_names(films["png"]), *_broken_forms(films["png"])]


def form(label: str, data: bytes, *, filename: bytes = b"film", sound: bool = False) -> Upload:
    """One file in the field `file`."""
    body = _part(b'Content-Disposition: form-data; name="file"; filename="' + filename + b'"', data) + _end()
    return Upload(label, body, sound, file=data)


def _part(headers: bytes, data: bytes) -> bytes:
    return b"--" + BOUNDARY + b"\r\n" + headers + b"\r\nContent-Type: application/octet-stream\r\n\r\n" + data + b"\r\n"


def _end() -> bytes:
    return b"--" + BOUNDARY + b"--\r\n"


def _films() -> dict[str, bytes]:
    phantom = draw_phantom("viral", seed=5, size=160)
    films = {"dicom": dicom_bytes(phantom, seed=1, patient=1, film=1)}
    for kind in ("png", "jpeg", "tiff", "bmp"):
        buffer = io.BytesIO()
        Image.fromarray(phantom.pixels).save(buffer, kind)
        films[kind] = buffer.getvalue()
    films["zip"] = _zip({"a.png": films["png"], "b.jpg": films["jpeg"]})
    return films


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _squeezed(megabytes: int) -> bytes:
    """A deflate stream of so many megabytes of zeros, a thousandth as large, without the work of making it."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = stream.compress(bytes(1_000_000)) + stream.flush(zlib.Z_FULL_FLUSH)
    return once * megabytes + stream.flush(zlib.Z_FINISH)


def _zlibbed(megabytes: int) -> bytes:
    check = 1
    for _ in range(megabytes):
        check = zlib.adler32(bytes(1_000_000), check)
    return b"\x78\xda" + _squeezed(megabytes) + struct.pack(">I", check)


def _zip_of(entries: list[tuple[bytes, bytes, int, int]]) -> bytes:
    """An archive written by hand: (name, deflated data, size and checksum that it claims)."""
    files, listed = bytearray(), bytearray()
    for name, data, size, check in entries:
        about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, check, len(data), size, len(name), 0)
        listed += b"PK\x01\x02" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, len(files)) + name
        files += b"PK\x03\x04" + about + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(listed), len(files), 0)
    return bytes(files + listed) + b"PK\x05\x06" + end


def _bomb(megabytes: int) -> bytes:
    check = 0
    for _ in range(megabytes):
        check = zlib.crc32(bytes(1_000_000), check)
    return _zip_of([(b"a.png", _squeezed(megabytes), megabytes * 1_000_000, check)])


def _files(films: dict[str, bytes]) -> Iterator[tuple[str, bytes, bool]]:
    for kind, film in films.items():
        for tenth in range(1, 10):
            # Grey levels that are missing at the very end, or a tail after them, some formats do not know of.
            yield f"{kind} cut at {tenth}/10", film[: len(film) * tenth // 10], False
        shuffle = random.Random(kind)
        for number in range(6):
            damaged = bytearray(film)
            for _ in range(2 + 40 * number):
                damaged[shuffle.randrange(len(film))] ^= 1 << shuffle.randrange(8)
            yield f"{kind} damaged {number}", bytes(damaged), True
    # Some lie only about what nobody needs to know: every pixel is there, and is answered.
    yield from ((f"picture: {label}", data, "longer than itself" in label) for label, data in _pictures(films))
    yield from ((f"dicom: {label}", data, "pixels of 4 GB" in label) for label, data in _dicoms(films["dicom"]))
    yield from ((f"zip: {label}", data, label.startswith(("names", "with a list of"))) for label, data in _archives(films["png"]))
    yield from ((f"no film: {label}", data, False) for label, data in _no_films())
    yield "polyglot: a film with an archive behind it", films["jpeg"] + films["zip"], True
    yield "polyglot: a film with a page in it", _png_with(b"tEXt", b"Comment\0<script>alert(1)</script>"), True
    yield "polyglot: an archive with a PDF before it", b"%PDF-1.4\n" + films["zip"], False
    yield "polyglot: a GIF that is a script", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)", False
    yield "polyglot: DICOM behind a TIFF header", b"II*\0" + films["dicom"][4:], True


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, data: bytes, *, before: bytes = b"", bits: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + before + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _png_with(kind: bytes, data: bytes) -> bytes:
    grey = np.full((64, 64), 90, np.uint8)
    grey[16:48, 16:48] = 200
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    return _png(64, 64, zlib.compress(rows), before=_chunk(kind, data))


def _pictures(films: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    zeros = _zlibbed(30)
    yield "PNG of 3.6 billion pixels", _png(60_000, 60_000, zeros)
    yield "PNG of two billion rows", _png(1, 2**31 - 1, zeros)
    yield "PNG of no size", _png(0, 0, zeros)
    yield "PNG with less data than it says", _png(500, 500, zlib.compress(bytes(100)))
    yield "PNG whose comment unpacks to 300 MB", _png(9, 9, b"x", before=_chunk(b"zTXt", b"a\0\0" + _zlibbed(300)))
    yield "PNG whose profile unpacks to 30 MB", _png(9, 9, b"x", before=_chunk(b"iCCP", b"a\0\0" + zeros))
    yield "PNG of many chunks", _png(9, 9, b"x", before=_chunk(b"tEXt", b"a\0b") * 30_000)
    yield "PNG whose chunk is longer than itself", films["png"][:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + films["png"][41:]
    yield "PNG of 3 bits", _png(64, 64, zlib.compress(bytes(64 * 65)), bits=3)
    yield "animated PNG", _png(9, 9, b"x", before=_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    at = films["jpeg"].index(b"\xff\xc0") + 5
    yield "JPEG of 4.3 billion pixels", films["jpeg"][:at] + struct.pack(">HH", 65_535, 65_535) + films["jpeg"][at + 4 :]
    yield "JPEG of no size", films["jpeg"][:at] + struct.pack(">HH", 0, 0) + films["jpeg"][at + 4 :]
    yield "JPEG without a picture", films["jpeg"][:2] + b"\xff\xd9"
    yield "JPEG of markers only", b"\xff\xd8" + b"\xff\xe0\x00\x02" * 50_000
    for label, tags in {
        "TIFF of a billion by a billion": {256: (4, 2**30), 257: (4, 2**30)},
        "TIFF of 3.6 billion pixels": {256: (4, 60_000), 257: (4, 60_000)},
        "TIFF whose strip lies beyond it": {256: (4, 64), 257: (4, 64), 273: (4, 2**31)},
        "TIFF of 65,535 bits": {256: (4, 64), 257: (4, 64), 258: (3, 65_535)},
        "TIFF of 65,535 samples": {256: (4, 64), 257: (4, 64), 277: (3, 65_535)},
        "TIFF of an unknown compression": {256: (4, 64), 257: (4, 64), 259: (3, 60_000)},
    }.items():
        yield label, _tiff({258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1), 278: (4, 64), 279: (4, 64 * 64), **tags})
    yield "TIFF whose directory is itself", b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8)
    yield "TIFF with a directory nowhere", b"II*\0" + struct.pack("<I", 2**32 - 1)
    yield "BigTIFF", b"II+\0" + struct.pack("<HHQ", 8, 0, 2**63)
    for label, width, height in (("of two billion columns", 2**31 - 1, 1), ("of negative size", -500, -500), ("of no size", 0, 0)):
        yield f"BMP {label}", films["bmp"][:18] + struct.pack("<ii", width, height) + films["bmp"][26:]
    yield "BMP whose pixels lie beyond it", films["bmp"][:10] + struct.pack("<I", 2**32 - 1) + films["bmp"][14:]


def _tiff(tags: dict[int, tuple[int, int]]) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + 64 * 64) + bytes(64 * 64) + struct.pack("<H", len(tags)) + entries + bytes(4)


def _dicoms(film: bytes) -> Iterator[tuple[str, bytes]]:
    import pydicom

    start = film.index(b"\x28\x00\x10\x00US")  # Rows
    rows = start + 8

    def with_value(keyword: str, value: object) -> bytes:
        dataset, buffer = pydicom.dcmread(io.BytesIO(film)), io.BytesIO()
        setattr(dataset, keyword, value)
        dataset.save_as(buffer)
        return buffer.getvalue()

    def with_syntax(uid: bytes, tail: bytes = b"") -> bytes:
        old = b"1.2.840.10008.1.2.1\0"
        at = film.index(old)
        new = uid.ljust(20, b"\0")[:20] if len(uid) <= 20 else uid.ljust(len(uid) + len(uid) % 2, b"\0")
        return film[: at - 2] + struct.pack("<H", len(new)) + new + film[at + len(old) :] + tail

    yield "65,535 rows", film[:rows] + struct.pack("<H", 65_535) + film[rows + 2 :]
    yield "no rows", film[:rows] + bytes(2) + film[rows + 2 :]
    yield "an element of 4 GB", film[:start] + b"\x28\x00\x08\x00UN\0\0" + struct.pack("<I", 2**32 - 2) + film[start:]
    yield "an unknown kind of value", film[: start + 4] + b"QQ" + film[start + 6 :]
    at = film.index(b"\xe0\x7f\x10\x00")
    yield "pixels of 4 GB", film[: at + 8] + struct.pack("<I", 2**32 - 2) + film[at + 12 :]
    yield "pixels in pieces without a beginning", film[: at + 8] + struct.pack("<I", 2**32 - 1) + film[at + 12 :]
    yield "no pixels", film[:at]
    sequence = b"\x08\x00\x40\x11SQ\0\0" + struct.pack("<I", 2**32 - 1) + b"\xfe\xff\x00\xe0" + struct.pack("<I", 2**32 - 1)
    yield "sequences 5,000 deep", film[:132] + film[132:start] + sequence * 5_000 + film[start:]
    yield "a million frames", with_value("NumberOfFrames", 1_000_000)
    yield "0 bits", with_value("BitsAllocated", 0)
    yield "64 bits", with_value("BitsAllocated", 64)
    yield "1,000 samples", with_value("SamplesPerPixel", 1_000)
    yield "an unknown syntax", with_syntax(b"1.2.3.4")
    yield "a syntax that is no identifier", with_syntax(b"../../" + MARKER.encode())
    for uid in (
        b"1.2.840.10008.1.2.4.50",
        b"1.2.840.10008.1.2.4.70",
        b"1.2.840.10008.1.2.4.80",
        b"1.2.840.10008.1.2.4.90",
        b"1.2.840.10008.1.2.5",
    ):
        yield f"grey levels that are not what {uid.decode()} says", with_syntax(uid)
    head = film[: film.index(b"\x08\x00")]
    yield "a deflated bomb", _deflated(head, _squeezed(300))
    yield "only a preamble", film[:132]
    yield "only zeros behind the preamble", film[:132] + bytes(100_000)


def _deflated(meta: bytes, data: bytes) -> bytes:
    old, new = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    at = meta.index(old)
    return meta[: at - 2] + struct.pack("<H", len(new)) + new + meta[at + len(old) :] + data


def _archives(film: bytes) -> Iterator[tuple[str, bytes]]:
    bomb = _bomb(400)
    yield "a bomb of 400 MB", bomb
    yield "a bomb in an archive in an archive", _zip({"a.zip": _zip({"b.zip": bomb}), "c.zip": bomb})
    yield "of archives that hold themselves, ten deep", _nested(film, 10)
    yield "of 60,000 empty films", _zip_of([(b"%d.png" % number, b"\3\0", 0, 0) for number in range(60_000)])
    yield "of one film named 3,000 times", _overlapping(film, 3_000)
    yield "empty", _zip({})
    yield "of folders only", _zip({"a/": b"", "b/c/": b""})
    good = _zip({"a.png": film}, zipfile.ZIP_STORED)
    at = good.index(b"PK\x01\x02")
    yield "that asks for a password", good[:6] + b"\x01\0" + good[8 : at + 8] + b"\x01\0" + good[at + 10 :]
    yield "of an unknown method", good[:8] + b"\x63\0" + good[10 : at + 10] + b"\x63\0" + good[at + 12 :]
    yield "that says its film is 4 GB", good[: at + 20] + struct.pack("<II", 2**32 - 2, 2**32 - 2) + good[at + 28 :]
    yield "that says its film is one byte", good[: at + 20] + struct.pack("<II", 1, 1) + good[at + 28 :]
    yield "whose film lies before the file", good[: at + 42] + struct.pack("<I", 2**32 - 2) + good[at + 46 :]
    yield "with a wrong checksum", good[: at + 16] + bytes(4) + good[at + 20 :]
    yield "without its list", good[:at]
    yield "with a list of 65,535", good[:-14] + struct.pack("<HH", 65_535, 65_535) + good[-10:]
    yield "of a comment only", b"PK\x05\x06" + bytes(16) + struct.pack("<H", 60_000) + b"x" * 60_000
    names = (
        "../" * 20 + f"tmp/{MARKER}.png",
        f"/tmp/{MARKER}.png",
        f"C:\\{MARKER}.png",
        f"a\r\nSet-Cookie: {MARKER}",
        "x" * 60_000,
        "\u202egnp.a",
        "a\0b.png",
    )
    for number, name in enumerate(names):
        yield f"names {number}", _zip({name: film})
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    yield "of a link out of it", buffer.getvalue()


def _nested(film: bytes, depth: int) -> bytes:
    data = _zip({"a.png": film})
    for _ in range(depth):
        data = _zip({"a.zip": data, "b.zip": data}, zipfile.ZIP_STORED) if len(data) < 200_000 else _zip({"a.zip": data})
    return data


def _overlapping(film: bytes, count: int) -> bytes:
    good = _zip({"aaaa.png": film}, zipfile.ZIP_STORED)
    at = good.index(b"PK\x01\x02")
    entry = good[at : good.index(b"PK\x05\x06")]
    entries = b"".join(entry.replace(b"aaaa.png", f"{number:04d}.png".encode()) for number in range(count))
    return good[:at] + entries + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(entries), at, 0)


def _no_films() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "one byte", b"\xff"
    yield "zeros", bytes(1_000_000)
    yield "noise", random.Random(1).randbytes(1_000_000)
    yield "a page", b"<!doctype html><script>alert(1)</script>"
    yield "a drawing with a script", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    yield "entities that grow", b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><svg>&b;</svg>"
    yield "a program", b"\x7fELF" + bytes(500)
    yield "a pickle", b"\x80\x04cos\nsystem\n(S'touch /tmp/" + MARKER.encode() + b"'\ntR."
    yield "a PDF", b"%PDF-1.7\n" + bytes(500)
    yield "a GIF", b"GIF89a\xff\xff\xff\xff\x00\x00\x00"
    yield "a WebP", b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20)
    yield "a gzip file", zlib.compress(bytes(9), wbits=31)
    yield "JPEG 2000", b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(200)
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    yield "a film format of others", b"\x5d\0\0\x80\0" + bytes(300)


def _names(film: bytes) -> Iterator[Upload]:
    marker = MARKER.encode()
    names = {
        "climbing": b"../../../../../../tmp/" + marker + b".png",
        "climbing, encoded": b"..%2f..%2f..%2ftmp%2f" + marker + b".png",
        "absolute": b"/tmp/" + marker + b".png",
        "of Windows": b"..\\..\\" + marker + b".png",
        "a device": b"/dev/stdin",
        "with a zero": marker + b"\0.png",
        "of 10,000 letters": b"x" * 10_000 + b".png",
        "with a new line": marker + b"\r\n Set-Cookie: a=b",
        "with control characters": b"\x1b[2J\x07" + marker + b"\x08\x7f.png",
        "that reads from the right": "\u202egnp.mlif".encode(),
        "that is no UTF-8": b"\xff\xfe\x80" + marker,
        "half a pair": b"\xed\xa0\x80.png",
        "a tag": b"<img src=x onerror=alert(1)>.png",
        "a query": b"'; DROP TABLE films; --.png",
        "a format": b"%s%n{0.__class__}${jndi:ldap://x}.png",
        "empty": b"",
        "dots": b"..",
        "quoted": b'a\\"b.png',
    }
    for label, name in names.items():
        yield form(f"name: {label}", film, filename=name, sound=True)


def _broken_forms(film: bytes) -> Iterator[Upload]:
    good = form("", film).body
    disposition = b'Content-Disposition: form-data; name="file"; filename="a.png"'
    yield Upload("form: no boundary", good, content_type=b"multipart/form-data")
    yield Upload("form: another boundary", good, content_type=b"multipart/form-data; boundary=other")
    yield Upload("form: an empty boundary", good, content_type=b"multipart/form-data; boundary=")
    yield Upload("form: a boundary of 10,000 letters", good, content_type=b"multipart/form-data; boundary=" + b"x" * 10_000)
    yield Upload("form: a boundary that is none", good, content_type=b'multipart/form-data; boundary="\xff\xfe"')
    yield Upload("form: of another kind", good, content_type=b"multipart/mixed; boundary=" + BOUNDARY)
    yield Upload("form: no kind", good, content_type=b"")
    yield Upload("form: a kind that is none", good, content_type=b"\xff/\x7f;;;===")
    yield Upload("form: JSON", b'{"file": "a.png"}', content_type=b"application/json")
    yield Upload("form: fields", b"file=a.png&" * 1_000, content_type=b"application/x-www-form-urlencoded")
    yield Upload("form: nothing", b"")
    yield Upload("form: only an end", _end())
    yield Upload("form: without an end", good[: -len(_end())])
    yield Upload("form: cut in a header", good[:30])
    yield Upload("form: new lines of one letter", good.replace(b"\r\n", b"\n"))
    yield Upload("form: no headers", b"--" + BOUNDARY + b"\r\n\r\n" + film + b"\r\n" + _end())
    yield Upload("form: no name", _part(b'Content-Disposition: form-data; filename="a.png"', film) + _end())
    yield Upload("form: no file", _part(b'Content-Disposition: form-data; name="file"', b"text") + _end())
    yield Upload("form: another field", _part(disposition.replace(b"file", b"other", 1), film) + _end())
    yield Upload("form: a header without an end", b"--" + BOUNDARY + b"\r\nX: " + b"x" * 3_000_000)
    yield Upload("form: a header without a colon", _part(disposition + b"\r\nnonsense", film) + _end())
    yield Upload("form: a header with a zero", _part(disposition + b"\r\nX\0Y: \0", film) + _end())
    yield Upload(
        "form: 20,000 headers", _part(disposition + b"".join(b"\r\nX-%d: %s" % (n, b"y" * 100) for n in range(20_000)), film) + _end()
    )
    yield Upload("form: 20,000 parts", _part(disposition, b"") * 20_000 + _end())
    yield Upload("form: 20,000 fields", _part(b'Content-Disposition: form-data; name="x"', b"y") * 20_000 + _end())
    yield Upload("form: a field of 2 MB", _part(b'Content-Disposition: form-data; name="x"', b"y" * 2_000_000) + _end())
    yield Upload("form: a form in a form", _part(b"Content-Type: multipart/mixed; boundary=z", b"--z\r\n\r\n--z--") + _end())
    yield Upload("form: two films in one part", _part(disposition + b"\r\n" + disposition, b"") + _end())
    yield Upload("form: noise", random.Random(2).randbytes(200_000))
    yield Upload("form: boundaries only", (b"--" + BOUNDARY + b"\r\n") * 20_000)
