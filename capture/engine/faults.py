"""Faults on demand: what the real plugin and real engines do wrong, for testing clients (rule E9).

Written `NAME[=NUMBER]`, several joined by commas, as in `bmp58,drop=0.02,hang=500`:

    one-shot-tcp           after its first TCP client has left, TCP clients wait for ever for the
                           greeting; the Unix socket goes on (the plugin on Linux)
    second-client-hangs    a second client waits for ever instead of being refused
    bmp58                  four stray bytes behind a BMP's header (plugin 1.0.1)
    trailing-space         lists end with a space
    lagging-camera0        the player's camera moves one tick after it was told to
    garbage-first-frames   the first NUMBER pictures of each kind of a camera are noise, or black
                           (the seed decides)
    cold-exposure          the first NUMBER lit pictures of a camera are too dark, less and less so
    drop                   a reply is lost, with probability NUMBER
    delay                  a reply comes up to 0.2 s late, with probability NUMBER
    hang                   after NUMBER replies nothing answers any more
    crash                  after NUMBER replies the engine ends

The same seed gives the same faults for the same requests.
"""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

from capture.engine.protocol import Buffer

# Name -> the number where none is given.
KINDS: dict[str, float] = {
    "one-shot-tcp": 0,
    "second-client-hangs": 0,
    "bmp58": 0,
    "trailing-space": 0,
    "lagging-camera0": 0,
    "garbage-first-frames": 4,
    "cold-exposure": 4,
    "drop": 0.01,
    "delay": 0.05,
    "hang": 400,
    "crash": 400,
}
_LONGEST_DELAY_S = 0.2
_PICTURE = re.compile(r"vget /camera/(\d+)/(lit|depth|normal|object_mask|seg) ")
_LIST = re.compile(r"vget /(objects|cameras) *$")
_PLAYER_MOVES = re.compile(r"vset /camera/0/(location|rotation) ")

Execute = Callable[[str], list[Buffer]]


def parse(text: str) -> dict[str, float]:
    """Kinds and their numbers.

    Raises:
        ValueError: For an unknown kind, or something that is no number.
    """
    wanted: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, equals, number = part.strip().partition("=")
        if name not in KINDS:
            raise ValueError(f"unknown fault {name!r}; there are {', '.join(KINDS)}")
        try:
            wanted[name] = float(number) if equals else KINDS[name]
        except ValueError as error:
            raise ValueError(f"the fault {name} takes a number, got {number!r}") from error
    return wanted


class Faults:
    """What goes wrong in one server.

    Args:
        kinds: From `parse`.
        seed: Of everything that is left to chance.
    """

    def __init__(self, kinds: dict[str, float], seed: int = 0):
        self._kinds = kinds
        self._random = random.Random(seed)
        self._black = self._random.random() < 0.5
        self._num_tcp = 0
        self._ignored: list[socket.socket] = []
        self._num_replies = 0
        self._num_pictures: Counter[tuple[str, str]] = Counter()
        self._late_moves: list[str] = []
        self._released = threading.Event()

    def ignores(self, connection: socket.socket, *, busy: bool) -> bool:
        """Whether a new connection is kept open but never served.

        Args:
            connection: As accepted.
            busy: Whether another client is being served.
        """
        tcp = connection.family != socket.AF_UNIX
        again = tcp and self._num_tcp > 0 and "one-shot-tcp" in self._kinds
        self._num_tcp += tcp and not busy
        if again or (busy and "second-client-hangs" in self._kinds):
            self._ignored.append(connection)
            return True
        return False

    def answer(self, command: str, execute: Execute) -> list[Buffer] | None:
        """The parts of a command's reply, or None if it is lost.

        Args:
            command: Without its id.
            execute: Runs a command and returns the parts of its reply.

        Raises:
            SystemExit: When it is time to crash.
        """
        self._num_replies += 1
        if self._due("crash"):
            raise SystemExit(1)
        if self._due("hang"):
            self._released.wait()
            return None
        if self._chance("delay"):
            time.sleep(self._random.uniform(0.0, _LONGEST_DELAY_S))
        parts = self._run(command, execute)
        return None if self._chance("drop") else parts

    def end_tick(self, execute: Execute) -> None:
        """What happens after the commands of a group have run."""
        for command in self._late_moves:
            execute(command)
        self._late_moves.clear()

    def release(self) -> None:
        """Let go of everything that hangs, so that the server can close."""
        self._released.set()
        for connection in self._ignored:
            connection.close()

    def _due(self, kind: str) -> bool:
        return kind in self._kinds and self._num_replies > self._kinds[kind]

    def _chance(self, kind: str) -> bool:
        return kind in self._kinds and self._random.random() < self._kinds[kind]

    def _run(self, command: str, execute: Execute) -> list[Buffer]:
        if "lagging-camera0" in self._kinds and _PLAYER_MOVES.match(command):
            self._late_moves.append(command)
            return [b"ok"]
        parts = execute(command)
        if "trailing-space" in self._kinds and _LIST.match(command):
            return [*parts, b" "]
        picture = _PICTURE.match(command)
        return self._spoil(picture.group(1), picture.group(2), parts) if picture else parts

    def _spoil(self, camera: str, kind: str, parts: list[Buffer]) -> list[Buffer]:
        """A picture as this engine sends it."""
        header, pixels = bytes(parts[0]), b"".join(bytes(part) for part in parts[1:])
        if not pixels:  # compressed, or an error
            return parts
        self._num_pictures[camera, kind] += 1
        number = self._num_pictures[camera, kind]
        if number <= self._kinds.get("garbage-first-frames", 0):
            num_bytes = len(pixels)
            pixels = bytes(num_bytes) if self._black else self._random.randbytes(num_bytes)
        cold = self._kinds.get("cold-exposure", 0)
        if kind == "lit" and number <= cold:
            dark = bytes(int(level * number / (cold + 1)) for level in range(256))
            pixels = pixels.translate(dark)
        stray = len(pixels).to_bytes(4, "little") if header.startswith(b"BM") else b""
        return [header, stray if "bmp58" in self._kinds else b"", pixels]
