"""What the service and its workers say to each other: a JSON header and bytes, each with its length before it, over a socket pair.

No pickle: a worker that a hostile film has taken over can send back wrong numbers, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

_LENGTHS = struct.Struct(">IQ")  # of the header, of the body
_LARGEST_HEADER = 64 * 2**20
_LARGEST_BODY = 1 << 30

Header = dict[str, Any]


class FrameError(Exception):
    """What arrived is no whole frame: the other side has ended, or is not to be trusted any more."""


def encode(header: Header, body_bytes: int) -> bytes:
    """The start of a frame; the body follows as it is."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTHS.pack(len(text), body_bytes) + text


def send(channel: socket.socket, header: Header, body: bytes = b"") -> None:
    """Send one frame; blocks until it is taken."""
    channel.sendall(encode(header, len(body)))
    channel.sendall(body)


def receive(channel: socket.socket) -> tuple[Header, bytes]:
    """The next frame; blocks until it is there. FrameError when the other side has ended."""
    header_bytes, body_bytes = _checked(_exactly(channel, _LENGTHS.size))
    return _header(_exactly(channel, header_bytes)), bytes(_exactly(channel, body_bytes))


async def exchange(channel: socket.socket, header: Header, body: bytes | memoryview) -> tuple[Header, bytes]:
    """Send one frame over a non-blocking socket and wait for the one that answers it. FrameError, OSError when the other side has ended."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(channel, encode(header, len(body)))
    if len(body):
        await loop.sock_sendall(channel, body)
    return await next_frame(channel)


async def next_frame(channel: socket.socket) -> tuple[Header, bytes]:
    """The next frame from a non-blocking socket."""
    header_bytes, body_bytes = _checked(await _exactly_soon(channel, _LENGTHS.size))
    return _header(await _exactly_soon(channel, header_bytes)), bytes(await _exactly_soon(channel, body_bytes))


def _checked(lengths: bytearray) -> tuple[int, int]:
    header_bytes, body_bytes = _LENGTHS.unpack(lengths)
    if header_bytes > _LARGEST_HEADER or body_bytes > _LARGEST_BODY:
        raise FrameError(f"a frame of {header_bytes} + {body_bytes} bytes")
    return header_bytes, body_bytes


def _header(text: bytearray) -> Header:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise FrameError("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise FrameError("a header that is no object")
    return header


def _exactly(channel: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = channel.recv_into(view)
        if not got:
            raise FrameError("the other side has ended")
        view = view[got:]
    return data


async def _exactly_soon(channel: socket.socket, count: int) -> bytearray:
    loop = asyncio.get_running_loop()
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = await loop.sock_recv_into(channel, view)
        if not got:
            raise FrameError("the other side has ended")
        view = view[got:]
    return data
