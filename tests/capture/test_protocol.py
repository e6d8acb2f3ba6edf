"""Frames, ids and the command grammar: the parts of UnrealCV that need no world."""

from __future__ import annotations

import socket
import struct
import time
import tracemalloc

import numpy as np
import pytest

from capture.engine import images
from capture.engine.commands.grammar import CommandError, Dispatcher, Routes
from capture.engine.protocol import (
    HEADER,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    ProtocolError,
    parse_request,
    read_frame,
    write_frame,
)


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.settimeout(5)
    right.settimeout(5)
    with left, right:
        yield left, right


@pytest.mark.parametrize("num_bytes", [1, 2, 65535, 65536, 300_000])
def test_a_frame_arrives_as_it_was_sent(pair, num_bytes):
    body = np.random.default_rng(num_bytes).bytes(num_bytes)
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    write_frame(pair[0], [b"7:", body])
    assert read_frame(pair[1]) == b"7:" + body


def test_parts_may_be_arrays_of_any_type(pair):
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    write_frame(pair[0], [b"1:", array.data])
    assert read_frame(pair[1]) == b"1:" + array.tobytes()


def test_the_header_is_magic_and_size_in_little_endian(pair):
    write_frame(pair[0], [b"abc"])
    assert pair[1].recv(100) == struct.pack("<II", 0x9E2B83C1, 3) + b"abc"


def test_a_header_alone_takes_no_memory(pair):
    pair[0].sendall(HEADER.pack(MAGIC, MAX_PAYLOAD_BYTES) + b"1:v")
    pair[0].close()
    tracemalloc.start()
    with pytest.raises(ProtocolError, match="ended after 3 of"):
        read_frame(pair[1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_close_between_frames_is_no_error(pair):
    pair[0].close()
    assert read_frame(pair[1]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 8,
        HEADER.pack(MAGIC, 0),
        HEADER.pack(MAGIC, MAX_PAYLOAD_BYTES + 1),
        HEADER.pack(MAGIC, 10) + b"short",
        HEADER.pack(MAGIC, 10)[:5],
    ],
    ids=["magic", "empty", "too large", "short body", "short header"],
)
def test_malformed_frames_are_refused(pair, data):
    pair[0].sendall(data)
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError):
        read_frame(pair[1])


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"0:vget /cameras", (0, "vget /cameras")),
        (b"xx 9:cmd", (9, "cmd")),
        (b"007:a:b", (7, "a:b")),
        (b"a: 5:x", (5, "x")),
        (b"3:one\ntwo", (3, "one")),
        (b"3:one\0two", (3, "one")),
        (b"3:", (3, "")),
        (b"2147483647:x", (2147483647, "x")),
        (b"2147483648:x", (0, "x")),
        (b"4294967297:x", (1, "x")),
        (b"9" * 40 + b":x", (0, "x")),
        (b"-5:x", (5, "x")),
        ("4:größe".encode(), (4, "größe")),
        (b"4:\xff", (4, "\ufffd")),
        (b"no id", None),
        (b":x", None),
        (b"12\x00:x", None),
        (b"12", None),
    ],
)
def test_request_ids(payload, expected):
    assert parse_request(payload) == expected


def test_a_megabyte_of_digits_costs_no_quadratic_time():
    start = time.perf_counter()
    assert parse_request(b"1" * 1_000_000) is None
    with pytest.raises(CommandError):
        _dispatcher().run(None, "vset /lens " + "1" * 1_000_000 + "x")  # pyright: ignore
    assert time.perf_counter() - start < 2.0


def _dispatcher() -> Dispatcher:
    routes = Routes()
    routes.add("vset /lens [float]", help="")(lambda _, x: f"float {x!r}")
    routes.add("vget /camera/[uint]/[str] [str]", help="")(lambda _, *a: f"any {a}")
    routes.add("vget /camera/[uint]/lit [str]", help="")(lambda _, *a: f"lit {a}")
    return Dispatcher(routes.items)


@pytest.mark.parametrize("text", ["0", "1.5", "-1.5", "+2", ".5", "-.25", "100000", "0.1", "1  "])
def test_floats_that_are_read(text):
    expected = float(np.float32(text))
    assert _dispatcher().run(None, f"vset /lens {text}") == f"float {expected!r}"  # pyright: ignore


@pytest.mark.parametrize(
    "text", ["1e-5", "1.", "nan", "inf", "", "0x10", "1,5", " 1", "1 2", "--1", "9" * 60, "\u0661"]
)
def test_floats_that_are_refused(text):
    with pytest.raises(CommandError):
        _dispatcher().run(None, f"vset /lens {text}")  # pyright: ignore


def test_dispatch_rules():
    def run(command: str):
        return _dispatcher().run(None, command)  # pyright: ignore

    assert run("vget /camera/0/lit png") == "lit (0, 'png')"  # the later template wins
    assert run("vget /camera/0/depth npy") == "any (0, 'depth', 'npy')"
    assert run("vget /camera//lit png") == "lit (0, 'png')"  # an unsigned may be empty
    assert run("vget /camera/0/lit png   ") == "lit (0, 'png')"
    assert run("vget x vget /camera/0/lit png") == "lit (0, 'png')"  # searched, not matched
    for refused in (
        "VGET /camera/0/lit png",
        "vset /camera/0/lit png",
        "",
        "vget  /camera/0/lit p",
    ):
        with pytest.raises(CommandError, match="No handler found for URI"):
            run(refused)


def test_bmp_is_54_bytes_and_the_pixels_top_down():
    image = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    data = b"".join(images.encode_bmp(image))
    assert len(data) == 54 + image.nbytes and data[:2] == b"BM"
    assert struct.unpack_from("<IHHIIii", data, 2) == (len(data), 0, 0, 54, 40, 3, -2)
    assert data[54:] == image.tobytes()


def test_depth_is_exact_or_as_coarse_as_the_plugin():
    depth_m = np.array([[1.0, 10.0, 100.0, 700.0, np.inf]], dtype=np.float32)
    exact = images.depth_cm(depth_m, as_unreal=False)
    np.testing.assert_array_equal(exact, [[100.0, 1000.0, 10000.0, 70000.0, np.inf]])
    coarse = images.depth_cm(depth_m + np.float32(0.0123), as_unreal=True)
    assert coarse[0, 0] == np.float16(101.23) and coarse[0, 2] == np.float16(10001.23)
    assert coarse[0, 3] == np.inf and coarse[0, 4] == 65504.0
