"""The probe must accept what is right and catch every error that users report."""

from __future__ import annotations

import numpy as np
import pytest
from box_room import render_box

from capture import camera
from capture.camera import Intrinsics
from curation import exposure, geometry

K = Intrinsics.from_fov(160, 96, 80.0)
GAP = geometry.PAIR_GAP
STARTS = range(8, 57, 8)


def wavy(t: np.ndarray) -> np.ndarray:
    """A path through the box room that neither stands nor turns steadily."""
    position = np.stack(
        [3 + 1.2 * np.sin(0.9 * t), 2.5 + 0.8 * np.sin(1.7 * t), 1.5 + 0.2 * np.cos(2.3 * t)], -1
    )
    return camera.pose_from_angles(position, 40 * np.sin(1.3 * t) + 8 * t, 8 * np.sin(1.9 * t))


POSES = wavy(np.arange(73) / 8.0)


@pytest.fixture(scope="module")
def rendered():
    return {i: render_box(POSES[i], K) for i in range(0, 73)}


def inlier(rendered, poses=POSES, k=K, depth=lambda d: d) -> float:
    shares = [
        geometry.inlier_share(
            depth(rendered[i][1]),
            depth(rendered[i + GAP][1]),
            k,
            camera.invert(poses[i + GAP]) @ poses[i],
        )
        for i in STARTS
    ]
    known = [share for share in shares if np.isfinite(share)]
    return float(np.mean(known)) if known else float("nan")


def lag(rendered, poses=POSES, rgb_late=0) -> tuple[float, float]:
    errors = [
        geometry.lag_errors(
            exposure.luma(rendered[i - rgb_late][0]),
            exposure.luma(rendered[i + GAP - rgb_late][0]),
            rendered[i][1],
            K,
            poses,
            i,
            i + GAP,
        )
        for i in STARTS
    ]
    return geometry.best_lag(np.array(errors))


def test_a_correct_episode_agrees_with_itself(rendered):
    assert inlier(rendered) > 0.95
    frames, margin = lag(rendered)
    assert frames == 0.0
    assert margin > 0.3


def test_poses_read_the_wrong_way_round_are_caught(rendered):
    share = inlier(rendered, camera.invert(POSES))
    assert not share > 0.5


def test_opengl_axes_are_caught(rendered):
    assert inlier(rendered, POSES @ np.diag([1.0, -1.0, -1.0, 1.0])) < 0.6


def test_ray_distance_read_as_planar_is_caught(rendered):
    x = (np.arange(160) + 0.5 - K.cx_px) / K.fx_px
    y = (np.arange(96) + 0.5 - K.cy_px) / K.fy_px
    stretch = np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2).astype(np.float32)
    assert inlier(rendered, depth=lambda d: d * stretch) < 0.6


def test_a_wrong_field_of_view_is_caught(rendered):
    assert inlier(rendered, k=Intrinsics.from_fov(160, 96, 90.0)) < 0.6


def test_centimetres_read_as_metres_are_caught(rendered):
    poses = POSES.copy()
    poses[:, :3, 3] *= 100
    assert not inlier(rendered, poses) > 0.5


def test_mirrored_worlds_are_caught(rendered):
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    assert inlier(rendered, mirror @ POSES @ mirror) < 0.75


@pytest.mark.parametrize("late", [-2, -1, 1, 2])
def test_late_poses_move_the_lag_to_their_lag(rendered, late):
    assert lag(rendered, np.roll(POSES, late, axis=0))[0] == late
    assert inlier(rendered, np.roll(POSES, late, axis=0)) < 0.75


@pytest.mark.parametrize("late", [-1, 1])
def test_late_colour_is_found_although_depth_and_pose_agree(rendered, late):
    """The known fault of UnrealCV (issue 119): colour of the old pose, depth of the new one."""
    assert lag(rendered, rgb_late=late)[0] == -late
    assert inlier(rendered) > 0.95


def test_a_still_camera_cannot_tell(rendered):
    errors = geometry.lag_errors(
        exposure.luma(rendered[8][0]),
        exposure.luma(rendered[8][0]),
        rendered[8][1],
        K,
        np.repeat(POSES[8:9], 73, axis=0),
        8,
        16,
    )
    assert np.isnan(geometry.best_lag(errors[None])).all()


def test_views_that_do_not_overlap_say_nothing(rendered):
    turned = camera.pose_from_angles(POSES[0, :3, 3], 180.0, 0.0)
    facing = camera.pose_from_angles(POSES[0, :3, 3], 0.0, 0.0)
    share = geometry.inlier_share(rendered[0][1], rendered[0][1], K, camera.invert(turned) @ facing)
    assert np.isnan(share)


def test_nothing_seen_from_nowhere_is_no_agreement(rendered):
    nothing = np.full((96, 160), np.inf, np.float32)
    assert np.isnan(geometry.inlier_share(nothing, rendered[0][1], K, np.eye(4)))
    assert geometry.inlier_share(rendered[0][1], nothing, K, np.eye(4)) == 0.0


def test_shrinking_keeps_pixels_where_they_were():
    big = Intrinsics.from_fov(640, 384, 80.0)
    small = geometry.shrink_camera(big)
    _, depth_m, _ = render_box(POSES[3], big)
    _, expected, _ = render_box(POSES[3], small)
    np.testing.assert_allclose(geometry.shrink(depth_m), expected, rtol=1e-5)
