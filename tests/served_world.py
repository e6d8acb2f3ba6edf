"""A server in a thread with a tiny world, and the smallest client: for tests over real sockets."""

from __future__ import annotations

import io
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capture.engine.materials import Material, plain
from capture.engine.meshes import box
from capture.engine.protocol import read_frame, write_frame
from capture.engine.raster import Renderer
from capture.engine.world import WorldBuilder

SIZE = (64, 48)


class Wire:
    """The smallest client: numbered requests, replies in order."""

    def __init__(self, address):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.hello = bytes(read_frame(self.socket) or b"")
        self._next_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def post(self, command: str) -> None:
        write_frame(self.socket, [f"{self._next_id}:{command}".encode()])
        self._next_id += 1

    def raw(self) -> tuple[int, bytes]:
        reply = read_frame(self.socket)
        assert reply is not None
        request_id, _, body = bytes(reply).partition(b":")
        return int(request_id), body

    def ask(self, command: str) -> bytes:
        self.post(command)
        request_id, body = self.raw()
        assert request_id == self._next_id - 1
        return body

    def text(self, command: str) -> str:
        return self.ask(command).decode()


class CountingRenderer(Renderer):
    passes = 0

    def _see(self, pose, intrinsics, near_m, samples):
        self.passes += 1
        super()._see(pose, intrinsics, near_m, samples)


@dataclass(frozen=True)
class Running:
    """A server in a thread of its own."""

    port: int
    path: Path
    renderer: CountingRenderer


def tiny_world():
    b = WorldBuilder()
    grey = b.material(Material(texture=plain(0.5, 0.5, 0.5)))
    red = b.material(Material(texture=plain(0.8, 0.2, 0.1)))
    b.add(b.object("wall", "grey wall"), box(0.2, 8.0, 6.0).at(5.1, 0.0, -1.0), grey)
    b.add(b.object("cube", "red cube"), box(1.0, 1.0, 1.0).at(3.0, 0.5, 0.5), red)
    return b.finish(
        name="tiny", seed=3, bounds_m=(0, -2, 0, 4, 2, 2), spawn_m=(0, 0, 1), setting="a box"
    )


def bmp(data: bytes, size=SIZE) -> np.ndarray:
    assert len(data) == 54 + 4 * size[0] * size[1]
    return np.frombuffer(data, np.uint8, offset=54).reshape(size[1], size[0], 4)


def npy(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)
