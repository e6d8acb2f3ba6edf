"""Thousands of connections of every kind leave nothing behind in the server."""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served_world import Wire

from capture.engine.protocol import HEADER, MAGIC, MAX_PAYLOAD_BYTES

TESTS = Path(__file__).parents[1]
_LINGER = struct.pack("ii", 1, 0)  # close at once, with a reset


def _asks(wire: Wire) -> None:
    assert wire.ask("vget /unrealcv/version") == b"1.0.1"


def _leaves(wire: Wire) -> None:
    pass


def _leaves_amid_a_batch(wire: Wire) -> None:
    wire.ask("vbatch 9")
    wire.post("vget /camera/0/lit png")


def _asks_and_does_not_wait(wire: Wire) -> None:
    wire.post("vget /camera/0/depth npy")


def _resets(wire: Wire) -> None:
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)


def _sends(data: bytes) -> Callable[[Wire], None]:
    def send(wire: Wire) -> None:
        with contextlib.suppress(OSError):  # the server may have closed already
            wire.socket.sendall(data)

    return send


def _frame(payload: bytes) -> bytes:
    return HEADER.pack(MAGIC, len(payload)) + payload


ACTS: tuple[Callable[[Wire], None], ...] = (
    _leaves,
    _asks,
    _leaves_amid_a_batch,
    _asks_and_does_not_wait,
    _resets,
    _sends(b"GET / HTTP/1.1\r\n\r\n"),
    _sends(HEADER.pack(MAGIC, MAX_PAYLOAD_BYTES + 1)),  # oversize
    _sends(HEADER.pack(MAGIC, MAX_PAYLOAD_BYTES) + b"1:vget"),  # truncated
    _sends(HEADER.pack(MAGIC, 8)[:5]),
    _sends(_frame(b"no id at all") + _frame(b"\0" * 64) + _frame(b"7:vget \0/unrealcv/version")),
    _sends(_frame(b"1:" + b"\xff" * 999)),
)


def storm(addresses: list, count: int) -> None:
    """Connect `count` times, to each address in turn, and do something else every time."""
    for act, address in itertools.islice(
        zip(itertools.cycle(ACTS), itertools.cycle(addresses), strict=False), count
    ):
        with Wire(address) as wire:
            assert wire.hello.startswith(b"connected")
            act(wire)
    # Connected, silent, and not gone: the others are refused.
    with Wire(addresses[0]):
        for address in addresses * 3:
            with Wire(address) as refused:
                assert refused.hello == b""


def num_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def traced_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def settled(measure: Callable[[], int], at_most: int) -> int:
    """What is measured, once it is small enough or two seconds have passed."""
    deadline = time.monotonic() + 2
    while (value := measure()) > at_most and time.monotonic() < deadline:
        time.sleep(0.01)
    return value


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_connections_leave_nothing_behind(server, caplog):
    for name in (None, "capture.engine"):  # pytest keeps what is logged
        caplog.set_level(logging.ERROR, logger=name)
    addresses = [("127.0.0.1", server.port), str(server.path)]
    storm(addresses, 2 * len(ACTS))
    files, threads = num_files(), threading.active_count()
    gc.collect()
    tracemalloc.start()
    storm(addresses, 2 * len(ACTS))
    memory = settled(traced_bytes, 0)
    storm(addresses, 1_500)
    # A forgotten frame alone would be 500 bytes a connection.
    grown = settled(lambda: traced_bytes() - memory, 1_500 * 100)
    tracemalloc.stop()
    assert settled(num_files, files) <= files
    assert threading.active_count() <= threads
    assert grown <= 1_500 * 100
    with Wire(addresses[0]) as wire:
        assert wire.ask("vget /unrealcv/version") == b"1.0.1"


@contextlib.contextmanager
def served() -> Iterator[tuple[int, int]]:
    """Process id and port of a tiny world served by a process of its own."""
    code = "from served_world import tiny_world; from capture.engine.server import serve;"
    code += "serve(tiny_world(), port=0, threads=1, on_listening=lambda p: print(p, flush=True))"
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def status(pid: int) -> dict[str, int]:
    """Resident memory (KiB), threads and open files of a process."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return {
        "rss_kib": int(lines["VmRSS"].split()[0]),
        "threads": int(lines["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_ten_thousand_connects_leave_memory_flat():
    with served() as (pid, port):
        storm([("127.0.0.1", port)], 1_000)
        before = status(pid)
        storm([("127.0.0.1", port)], 10_000)
        after = status(pid)
        sys.stderr.write(f"before {before}, after 10,000 connects {after}\n")
        assert after["rss_kib"] - before["rss_kib"] < 1024
        assert after["threads"] <= before["threads"] and after["files"] <= before["files"] + 1
        with Wire(("127.0.0.1", port)) as wire:
            assert wire.ask("vget /unrealcv/version") == b"1.0.1"
