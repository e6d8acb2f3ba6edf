"""More formats of world models: benchmarks, and keys; each read back by a few lines of its own."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml
from box_room import box_plan, box_scene, write_box_episode
from exported import walk, written
from scipy.spatial.transform import Rotation

from capture import camera, formats, video
from capture.formats import Posed, axes, episodes, infinite_world, yume

NUM_FRAMES = 17


@pytest.fixture(scope="session")
def item(tmp_path_factory) -> Posed:
    """A short loop through the box room."""
    episode = write_box_episode(
        tmp_path_factory.mktemp("box"), box_plan("loop", 6, NUM_FRAMES), box_scene(6)
    )
    return episodes.posed(episode, name="loop_6", caption="a loop")


@pytest.mark.parametrize("name", ["sana-wm", "context-as-memory", "gamecraft", "sekai"])
def test_round_trip(item, tmp_path, name):
    root = written(item, tmp_path / "out", name)
    format = formats.recognise(root)
    assert format is not None and format.name == name
    (back,) = formats.read(root)
    assert back.format == name and back.name == item.name and back.caption == "a loop"
    poses = axes.turned(back.cam_to_world, back.declared.up or "z", "z")
    np.testing.assert_allclose(poses, item.cam_to_world, atol=1e-9)
    assert not back.notes
    if name == "context-as-memory":
        assert back.intrinsics is None and back.fps is None
    else:
        np.testing.assert_allclose(back.intrinsics_px(), item.intrinsics_px(), rtol=1e-9)
        assert back.rate() == 16.0
    frames = zip(item.pictures().frames(), back.pictures().frames(), strict=True)
    assert all(np.array_equal(a, b) for a, b in frames)


def test_sana_wm_by_hand(item, tmp_path):
    root = written(item, tmp_path, "sana-wm")
    folder = root / "benchmark_relickit" / "sanawm_export_v2"
    (line,) = (folder / "run_manifest.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert row["id"] == "loop_6" and row["prompt"] == "a loop"
    assert (root / row["image_path"]).is_file()
    with np.load(root / row["camera_path"]) as arrays:
        c2w, k = arrays["c2w"], arrays["intrinsics"]
        assert arrays["fps"] == 16 and arrays["num_frames"] == NUM_FRAMES
    assert k.shape == (NUM_FRAMES, 3, 3) and k[0, 0, 2] == 48.0 and k[0, 2, 2] == 1.0
    truth = item.cam_to_world
    # x stays, y points down (our -z), z goes where our y went: right-handed.
    for column in (0, 1, 2, 3):
        x, y, z = truth[:, :3, column].T
        np.testing.assert_allclose(c2w[:, :3, column], np.stack([x, -z, y], -1), atol=1e-12)
    # A level camera that turns right does so about +y, as theirs does.
    right = axes.turned(camera.pose_from_angles(np.zeros((2, 3)), [0.0, -30.0], 0.0), "z", "-y")
    turned = Rotation.from_matrix(right[1, :3, :3] @ right[0, :3, :3].T).as_rotvec(degrees=True)
    assert turned == pytest.approx([0.0, 30.0, 0.0], abs=1e-9)


def test_sana_wm_paths_stay_inside(item, tmp_path):
    root = written(item, tmp_path, "sana-wm")
    manifest = root / "benchmark_relickit" / "sanawm_export_v2" / "run_manifest.jsonl"
    row = json.loads(manifest.read_text())
    for wrong, said in (("../../x.npz", "leads out"), (7, "expected a file name")):
        manifest.write_text(json.dumps({**row, "camera_path": wrong}) + "\n")
        with pytest.raises(ValueError, match=rf"run_manifest.jsonl:1: camera_path: .*{said}"):
            formats.read(root)[0]
    manifest.write_text("{\n")
    with pytest.raises(ValueError, match=r"run_manifest\.jsonl:1: not JSON"):
        formats.read(root)


def test_context_as_memory_by_hand(item, tmp_path):
    root = written(item, tmp_path, "context-as-memory")
    poses = json.loads((root / "jsons" / "loop_6.json").read_text())["CineCameraActor"]
    assert list(poses) == [str(i) for i in range(NUM_FRAMES)]
    for index, entry in ((0, poses["0"]), (5, poses["5"])):
        truth = item.cam_to_world[index]
        assert entry["position"] == pytest.approx(truth[:3, 3] * [100, -100, 100])
        roll, pitch, yaw = np.radians(entry["rotation"])
        forward = [np.cos(pitch) * np.cos(yaw), -np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
        assert truth[:3, 2] == pytest.approx(forward) and roll == pytest.approx(0.0, abs=1e-9)
    assert (root / "captions.txt").read_text() == "loop_6/0000_0016.mp4\ta loop\n"
    assert len(list((root / "frames" / "loop_6").glob("????.png"))) == NUM_FRAMES


def test_context_as_memory_says_what_is_wrong(item, tmp_path):
    root = written(item, tmp_path, "context-as-memory")
    (root / "frames" / "loop_6" / "0003.png").unlink()
    assert "0003.png is not there (1 such" in formats.read(root)[0].lacks[0]
    file = root / "jsons" / "loop_6.json"
    for content, said in (
        ({"CineCameraActor": {"first": {}}}, "frame numbers as keys, got 'first'"),
        ({"CineCameraActor": {}}, "holds no pose"),
        ({"CineCameraActor": {"0": {"position": [1, 2], "rotation": [0, 0, 0]}}}, "3 numbers"),
        ({"Camera": {}}, "missing CineCameraActor"),
    ):
        file.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=said):
            formats.read(root)[0]


def test_gamecraft_by_hand(item, tmp_path):
    root = written(item, tmp_path, "gamecraft")
    rows = (root / "pose_files" / "loop_6.txt").read_text().splitlines()[1:]
    table = np.array([[float(word) for word in row.split(" ")] for row in rows])
    assert table[:, 0].tolist() == list(range(NUM_FRAMES)) and table.shape[1] == 19
    # GameCraft takes twice the principal point for the size.
    np.testing.assert_allclose(2 * table[:, 3:5], 1.0)
    world_to_cam = table[:, 7:].reshape(-1, 3, 4)
    centre = -np.einsum("nji,nj->ni", world_to_cam[:, :, :3], world_to_cam[:, :, 3])
    np.testing.assert_allclose(centre, item.cam_to_world[:, :3, 3], atol=1e-9)


def test_infinite_world_phrases(item, tmp_path):
    path = walk((0.1, 0, 0), (0.1, 0.1, 0), (-0.1, -0.1, 0), (0, 0, 3.0), (0.1, 0, -3.0))
    rows = [(row["move"], row["view"]) for row in infinite_world.actions(path)]
    assert rows == [
        ("no-op", "no-op"),
        ("go forward", "no-op"),
        ("go forward and go left", "no-op"),
        ("go back and go right", "no-op"),
        ("no-op", "turn left"),
        ("go forward", "turn right"),
    ]
    up = camera.pose_from_angles(np.zeros((2, 3)), np.array([0.0, -2.0]), np.array([0.0, 2.0]))
    assert infinite_world.actions(up)[1]["view"] == "turn up and turn right"
    root = written(item, tmp_path, "infinite-world")
    ((prompt, image, moves),) = yaml.safe_load((root / "prompts.yaml").read_text())["prompts"]
    assert prompt == "a loop" and (root / image).is_file()
    read = json.loads((root / moves).read_text())
    assert [row["move"] for row in read] == ["no-op", *["go right"] * 16]
    with pytest.raises(ValueError, match="infinite-world is written, not read"):
        formats.read(root, "infinite-world")


def test_yume_writes_runs_of_one_key(item, tmp_path):
    path = walk(*[(0.1, 0, 0)] * 40, *[(0, 0, 2.0)] * 20, *[(0.05, -0.05, -1.0)] * 32)
    assert list(yume.runs(path)) == [(0, 41, "W", "·"), (60, 93, "W+D", "→")]
    up = camera.pose_from_angles(np.zeros((2, 3)), np.zeros(2), np.array([0.0, 2.0]))
    assert yume.controls(up) == [("None", "↑")]
    assert not list(yume.runs(item.cam_to_world))


def test_yume_by_hand(tmp_path):
    long = write_box_episode(tmp_path, box_plan("pan", 7, 41), box_scene(7))
    item = episodes.posed(long, 4, name="pan.7")
    root = written(item, tmp_path / "out", "yume")
    assert json.loads((root / "runs" / "pan.7.json").read_text()) == [
        "Keys_None_Mouse_Left/pan.7_frames_0-36"
    ]
    base = root / "Keys_None_Mouse_Left"
    said = (base / "pan.7_frames_0-36.txt").read_text().split("\n\n")
    assert said[:4] == ["Start Frame: 0", "End Frame: 36", "Duration: 37 frames", "Keys: None"]
    assert said[4] == "Mouse: ←\n"
    np.testing.assert_allclose(np.load(base / "pan.7_frames_0-36.npy"), item.cam_to_world)
    assert video.num_frames(base / "pan.7_frames_0-36.mp4") == 37
    (back,) = formats.read(root)
    assert formats.recognise(root) is formats.find("yume") and not back.notes
    assert back.actions is not None and back.actions.values[0].tolist() == [0] * 7 + [1]
    (base / "pan.7_frames_0-36.npy").unlink()
    with pytest.raises(ValueError, match="a clip without poses"):
        formats.read(root)[0]


def test_sekai_by_hand(item, tmp_path):
    root = written(item, tmp_path, "sekai")
    with np.load(root / "sekai" / "loop_6.npz") as arrays:
        extrinsic, intrinsic = arrays["extrinsic"], arrays["intrinsic"]
    np.testing.assert_array_equal(extrinsic, item.cam_to_world)
    fx, fy, cx, cy = item.intrinsics_px()[0]
    width, height = item.size()
    truth = [[fx / width, 0, cx / width], [0, fy / height, cy / height], [0, 0, 1]]
    np.testing.assert_allclose(intrinsic, truth, rtol=1e-12)
    (row,) = csv.DictReader((root / "train" / "sekai.csv").open())
    assert row == {"videoFile": "loop_6.mp4", "cameraFile": "loop_6.npz", "caption": "a loop"}
    (root / "captions" / "loop_6.txt").unlink()
    for path in (root, root / "sekai"):  # all splits, one split
        (back,) = formats.read(path)
        assert back.format == "sekai" and back.caption == "a loop"


def test_sekai_real_has_its_clips_in_folders_of_their_videos(item, tmp_path):
    written(item, tmp_path / "a", "sekai")
    name, real = "dQw4w9WgXcQ_0000300_0000317", tmp_path / "sekai-real-walking-hq"
    video = tmp_path / "sekai-real-walking-hq_clips" / "dQw4w9WgXcQ" / f"{name}.mp4"
    for suffix, target in (("npz", real / f"{name}.npz"), ("mp4", video)):
        target.parent.mkdir(parents=True)
        (tmp_path / "a" / "sekai" / f"loop_6.{suffix}").rename(target)
    (back,) = formats.read(real)
    assert back.name == name and len(back.pictures()) == NUM_FRAMES and not back.lacks
    video.unlink()
    (alone,) = formats.read(real)
    assert alone.rgb is None and alone.rate() == 30.0
    np.savez(real / f"{name}.npz", extrinsic=np.eye(4), intrinsic=np.eye(3))
    with pytest.raises(ValueError, match=r"expected extrinsic \[T, 4, 4\], got"):
        formats.read(real)[0]
