from __future__ import annotations

import numpy as np
import pytest
from rooms import BOUNDS, SPAWN, two_rooms, two_rooms_space

from capture.navigation import arc_length, free_space, resample, sample_triangles, smooth_path


@pytest.fixture(scope="module")
def space():
    return two_rooms_space()


def test_clearance_equals_the_distance_to_the_walls(space):
    points = np.array([[1.0, 4.0, 1.5], [4.5, 5.0, 1.5], [9.8, 7.0, 1.2]])
    np.testing.assert_allclose(space.clearance(points), [1.0, 0.4, 0.2], atol=0.04)


def test_the_other_room_is_reached_only_through_a_door(space):
    assert space.cells()[:, 0].max() > 9
    closed = free_space(
        sample_triangles(two_rooms(door=False), BOUNDS), BOUNDS, SPAWN, min_clearance_m=0.3
    )
    assert closed.cells()[:, 0].max() < 5


def test_paths_keep_their_distance(space):
    path = space.path(np.array([1.0, 7.0, 1.5]), np.array([9.0, 7.0, 1.5]))
    assert path is not None
    assert arc_length(path)[-1] > 13, "the way leads round through the door"
    assert space.clearance(path).min() >= 0.3 - 1e-9


def test_smoothing_keeps_the_ends_and_the_steps():
    corner = np.array([[0.0, 0, 0], [3, 0, 0], [3, 3, 0]])
    smooth = smooth_path(corner, 0.05)
    np.testing.assert_allclose(smooth[[0, -1]], corner[[0, -1]], atol=1e-6)
    steps = np.linalg.norm(np.diff(smooth, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.02
    turn = np.degrees(np.abs(np.diff(np.unwrap(np.arctan2(*np.diff(smooth, axis=0)[:, 1::-1].T)))))
    assert turn.max() < 20, "no corner is left"


def test_a_spawn_point_in_a_wall_is_refused():
    with pytest.raises(ValueError, match="from a surface"):
        free_space(
            sample_triangles(two_rooms(), BOUNDS),
            BOUNDS,
            np.array([0.1, 4.0, 1.5]),
            min_clearance_m=0.3,
        )


def test_a_ground_to_the_horizon_costs_little():
    ground = np.array([[[-1e4, -1e4, 0], [1e4, -1e4, 0], [0, 1e4, 0]]])
    bounds = (0.0, 0.0, 0.0, 4.0, 4.0, 3.0)
    space = free_space(
        sample_triangles(ground, bounds), bounds, np.array([2.0, 2, 1.5]), min_clearance_m=0.3
    )
    np.testing.assert_allclose(space.clearance(np.array([2.0, 2.0, 1.5])), 1.5, atol=0.01)
    assert space.surface.n < 50_000


def test_clear_is_more_than_the_clearance(space):
    points = np.random.default_rng(0).uniform((0, 0, 0), (10, 8, 3), (500, 3))
    for least_m in (0.1, 0.5):
        expected = space.clearance(points) >= least_m
        np.testing.assert_array_equal(space.is_clear(points, least_m), expected)


def test_contains_and_inside(space):
    assert space.contains(space.cells()).all()
    outside = np.array([[-1.0, 1, 1.5], [5.0, 4, 1.5], [0.1, 4, 1.5], [1.0, 99, 1.5]])
    assert not space.contains(outside).any()
    assert space.inside(np.array([[1.0, 1, 0.1], [9.9, 7.9, 2.9]])).all()
    assert not space.inside(np.array([[1.0, 1, 3.1], [10.2, 7, 1.5], [1.0, 1, -0.1]])).any()


def test_a_relaxed_round_is_closed_smooth_and_clear(space):
    corners = np.array([[0.4, 0.4, 1.5], [4.5, 0.4, 1.5], [4.5, 7.0, 1.5], [0.4, 7.0, 1.5]])
    assert space.clearance(resample(corners, 0.1)).min() < 0.45
    way = space.relax(corners, 0.05)
    np.testing.assert_allclose(way[0], way[-1])
    assert space.clearance(way).min() > 0.5
    steps = np.diff(np.concatenate([way, way[1:2]]), axis=0)
    assert np.ptp(np.linalg.norm(steps, axis=1)) < 0.005
    forward = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    turn = np.degrees(np.arccos(np.clip((forward[1:] * forward[:-1]).sum(1), -1, 1)))
    assert turn.max() < 15, "no corner is left, nor at the seam"


def test_a_survey_knows_only_its_height():
    cloud = sample_triangles(two_rooms(), BOUNDS)
    space = free_space(
        cloud, BOUNDS, SPAWN, min_clearance_m=0.3, seen_free=lambda p: np.ones(len(p), bool)
    )
    assert space.height_range_m == pytest.approx((0.9, 2.1))
    assert two_rooms_space().height_range_m == (0.0, 3.0)
