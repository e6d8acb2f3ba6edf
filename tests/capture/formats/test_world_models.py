"""The formats of world models: each is read back by a few independent lines."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import walk, written
from scipy.spatial.transform import Rotation

from capture import camera, formats, video
from capture.formats import Posed, episodes, matrix_game, mind, worldplay

NUM_FRAMES = 17


@pytest.fixture(scope="session")
def items(tmp_path_factory) -> list[Posed]:
    """Two short paths through the box room."""
    root = tmp_path_factory.mktemp("boxes")
    made = []
    for kind, num_frames in (("loop", NUM_FRAMES), ("pan", 21)):
        episode = write_box_episode(root, box_plan(kind, 5, num_frames), box_scene(5))
        made.append(episodes.posed(episode, name=f"{kind}_5", caption=f"a {kind}"))
    return made


def index_of(root: Path) -> list[dict]:
    lines = gzip.decompress((root / "index.jsonl.gz").read_bytes()).decode().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["solarwm", "matrix-game", "lerobot", "worldplay", "mind"])
def test_round_trip(items, tmp_path, name):
    root = written(items, tmp_path / "out", name)
    format = formats.recognise(root)
    assert format is not None and format.name == name
    back = list(formats.read(root))
    if name != "lerobot":
        assert [b.name for b in back] == [item.name for item in items]
    for mine, theirs in zip(items, back, strict=True):
        np.testing.assert_allclose(theirs.cam_to_world, mine.cam_to_world, atol=1e-6)
        if name != "mind":
            np.testing.assert_allclose(theirs.intrinsics_px(), mine.intrinsics_px(), rtol=1e-6)
        assert theirs.caption == mine.caption and theirs.rate() == mine.rate()
        assert not theirs.notes
        frames = zip(mine.pictures().frames(), theirs.pictures().frames(), strict=True)
        assert all(np.array_equal(a, b) for a, b in frames)


def test_solarwm_by_hand(items, tmp_path):
    root = written(items, tmp_path, "solarwm")
    rows = index_of(root)
    assert [row["num_frames"] for row in rows] == [NUM_FRAMES, 21]
    row = rows[0]
    assert (root / row["shard"]).stat().st_size == row["shard_size"]
    with tarfile.open(root / row["shard"], "r:") as tar:
        part = {
            field: tar.extractfile(row[field]).read()  # pyright: ignore
            for field in row
            if field.endswith("_member")
        }
    c2w = np.load(io.BytesIO(part["camera_member"]))["c2w"]
    assert c2w.dtype == np.float32
    np.testing.assert_allclose(c2w, items[0].cam_to_world, atol=1e-6)
    declared = json.loads(part["manifest_member"])["camera"]
    assert declared["shape"] == [NUM_FRAMES, 4, 4] and declared["finite"] is True
    assert declared["convention"] == "authoritative_source_c2w_no_axis_flip"
    assert video.num_frames(part["video_member"]) == NUM_FRAMES
    assert np.load(io.BytesIO(part["intrinsics_member"]))[0, 0, 2] == 48.0


def test_solarwm_same_bytes(items, tmp_path):
    first, second = (written(items, tmp_path / n, "solarwm") for n in ("a", "b"))
    for file in sorted(path for path in first.rglob("*") if path.is_file()):
        assert file.read_bytes() == (second / file.relative_to(first)).read_bytes()


def test_solarwm_w2c_and_bad_shards(items, tmp_path):
    root = written(items, tmp_path, "solarwm")
    rows = index_of(root)

    def read_with(**changes):
        (root / "index.jsonl.gz").unlink(missing_ok=True)
        (root / "index.jsonl").write_text(json.dumps({**rows[0], **changes}) + "\n")
        return formats.read(root)[0]

    with pytest.raises(ValueError, match=r"index.jsonl:1: .* should have 7 bytes"):
        read_with(shard_size=7)
    with pytest.raises(ValueError, match=r"index.jsonl:1: shard: .* leads out"):
        read_with(shard="../../etc/passwd.tar")
    with pytest.raises(ValueError, match=r"camera_member 'x.npz' is not in"):
        read_with(camera_member="x.npz")
    with pytest.raises(ValueError, match="the camera has none of"):
        read_with(manifest={"camera": {"array_key": "w2c"}})
    with pytest.raises(ValueError, match=r"video_member \['v.mp4'\] is not in"):
        read_with(video_member=["v.mp4"])
    noted = read_with(manifest={"camera": {"convention": "opengl"}})
    assert "convention 'opengl'" in noted.notes[0]


def test_matrix_game_by_hand(items, tmp_path):
    folder = written(items, tmp_path, "matrix-game") / "loop_5"
    with np.load(folder / "camera.npz") as cameras, np.load(folder / "actions.npz") as made:
        np.testing.assert_allclose(cameras["extrinsics_c2w"], items[0].cam_to_world, atol=1e-12)
        keys, mouse, poses = made["keyboard_condition"], made["mouse_condition"], made["poses"]
    # Matrix-Game's own integration of the mouse gives the path's angles.
    turned = poses[0, 3:] + np.cumsum(mouse[:-1] * 15.0, axis=0)
    apart = (turned - poses[1:, 3:] + 180.0) % 360.0 - 180.0
    assert np.abs(apart).max() < 1e-9
    assert poses[3, :3] == pytest.approx(items[0].cam_to_world[3, :3, 3] * [100, -100, 100])
    # The loop circles counter-clockwise with the camera on its middle: to the right alone.
    assert keys[:-1, 3].all() and not keys[:, :3].any() and not keys[-1].any()


def test_matrix_game_left_is_a(tmp_path):
    start = np.zeros((3, 3))
    start[:, 1] = [0.0, 0.1, 0.2]  # to the left of a camera that looks along +x
    keys, _, _ = matrix_game.controls(camera.pose_from_angles(start, np.zeros(3), 0.0))
    assert keys.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    left = camera.pose_from_angles(np.zeros((2, 3)), np.array([0.0, 30.0]), 0.0)
    assert matrix_game.controls(left)[1][0].tolist() == pytest.approx([0.0, -2.0])


def test_matrix_game_refuses_pickles(items, tmp_path):
    root = written(items[:1], tmp_path, "matrix-game")
    hostile = np.array([{"keyboard": 1}], dtype=object)
    np.savez(root / "loop_5" / "actions.npz", keyboard_condition=hostile, mouse_condition=hostile)
    with pytest.raises(ValueError, match=r"actions.npz needs the arrays .* allow_pickle"):
        formats.read(root)[0]


def test_lerobot_by_hand(items, tmp_path):
    root = written(items, tmp_path, "lerobot")
    info = json.loads((root / "meta" / "info.json").read_text())
    assert info["total_frames"] == NUM_FRAMES + 21 and info["fps"] == 16
    tasks = pd.read_parquet(root / "meta" / "tasks.parquet")
    assert tasks.loc["a pan", "task_index"] == 1
    episodes_table = pd.read_parquet(root / "meta/episodes/chunk-000/file-000.parquet")
    assert episodes_table["dataset_from_index"].tolist() == [0, NUM_FRAMES]
    frames = pd.read_parquet(root / "data/chunk-000/file-001.parquet")
    assert set(frames["task_index"]) == {1}
    assert frames["index"].tolist() == list(range(NUM_FRAMES, NUM_FRAMES + 21))
    for name, feature in info["features"].items():
        if feature["dtype"] != "video":
            assert np.size(frames[name][0]) == feature["shape"][0], name
    state = np.stack(frames["observation.state"].to_list())
    x, y, z = state[:, 4:].T
    rotation = Rotation.from_quat(np.stack([x, y, z, state[:, 3]], -1)).as_matrix()
    np.testing.assert_allclose(rotation, items[1].cam_to_world[:, :3, :3], atol=1e-9)
    assert items[1].actions is not None
    np.testing.assert_allclose(
        np.stack(frames["action"].to_list()), items[1].actions.values, atol=1e-12
    )
    assert frames["action.step_m"][0] == items[1].actions.step_m


def test_lerobot_refuses_robots(items, tmp_path):
    root = written(items[:1], tmp_path, "lerobot")
    info = json.loads((root / "meta" / "info.json").read_text())
    info["features"]["observation.state"]["names"] = ["shoulder", "elbow"]
    (root / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"observation.state is \['shoulder', 'elbow'\]"):
        formats.read(root)


def test_worldplay_words():
    path = walk((0.1, 0, 0), (0, 0.1, 0), (-0.1, -0.1, 0), (0, 0, 3.0), (0.1, 0, -3.0), (0, 0, 0))
    words = [(row["move_action"], row["view_action"]) for row in worldplay.labels(path)]
    assert words == [("", ""), ("W", ""), ("A", ""), ("SD", ""), ("", "LL"), ("W", "LR"), ("", "")]
    up = camera.pose_from_angles(np.zeros((2, 3)), np.zeros(2), np.array([0.0, 2.0]))
    assert worldplay.labels(up)[1]["view_action"] == "LU"


def test_worldplay_by_hand(items, tmp_path):
    folder = written(items, tmp_path, "worldplay") / "loop_5"
    frames = json.loads((folder / "loop_5_pose.json").read_text())
    latents = json.loads((folder / "loop_5_latent_pose.json").read_text())
    assert list(frames) == [str(i) for i in range(NUM_FRAMES)] and list(latents) == list("01234")
    for i in range(5):
        truth = items[0].cam_to_world[4 * i]
        np.testing.assert_allclose(latents[str(i)]["extrinsic"], truth, atol=1e-12)
        w2c = np.array(frames[str(4 * i)]["w2c"])
        np.testing.assert_allclose(-w2c[:3, :3].T @ w2c[:3, 3], truth[:3, 3], atol=1e-9)
    assert frames["0"]["intrinsic"][0][2] == latents["0"]["K"][0][2] == 48.0
    moves = json.loads((folder / "loop_5_action.json").read_text())
    assert [row["move_action"] for row in moves.values()] == ["", *["D"] * 16]


def test_mind_keys():
    path = walk((0.1, 0, 0), (0, 0.1, 0), (-0.1, -0.1, 0), (0, 0, 3.0), (0, 0, -3.0))
    rows = mind.keys(path).tolist()
    assert rows == [[1, 0, 0, 0], [0, 1, 0, 0], [2, 2, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2], [0] * 4]


def test_mind_by_hand(items, tmp_path):
    folder = written(items, tmp_path, "mind") / "loop_5"
    content = json.loads((folder / "action.json").read_text())
    assert content["total_time"] == NUM_FRAMES and content["caption"] == "a loop"
    row, truth = content["data"][3], items[0].cam_to_world[3]
    assert [row["camera_pos"][k] for k in "xyz"] == pytest.approx(truth[:3, 3] * [100, -100, 100])
    yaw, pitch = np.radians(row["camera_rpy"]["z"]), np.radians(row["camera_rpy"]["y"])
    forward = [np.cos(pitch) * np.cos(yaw), -np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
    assert truth[:3, 2] == pytest.approx(forward)


def test_mind_first_person_is_noted(items, tmp_path):
    root = written(items[:1], tmp_path, "mind")
    file = root / "loop_5" / "action.json"
    content = json.loads(file.read_text())
    for row in content["data"]:
        del row["camera_pos"], row["camera_rpy"]
    file.write_text(json.dumps(content))
    (record,) = formats.read(root)
    assert "the actor's, not the camera's" in record.notes[0]
    assert record.declared.unit is None and record.declared.axes == "unreal"
