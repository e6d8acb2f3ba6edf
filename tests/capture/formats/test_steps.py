"""What several formats share: turns of a step, camera matrices, the shape of poses."""

from __future__ import annotations

import numpy as np
import pytest

from capture import camera
from capture.camera import invert
from capture.formats import axes, pixels, steps


def test_a_step_turns_right_and_up():
    before, after = camera.pose_from_angles(np.zeros((2, 3)), [30.0, 20.0], [0.0, 0.0])
    assert steps.turn_deg(invert(before[None])[0] @ after) == pytest.approx((10.0, 0.0))
    level, up = camera.pose_from_angles(np.zeros((2, 3)), [30.0, 30.0], [0.0, 7.0])
    assert steps.turn_deg(invert(level[None])[0] @ up) == pytest.approx((0.0, 7.0))


def test_turns_take_the_shorter_way_round():
    turns = steps.unreal_turns_deg(np.array([[0.0, 179.0, 5.0], [1.0, -179.0, 9.0], [0.0, 179, 0]]))
    np.testing.assert_allclose(turns, [[1.0, 2.0], [-1.0, -2.0]])


def test_camera_matrices_there_and_back():
    values = np.array([[5.0, 6.0, 4.0, 2.0], [7.0, 8.0, 3.0, 1.0]])
    matrix = axes.camera_matrix(values)
    np.testing.assert_array_equal(matrix[0], [[5, 0, 4], [0, 6, 2], [0, 0, 1]])
    np.testing.assert_array_equal(axes.pinhole(matrix), values)
    np.testing.assert_array_equal(axes.camera_matrix(values[1]), matrix[1])
    projection = np.hstack([matrix[1], np.ones((3, 1))])
    np.testing.assert_array_equal(axes.pinhole(projection), values[1])


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4), (2, 3, 4)])
def test_other_shapes_are_no_poses(shape):
    with pytest.raises(ValueError, match=r"^a.npz: expected c2w \[T, 4, 4\], got \["):
        pixels.require_poses(np.zeros(shape), "a.npz", "c2w")
    assert pixels.require_poses(np.zeros((2, 4, 4), np.float32), "a.npz").dtype == np.float64
