"""The embedded server on the wire: rules E1-E8 of UnrealCV's contract."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import numpy as np
import pytest
import unrealcv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served_world import SIZE, Wire, npy

from capture.engine.protocol import HEADER, MAGIC, write_frame


def test_requests_without_an_id_are_dropped(wire):
    write_frame(wire.socket, [b"vget /unrealcv/version"])
    write_frame(wire.socket, [b"xx 41:vget /unrealcv/version\nrest"])
    assert wire.raw() == (41, b"1.0.1")


def test_vbatch_answers_when_all_are_there(wire):
    assert wire.ask("vbatch 3") == b"ok"
    wire.post("vset /camera/0/location 1 2 3")
    wire.post("vget /camera/0/location")
    wire.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.socket.recv(1)
    wire.socket.settimeout(20)
    wire.post("vget /nothing")
    replies = [wire.raw() for _ in range(3)]
    assert [request_id for request_id, _ in replies] == [1, 2, 3]
    assert replies[1][1] == b"1.000 2.000 3.000"
    assert replies[2][1].startswith(b"error No handler")


@pytest.mark.parametrize("size", ["0", "-2", "x", ""])
def test_a_vbatch_without_a_size_is_ignored(wire, size):
    assert wire.ask(f"vbatch {size}") == b"ok"
    assert wire.ask("vget /unrealcv/version") == b"1.0.1"


def test_a_vbatch_inside_a_batch_counts_anew(wire):
    wire.ask("vbatch 9")
    wire.post("vget /unrealcv/echo a")
    assert wire.ask("vbatch 1") == b"ok"
    wire.post("vget /unrealcv/echo b")
    assert [wire.raw()[1] for _ in range(2)] == [b"a", b"b"]


def test_a_batch_larger_than_a_tick(wire):
    wire.ask("vbatch 100")
    for number in range(100):
        wire.post(f"vget /unrealcv/echo {number}")
    assert [wire.raw()[1] for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_an_unfinished_batch_ends_with_its_connection(server):
    with Wire(("127.0.0.1", server.port)) as wire:
        wire.ask("vbatch 5")
        wire.post("vset /camera/0/fov 30")
    with Wire(("127.0.0.1", server.port)) as wire:
        assert wire.text("vget /camera/0/fov") == "90.000000"


def test_a_hundred_reconnects_over_both_sockets(server):
    for turn in range(100):
        address = ("127.0.0.1", server.port) if turn % 2 else str(server.path)
        with Wire(address) as wire:
            assert wire.hello.startswith(b"connected")
            assert wire.ask("vget /unrealcv/version") == b"1.0.1"


def test_a_second_client_is_refused_at_once(wire, server):
    for address in (("127.0.0.1", server.port), str(server.path)):
        start = time.monotonic()
        with Wire(address) as second:
            assert second.hello == b""
        assert time.monotonic() - start < 2
    assert wire.ask("vget /unrealcv/version") == b"1.0.1"


def test_only_this_address_is_listened_to(server):
    """127.0.0.1 unless told otherwise: another address of the same machine is refused."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_an_endless_batch_is_closed(wire, server, monkeypatch):
    monkeypatch.setattr("capture.engine.server.MAX_PAYLOAD_BYTES", 1000)
    assert wire.ask("vbatch 999999999") == b"ok"
    with contextlib.suppress(ConnectionError):
        for _ in range(1000):
            wire.post("vget /unrealcv/echo " + "x" * 90)
        assert wire.socket.recv(1) == b""
    with Wire(("127.0.0.1", server.port)) as again:
        assert again.ask("vget /unrealcv/version") == b"1.0.1"


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", HEADER.pack(MAGIC, 0), HEADER.pack(MAGIC, 2**31), b"\0" * 5],
    ids=["http", "empty", "too large", "truncated"],
)
def test_malformed_input_closes_and_the_server_goes_on(server, data):
    with Wire(("127.0.0.1", server.port)) as wire:
        wire.socket.sendall(data)
        with contextlib.suppress(OSError):  # the server may have closed already
            wire.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert wire.socket.recv(1) == b""
    with Wire(("127.0.0.1", server.port)) as wire:
        assert wire.ask("vget /unrealcv/version") == b"1.0.1"


_WORDS = st.sampled_from(
    [
        "vget",
        "vset",
        "vbatch",
        "vrun",
        "vexec",
        "/camera",
        "/cameras",
        "/object",
        "/objects",
        "/unrealcv",
        "/action",
        "0",
        "1",
        "-1",
        "99",
        "nan",
        "1e400",
        "4097",
        "lit",
        "depth",
        "location",
        "rotation",
        "fov",
        "size",
        "spawn",
        "png",
        "npy",
        "cube_1",
        "wall_1",
        "destroy",
        "hide",
        "pose",
        "\x00",
        "%",
        "é",
        "[str]",
        "..",
    ]
)
_COMMANDS = st.builds(
    lambda words, joint: joint.join(words).encode(),
    st.lists(_WORDS, max_size=8),
    st.sampled_from([" ", "/", ""]),
)
_PAYLOADS = st.binary(min_size=1, max_size=99) | _COMMANDS.map(lambda command: b"1:" + command)
_STREAMS = st.binary(max_size=40) | _PAYLOADS.map(lambda p: HEADER.pack(MAGIC, len(p)) + p)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(_STREAMS, max_size=12))
def test_nothing_that_is_sent_stops_the_server(server, parts):
    with Wire(("127.0.0.1", server.port)) as wire, contextlib.suppress(OSError):
        wire.socket.sendall(b"".join(parts))
    with Wire(("127.0.0.1", server.port)) as wire:
        assert wire.ask("vget /unrealcv/version") == b"1.0.1"


def test_the_official_client_works_unmodified(server):
    api = unrealcv.UnrealCv_API(server.port, "127.0.0.1", SIZE)
    try:
        assert api.client.request("vset /cameras/spawn") == "FusionCameraActor_1"
        api.client.request("vset /camera/1/location 10 20 100")
        replies: Any = api.client.request(["vget /camera/1/depth npy", "vget /camera/1/location"])
        assert replies[1] == "10.000 20.000 100.000" and npy(replies[0]).shape == SIZE[::-1]
        lit, again = (api.get_image(1, "lit", mode) for mode in ("png", "bmp"))
        np.testing.assert_array_equal(lit, again)
        assert api.get_objects() == ["wall_1", "cube_1"]
        mask: Any = api.get_image(1, "object_mask", "bmp")
        red, green, blue = api.decoder.string2color(
            api.client.request("vget /object/cube_1/color")
        )[:3]
        assert (blue, green, red) in {tuple(colour) for colour in mask.reshape(-1, 3)}
    finally:
        api.client.disconnect()
