"""The formats of the 3-D vision field: each is read back by a few independent lines."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import written
from scipy.spatial.transform import Rotation

from capture import formats, video
from capture.formats import Posed, episodes

NUM_FRAMES = 17
EXACT = ("nerfstudio", "colmap", "colmap-text", "tum", "re10k", "lingbot", "vipe")


@pytest.fixture(scope="session")
def item(tmp_path_factory) -> Posed:
    """A short loop through the box room."""
    root = tmp_path_factory.mktemp("box")
    episode = write_box_episode(root, box_plan("loop", 3, NUM_FRAMES), box_scene(3))
    return episodes.posed(episode, name="loop_3", caption="an empty room")


@pytest.mark.parametrize("name", EXACT)
def test_round_trip(item, tmp_path, name):
    root = written(item, tmp_path / "out", name)
    format = formats.recognise(root)
    assert format is not None and format.name == name.removesuffix("-text")
    (back,) = formats.read(root)
    np.testing.assert_allclose(back.cam_to_world, item.cam_to_world, atol=1e-9)
    assert not back.notes
    assert back.name == item.name
    if name not in ("tum",):
        np.testing.assert_allclose(back.intrinsics_px(), item.intrinsics_px(), rtol=1e-9)
    if name in ("tum", "re10k"):
        np.testing.assert_allclose(back.trajectory().t_s, item.t_s, atol=1e-6)
    assert back.rgb is not None and len(back.rgb) == NUM_FRAMES
    for mine, theirs in zip(item.pictures().frames(), back.pictures().frames(), strict=True):
        assert np.array_equal(mine, theirs)


def test_kitti_round_trip_is_relative_to_the_first_frame(item, tmp_path):
    root = written(item, tmp_path, "kitti")
    (back,) = formats.read(root)
    assert back.format == "kitti" and back.declared.up == "-y"
    first = np.linalg.inv(item.cam_to_world[0])
    np.testing.assert_allclose(back.cam_to_world, first @ item.cam_to_world, atol=1e-9)
    np.testing.assert_allclose(back.intrinsics_px(), item.intrinsics_px(), rtol=1e-9)


def test_nerfstudio_by_hand(item, tmp_path):
    folder = written(item, tmp_path, "nerfstudio") / item.name
    content = json.loads((folder / "transforms.json").read_text())
    for index, frame in enumerate(content["frames"]):
        opengl = np.array(frame["transform_matrix"])
        truth = item.cam_to_world[index]
        np.testing.assert_allclose(opengl[:3, 3], truth[:3, 3], atol=1e-12)
        np.testing.assert_allclose(-opengl[:3, 2], truth[:3, 2], atol=1e-12)  # looks along -z
        np.testing.assert_allclose(opengl[:3, 1], -truth[:3, 1], atol=1e-12)  # y up
        np.testing.assert_allclose(opengl[:3, 0], truth[:3, 0], atol=1e-12)
    depth = cv2.imread(str(folder / content["frames"][5]["depth_file_path"]), cv2.IMREAD_UNCHANGED)
    assert item.depth is not None
    truth_m = list(item.depth.frames_m())[5]
    assert depth.dtype == np.uint16 and np.abs(depth / 1000 - truth_m).max() <= 0.00051


def test_depth_comes_back_within_its_step(item, tmp_path):
    assert item.depth is not None
    for name, step_m in (("nerfstudio", 1e-3), ("tum", 2e-4)):
        (back,) = formats.read(written(item, tmp_path / name, name))
        assert back.declared.depth == "planar" and back.depth is not None
        for mine, theirs in zip(item.depth.frames_m(), back.depth.frames_m(), strict=True):
            assert np.abs(mine - theirs).max() <= step_m / 2 + 1e-6


def test_colmap_text_by_hand(item, tmp_path):
    folder = written(item, tmp_path, "colmap-text") / item.name / "sparse" / "0"
    rows = [r for r in (folder / "images.txt").read_text().splitlines() if r and r[0] != "#"]
    assert len(rows) == NUM_FRAMES
    for index, row in enumerate(rows):
        fields = row.split(" ")
        assert fields[8:] == ["1", f"frame_{index:05d}.png"]
        w, x, y, z, *t = map(float, fields[1:8])
        rotation = Rotation.from_quat([x, y, z, w]).as_matrix()
        np.testing.assert_allclose(-rotation.T @ t, item.cam_to_world[index, :3, 3], atol=1e-9)
        np.testing.assert_allclose(rotation.T, item.cam_to_world[index, :3, :3], atol=1e-9)
    camera = (folder / "cameras.txt").read_text().splitlines()[1].split()
    assert camera[:4] == ["1", "PINHOLE", "96", "64"] and float(camera[6]) == 48.0


def test_colmap_binary_by_hand(item, tmp_path):
    folder = written(item, tmp_path, "colmap") / item.name / "sparse" / "0"
    data = (folder / "images.bin").read_bytes()
    assert struct.unpack_from("<Q", data) == (NUM_FRAMES,)
    image, w, x, y, z, *t = struct.unpack_from("<I7d", data, 8)
    rotation = Rotation.from_quat([x, y, z, w]).as_matrix()
    assert image == 1
    np.testing.assert_allclose(-rotation.T @ t, item.cam_to_world[0, :3, 3], atol=1e-9)
    assert data[68:72] == struct.pack("<I", 1)
    assert data[72:].startswith(b"frame_00000.png\0" + bytes(8))
    assert len((folder / "cameras.bin").read_bytes()) == 8 + 4 + 4 + 8 + 8 + 32
    assert (folder / "points3D.bin").read_bytes() == bytes(8)


def test_tum_by_hand(item, tmp_path):
    folder = written(item, tmp_path, "tum") / item.name
    table = np.loadtxt(folder / "groundtruth.txt")
    assert table.shape == (NUM_FRAMES, 8)
    np.testing.assert_allclose(table[:, 1:4], item.cam_to_world[:, :3, 3], atol=1e-9)
    rotation = Rotation.from_quat(table[:, 4:]).as_matrix()
    np.testing.assert_allclose(rotation, item.cam_to_world[:, :3, :3], atol=1e-9)
    assert (folder / "rgb.txt").read_text().splitlines()[2].split() == ["0.0625", "rgb/000001.png"]


def test_kitti_by_hand(item, tmp_path):
    root = written(item, tmp_path, "kitti")
    table = np.loadtxt(root / "poses" / "loop_3.txt").reshape(-1, 3, 4)
    np.testing.assert_allclose(table[0], np.eye(4)[:3], atol=1e-12)
    start = item.cam_to_world[0]
    np.testing.assert_allclose(
        table[:, :, 3] @ start[:3, :3].T + start[:3, 3], item.cam_to_world[:, :3, 3], atol=1e-9
    )
    assert (root / "sequences" / "loop_3" / "calib.txt").read_text().startswith("P0: ")
    assert len(list((root / "sequences" / "loop_3" / "image_2").glob("*.png"))) == NUM_FRAMES


def test_kitti_colour_camera_stands_beside_the_left_one(item, tmp_path):
    root = written(item, tmp_path, "kitti")
    calibration = root / "sequences" / "loop_3" / "calib.txt"
    k = item.camera()
    shifted = f"{k.fx_px} 0 {k.cx_px} {0.06 * k.fx_px} 0 {k.fy_px} {k.cy_px} 0 0 0 1 0"
    lines = [line if line[:2] != "P2" else f"P2: {shifted}" for line in _lines(calibration)]
    calibration.write_text("\n".join(lines))
    (back,) = formats.read(root)
    # The point that P2 sees in the middle lies 6 cm left of camera 0's axis.
    assert back.cam_to_world[0, :3, 3] == pytest.approx([-0.06, 0.0, 0.0], abs=1e-9)


def test_re10k_by_hand(item, tmp_path):
    root = written(item, tmp_path, "re10k")
    (entry,) = json.loads((root / "annotations.json").read_text())
    assert entry["caption"] == "an empty room"
    rows = _lines(root / entry["pose_file"])[1:]
    table = np.array([[float(word) for word in row.split(" ")] for row in rows])
    assert table[1, 0] == 62500 and np.all(table[:, 5:7] == 0)
    world_to_cam = table[:, 7:].reshape(-1, 3, 4)
    centre = -np.einsum("nji,nj->ni", world_to_cam[:, :, :3], world_to_cam[:, :, 3])
    np.testing.assert_allclose(centre, item.cam_to_world[:, :3, 3], atol=1e-9)
    np.testing.assert_allclose(table[:, 3:5], 0.5, atol=1e-12)
    assert table[0, 1] * 96 == pytest.approx(table[0, 2] * 64)
    assert video.num_frames(root / entry["clip_path"]) == NUM_FRAMES


def test_lingbot_by_hand(item, tmp_path):
    folder = written(item, tmp_path, "lingbot") / item.name
    np.testing.assert_allclose(np.load(folder / "poses.npy"), item.cam_to_world, atol=1e-12)
    fx, fy, cx, cy = np.load(folder / "intrinsics.npy")[0]
    assert (cx, cy) == pytest.approx((416.0, 240.0))
    assert fx / 832 == pytest.approx(item.camera().fx_px / 96)
    assert fy / 480 == pytest.approx(item.camera().fy_px / 64)
    assert (folder / "prompt.txt").read_text() == "an empty room\n"
    assert cv2.imread(str(folder / "image.jpg")).shape == (64, 96, 3)


def test_vipe_by_hand(item, tmp_path):
    root = written(item, tmp_path, "vipe")
    with np.load(root / "pose" / "loop_3.npz") as arrays:
        np.testing.assert_allclose(arrays["data"], item.cam_to_world, atol=1e-12)
        assert arrays["inds"].tolist() == list(range(NUM_FRAMES))


def test_vipe_frames_without_a_pose(item, tmp_path):
    root = written(item, tmp_path, "vipe")
    for kind in ("pose", "intrinsics"):
        with np.load(root / kind / "loop_3.npz") as arrays:
            data, inds = arrays["data"], arrays["inds"]
        np.savez(root / kind / "loop_3.npz", data=data[::2], inds=inds[::2])
    (back,) = formats.read(root)
    assert back.trajectory().t_s[1] == pytest.approx(2 / 16)
    mine = list(item.pictures().frames())[::2]
    theirs = list(back.pictures().frames())
    assert len(theirs) == len(back) and all(map(np.array_equal, mine, theirs))
    again = written(back, tmp_path / "again", "tum")
    (third,) = formats.read(again)
    assert third.t_s is not None and third.t_s[2] == pytest.approx(4 / 16)
    assert len(third.pictures()) == len(back)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
