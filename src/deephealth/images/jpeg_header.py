"""What a JPEG says before its pixels: its size and kind, its Exif rotation, and whether it is safe to hand to a decoder."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from deephealth.errors import FilmError


@dataclass(frozen=True)
class JpegHeader:
    """What a JPEG says before its pixels. process: the last half-byte of its SOF marker (0 baseline, 1 extended, 2 progressive)."""

    width: int
    height: int
    components: int
    precision: int
    process: int
    orientation: int


def jpeg_header(data: bytes) -> JpegHeader:
    """Walk the markers up to the first frame header (ITU-T T.81, B.1.1). Raises FilmError when there is none."""
    position, orientation = 2, 1
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # stand alone, without a length
            position += 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        segment = data[position + 4 : position + 2 + length]
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:  # 0xF7 is JPEG-LS
            if len(segment) < 6:
                break
            precision, height, width, components = struct.unpack_from(">BHHB", segment)
            return JpegHeader(width, height, components, precision, marker & 0xF, orientation)
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = exif_orientation(segment[6:])
        if marker in (0xD9, 0xDA):
            break
        position += 2 + length
    raise FilmError("is cut short or damaged: its JPEG data has no frame header; export the film again.")


def exif_orientation(tiff: bytes) -> int:
    """The orientation tag 0x0112 of an Exif block, 1 (upright) when it is absent or malformed."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    start = struct.unpack_from(order + "I", tiff, 4)[0]
    if start + 2 > len(tiff):
        return 1
    entries = struct.unpack_from(order + "H", tiff, start)[0]
    for offset in range(start + 2, min(start + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", tiff, offset)
        if tag == 0x0112 and kind == 3:
            return int(struct.unpack_from(order + "H", tiff, offset + 8)[0])
    return 1


_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def check_lossless_jpeg(data: bytes) -> None:
    """Refuse a lossless JPEG whose structure is not the plain one: one frame, its code tables, one scan, the end (ITU-T T.81, B and H).

    GDCM aborts the whole process on some others instead of raising an error, so nothing unusual may reach it.
    """
    position, tables, components = 2, set[int](), b""
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], struct.unpack_from(">H", data, position + 2)[0]
        segment = data[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xC4:
            tables |= _code_tables(segment)
        elif marker == 0xC3 and not components and len(segment) == 6 + 3 * segment[5]:
            components = segment[6::3]
        elif marker == 0xEE and segment.startswith(b"Adobe") and len(segment) == 12 and segment[11] == 0:
            continue
        elif marker == 0xDA and components and _is_plain_scan(segment, components, tables):
            end = _MARKER_IN_SCAN.search(data, position)
            if end and data[end.start() : end.start() + 2] == b"\xff\xd9":
                return
            break
        elif not 0xE0 <= marker <= 0xED and marker not in (0xDD, 0xFE):
            break
    raise FilmError("has lossless JPEG pixels of a damaged or unusual structure, expected one frame in one scan; export it again.")


def _code_tables(segment: bytes) -> set[int]:
    """The identifiers of the well-formed Huffman tables in a DHT segment (B.2.4.2); empty when any is malformed."""
    found = set()
    while segment:
        counts = segment[1:17]
        size = sum(counts)
        room = sum(count << (16 - length) for length, count in enumerate(counts, 1))
        symbols = segment[17 : 17 + size]
        if len(counts) < 16 or len(symbols) < size or not size or room > 1 << 16 or max(symbols) > 16 or segment[0] > 3:
            return set()
        found.add(segment[0])
        segment = segment[17 + size :]
    return found


def _is_plain_scan(segment: bytes, components: bytes, tables: set[int]) -> bool:
    """Whether a scan header names every component once, in order, with known tables and a predictor of 1 to 7 (B.2.3, H.1)."""
    count = len(components)
    if len(segment) != 4 + 2 * count or segment[0] != count or segment[1 : 1 + 2 * count : 2] != components:
        return False
    selectors, predictor, last, shift = segment[2 : 2 + 2 * count : 2], *segment[-3:]
    return all(selector >> 4 in tables and not selector & 15 for selector in selectors) and 1 <= predictor <= 7 and last == 0 and shift == 0
