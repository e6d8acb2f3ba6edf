"""UnrealCV over the wire: groups of commands out, replies matched by their id.

One group holds everything about one frame and travels as `vbatch N` plus N commands, so that a
server runs it in one tick. Groups may be sent ahead of their replies. After a timeout the stream
cannot be trusted, so the connection is closed and never used again.

Pictures are megabytes, and fresh memory for them costs more than their bytes: replies are read
where they stay, and who has decoded one gives its memory back by `Client.recycle`.
"""

from __future__ import annotations

import re
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Reply: TypeAlias = bytes | memoryview

_HEADER = struct.Struct("<II")
_MAGIC = 0x9E2B83C1
_MAX_PAYLOAD = 256 * 2**20
_ID_BYTES = 24  # longer than any id with its colon
# Memory for replies comes in multiples of this, so that one serves for the next of the same kind.
_BLOCK = 4096
_MAX_SPARES = 8


class EngineError(RuntimeError):
    """The engine answered a command with an error."""


class EngineLost(ConnectionError):
    """The engine cannot be reached, stopped answering, or broke the protocol."""


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that are on their way.

    Attributes:
        commands: As sent.
        first_id: Id of the first; the others follow.
    """

    commands: tuple[str, ...]
    first_id: int


class Client:
    """A connection to an UnrealCV server.

    Args:
        address: `HOST:PORT` or `unix:PATH`.
        timeout_s: Longest wait for the connection with its greeting, and for any reply.

    Attributes:
        closed: Whether the connection is gone.

    Raises:
        ValueError: If the address has another form.
        EngineLost: If nobody answers there.
    """

    def __init__(self, address: str, *, timeout_s: float = 60.0):
        self.address, self.timeout_s = address, timeout_s
        self.closed = False
        # Random, so that a reply to an earlier client is never taken for one to this.
        self._next_id = secrets.randbelow(2**30) + 1
        self._early: dict[int, memoryview] = {}
        self._spares: list[np.ndarray] = []
        deadline = time.monotonic() + timeout_s
        self._socket = _connect(address, timeout_s)
        try:
            self.greeting = text(self._read_frame(deadline))
        except EngineLost as error:
            self.close()
            raise EngineLost(
                f"{address} accepts connections but does not greet; "
                "another client may hold it, or it is no UnrealCV server"
            ) from error
        if not self.greeting.startswith("connected"):
            self.close()
            raise EngineLost(f"{address} is no UnrealCV server: it greets {self.greeting[:60]!r}")
        self._end_old_batch(deadline)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; harmless when already done."""
        self.closed = True
        self._socket.close()

    def send(self, commands: Sequence[str]) -> Group:
        """Send a group and return at once; `receive` fetches its replies."""
        group = Group(tuple(commands), self._next_id + 1)
        numbered = [f"{self._next_id}:vbatch {len(commands)}"] if len(commands) > 1 else []
        numbered += [f"{group.first_id + k}:{command}" for k, command in enumerate(commands)]
        self._next_id = group.first_id + len(commands)
        self._write(numbered)
        return group

    def _write(self, numbered: Sequence[str]) -> None:
        payloads = [command.encode() for command in numbered]
        data = b"".join(_HEADER.pack(_MAGIC, len(p)) + p for p in payloads)
        try:
            self._socket.settimeout(self.timeout_s)
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise EngineLost(f"{self.address} hung up while a group was sent ({error})") from error

    def _end_old_batch(self, deadline: float) -> None:
        """Finish a `vbatch` that an earlier client left open: the plugin keeps it.

        A new `vbatch` resets its counter. What it held runs now, and those replies are for nobody.
        """
        last = self._next_id + 1
        self._write([f"{self._next_id}:vbatch 1", f"{last}:vget /unrealcv/version"])
        self._next_id = last + 1
        mark = b"%d:" % last
        while self._read_frame(deadline)[: len(mark)] != mark:
            pass

    def receive(self, group: Group) -> list[memoryview]:
        """The replies of a group, in the order of its commands, as bytes; see `text`.

        Raises:
            EngineError: If a command failed; the other replies have been read, the stream is sound.
            EngineLost: If a reply did not come in time.
        """
        deadline = time.monotonic() + self.timeout_s
        wanted = range(group.first_id, group.first_id + len(group.commands))
        while any(i not in self._early for i in wanted):
            number, reply = self._read_reply(deadline)
            self._early[number] = reply
        self._early.pop(group.first_id - 1, None)
        replies = [self._early.pop(i) for i in wanted]
        for command, reply in zip(group.commands, replies, strict=True):
            if reply[:5] == b"error":
                raise EngineError(f"{command!r} answered {text(reply[:200])!r}")
        return replies

    def recycle(self, replies: Sequence[memoryview]) -> None:
        """Give the memory of replies back; neither they nor views of them may be read any more."""
        owners = [reply.obj for reply in replies if isinstance(reply.obj, np.ndarray)]
        self._spares = (owners + self._spares)[:_MAX_SPARES]

    def request(self, commands: Sequence[str]) -> list[memoryview]:
        """Send a group and wait for its replies."""
        return self.receive(self.send(commands))

    def ask(self, command: str) -> str:
        """One command, its reply as text."""
        return text(self.request([command])[0])

    def _read_reply(self, deadline: float) -> tuple[int, memoryview]:
        payload = self._read_frame(deadline)
        start = bytes(payload[:_ID_BYTES])
        head, colon, _ = start.partition(b":")
        if not colon or not head.isdigit() or int(head) >= self._next_id:
            self.close()
            raise EngineLost(f"{self.address} sent a reply without a known id: {start!r}")
        return int(head), payload[len(head) + 1 :]

    def _read_frame(self, deadline: float) -> memoryview:
        magic, size = _HEADER.unpack(self._read(_HEADER.size, deadline))
        if magic != _MAGIC or not 0 < size <= _MAX_PAYLOAD:
            self.close()
            raise EngineLost(f"{self.address} broke the framing (magic {magic:#x}, size {size})")
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> memoryview:
        view, filled = self._memory(size), 0
        while filled < size:
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                count = self._socket.recv_into(view[filled:])
            except OSError as error:
                self.close()
                why = "did not answer in time" if isinstance(error, TimeoutError) else str(error)
                raise EngineLost(f"{self.address}: {why}") from error
            if not count:
                self.close()
                raise EngineLost(f"{self.address} hung up")
            filled += count
        return view

    def _memory(self, size: int) -> memoryview:
        """Room for `size` bytes: what was recycled, if it fits."""
        if size < _BLOCK:
            return memoryview(bytearray(size))
        capacity = -(-size // _BLOCK) * _BLOCK
        for place, spare in enumerate(self._spares):
            if len(spare) == capacity:
                return self._spares.pop(place).data[:size]
        return np.empty(capacity, np.uint8).data[:size]


def text(reply: memoryview) -> str:
    """A reply that is text."""
    return str(reply, errors="replace")


def _connect(address: str, timeout_s: float) -> socket.socket:
    if address.startswith("unix:"):
        family, target = socket.AF_UNIX, address.removeprefix("unix:")
    else:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"an engine's address is HOST:PORT or unix:PATH, got {address!r}")
        family, target = socket.AF_INET, (host, int(port))
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(target)
        if family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        connection.close()
        raise EngineLost(
            f"no engine answers at {address} ({error}); start one with `relickit serve`, "
            "or check the address"
        ) from error
    return connection


def decode_bmp(reply: Reply, width_px: int, height_px: int) -> np.ndarray:
    """BGRA pixels, a view [H, W, 4] of uint8.

    Read from the end, because the plugin's version 1.0.1 puts four stray bytes behind the header.

    Raises:
        ValueError: If the reply is no BMP of this size.
    """
    size = width_px * height_px * 4
    if reply[:2] != b"BM" or not 54 <= len(reply) - size <= 58:
        raise ValueError(
            f"expected a BMP of {width_px}x{height_px} ({size} bytes of pixels), "
            f"got {len(reply)} bytes that begin with {bytes(reply[:8])!r}"
        )
    return np.frombuffer(reply, np.uint8, size, len(reply) - size).reshape(height_px, width_px, 4)


_NPY_HEADER = re.compile(
    rb"'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)(?:, 1)?\)"
)


def decode_depth_npy(reply: Reply, width_px: int, height_px: int) -> np.ndarray:
    """Depth as sent, a view [H, W] of float32 (Unreal: planar centimetres).

    Raises:
        ValueError: If the reply is no float32 array of this size.
    """
    start = 10 + int.from_bytes(reply[8:10], "little")
    header = _NPY_HEADER.search(reply[:start])
    if reply[:6] != b"\x93NUMPY" or header is None:
        raise ValueError(f"expected a float32 .npy array, got {bytes(reply[:80])!r}")
    shape = (int(header[1]), int(header[2]))
    if shape != (height_px, width_px):
        raise ValueError(f"expected depth of {(height_px, width_px)}, got {shape}")
    return np.frombuffer(reply, "<f4", height_px * width_px, start).reshape(shape)
