"""Stairs: walked up and down as feet would, and only where there are any."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import trimesh
from rooms import two_rooms_space

from capture import planner
from capture.camera import Intrinsics
from capture.navigation import FreeSpace, free_space, sample_triangles
from capture.scene import Plan

BOUNDS = (0.0, 0.0, 0.0, 9.0, 6.0, 5.0)
STEPS, RISE_M, TREAD_M = 10, 0.17, 0.3
EYE_M = 1.5


def tread_m(x: np.ndarray) -> np.ndarray:
    """Height of the floor at each x: ten steps from x = 3 on, then a gallery."""
    return RISE_M * np.clip(np.floor((x - 3.0) / TREAD_M) + 1, 0, STEPS)


@functools.cache
def hall() -> FreeSpace:
    """A hall whose far end is 1.7 m higher, with a broad flight of steps up to it."""

    def box(low, high):
        return trimesh.creation.box(bounds=[low, high]).triangles

    blocks = [
        box((-0.2, -0.2, -0.2), (9.2, 6.2, 0)),
        box((-0.2, -0.2, 5), (9.2, 6.2, 5.2)),
        box((-0.2, -0.2, 0), (0, 6.2, 5)),
        box((9, -0.2, 0), (9.2, 6.2, 5)),
        box((0, -0.2, 0), (9, 0, 5)),
        box((0, 6, 0), (9, 6.2, 5)),
        box((3.0 + STEPS * TREAD_M, 0, 0), (9, 6, STEPS * RISE_M)),
    ]
    for k in range(STEPS):
        blocks.append(box((3.0 + k * TREAD_M, 0, 0), (3.3 + k * TREAD_M, 6, (k + 1) * RISE_M)))
    cloud = sample_triangles(np.concatenate(blocks), BOUNDS)
    return free_space(cloud, BOUNDS, np.array([1.0, 3.0, EYE_M]), min_clearance_m=0.3)


def climb(space: FreeSpace, seed: int) -> Plan:
    return planner.plan(
        "climb",
        space,
        scene_id="hall-0",
        seed=seed,
        num_frames=321,
        intrinsics=Intrinsics.from_fov(64, 48, 80),
        motion=planner.Motion(),
    )


def test_the_ground_is_the_highest_surface_below():
    x = np.array([1.0, 3.05, 4.65, 8.0])
    points = np.column_stack([x, np.full(4, 3.0), np.full(4, 3.0)])
    # A column is 0.2 m wide: it may hold the next step too.
    above = hall().ground_m(points) - tread_m(x)
    assert (above > -1e-6).all() and (above < RISE_M + 1e-6).all()
    assert hall().ground_m(np.array([1.0, 3.0, -1.0])) == -np.inf
    assert hall().ground_m(np.array([90.0, 3.0, 1.0])) == -np.inf


def test_eyes_follow_the_steps_up_and_down():
    for seed in range(4):
        path = climb(hall(), seed).trajectory
        height_m = path.position_m[:, 2]
        assert np.ptp(height_m) > 0.8
        over_feet = height_m - tread_m(path.position_m[:, 0])
        assert (np.abs(over_feet - EYE_M) < 0.4).all()
        upward = np.diff(height_m)
        assert upward.max() > 0.01 and upward.min() < -0.01, "there and back"
        assert np.abs(np.diff(height_m, 2)).max() < 0.03, "the head does not jump with the feet"


def test_a_level_room_has_no_stairs():
    with pytest.raises(ValueError, match="climb found no path"):
        climb(two_rooms_space(), 0)
