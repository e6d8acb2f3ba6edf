"""The embedded server over its sockets, with a tiny world: rules E1-E8 of UnrealCV's contract."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import unrealcv

from capture import camera as geometry
from capture.camera import Intrinsics
from capture.engine.materials import Material, plain
from capture.engine.meshes import box
from capture.engine.protocol import HEADER, MAGIC, read_frame, write_frame
from capture.engine.raster import Renderer
from capture.engine.server import Server
from capture.engine.state import Engine, Options
from capture.engine.world import WorldBuilder
from capture.scene import Scene

SIZE = (64, 48)
SCHEMA = Path(__file__).parent / "unrealcv_schema.txt"


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


def bmp(data: bytes, size=SIZE) -> np.ndarray:
    assert len(data) == 54 + 4 * size[0] * size[1]
    return np.frombuffer(data, np.uint8, offset=54).reshape(size[1], size[0], 4)


def npy(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)


def test_hello_and_the_plugin_commands(wire, server):
    assert wire.hello.startswith(b"connected to ")
    assert wire.ask("vget /unrealcv/version") == b"1.0.1"
    assert wire.ask("vget /unrealcv/echo größe") == "größe".encode()
    assert wire.ask("vget /unrealcv/echo ") == b"ok"
    assert wire.ask("vget /scene/name") == wire.ask("vget /level/name") == b"tiny"
    lines = wire.text("vget /unrealcv/status").splitlines()
    assert lines[:4] == ["Is Listening", "Client Connected", str(server.port), "Configuration"]
    assert f"Port: {server.port}" in lines and f"Width: {SIZE[0]}" in lines
    card = Scene.from_json(json.loads(wire.text("vget /scene/card")))
    assert card.id == "tiny-3" and card.labels["cube_1"] == "red cube"


def test_help_covers_the_published_schema(wire):
    lines = wire.text("vget /unrealcv/help").split("\n")
    helped = lines[::2]
    published = SCHEMA.read_text().split("\n")[:-1]
    assert len(published) == 91 and set(published) <= set(helped)
    assert all(line and not line.startswith(("vget", "vset")) for line in lines[1::2])
    listed = wire.text("vget /unrealcv/commands").split("\n")
    assert listed == sorted(listed) and set(helped) < set(listed)
    extensions = set(listed) - set(helped)
    assert "vget /camera/[uint]/pose" in extensions and "vget /scene/card" in extensions


def test_every_published_command_is_answered(wire):
    for template in SCHEMA.read_text().split("\n")[:-1]:
        command = template.replace("[uint]", "0").replace("[float]", "1").replace("[str]", "x")
        assert b"No handler" not in wire.ask(command), command


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("vget /nothing", "No handler found for URI 'vget /nothing'. Can not find a handler"),
        ("", "No handler found for URI ''. Can not find a handler"),
        ("vget /camera/9/lit png", "Invalid sensor id"),
        ("vget /camera/9/location", "Invalid sensor id"),
        ("vset /camera/9/rotation 0 0 0", "Invalid sensor id"),
        ("vget /camera/9/fov", "Argument Invalid"),
        ("vset /camera/9/size 4 4", "Argument Invalid"),
        ("vset /camera/0/size 0 4", "Argument Invalid"),
        ("vset /camera/0/fov 0", "Argument Invalid"),
        ("vget /object/no/location", "Cannot find object"),
        ("vget /camera/0/lit jpg", "Invalid filename type, filename jpg"),
        ("vget /camera/0/depth png", "Invalid filename type, filename png"),
        ("vget /camera/0/optical_flow png", "Captured data is empty"),
        ("vset /viewmode wireframe", "Can not set ViewMode to wireframe"),
        (
            "vset /camera/0/exposure_method x",
            "Can not support auto exposure mode x, "
            "available options are histogram, basic and manual",
        ),
        (
            "vset /camera/0/projection_type x",
            "Can not support camera mode x, available options are perspective and orthographic",
        ),
        (
            "vset /camera/0/reflection x",
            "Can not support reflection method x, available options are none, lumen, screen_space.",
        ),
        (
            "vset /camera/0/illumination x",
            "Can not support global illumination method x, available options are "
            "none, lumen, screen_space, plugin.",
        ),
        (
            "vset /camera/0/lit_source x",
            "Can not support lit source x, available options are ftc_hdr, fc_hdr, sc_hdr, "
            "scna_hdr, ldr, base, color_depth, scene_depth, device_depth, normal",
        ),
        ("vset /camera/1/moveto 0 0 0", "MoveTo only supports the player camera with id 0"),
        ("vset /objects/spawn Nothing", "Can not find a class with name 'Nothing'"),
        ("vset /objects/spawn FusionCameraActor cube_1", "Failed to spawn cube_1, object exists."),
        ("vset /action/eyes_distance 1", "Not Implemented"),
        ("vrun nothing", "Unrecognised alias 'nothing'"),
        ("vrun quit now", "No player controller available"),
        ("vbp a b", "No valid world"),
        ("vset /camera/0/location 1e-5 0 0", "No handler found for URI"),
    ],
)
def test_error_texts(wire, command, error):
    assert wire.text(command).startswith(f"error {error}")


@pytest.mark.parametrize(
    "command",
    [
        "vset /camera/0/exposure_method manual",
        "vset /camera/0/exposure_bias 1.5",
        "vset /camera/0/motion_blur 0 0 0 0",
        "vset /camera/0/lit_source sc_hdr",
        "vset /camera/0/illumination lumen",
        "vset /camera/0/reflection lumen",
        "vset /camera/0/projection_type perspective",
        "vrun slomo 0.5",
        "vrun t.maxFPS 0",
        "vrun r.setres 64x64w",
        "vrun sg.ShadowQuality 0",
        "vcmd DisableAllScreenMessages",
    ],
)
def test_accepted_settings(wire, command):
    assert wire.ask(command) == b"ok"


def test_requests_without_an_id_are_dropped(wire):
    write_frame(wire.socket, [b"vget /unrealcv/version"])
    write_frame(wire.socket, [b"xx 41:vget /unrealcv/version\nrest"])
    assert wire.raw() == (41, b"1.0.1")


def test_cameras(wire):
    assert wire.text("vget /cameras") == "PawnSensor"
    assert wire.text("vset /cameras/spawn") == "FusionCameraActor_1"
    assert wire.text("vset /objects/spawn FusionCameraActor Eye") == "Eye"
    assert wire.text("vget /cameras") == "PawnSensor FusionCameraActor_1 Eye"
    assert wire.text("vget /camera/0/location") == "0.000 0.000 100.000"
    assert wire.ask("vset /camera/2/location 1.23456 -7.5 .5") == b"ok"
    assert wire.ask("vset /camera/2/rotation 10 270 -5") == b"ok"
    assert wire.text("vget /camera/2/location") == "1.235 -7.500 0.500"
    assert wire.text("vget /camera/2/rotation") == "10.000 -90.000 -5.000"
    assert wire.text("vget /camera/2/pose") == "1.235 -7.500 0.500 10.000 -90.000 -5.000"
    assert wire.ask("vset /camera/1/pose 16777217 2 3 4 5 6") == b"ok"
    assert wire.text("vget /camera/1/location") == "16777216.000 2.000 3.000"  # 32-bit floats
    assert wire.ask("vset /camera/2/fov 60") == b"ok"
    assert wire.text("vget /camera/2/fov") == "60.000000"
    assert wire.ask("vset /camera/2/size 32 16") == b"ok"
    assert wire.text("vget /camera/2/size") == "32 16"
    k = Intrinsics(**json.loads(wire.text("vget /camera/2/intrinsics")))
    assert k == Intrinsics.from_fov(32, 16, 60.0)
    assert npy(wire.ask("vget /camera/2/depth npy")).shape == (16, 32)


def test_pause_and_the_clock(wire):
    assert wire.text("vget /action/game/is_paused") == "false"
    assert wire.ask("vset /action/game/pause") == b"ok"
    assert wire.text("vget /action/game/is_paused") == "true"
    assert wire.ask("vset /action/game/step 0.25") == b"ok"
    assert wire.text("vget /action/game/time") == "0.250000"
    assert wire.ask("vset /action/game/resume") == b"ok"
    assert wire.text("vget /action/game/is_paused") == "false"


def test_depth_is_planar_centimetres(wire):
    """Against the wall's plane x = 5 m, seen obliquely: depth is along the optical axis."""
    wire.ask("vset /camera/0/location 20 30 150")
    wire.ask("vset /camera/0/rotation 7 25 4")
    depth_cm = npy(wire.ask("vget /camera/0/depth npy"))
    assert depth_cm.dtype == np.dtype("<f4") and depth_cm.shape == SIZE[::-1]
    pose = geometry.from_unreal((20, 30, 150), (7, 25, 4))
    k = Intrinsics.from_fov(*SIZE, 90.0)
    pixels = np.stack([np.arange(SIZE[0]) + 0.5, np.full(SIZE[0], 10.5), np.ones(SIZE[0])])
    rays = np.linalg.inv(k.matrix()) @ pixels
    expected = (5.0 - pose[0, 3]) / (pose[:3, :3] @ rays)[0] * 100
    mask = bmp(wire.ask("vget /camera/0/object_mask bmp"))[10]
    wall = (mask == mask_of(wire, "wall_1")).all(axis=-1)
    assert wall.sum() > 20
    np.testing.assert_allclose(depth_cm[10][wall], expected[wall], rtol=1e-4)


def mask_of(wire: Wire, name: str) -> list[int]:
    """The object's colour as blue, green, red, alpha."""
    text = wire.text(f"vget /object/{name}/color")
    red, green, blue, alpha = (int(part.split("=")[1]) for part in text.strip("()").split(","))
    return [blue, green, red, alpha]


def test_encodings_agree(wire):
    lit = bmp(wire.ask("vget /camera/0/lit bmp"))
    raw = np.frombuffer(wire.ask("vget /camera/0/lit raw"), np.uint8).reshape(*SIZE[::-1], 3)
    np.testing.assert_array_equal(lit[..., 2::-1], raw)
    for kind in ("lit", "normal", "object_mask", "seg"):
        png = np.frombuffer(wire.ask(f"vget /camera/0/{kind} png"), np.uint8)
        image = bmp(wire.ask(f"vget /camera/0/{kind} bmp"))
        np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), image)
        assert (image[..., 3] == 255).all()
    normal = npy(wire.ask("vget /camera/0/normal npy"))
    assert normal.shape == (*SIZE[::-1], 3)
    image = bmp(wire.ask("vget /camera/0/normal bmp"))[..., 2::-1]
    assert np.abs(image / 127.5 - 1 - normal).max() < 0.01
    np.testing.assert_allclose(normal[24, 12], [-1, 0, 0], atol=1e-6)  # the wall faces us


def test_mask_colours_are_the_listed_ones(wire):
    names = wire.text("vget /objects").split(" ")
    assert names == ["wall_1", "cube_1"]
    seen = {tuple(c) for c in bmp(wire.ask("vget /camera/0/object_mask bmp")).reshape(-1, 4)}
    listed = {tuple(mask_of(wire, name)) for name in names}
    assert listed <= seen <= listed | {(0, 0, 0, 255)}
    assert wire.ask("vset /object/cube_1/color 1 2 3") == b"ok"
    assert wire.text("vget /object/cube_1/color") == "(R=1,G=2,B=3,A=255)"
    seen = {tuple(c) for c in bmp(wire.ask("vget /camera/0/object_mask bmp")).reshape(-1, 4)}
    assert (3, 2, 1, 255) in seen


def test_a_moved_object_moves_in_every_picture(wire):
    def pictures():
        return [
            wire.ask(f"vget /camera/0/{what}")
            for what in ("lit bmp", "depth npy", "normal npy", "object_mask bmp")
        ]

    before = pictures()
    assert wire.text("vget /object/cube_1/location") == "300.000 -50.000 50.000"
    assert wire.ask("vset /object/cube_1/location 300 60 50") == b"ok"
    assert wire.text("vget /object/cube_1/bounds") == "250.00 10.00 50.00 350.00 110.00 150.00"
    assert wire.ask("vset /object/cube_1/rotation 0 30 0") == b"ok"
    assert wire.text("vget /object/cube_1/rotation") == "0.000 30.000 0.000"
    after = pictures()
    assert all(a != b for a, b in zip(before, after, strict=True))
    columns = np.nonzero((bmp(after[3]) == mask_of(wire, "cube_1")).all(-1))[1]
    assert columns.mean() > SIZE[0] / 2 + 3  # Unreal's +Y is to the right
    wire.ask("vset /object/cube_1/rotation 0 0 0")
    wire.ask("vset /object/cube_1/location 300 -50 50")
    assert pictures() == before  # same state, same bytes
    assert wire.ask("vset /object/cube_1/scale 2 2 2") == b"ok"
    assert wire.text("vget /object/cube_1/scale") == "2.000 2.000 2.000"


def test_hide_show_destroy_rename(wire):
    def sees_cube() -> bool:
        mask = bmp(wire.ask("vget /camera/0/object_mask bmp"))
        return bool((mask == colour).all(-1).any())

    colour = mask_of(wire, "cube_1")
    assert sees_cube()
    assert wire.ask("vset /object/cube_1/hide") == b"ok" and not sees_cube()
    assert wire.ask("vset /object/cube_1/show") == b"ok" and sees_cube()
    assert wire.ask("vset /object/cube_1/name dice") == b"ok"
    assert wire.text("vget /objects") == "wall_1 dice"
    assert wire.text("vget /object/cube_1/location").startswith("error")
    assert wire.ask("vset /object/dice/destroy") == b"ok" and not sees_cube()
    assert wire.text("vget /objects") == "wall_1"


def test_one_pose_costs_one_render(wire, server):
    for command in ("lit bmp", "depth npy", "object_mask bmp", "normal png", "lit png"):
        wire.ask(f"vget /camera/0/{command}")
    assert server.renderer.passes == 1
    wire.ask("vset /camera/0/location 1 0 100")
    for command in ("depth npy", "object_mask bmp", "lit bmp"):  # lit was asked before
        wire.ask(f"vget /camera/0/{command}")
    assert server.renderer.passes == 2


def test_same_pose_same_bytes_whatever_came_between(wire):
    first = wire.ask("vget /camera/0/lit bmp")
    wire.ask("vset /camera/0/rotation 5 90 0")
    assert wire.ask("vget /camera/0/lit bmp") != first
    wire.ask("vset /camera/0/rotation 0 0 0")
    assert wire.ask("vget /camera/0/lit bmp") == first


def test_files_stay_in_the_folder(wire, server, tmp_path):
    assert wire.ask("vget /camera/0/lit view.png") == b"view.png"
    written = cv2.imread(str(tmp_path / "view.png"))
    assert written is not None and written.shape == (SIZE[1], SIZE[0], 3)
    assert wire.ask("vget /camera/0/depth depth.npy") == b"depth.npy"
    assert np.load(tmp_path / "depth.npy").shape == SIZE[::-1]
    outside = tmp_path.parent / "outside.png"
    for name in ("../outside.png", str(outside), "a/../../outside.png"):
        assert wire.text(f"vget /camera/0/lit {name}").startswith("error Invalid filename")
    assert not outside.exists()


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


def test_random_bytes_never_stop_the_server(server):
    rng = np.random.default_rng(0)
    for _ in range(20):
        with Wire(("127.0.0.1", server.port)) as wire:
            for _ in range(5):
                write_frame(wire.socket, [b"1:" + rng.bytes(int(rng.integers(1, 200)))])
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


def test_the_process_reports_an_unknown_scene_in_one_line():
    command = [sys.executable, "-m", "capture.engine", "--scene", "none", "--port", "0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_dies_with_its_parent():
    child = (
        "import os, time; from capture.engine.__main__ import die_with_parent;"
        "die_with_parent(); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        status = Path("/proc", process.stdout.readline().strip(), "status")
        assert status.exists()
        process.kill()
        deadline = time.monotonic() + 10
        while status.exists() and "zombie" not in status.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
