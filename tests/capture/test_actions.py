from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import actions, camera
from capture.actions import NAMES, STATIC, Actions


@st.composite
def paths(draw, max_turn_deg=60.0):
    """Any path [T, 4, 4]: fast, slow and partly still, near the origin or far away."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_frames = draw(st.integers(1, 60))
    pace_m = draw(st.sampled_from([0.0, 1e-6, 0.01, 1.0, 30.0]))
    pace_deg = draw(st.sampled_from([0.0, 1e-6, 1.0, max_turn_deg]))
    moving = rng.random((num_frames, 1)) < draw(st.sampled_from([0.3, 1.0]))
    position = rng.uniform(-50, 50, 3) + np.cumsum(
        pace_m * moving * rng.uniform(-1, 1, (num_frames, 3)), 0
    )
    angle = np.cumsum(pace_deg * moving * rng.uniform(-1, 1, (num_frames, 3)), 0)
    return camera.pose_from_angles(position, angle[:, 0] + 20, angle[:, 1] / 3, angle[:, 2] / 3)


@settings(max_examples=150, deadline=None)
@given(path=paths())
def test_poses_to_actions_to_poses(path):
    moves = actions.encode(path)
    np.testing.assert_allclose(actions.integrate(moves, path[0]), path, atol=1e-9)


@settings(deadline=None)
@given(path=paths())
def test_encode_keeps_the_rules(path):
    values = actions.encode(path).values
    assert values.shape == (len(path), 13)
    assert values.min() >= 0
    assert values[0].tolist() == [0.0] * 12 + [1.0]
    pairs = values[:, :12].reshape(-1, 6, 2)
    assert (pairs.min(-1) == 0).all(), "a move is never both ways at once"
    assert set(np.unique(values[:, STATIC])) <= {0.0, 1.0}


@settings(deadline=None)
@given(path=paths(), data=st.data())
def test_actions_do_not_depend_on_where_the_world_is(path, data):
    angles = data.draw(st.tuples(*[st.floats(-180, 180)] * 3))
    world = camera.pose_from_angles([3.0, -7.0, 2.0], *angles)
    here, there = actions.encode(path, step_m=1.0), actions.encode(world @ path, step_m=1.0)
    np.testing.assert_allclose(there.values[:, :12], here.values[:, :12], atol=1e-8)


@settings(deadline=None)
@given(path=paths(), scale=st.sampled_from([0.25, 2.0, 64.0]))
def test_translations_are_in_units_of_the_mean_step(path, scale):
    moves = actions.encode(path)
    length = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=1)
    moving = length > actions.STATIC_BELOW_M
    if not moving.any():
        assert moves.step_m == 1.0
        return
    units = np.linalg.norm(actions.signed(moves)[1:, :3], axis=1) / moves.step_m
    assert units[moving].mean() == pytest.approx(1.0)
    fixed = actions.encode(path, step_m=scale)
    assert fixed.step_m == scale
    np.testing.assert_allclose(fixed.values[:, :6] * scale, moves.values[:, :6] * moves.step_m)


@pytest.mark.parametrize(
    ("name", "move"),
    [
        ("dolly_in", {"forward": 0.1}),
        ("dolly_out", {"forward": -0.1}),
        ("truck_left", {"right": -0.1}),
        ("truck_right", {"right": 0.1}),
        ("pedestal_up", {"up": 0.1}),
        ("pedestal_down", {"up": -0.1}),
        ("tilt_up", {"tilt": 2.0}),
        ("tilt_down", {"tilt": -2.0}),
        ("pan_left", {"heading": 2.0}),
        ("pan_right", {"heading": -2.0}),
        ("roll_ccw", {"roll": -2.0}),
        ("roll_cw", {"roll": 2.0}),
        ("static", {}),
    ],
)
def test_each_name_means_what_it_says(name, move):
    t = np.arange(6)
    heading = 30.0 + t * move.get("heading", 0.0)
    zero = np.zeros(6)
    pose = camera.pose_from_angles(
        np.zeros((6, 3)), heading, zero + t * move.get("tilt", 0.0), zero + t * move.get("roll", 0)
    )
    forward, right, up = camera.ego_axes(pose[0])
    step = sum(
        move.get(n, 0.0) * a for n, a in (("forward", forward), ("right", right), ("up", up))
    )
    pose[:, :3, 3] = [1.0, 2.0, 3.0] + t[:, None] * step
    values = actions.encode(pose).values
    amount = {"m": 1.0, "deg": 2.0, "none": 1.0}[
        "none" if not move else "m" if next(iter(move)) in ("forward", "right", "up") else "deg"
    ]
    expected = np.zeros((6, 13))
    expected[1:, NAMES.index(name)] = amount
    expected[0, STATIC] = 1.0
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_one_frame_is_static():
    assert actions.encode(np.eye(4)[None]).values.tolist() == [[0.0] * 12 + [1.0]]


@pytest.mark.parametrize(
    ("values", "step_m", "message"),
    [
        (np.zeros((4, 12)), 1.0, r"\[T, 13\], got \(4, 12\)"),
        (np.zeros(13), 1.0, r"got \(13,\)"),
        (np.full((2, 13), -1.0), 1.0, "non-negative"),
        (np.full((2, 13), np.nan), 1.0, "finite"),
        (np.zeros((2, 13)), 0.0, "step_m must be positive and finite, got 0.0"),
        (np.zeros((2, 13)), np.nan, "step_m must be positive"),
        (np.zeros((2, 13)), np.inf, "step_m must be positive"),
    ],
)
def test_impossible_actions_are_refused(values, step_m, message):
    with pytest.raises(ValueError, match=message):
        Actions(values=values, step_m=step_m)


def test_actions_do_not_change_behind_ones_back():
    given_values = np.zeros((3, 13))
    moves = Actions(values=given_values, step_m=1.0)
    given_values[1, 0] = 5.0
    assert moves.values.max() == 0.0
    with pytest.raises(ValueError, match="read-only"):
        moves.values[0, 0] = 1.0
