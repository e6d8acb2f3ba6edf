"""SceneMemBench: what is shown, what is asked, and every variant of the one key that is public."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import walk, written
from scipy.spatial.transform import Rotation

from capture import formats, revisits, video
from capture.episode import Episode
from capture.formats import LeftOut, Posed, episodes
from capture.formats.adopt import Given
from capture.trajectory import Trajectory
from pipelines.cli import main
from pipelines.importing import import_clips

NUM_FRAMES = 113


@pytest.fixture(scope="module")
def shot(tmp_path_factory) -> Episode:
    """Seven seconds out and back."""
    plan = box_plan("out_and_back", 3, NUM_FRAMES)
    return write_box_episode(tmp_path_factory.mktemp("box") / "episodes", plan, box_scene(3))


@pytest.fixture(scope="module")
def item(shot) -> Posed:
    return episodes.posed(shot, name="back.3", caption="out and back")


@pytest.fixture
def root(item, tmp_path):
    return written(item, tmp_path / "out", "scene-mem-bench")


def decoded(file) -> np.ndarray:
    with av.open(str(file)) as reader:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in reader.decode(video=0)])


def test_by_hand(item, root):
    (listed,) = json.loads((root / "core" / "index.json").read_text())["cases"]
    case = root / "core" / listed["case_path"]
    manifest = json.loads((case / "manifest.json").read_text())
    (zero, asked), (begin, end) = manifest["context"], manifest["eval"]
    assert (zero, begin, end) == (0, asked, NUM_FRAMES)
    assert listed == {"case_path": "back.3", "context": [0, asked], "eval": [asked, NUM_FRAMES]}
    assert manifest["fps"] == 16.0 and manifest["caption"] == "out and back"
    assert manifest["intrinsics_px"] == pytest.approx(item.intrinsics_px()[0])
    # What is asked begins with a view as of at least two seconds before, left in between.
    at = item.cam_to_world[:, :3, 3]
    before = np.linalg.norm(at[: asked - 31] - at[asked], axis=1)
    assert before.min() < 0.75 < np.linalg.norm(at[:asked] - at[asked], axis=1).max()
    shown, eval_frames = decoded(case / "context.mp4"), decoded(case / "eval.mp4")
    assert (len(shown), len(eval_frames)) == (asked, NUM_FRAMES - asked)
    truth = np.stack(list(item.pictures().frames()))
    error = np.abs(np.concatenate([shown, eval_frames]).astype(float) - truth)
    assert error.mean() < 4.0  # decoded without our care for colour
    ours = video.read_rgb(case / "eval.mp4")
    assert np.abs(ours.astype(float) - truth[asked:]).mean() < 1.2  # encoded twice
    poses = json.loads((case / "pose" / "poses.json").read_text())["frames"]
    assert [pose["frame"] for pose in poses] == list(range(NUM_FRAMES))
    for pose, matrix in zip(poses, item.cam_to_world, strict=True):
        x, y, z, pitch, yaw, roll = pose["primary_pose"]
        assert [x / 100, -y / 100, z / 100] == pytest.approx(matrix[:3, 3])
        # Unreal: x forward, y right, z up, left-handed; yaw to the right, pitch up.
        turn = Rotation.from_euler("ZYX", [-yaw, -pitch, roll], degrees=True).as_matrix()
        forward, left, up = turn.T
        assert forward == pytest.approx(matrix[:3, 2], abs=1e-9)
        assert -left == pytest.approx(matrix[:3, 0], abs=1e-9)
        assert -up == pytest.approx(matrix[:3, 1], abs=1e-9)


def test_round_trip(item, root, tmp_path):
    (back,) = formats.read(root)
    assert formats.recognise(root) is formats.find("scene-mem-bench")
    np.testing.assert_allclose(back.cam_to_world, item.cam_to_world, atol=1e-9)
    assert back.rate() == 16.0 and back.caption == "out and back" and not back.lacks
    assert back.rgb is not None and len(back.rgb) == NUM_FRAMES
    whole = np.stack(list(back.rgb.frames()))
    for start, stop in ((0, 0), (0, 3), (30, 99), (94, 113)):
        part = list(back.rgb.frames(start, stop))
        assert len(part) == stop - start and all(map(np.array_equal, part, whole[start:stop]))
    again = written(back, tmp_path / "again", "scene-mem-bench")
    poses = "core/back.3/pose/poses.json"
    first, second = (json.loads((folder / poses).read_text()) for folder in (root, again))
    for a, b in zip(first["frames"], second["frames"], strict=True):
        assert a["primary_pose"] == pytest.approx(b["primary_pose"], abs=1e-7)
    given = Given(fov_deg=80.0)
    assert import_clips(root, tmp_path / "data", given=given) == 1
    (episode,) = (tmp_path / "data" / "episodes").iterdir()
    path = Episode.load(episode).trajectory
    np.testing.assert_allclose(path.cam_to_world, item.cam_to_world, atol=1e-9)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rows: [{"primary_pose": row} for row in rows],
        lambda rows: {str(n): {"frame": n, "primary_pose": row} for n, row in enumerate(rows)},
        lambda rows: {"unit": "cm", "primary_pose": rows},
        lambda rows: {
            "context": {"poses": [{"primary_pose": row} for row in rows[:20]]},
            "eval": {"poses": [{"primary_pose": row, "actor": [0.0]} for row in rows[20:]]},
        },
    ],
)
def test_wherever_the_poses_stand(item, root, wrap):
    """Only the key is public, so their nesting may be another."""
    file = root / "core" / "back.3" / "pose" / "poses.json"
    rows = [frame["primary_pose"] for frame in json.loads(file.read_text())["frames"]]
    file.write_text(json.dumps(wrap(rows)))
    (back,) = formats.read(root)
    np.testing.assert_allclose(back.cam_to_world, item.cam_to_world, atol=1e-9)
    assert not back.lacks


def test_what_a_case_lacks(root):
    case = root / "core" / "back.3"
    (case / "manifest.json").write_text("{}")
    (back,) = formats.read(case)
    assert back.intrinsics is None and back.caption == "" and not back.lacks
    file = case / "pose" / "poses.json"
    frames = json.loads(file.read_text())["frames"]
    file.write_text(json.dumps(frames[:-1]))
    assert f"{NUM_FRAMES} frames for {NUM_FRAMES - 1} poses" in formats.read(root)[0].lacks[0]
    (case / "eval.mp4").unlink()
    (back,) = formats.read(root)
    assert back.rgb is None and "eval.mp4 is not there" in back.lacks[0]


def test_mind_marks_the_same_frame(item, root, tmp_path):
    (listed,) = json.loads((root / "core" / "index.json").read_text())["cases"]
    actions = written(item, tmp_path / "mind", "mind") / "back.3" / "action.json"
    assert json.loads(actions.read_text())["mark_time"] == listed["eval"][0]


def test_less_than_a_second_asks_nothing(item, root, shot, tmp_path):
    (listed,) = json.loads((root / "core" / "index.json").read_text())["cases"]
    asked = listed["eval"][0]
    enough, short = (episodes.posed(shot, 0, asked + rest, name="a") for rest in (16, 15))
    written(enough, tmp_path / "enough", "scene-mem-bench")
    assert len(decoded(tmp_path / "enough" / "core" / "a" / "eval.mp4")) == 16
    with pytest.raises(LeftOut, match="less than a second before the end"):
        written(short, tmp_path / "short", "scene-mem-bench")


def test_a_path_that_sees_nothing_again_is_left_out(item, shot, tmp_path, capsys):
    straight = Trajectory.uniform(walk(*[(0.1, 0.0, 0.0)] * (NUM_FRAMES - 1)), 16.0)
    assert revisits.first(straight) is None
    pan = write_box_episode(shot.path.parent, box_plan("pan", 3, NUM_FRAMES), box_scene(3))
    with pytest.raises(LeftOut, match="nothing is seen again"):
        written(episodes.posed(pan, name="pan"), tmp_path / "pan", "scene-mem-bench")
    assert not (tmp_path / "pan").exists()
    both = shot.path.parent
    for out in (tmp_path / "both", tmp_path / "both"):  # the second finds all of it done
        assert main(["export", str(both), "--to", "scene-mem-bench", "-o", str(out)]) == 0
        said = capsys.readouterr().out
        assert "1 of 2 clips have no place in scene-mem-bench: nothing is seen again" in said
        assert "Export: 1 clips in" in said and len(formats.read(out)) == 1
    alone = ["export", str(pan.path), "--to", "scene-mem-bench", "-o", str(tmp_path / "none")]
    assert main(alone) == 1
    assert "no clip of" in capsys.readouterr().err
