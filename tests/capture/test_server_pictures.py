"""The embedded server's cameras, objects and pictures, with a tiny world."""

from __future__ import annotations

import json

import cv2
import numpy as np
from served_world import SIZE, Wire, bmp, npy

from capture import camera as geometry
from capture.camera import Intrinsics


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
