from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import camera
from capture.trajectory import Trajectory


def straight(num_frames: int = 9, fps: float = 8.0) -> Trajectory:
    """Forward at 4 m/s while turning left at 40 degrees per second."""
    t_s = np.arange(num_frames) / fps
    position = np.stack([4.0 * t_s, 0 * t_s, 0 * t_s], -1)
    return Trajectory.uniform(camera.pose_from_angles(position, 40.0 * t_s, 0.0), fps)


def test_speed_and_turn_are_per_second_whatever_the_frame_rate():
    for fps in (8.0, 16.0, 29.97):
        path = straight(fps=fps)
        np.testing.assert_allclose(path.speed_m_s(), np.full(8, 4.0))
        np.testing.assert_allclose(path.turn_deg_s(), np.full(8, 40.0))
    assert len(straight(1).speed_m_s()) == 0


@given(start=st.integers(0, 8), data=st.data())
def test_windows_are_half_open_and_keep_their_times(start, data):
    stop = data.draw(st.integers(start + 1, 9))
    path, window = straight(), straight().window(start, stop)
    assert len(window) == stop - start
    np.testing.assert_array_equal(window.t_s, np.arange(start, stop) / 8.0)
    np.testing.assert_array_equal(window.position_m, path.position_m[start:stop])


def test_arrays_are_copies_and_read_only():
    poses = np.tile(np.eye(4), (3, 1, 1))
    path = Trajectory.uniform(poses, 1.0)
    poses[0, 0, 3] = 7.0
    assert path.position_m[0, 0] == 0.0
    for array in (path.t_s, path.cam_to_world, path.position_m, path.window(0, 2).t_s):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def bad_pose(change) -> np.ndarray:
    poses = np.tile(np.eye(4), (3, 1, 1))
    change(poses)
    return poses


@pytest.mark.parametrize(
    ("t_s", "poses", "message"),
    [
        ([0.0, 1.0], np.tile(np.eye(4), (3, 1, 1)), r"got \(2,\) and \(3, 4, 4\)"),
        ([], np.zeros((0, 4, 4)), r"got \(0,\)"),
        ([0.0, 1.0, 1.0], np.tile(np.eye(4), (3, 1, 1)), "must increase"),
        ([0.0, 1.0, np.nan], np.tile(np.eye(4), (3, 1, 1)), "NaN"),
        ([0, 1, 2], bad_pose(lambda p: p.__setitem__((1, 0, 3), np.inf)), "infinity"),
        ([0, 1, 2], bad_pose(lambda p: p.__setitem__((1, 0, 0), -1.0)), "determinant"),
        ([0, 1, 2], bad_pose(lambda p: p.__setitem__((1, 0, 0), 1.1)), "largest deviation 0.21"),
        ([0, 1, 2], bad_pose(lambda p: p.__setitem__((1, 3, 0), 0.5)), "last row"),
    ],
)
def test_impossible_trajectories_are_refused(t_s, poses, message):
    with pytest.raises(ValueError, match=message):
        Trajectory(t_s=np.array(t_s, dtype=float), cam_to_world=poses)
