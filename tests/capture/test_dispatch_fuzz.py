"""Whatever is sent, requests are read as the plugin reads them, and no handler breaks."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served_world import tiny_world

from capture.engine.commands import dispatcher
from capture.engine.protocol import parse_request
from capture.engine.raster import Renderer
from capture.engine.server import Server
from capture.engine.state import Engine, Options

_PIECES = st.sampled_from(
    [b"1", b"23", b":", b"-", b" ", b"\0", b"\n", b"vget /x", b"\xff", b"9" * 25]
)
_PAYLOADS = st.lists(_PIECES, max_size=9).map(b"".join) | st.binary(max_size=40)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(_PAYLOADS)
def test_requests_are_read_as_by_the_plugins_expression(payload):
    r"""`(\d{1,}):(.*)`, searched in the text up to its NUL; ids are int32, negative ones 0."""
    text = payload.split(b"\0")[0].decode("utf-8", errors="replace")
    found = re.search("([0-9]+):([^\n\r\x85\u2028\u2029]*)", text)
    expected = None
    if found:
        low = min(int(found[1]), 2**63 - 1) & 0xFFFFFFFF
        expected = (low if low < 2**31 else 0, found[2])
    assert parse_request(payload) == expected


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    world = tiny_world()
    options = Options(width_px=16, height_px=12, folder=tmp_path_factory.mktemp("files"))
    return Engine(world, Renderer(world, threads=1), options)


@pytest.fixture(scope="module")
def server(engine):
    served = Server(engine, port=0)
    yield served
    served.close()


_NAMES = (
    "cube_1",
    "wall_1",
    "CubeActor",
    "FusionCameraActor",
    "a" * 300,
    "é",
    "%s",
    "{}",
    "\\",
    "",
)
_FILES = ("png", "bmp", "npy", "x.png", "x.npy", "../x.png", "/x.png", ".png")
_HUGE = ("9" * 38, "-" + "9" * 38, "9" * 99)
_VALUES = {
    "uint": st.sampled_from(["", "0", "1", "2", "7", "16", "300", "9" * 30]),
    "float": st.sampled_from(["0", "-1", ".5", "179", *_HUGE])
    | st.floats(-500, 500, width=32).map(lambda x: f"{x:.6f}"),
    "str": st.sampled_from([*_NAMES, *_FILES, "manual", "depth", "normal"]),
}
# Without the Blueprint ones, which are a third of all and never do anything.
_TEMPLATES = sorted(
    route.template for route in dispatcher().routes if route.verb not in ("vbp", "vexec", "vrun")
)


@st.composite
def _commands(draw) -> str:
    template = draw(st.sampled_from(_TEMPLATES))
    return re.sub(r"\[(\w+)\]", lambda found: draw(_VALUES[found[1]]), template)


@pytest.mark.filterwarnings("error")  # numpy's, when numbers overflow
@settings(
    max_examples=1200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(_commands())
def test_no_handler_breaks(server, engine, command):
    """An error is one that the plugin could give, never an exception of Python's."""
    engine.names.update(cube_1="cube_1", wall_1="wall_1")  # also after they were destroyed
    parts = server.execute(command)
    assert parts and sum(len(bytes(part)) for part in parts)
    assert not re.match(rb"error \w*(Error|Exception|Warning)\b", bytes(parts[0])), parts[0]
    # And whatever was done to the world, it can be rendered.
    for picture in ("lit bmp", "depth npy", "normal bmp", "object_mask bmp"):
        assert not bytes(server.execute(f"vget /camera/0/{picture}")[0]).startswith(b"error")
