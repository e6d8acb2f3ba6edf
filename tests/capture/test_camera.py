from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import camera
from capture.camera import Intrinsics

degrees = st.floats(-180, 180)
metres = st.floats(-500, 500)
points = st.tuples(metres, metres, metres).map(np.array)


@st.composite
def poses(draw, tilt=degrees):
    """Any pose, straight up and straight down included."""
    return camera.pose_from_angles(draw(points), draw(degrees), draw(tilt), draw(degrees))


def is_rigid(pose: np.ndarray) -> bool:
    rotation = pose[..., :3, :3]
    square = np.swapaxes(rotation, -1, -2) @ rotation
    return (
        np.allclose(square, np.eye(3), atol=1e-12)
        and np.allclose(np.linalg.det(rotation), 1.0)
        and np.array_equal(pose[..., 3, :], np.broadcast_to([0, 0, 0, 1], pose[..., 3, :].shape))
    )


@given(pose=poses())
def test_unreal_and_back(pose):
    location_cm, rotation_deg = camera.to_unreal(pose)
    assert is_rigid(pose)
    np.testing.assert_allclose(camera.from_unreal(location_cm, rotation_deg), pose, atol=1e-9)


@pytest.mark.parametrize("tilt_deg", [90.0, -90.0, 90 - 1e-6, -90 + 1e-7, 90 - 1e-10])
@pytest.mark.parametrize("heading_deg", [0.0, 37.0, -120.0])
def test_straight_up_and_down_survive_unreals_angles(tilt_deg, heading_deg):
    pose = camera.pose_from_angles([1.0, 2.0, 3.0], heading_deg, tilt_deg, 15.0)
    np.testing.assert_allclose(camera.from_unreal(*camera.to_unreal(pose)), pose, atol=1e-12)


@pytest.mark.parametrize("look", [1.0, -1.0])
@pytest.mark.parametrize("heading_deg", [0.0, 37.0, -120.0])
@pytest.mark.parametrize("noise_deg", [0.0, 1e-12, 1e-9, 1e-7])
def test_a_map_view_survives_unreals_angles(look, heading_deg, noise_deg):
    h = math.radians(heading_deg)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 2] = [math.sin(h), -math.cos(h), 0.0], [0.0, 0.0, look]
    pose[:3, 1] = np.cross(pose[:3, 2], pose[:3, 0])
    shake = camera.pose_from_angles([0, 0, 0], noise_deg, noise_deg)
    pose = shake @ camera.invert(camera.pose_from_angles([0, 0, 0], 0, 0)) @ pose
    np.testing.assert_allclose(camera.from_unreal(*camera.to_unreal(pose)), pose, atol=1e-12)


@given(
    location_cm=points,
    pitch=st.floats(-89, 89),
    yaw=st.floats(-179, 179),
    roll=st.floats(-179, 179),
)
def test_unreals_numbers_come_back(location_cm, pitch, yaw, roll):
    location, rotation = camera.to_unreal(camera.from_unreal(location_cm, [pitch, yaw, roll]))
    np.testing.assert_allclose(location, location_cm, atol=1e-9)
    np.testing.assert_allclose(rotation, [pitch, yaw, roll], atol=1e-9)


@pytest.mark.parametrize(
    ("rotation_deg", "forward", "right", "up"),
    [
        # Ours: x forward, y left, z up. Unreal: pitch up, yaw right, roll clockwise are positive.
        ([0, 0, 0], [1, 0, 0], [0, -1, 0], [0, 0, 1]),
        ([0, 90, 0], [0, -1, 0], [-1, 0, 0], [0, 0, 1]),
        ([90, 0, 0], [0, 0, 1], [0, -1, 0], [-1, 0, 0]),
        ([0, 0, 90], [1, 0, 0], [0, 0, -1], [0, -1, 0]),
    ],
)
def test_signs_of_unreals_angles(rotation_deg, forward, right, up):
    pose = camera.from_unreal([100, 200, 300], rotation_deg)
    np.testing.assert_allclose(camera.ego_axes(pose), [forward, right, up], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], [1, -2, 3])
    # OpenCV: x right, y down, z forward.
    columns = np.stack([right, -np.array(up), forward], -1)
    np.testing.assert_allclose(pose[:3, :3], columns, atol=1e-12)


@given(heading=degrees, tilt=st.floats(-89, 89))
def test_our_angles_are_what_their_names_say(heading, tilt):
    forward = camera.ego_axes(camera.pose_from_angles([0, 0, 0], heading, tilt))[0]
    h, t = math.radians(heading), math.radians(tilt)
    expected = [math.cos(h) * math.cos(t), math.sin(h) * math.cos(t), math.sin(t)]
    np.testing.assert_allclose(forward, expected, atol=1e-12)


@given(pose=poses())
def test_axes_and_inverse_are_inverses(pose):
    rebuilt = camera.pose_from_axes(pose[:3, 3], camera.ego_axes(pose))
    np.testing.assert_array_equal(rebuilt, pose)
    np.testing.assert_allclose(camera.invert(pose) @ pose, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(camera.invert(camera.invert(pose)), pose, atol=1e-9)


@given(eye=points, target=points)
def test_look_at_puts_the_target_in_the_centre(eye, target):
    if np.linalg.norm(target - eye) < 1e-3:
        return
    pose = camera.look_at(eye, target)
    seen = camera.invert(pose) @ [*target, 1.0]
    np.testing.assert_allclose(seen[:2] / seen[2], 0.0, atol=1e-6)
    assert seen[2] > 0
    assert camera.ego_axes(pose)[1][2] == pytest.approx(0.0, abs=1e-12)  # upright


def test_look_at_nothing_is_refused():
    with pytest.raises(ValueError, match="two different points"):
        camera.look_at([1, 2, 3], [1, 2, 3])


@given(start=poses(), angle_deg=st.floats(-7, 2.2).map(lambda exponent: 10**exponent))
def test_rotation_angle_is_exact_for_small_and_large_turns(start, angle_deg):
    turn = camera.pose_from_angles([0, 0, 0], angle_deg, 0.0)[:3, :3]
    zero = camera.pose_from_angles([0, 0, 0], 0.0, 0.0)[:3, :3]
    turned = start[:3, :3] @ (zero.T @ turn)
    found = camera.rotation_angle_deg(start[:3, :3], turned)
    assert found == pytest.approx(angle_deg, rel=1e-6, abs=1e-13)


@given(width=st.integers(1, 4096), height=st.integers(1, 4096), fov=st.floats(1, 179))
def test_field_of_view(width, height, fov):
    k = Intrinsics.from_fov(width, height, fov)
    assert k.fov_deg == pytest.approx(fov)
    edge = k.matrix() @ [math.tan(math.radians(fov) / 2), 0.0, 1.0]
    np.testing.assert_allclose(edge, [width, height / 2, 1.0], rtol=1e-9)
    half = k.scaled(2 * width, 3 * height)
    np.testing.assert_allclose(half.matrix(), np.diag([2.0, 3.0, 1.0]) @ k.matrix())
    assert half.fov_deg == pytest.approx(fov)


@pytest.mark.parametrize("fov_deg", [0.0, 180.0, -5.0, math.nan])
def test_impossible_fields_of_view_are_refused(fov_deg):
    with pytest.raises(ValueError, match="field of view"):
        Intrinsics.from_fov(64, 64, fov_deg)


@pytest.mark.parametrize("change", [{"width_px": 0}, {"fx_px": 0.0}, {"fy_px": math.nan}])
def test_impossible_intrinsics_are_refused(change):
    good = {"width_px": 4, "height_px": 4, "fx_px": 2.0, "fy_px": 2.0, "cx_px": 2.0, "cy_px": 2.0}
    with pytest.raises(ValueError, match="intrinsics need positive"):
        Intrinsics(**{**good, **change})
