"""The client against a scripted server that misbehaves in one way at a time."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
import time

import numpy as np
import pytest

from capture.client import Client, EngineError, EngineLost, decode_bmp, decode_depth_npy

MAGIC = 0x9E2B83C1


def frame(payload: bytes) -> bytes:
    return struct.pack("<II", MAGIC, len(payload)) + payload


class Script:
    """A server that greets and then answers each request by `reply(id, command) -> bytes`."""

    def __init__(self, reply, greeting: bytes = frame(b"connected to script")):
        self._reply, self._greeting = reply, greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.seen: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            stream = connection.makefile("rb")
            connection.sendall(self._greeting)
            while header := stream.read(8):
                payload = stream.read(struct.unpack("<II", header)[1])
                number, _, command = payload.partition(b":")
                if command in (b"vbatch 1", b"vget /unrealcv/version"):  # every client begins so
                    connection.sendall(frame(number + b":ok"))
                    continue
                self.seen.append(payload)
                answer = self._reply(int(number), command.decode())
                if answer is None:
                    connection.close()
                    return
                connection.sendall(answer)


def say(number: int, text: str) -> bytes:
    return frame(f"{number}:{text}".encode())


def test_replies_are_matched_by_id_not_by_order():
    held: list[bytes] = []

    def backwards(number, command):
        held.append(say(number, f"reply to {command}"))
        return b"".join(reversed(held)) if len(held) == 4 else b""

    with Client(Script(backwards).address, timeout_s=5) as client:
        replies = client.request(["a", "b", "c"])
    assert replies == [b"reply to a", b"reply to b", b"reply to c"]


def test_a_group_is_announced_as_one_batch():
    script = Script(lambda n, c: say(n, "ok"))
    with Client(script.address, timeout_s=5) as client:
        client.request(["a", "b"])
        client.ask("alone")
    assert [s.partition(b":")[2] for s in script.seen] == [b"vbatch 2", b"a", b"b", b"alone"]


def test_groups_may_be_sent_ahead():
    with Client(Script(lambda n, c: say(n, c)).address, timeout_s=5) as client:
        groups = [client.send([f"g{k}", f"h{k}"]) for k in range(5)]
        assert [client.receive(g) for g in groups] == [
            [f"g{k}".encode(), f"h{k}".encode()] for k in range(5)
        ]


def test_an_error_names_the_command_and_leaves_the_stream_sound():
    def some(number, command):
        return say(number, "error Invalid sensor id" if command == "bad" else "ok")

    with Client(Script(some).address, timeout_s=5) as client:
        with pytest.raises(EngineError, match="'bad' answered 'error Invalid sensor id'"):
            client.request(["good", "bad", "good"])
        assert client.ask("good") == "ok"


def test_after_a_timeout_the_connection_is_never_used_again():
    def slow(number, command):
        time.sleep(0.4)
        return say(number, command)

    client = Client(Script(slow).address, timeout_s=0.2)
    with pytest.raises(EngineLost, match="did not answer in time"):
        client.ask("first")
    with pytest.raises(EngineLost):
        client.ask("second")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n, c: None, "hung up"),
        (lambda n, c: b"\0" * 16, "broke the framing"),
        (lambda n, c: struct.pack("<II", MAGIC, 2**31), "broke the framing"),
        (lambda n, c: frame(b"no id here"), "without a known id"),
        (lambda n, c: frame(b"%d:from the future" % (n + 9)), "without a known id"),
        (lambda n, c: say(n, "x")[:-1], "did not answer in time"),
    ],
)
def test_a_broken_stream_is_lost_in_one_sentence(answer, message):
    client = Client(Script(answer).address, timeout_s=0.3)
    with pytest.raises(EngineLost, match=message):
        client.ask("anything")


def test_who_does_not_greet_is_no_engine():
    with pytest.raises(EngineLost, match="greets 'SSH"):
        Client(Script(lambda n, c: b"", frame(b"SSH-2.0")).address, timeout_s=1)
    with pytest.raises(EngineLost, match="does not greet"):
        Client(Script(lambda n, c: b"", b"").address, timeout_s=0.3)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(EngineLost, match=f"no engine answers at 127.0.0.1:{port}"):
        Client(f"127.0.0.1:{port}", timeout_s=1)
    with pytest.raises(EngineLost, match="no engine answers at unix:/nowhere"):
        Client("unix:/nowhere", timeout_s=1)


@pytest.mark.parametrize("address", ["9000", "host:", "host:99999", "", "host:http"])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(ValueError, match="HOST:PORT or unix:PATH"):
        Client(address)


@pytest.mark.parametrize("stray", [0, 4])
def test_bmp_is_read_from_its_end(stray):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 4), dtype=np.uint8)
    data = b"BM" + b"\0" * (52 + stray) + pixels.tobytes()
    np.testing.assert_array_equal(decode_bmp(data, 7, 5), pixels)
    with pytest.raises(ValueError, match="expected a BMP of 8x5"):
        decode_bmp(data, 8, 5)


def test_what_an_earlier_client_left_open_is_finished_first():
    """The plugin keeps an unfinished batch over a disconnect; its replies come to the next."""
    script = Script(lambda n, c: say(n, c), frame(b"connected to script") + say(7, "stale") * 3)
    with Client(script.address, timeout_s=5) as client:
        assert client.ask("mine") == "mine"


def test_npy_depth():
    depth = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    out = io.BytesIO()
    np.save(out, depth)
    np.testing.assert_array_equal(decode_depth_npy(out.getvalue(), 7, 5), depth)
    with pytest.raises(ValueError, match="expected depth of"):
        decode_depth_npy(out.getvalue(), 5, 7)
    with pytest.raises(ValueError, match="expected a float32"):
        decode_depth_npy(b"error something", 7, 5)
