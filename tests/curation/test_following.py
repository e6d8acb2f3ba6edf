"""Poses of generated frames from the truth: right ones come back, wrong ones with their error."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from box_room import render_box

from capture.camera import Intrinsics, pose_from_angles
from curation import following
from curation.following import features
from curation.following.views import View

CAMERA = Intrinsics.from_fov(80, 48, 90.0)
LENGTH = 5
STEP_DEG, STEP_M = 2.0, 0.04


def path(turn_deg: float, forward_m: float) -> np.ndarray:
    """From the middle of the room, so much a frame."""
    t = np.arange(LENGTH)[:, None]
    position_m = np.array([2.4, 2.2, 1.4]) + [1.0, 0.0, 0.0] * t * forward_m
    return pose_from_angles(position_m, 25.0 + turn_deg * t[:, 0], -3.0)


def shown(poses: np.ndarray, camera: Intrinsics = CAMERA) -> tuple[np.ndarray, np.ndarray]:
    seen = [render_box(pose, camera) for pose in poses]
    return np.stack([s[0] for s in seen]), np.stack([s[1] for s in seen])


def followed(made_from: np.ndarray, commanded: np.ndarray) -> following.Following:
    truth, depth_m = shown(commanded)
    return following.follow(shown(made_from)[0], truth, depth_m, commanded, CAMERA)


def test_true_frames_give_the_commanded_poses():
    commanded = path(STEP_DEG, STEP_M)
    found = followed(commanded, commanded)
    assert found.recovered.all()
    assert found.error_deg.max() < 0.06 and found.error_m.max() < 0.008
    said = following.summary([found], [commanded])
    assert said["recovered"] == 1.0
    assert said["signs"] == {"pan_left": 1.0, "dolly_in": 1.0, "truck_right": 1.0}


@pytest.mark.parametrize(("deg", "metres"), [(3.0, 0.0), (0.0, 0.1), (6.0, 0.2)])
def test_frames_of_wrong_poses_have_exactly_that_error(deg, metres):
    commanded = path(STEP_DEG, 0.0)
    wrong = commanded.copy()
    wrong[1:] = path(STEP_DEG, 0.0)[1:]
    wrong[1:, :3, 3] += [0.0, metres, 0.0]
    wrong[1:, :3, :3] = pose_from_angles(
        wrong[1:, :3, 3], 25.0 + deg + STEP_DEG * np.arange(1, LENGTH), -3.0
    )[:, :3, :3]
    found = followed(wrong, commanded)
    assert found.recovered.all()
    assert found.error_deg[1:] == pytest.approx(np.full(LENGTH - 1, deg), abs=0.4)
    assert found.error_m[1:] == pytest.approx(np.full(LENGTH - 1, metres), abs=0.015)


def test_who_goes_the_other_way_or_nowhere_has_no_right_sign():
    commanded = path(STEP_DEG, 0.0)
    for made_from in (path(-STEP_DEG, 0.0), path(0.0, 0.0)):
        found = followed(made_from, commanded)
        assert found.recovered.mean() > 0.8
        assert following.signs(found.cam_to_world, commanded)["pan_left"][0] == 0
    assert following.signs(commanded, commanded)["pan_left"] == [1, 1]
    assert following.signs(commanded, commanded)["pan_right"] == [0, 0]


def test_what_shows_something_else_has_no_pose():
    commanded = path(STEP_DEG, 0.0)
    truth, depth_m = shown(commanded)
    noise = np.random.default_rng(0).integers(0, 256, truth.shape, dtype=np.uint8)
    clouds = np.stack([cv2.GaussianBlur(frame, (0, 0), 3.0) for frame in noise])
    clouds = np.clip(128.0 + 8.0 * (clouds.astype(float) - 128.0), 0, 255).astype(np.uint8)
    for made in (noise, clouds, np.full_like(truth, 128)):
        found = following.follow(made, truth, depth_m, commanded, CAMERA)
        assert not found.recovered.any()
        assert np.isnan(found.cam_to_world).all() and np.isnan(found.error_m).all()
        assert following.summary([found], [commanded]) == {
            "recovered": 0.0,
            **dict.fromkeys(("error_deg", "error_deg_p90", "error_m", "error_m_p90")),
            "signs": {},
        }


def test_features_alone_find_a_pose_in_a_picture_of_some_size():
    camera = Intrinsics.from_fov(320, 192, 80.0)
    here, there = path(5.0, 0.1)[:2]
    (truth,), (depth_m,) = shown(here[None], camera)
    (made,), _ = shown(there[None], camera)
    found = features.find(
        made, View(rgb=truth, depth_m=depth_m, intrinsics=camera, cam_to_world=here)
    )
    assert found is not None
    assert np.linalg.norm(found[:3, 3] - there[:3, 3]) < 0.02
    assert np.abs(found[:3, :3] - there[:3, :3]).max() < 0.005


def test_shapes_that_do_not_belong_together_are_refused():
    commanded = path(STEP_DEG, 0.0)
    truth, depth_m = shown(commanded)
    with pytest.raises(ValueError, match=r"depth_m needs the shape \(5, 48, 80\), got \(4, 48"):
        following.follow(truth, truth, depth_m[1:], commanded, CAMERA)
    with pytest.raises(ValueError, match="expected 5 poses"):
        following.follow(truth, truth, depth_m, commanded[1:], CAMERA)
