from __future__ import annotations

import numpy as np
import pytest
from rooms import two_rooms_space

from capture import camera, plan_map, planner
from capture.camera import Intrinsics
from capture.plan_map import ClearanceMap
from capture.scene import Plan
from capture.trajectory import Trajectory

SPACE = two_rooms_space()


def plans(generator: str, count: int) -> list[Plan]:
    return [
        planner.plan(
            generator,
            SPACE,
            scene_id="rooms-0",
            seed=seed,
            num_frames=161,
            intrinsics=Intrinsics.from_fov(64, 48, 80),
            motion=planner.Motion(),
        )
        for seed in range(count)
    ]


def test_a_grid_comes_back(tmp_path):
    grid = ClearanceMap.of(SPACE)
    for name in ("a.npz", "b.npz"):
        grid.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = ClearanceMap.load(tmp_path / "a.npz")
    assert again.cell_m == grid.cell_m
    for name in ("origin_m", "clearance_m", "reachable"):
        np.testing.assert_array_equal(getattr(again, name), getattr(grid, name))
    with pytest.raises(ValueError, match="there is no map"):
        ClearanceMap.load(tmp_path / "c.npz")


def test_the_picture_shows_paths_where_they_are():
    grid = ClearanceMap.of(SPACE)
    # A straight line through the left room, 2 m from the wall at x = 0.
    pose = camera.pose_from_angles(
        np.column_stack([np.full(50, 2.0), np.linspace(2, 6, 50), np.full(50, 1.5)]),
        np.zeros(50),
        0.0,
    )
    line = Plan(
        scene_id="rooms-0",
        generator="line",
        seed=0,
        fps=16.0,
        trajectory=Trajectory.uniform(pose, 16.0),
        intrinsics=Intrinsics.from_fov(64, 48, 80),
        clearance_m=1.0,
    )
    bare, drawn = plan_map.draw(grid, [], "rooms"), plan_map.draw(grid, [line], "rooms")
    assert bare.dtype == np.uint8 and bare.shape == drawn.shape
    changed = (bare != drawn).any(-1)
    row, column = np.nonzero(changed[:, :1200])
    # Reachable cells reach from 0.3 to 9.7 m across, and half a metre of border is drawn.
    scale = 1200 / (9.4 + 1.0)
    assert np.median(column) / scale - 0.2 == pytest.approx(2.0, abs=0.1)
    assert np.ptp(row) / scale == pytest.approx(4.0, abs=0.2)
    # Below y = 1.2 m is the door: what lies beyond the wall is reachable, so it is bright.
    assert bare[-150, 1100].mean() > 180


def test_every_generator_is_in_the_legend():
    few, more = plans("roam", 2), plans("look_around", 1)
    grid = ClearanceMap.of(SPACE)
    one, two = (plan_map.draw(grid, p, "rooms")[:, 1200:] for p in (few, few + more))
    assert (one != two).any()
    np.testing.assert_array_equal(plan_map.draw(grid, few, "x"), plan_map.draw(grid, few, "x"))
