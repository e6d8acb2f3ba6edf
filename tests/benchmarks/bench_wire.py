"""Our client against the official one, at a server that works in ticks as the plugin does.

Run: python tests/benchmarks/bench_wire.py [--size 832x480] [--frames 60] [--tick-hz 60]

The stand-in server answers at most 32 requests a tick, holds a `vbatch` until it is complete, and
sends one constant picture, so that only the protocol and the client are measured. One frame is
seven commands: set location and rotation, colour (bmp), depth (npy), mask (bmp), both read back.
Pictures are decoded to arrays by the same functions everywhere. The ways take turns.
"""

from __future__ import annotations

import argparse
import io
import logging
import multiprocessing
import queue
import re
import socket
import statistics
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import unrealcv

from capture.client import Client, Group, decode_bmp, decode_depth_npy
from capture.engine.protocol import parse_request, read_frame, write_frame
from capture.stream import DEPTH_AHEAD

_PER_TICK = 32
_VBATCH = re.compile(r"vbatch (\d+)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--tick-hz", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")  # the official client's, about a server without a command list
    width, height = (int(x) for x in options.size.split("x"))
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(theirs, width, height, options.tick_hz), daemon=True
    )
    server.start()
    port = ours.recv()
    ways = {
        "official client, one request at a time": one_by_one,
        "official client, request(list)": listed,
        "capture.client, one group a frame": grouped,
        f"capture.client, {DEPTH_AHEAD} groups ahead": ahead,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    cpu_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            count = options.frames // 4 if way is one_by_one else options.frames
            before = time.process_time()
            rates[name].append(way(port, width, height, count))
            cpu_ms[name].append(1e3 * (time.process_time() - before) / count)
    server.terminate()
    last = statistics.median(rates[list(ways)[-1]])
    print(f"{options.size}, {options.tick_hz:g} Hz, lit + depth + mask, median of {options.rounds}")
    for name, values in rates.items():
        median = statistics.median(values)
        spent = statistics.median(cpu_ms[name])
        print(
            f"{name:40} {median:7.1f} fps, {spent:4.1f} ms of CPU a frame   "
            f"ours is {last / median:5.1f} times as fast"
        )


def commands(k: int) -> list[str]:
    """One frame."""
    base = "/camera/1"
    return [
        f"vset {base}/location {k:.6f} 0.000000 150.000000",
        f"vset {base}/rotation 0.000000 {k:.6f} 0.000000",
        f"vget {base}/lit bmp",
        f"vget {base}/depth npy",
        f"vget {base}/object_mask bmp",
        f"vget {base}/location",
        f"vget {base}/rotation",
    ]


def decode(replies: list, width: int, height: int) -> tuple[np.ndarray, ...]:
    """Pictures as arrays."""
    return (
        decode_bmp(replies[2], width, height),
        decode_depth_npy(replies[3], width, height),
        decode_bmp(replies[4], width, height),
    )


def _rate(frames: int, run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return frames / (time.perf_counter() - started)


def one_by_one(port: int, width: int, height: int, frames: int) -> float:
    """The way the official examples do it."""
    return _official(
        port, frames, lambda client, k: [client.request(c) for c in commands(k)], width, height
    )


def listed(port: int, width: int, height: int, frames: int) -> float:
    """All commands of a frame at once."""
    return _official(port, frames, lambda client, k: client.request(commands(k)), width, height)


def _official(port: int, frames: int, ask: Callable, width: int, height: int) -> float:
    client = unrealcv.Client(("127.0.0.1", port))
    client.connect()

    def run() -> None:
        for k in range(frames):
            decode(ask(client, k), width, height)

    rate = _rate(frames, run)
    client.disconnect()
    return rate


def grouped(port: int, width: int, height: int, frames: int) -> float:
    """Ours, waiting for each frame."""
    with Client(f"127.0.0.1:{port}") as client:

        def run() -> None:
            for k in range(frames):
                replies = client.request(commands(k))
                decode(replies, width, height)
                client.recycle(replies)

        return _rate(frames, run)


def ahead(port: int, width: int, height: int, frames: int) -> float:
    """Ours as the recorder uses it."""
    with Client(f"127.0.0.1:{port}") as client:

        def run() -> None:
            waiting: list[Group] = []
            for k in range(frames):
                waiting.append(client.send(commands(k)))
                if len(waiting) == DEPTH_AHEAD:
                    replies = client.receive(waiting.pop(0))
                    decode(replies, width, height)
                    client.recycle(replies)
            for group in waiting:
                decode(client.receive(group), width, height)

        return _rate(frames, run)


def serve(report: Connection, width: int, height: int, tick_hz: float) -> None:
    """The stand-in: requests are queued by one thread and answered in ticks by another."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    bmp = b"BM" + b"\0" * 52 + pixels.tobytes()
    npy = io.BytesIO()
    np.save(npy, pixels[..., 0].astype(np.float32))
    pictures = {"bmp": bmp, "npy": npy.getvalue()}
    listener = socket.create_server(("127.0.0.1", 0))
    report.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        write_frame(connection, [b"connected to stand-in"])
        requests: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        gone = threading.Event()
        reader = threading.Thread(target=_read, args=(connection, requests, gone))
        reader.start()
        _tick(connection, requests, gone, pictures, 1 / tick_hz)
        reader.join()
        connection.close()


def _read(connection: socket.socket, requests: queue.SimpleQueue, gone: threading.Event) -> None:
    while (payload := read_frame(connection)) is not None:
        request = parse_request(payload)
        assert request is not None
        requests.put(request)
    gone.set()


def _tick(
    connection: socket.socket,
    requests: queue.SimpleQueue,
    gone: threading.Event,
    pictures: dict[str, bytes],
    period_s: float,
) -> None:
    """Every period, answer at most 32 requests; a batch waits until all of it is there."""
    held: list[tuple[int, str]] = []
    missing = 0
    next_tick = time.perf_counter()
    while not gone.is_set():
        next_tick += period_s
        time.sleep(max(0.0, next_tick - time.perf_counter()))
        next_tick = max(next_tick, time.perf_counter())
        for _ in range(_PER_TICK):
            if requests.empty():
                break
            number, command = requests.get()
            if batch := _VBATCH.match(command):
                missing = int(batch[1])
                write_frame(connection, [b"%d:" % number, b"ok"])
                continue
            held.append((number, command))
            missing = max(missing - 1, 0)
            if not missing:
                for held_number, held_command in held:
                    body = pictures.get(held_command.rpartition(" ")[2], b"0.000 0.000 0.000")
                    write_frame(connection, [b"%d:" % held_number, body])
                held.clear()


if __name__ == "__main__":
    main()
