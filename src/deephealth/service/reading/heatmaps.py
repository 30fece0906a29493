"""A heatmap's address holds the map itself, so that no film and no answer is kept, and any replica can draw it.

The token: base64url of zlib of a version byte, rows, columns, the film's width and height, and a byte a cell: evidence as a share of that
at full colour. Evidence against the label is not drawn, so it is not in the token either.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from dataclasses import dataclass

_HEAD = struct.Struct(">BBBHH")
_VERSION = 1
_MOST_CELLS = 64 * 64
_LONGEST_TOKEN = 6000


@dataclass(frozen=True)
class Map:
    """Rows of shares 0..1 of the evidence at full colour, and the size of the film they lie over."""

    rows: list[list[float]]
    width: int
    height: int


def to_token(cells: list[list[float]], scale: float, width: int, height: int) -> str | None:
    """The token of a map of logits, `scale` logits at full colour; None for a map too fine to stand in an address."""
    rows, columns = len(cells), len(cells[0]) if cells else 0
    if not 0 < rows * columns <= _MOST_CELLS or max(rows, columns) > 255:
        return None
    # A film's sides may be above what 16 bits hold; only their ratio matters.
    shrunk = min(1.0, 65535 / max(width, height))
    head = _HEAD.pack(_VERSION, rows, columns, max(1, int(width * shrunk)), max(1, int(height * shrunk)))
    body = bytes(min(255, max(0, round(255 * cell / scale))) for row in cells for cell in row)
    token = base64.urlsafe_b64encode(zlib.compress(head + body, 9)).rstrip(b"=").decode()
    return token if len(token) <= _LONGEST_TOKEN else None


def from_token(token: str) -> Map:
    """The map of a token. ValueError for anything that `to_token` has not written."""
    if not token or len(token) > _LONGEST_TOKEN:
        raise ValueError("a token of another length")
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, _HEAD.size + _MOST_CELLS)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError("no token") from error
    if len(data) < _HEAD.size or not unpacker.eof:
        raise ValueError("cut short or too long")
    version, rows, columns, width, height = _HEAD.unpack_from(data)
    cells = data[_HEAD.size :]
    if version != _VERSION or not rows or not columns or not width or not height or len(cells) != rows * columns:
        raise ValueError("of another version or shape")
    return Map([[cell / 255 for cell in cells[row * columns : (row + 1) * columns]] for row in range(rows)], width, height)
