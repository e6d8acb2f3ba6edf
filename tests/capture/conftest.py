"""A served tiny world."""

from __future__ import annotations

import threading

import pytest
from served_world import SIZE, CountingRenderer, Running, Wire, tiny_world

from capture.engine.server import Server
from capture.engine.state import Engine, Options


@pytest.fixture
def server(tmp_path):
    world = tiny_world()
    renderer = CountingRenderer(world, threads=1)
    options = Options(width_px=SIZE[0], height_px=SIZE[1], folder=tmp_path)
    engine = Engine(world, renderer, options)
    engine.warm_up()
    renderer.passes = 0
    path = tmp_path / "socket"
    server = Server(engine, port=0, unix_socket=path)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield Running(port=server.port, path=path, renderer=renderer)
    server.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def wire(server):
    with Wire(("127.0.0.1", server.port)) as wire:
        yield wire
