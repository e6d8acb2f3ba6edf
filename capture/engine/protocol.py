"""UnrealCV's wire format: frames, request ids, replies (plugin 1.0.1, `TcpServer.cpp`).

A frame, both ways, is two little-endian uint32 (magic, payload size) and the payload. A request is
`<decimal id>:<command>`, a reply `<id>:` and text or raw bytes. Nothing says which of the two.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Sequence
from typing import TypeAlias

MAGIC = 0x9E2B83C1
HEADER = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024

Buffer: TypeAlias = bytes | bytearray | memoryview

_ID_END = re.compile(rb"\d:")
_DIGITS = frozenset(b"0123456789")
_LINE = re.compile("[^\n\r\x85\u2028\u2029]*")  # ICU's `.*`
_INT64_MAX_DIGITS = 18
_JOIN_BELOW_BYTES = 1 << 16
_FIRST_READ_BYTES = 1 << 16


class ProtocolError(ValueError):
    """The stream holds something that is no frame; the connection cannot be used any more."""


def read_frame(connection: socket.socket) -> bytearray | None:
    """The next payload, or None when the peer has closed between two frames.

    Raises:
        ProtocolError: On a wrong magic, a size of 0 or above 256 MiB, or a truncated frame.
        OSError: If the connection broke.
    """
    header = _read_exactly(connection, HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise ProtocolError(f"the header ended after {len(header)} of {HEADER.size} bytes")
    magic, num_bytes = HEADER.unpack(header)
    if magic != MAGIC:
        raise ProtocolError(f"a frame begins with the magic {MAGIC:#x}, got {magic:#x}")
    if not 0 < num_bytes <= MAX_PAYLOAD_BYTES:
        raise ProtocolError(
            f"a payload holds between 1 and {MAX_PAYLOAD_BYTES} bytes, got {num_bytes}"
        )
    payload = _read_exactly(connection, num_bytes)
    if len(payload) < num_bytes:
        raise ProtocolError(f"the payload ended after {len(payload)} of {num_bytes} bytes")
    return payload


def _read_exactly(connection: socket.socket, num_bytes: int) -> bytearray:
    """`num_bytes` bytes, or fewer if the stream ends before.

    Memory is taken as the bytes arrive: a header alone, however large it says, costs nothing.
    """
    data, filled = bytearray(min(num_bytes, _FIRST_READ_BYTES)), 0
    while filled < num_bytes:
        if filled == len(data):
            data.extend(bytes(min(filled, num_bytes - filled)))
        with memoryview(data) as view:
            received = connection.recv_into(view[filled:])
        if not received:
            del data[filled:]
            break
        filled += received
    return data


def write_frame(connection: socket.socket, parts: Sequence[Buffer]) -> None:
    """Send `parts` as one payload; large parts are sent from where they lie.

    Args:
        connection: A blocking stream socket.
        parts: Contiguous buffers, together at least one byte.
    """
    views = [memoryview(part).cast("B") for part in parts]
    small = bytearray(HEADER.pack(MAGIC, sum(view.nbytes for view in views)))
    for view in views:
        if view.nbytes < _JOIN_BELOW_BYTES:
            small += view
            continue
        connection.sendall(small)
        connection.sendall(view)
        small = bytearray()
    if small:
        connection.sendall(small)


def parse_request(payload: Buffer) -> tuple[int, str] | None:
    r"""Id and command of a request, or None without an id (the plugin drops such a frame).

    As `(\d{1,}):(.*)` searched in the text: what stands before the digits is skipped, the command
    ends with the line, a NUL ends the text. Ids are int32; a negative one becomes 0.
    """
    text = bytes(payload).split(b"\0", 1)[0]
    # Searching the colon first keeps a long run of digits from costing quadratic time.
    end = _ID_END.search(text)
    if end is None:
        return None
    colon = start = end.end() - 1
    while start and text[start - 1] in _DIGITS:
        start -= 1
    command = _LINE.match(text[colon + 1 :].decode("utf-8", errors="replace"))
    assert command is not None  # the pattern matches the empty string
    return _int32_id(text[start:colon]), command.group()


def _int32_id(digits: bytes) -> int:
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > _INT64_MAX_DIGITS:
        return 0  # `atoi` saturates at 2**63 - 1, whose low 32 bits are negative
    low = int(digits) & 0xFFFFFFFF
    return low if low < 1 << 31 else 0
