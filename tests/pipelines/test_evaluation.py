"""What is rendered for revisits: a turn out of the view, and back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tiny_engine import INTRINSICS, tiny_world

from capture import scripted
from capture.camera import Intrinsics, pose_from_angles, rotation_angle_deg
from capture.launcher import EngineSpec
from capture.scene import Plan, name_of
from capture.trajectory import Trajectory
from pipelines import evaluation


@pytest.mark.parametrize("side", [1, -1])
def test_a_way_back_ends_where_it_began_after_a_quarter_turn(side):
    angle = 40.0 + side * scripted.PAN_DEG_S / 16 * np.arange(2)
    path = pose_from_angles(np.tile([1.0, 2.0, 1.6], (2, 1)), angle, np.full(2, -4.0))
    plan = Plan(
        scene_id="room-0",
        generator="pan_left",
        seed=0,
        fps=16.0,
        trajectory=Trajectory.uniform(path, 16.0),
        intrinsics=Intrinsics.from_fov(64, 48, 90.0),
        clearance_m=1.0,
    )
    turn = evaluation.there_and_back(plan, 97)
    poses = turn.trajectory.cam_to_world
    expected = pose_from_angles(path[0, :3, 3], 40.0 + side * 90.0, -4.0)
    np.testing.assert_allclose(poses[48], expected, atol=1e-9)
    np.testing.assert_allclose(poses, poses[::-1], atol=1e-12)
    moved = rotation_angle_deg(poses[:-1, :3, :3], poses[1:, :3, :3])
    np.testing.assert_allclose(moved, moved[0], atol=1e-6)
    assert turn.id != plan.id and turn.generator == "pan_left_and_back"


def test_truth_of_a_users_file_stays_in_the_folder(tmp_path, monkeypatch):
    """Wherever the file lies: its path is no folder of the truth."""

    def build(path: str, seed: int):
        world = tiny_world()
        world.scene = dataclasses.replace(world.scene, name=name_of(path), seed=seed, file=path)
        return world

    def capture(plans, known, **_):
        raise InterruptedError(*known)

    monkeypatch.setattr(evaluation.scenes, "build", build)
    monkeypatch.setattr(evaluation.fleet, "capture", capture)
    house, truth = tmp_path / "my scenes" / "my house.glb", tmp_path / "run" / "truth"

    def render(scene: str) -> None:
        evaluation.render_truth(
            truth, scene=scene, seed=3, num_starts=1, num_frames=5, intrinsics=INTRINSICS,
            spec=EngineSpec(kind="embedded"),
        )  # fmt: skip

    with pytest.raises(InterruptedError, match="my_house-3"):
        render(str(house))
    assert [path.name for path in truth.iterdir()] == ["my_house-3-1x5"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    with pytest.raises(ValueError, match=r"my house\.glb; rename"):
        render(str(tmp_path / "others" / "my house.glb"))


def test_the_table_says_what_the_file_says():
    moved = {"signs": {"pan_left": 1.0}, "motion": {"pan_left": 8.0}, "psnr_db": 100.0}
    model = {"signs": {"pan_left": 0.75}, "motion": {"pan_left": 6.0}, "psnr_db": 21.234}
    still = {"signs": {"pan_left": 0.5}, "motion": {"pan_left": -1e-4}, "psnr_db": 16.0}
    following = {"recovered": 0.5, "error_deg": 0.25, "error_m": 0.011}
    found = {
        "name": "town-1",
        "positions": 24,
        "truth": moved,
        "model": {**model, "following": following},
        "codec": {**moved, "following": {**following, "recovered": 0.0, "error_deg": None}},
        "repeat": still,
    }
    title, head, truth, codec, told, first, *poses = evaluation.lines(found)
    assert title.startswith("town-1, 24 first frames") and head.split()[-1] == "pan_left"
    assert truth.split() == ["truth", "1.00,", "100%"] and codec.split()[0] == "codec"
    assert told.split() == ["model", "21.23", "0.75,", "75%"]
    assert first.split() == ["first", "frame", "16", "0.50,", "0%"]
    assert poses == [
        "codec: 0% of the poses found in its pictures",
        "model: 50% of the poses found in its pictures, half of them within 0.25 deg, 0.011 m",
    ]
    kept = {"covisible": 0.9, "psnr_db": 20.0, "ssim": 0.8, "lpips": 0.25}
    back = {"clips": 16, "model": kept, "window": kept, "codec": kept}
    assert [line.split() for line in evaluation.lines({**found, "revisits": back})][-2:] == [
        ["no", "memory", "20", "0.8", "0.25"],
        ["codec", "20", "0.8", "0.25"],
    ]
