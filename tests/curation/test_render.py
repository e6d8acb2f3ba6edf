"""Faults of renderers, planted in pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from box_room import render_box

from capture import camera
from capture.camera import Intrinsics
from capture.trajectory import Trajectory
from curation import collision, coverage, exposure, render

K = Intrinsics.from_fov(160, 96, 80.0)
HERE = camera.pose_from_angles(np.array([[3.0, 2.5, 1.5]]), np.array([0.0]), 0.0)[0]
MOVED = camera.pose_from_angles(np.array([[3.3, 2.4, 1.5]]), np.array([6.0]), 2.0)[0]
I_TO_J = camera.invert(MOVED) @ HERE


@pytest.fixture(scope="module")
def pair():
    return render_box(HERE, K), render_box(MOVED, K)


@pytest.mark.parametrize("light", [1.0, 0.5])
def test_magenta_is_seen_in_any_white_light_and_flowers_are_not(light, pair):
    rgb = pair[0][0].copy()
    assert render.magenta_share(rgb) == 0.0
    rgb[:24, :40] = np.array([255, 0, 255]) * light
    assert render.magenta_share(rgb) == pytest.approx(24 * 40 / (96 * 160))
    rgb[:24, :40] = (200, 90, 160)
    assert render.magenta_share(rgb) == 0.0


def checkerboard(tilt_deg: float, low: int = 110, high: int = 150) -> np.ndarray:
    y, x = np.mgrid[:96, :160].astype(np.float64)
    a = np.radians(tilt_deg)
    u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    board = (np.floor(u / 10) + np.floor(v / 10)) % 2
    grey = cv2.GaussianBlur(np.where(board > 0, high, low).astype(np.uint8), (3, 3), 0)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("tilt_deg", [0, 15, 45])
def test_grey_checkerboards_are_seen(tilt_deg):
    assert render.checker_share(checkerboard(tilt_deg)) > 0.2


def test_what_is_no_grey_checkerboard_is_not(pair):
    assert render.checker_share(pair[0][0]) == 0.0
    stripes = np.repeat(np.where(np.arange(160) // 10 % 2, 150, 110)[None, :, None], 96, axis=0)
    assert render.checker_share(np.repeat(stripes, 3, axis=2).astype(np.uint8)) == 0.0
    bricks = np.full((96, 160, 3), 150, np.uint8)
    bricks[::12] = bricks[:, ::24] = 110
    assert render.checker_share(bricks) == 0.0
    red = checkerboard(0) * np.array([1.0, 0.6, 0.5])
    assert render.checker_share(red.astype(np.uint8)) == 0.0


@pytest.mark.parametrize("sigma_px", [1.0, 2.0, 4.0])
def test_the_blur_of_edges_is_measured_in_pixels(sigma_px):
    sharp = np.zeros((96, 160, 3), np.uint8)
    sharp[:, 40:80] = sharp[50:] = 180
    assert render.edge_blur_px(sharp) < 1.0
    blurred = cv2.GaussianBlur(sharp, (0, 0), sigma_px)
    assert render.edge_blur_px(blurred) == pytest.approx(np.hypot(sigma_px, 0.7), rel=0.15)
    assert np.isnan(render.edge_blur_px(np.full_like(sharp, 90))), "a bare wall cannot tell"


def test_gradients_do_not_depend_on_where_the_picture_lies_in_memory(pair):
    luma = cv2.cvtColor(pair[0][0], cv2.COLOR_RGB2GRAY).astype(np.uint16) * 16
    gradients = set()
    for shift in range(0, 64, 2):
        room = np.empty(luma.nbytes + 64, np.uint8)[shift : shift + luma.nbytes]
        moved = room.view(np.uint16).reshape(luma.shape)
        moved[:] = luma
        gradients.add(render._squared_gradient(cv2.GaussianBlur(moved, (0, 0), 1.0)).tobytes())
    assert len(gradients) == 1


def test_holes_are_what_is_missing_below_the_horizon(pair):
    depth = pair[0][1].copy()
    assert render.hole_share(depth, K, HERE) == 0.0
    sky = depth.copy()
    sky[:40] = np.inf
    assert render.hole_share(sky, K, HERE) == 0.0, "the sky is no hole"
    depth[70:80, 50:90] = np.inf
    assert render.hole_share(depth, K, HERE) == pytest.approx(10 * 40 / depth.size)


def with_box(depth: np.ndarray, at: tuple[int, int], size: int) -> np.ndarray:
    depth = depth.copy()
    row, column = at
    depth[row : row + size, column : column + size] = 1.0
    return depth


def test_a_thing_that_comes_or_goes_pops(pair):
    (_, depth_i, _), (_, depth_j, _) = pair
    assert render.popped_share(depth_i, depth_j, K, I_TO_J) == 0.0
    appeared = with_box(depth_j, (30, 60), 20)
    vanished = with_box(depth_i, (30, 60), 20)
    for a, b in ((depth_i, appeared), (vanished, depth_j)):
        assert render.popped_share(a, b, K, I_TO_J) == pytest.approx(400 / depth_i.size, rel=0.15)
    thin = depth_j.copy()
    thin[30:60, 60:63] = 1.0
    assert render.popped_share(depth_i, thin, K, I_TO_J) == 0.0, "leaves and edges"


def test_standing_before_something_is_no_popping():
    """A box that hides and uncovers the wall as the camera moves past, rendered twice."""

    def scene(pose):
        depth = render_box(pose, K)[1]
        centre = camera.invert(pose) @ np.array([4.2, 2.5, 1.5, 1.0])
        u, v = K.fx_px * centre[0] / centre[2] + K.cx_px, K.fy_px * centre[1] / centre[2] + K.cy_px
        half = K.fx_px * 0.3 / centre[2]
        row, column = np.mgrid[: K.height_px, : K.width_px] + 0.5
        inside = (np.abs(column - u) < half) & (np.abs(row - v) < half)
        return np.where(inside, np.float32(centre[2]), depth)

    moved = camera.pose_from_angles(np.array([[3.0, 2.2, 1.5]]), np.array([0.0]), 0.0)[0]
    share = render.popped_share(scene(HERE), scene(moved), K, camera.invert(moved) @ HERE)
    assert share == 0.0


def test_textures_that_stream_in_become_sharper(pair):
    (rgb_i, depth_i, _), (rgb_j, _, _) = pair
    grain = np.random.default_rng(0).integers(-40, 40, (96, 160, 1))

    def rgb(picture):
        return np.clip(picture.astype(int) + grain, 0, 255).astype(np.uint8)

    sharp_i, sharp_j = exposure.luma(rgb(rgb_i)), exposure.luma(rgb(rgb_j))
    blurred_i = cv2.GaussianBlur(sharp_i, (0, 0), 3.0)
    assert render.sharpening(blurred_i, sharp_j, depth_i, K, I_TO_J) > 1.0
    assert render.sharpening(sharp_i, sharp_j, depth_i, K, I_TO_J) < 0.3


def test_a_path_through_the_wall_is_seen_and_one_along_it_is_not():
    def passes(heading_deg: float, reach_m: float, bend_m: float = 0.0) -> bool:
        t = np.linspace(0, 1, 9)[:, None]
        along = np.array([[np.cos(np.radians(heading_deg)), np.sin(np.radians(heading_deg)), 0]])
        position = np.array([4.5, 2.5, 1.5]) + reach_m * t * along
        position[:, 1] += bend_m * np.sin(np.pi * t[:, 0])
        poses = camera.pose_from_angles(position, np.zeros(9), 0.0)
        return collision.passes_through(render_box(poses[0], K)[1], K, poses)

    assert passes(0.0, 2.0), "the wall is 1.5 m ahead"
    assert not passes(0.0, 1.2)
    assert not passes(90.0, 2.0), "sideways it is not seen"
    assert not passes(0.0, 2.0, bend_m=0.6), "it may have gone round something"


def test_covisibility_is_one_at_home_and_none_behind():
    back = camera.pose_from_angles(np.array([[3.0, 2.5, 1.5]]), np.array([180.0]), 0.0)[0]
    poses = np.stack([HERE, MOVED, back])
    depths = [render_box(pose, K)[1] for pose in poses]
    shared = coverage.covisibility(depths, K, poses)
    np.testing.assert_allclose(np.diag(shared), 1.0)
    assert shared[0, 1] > 0.6 and shared[0, 2] == shared[2, 0] == 0.0
    hidden = [depths[0], np.full_like(depths[1], 0.2), depths[2]]
    assert coverage.covisibility(hidden, K, poses)[0, 1] == 0.0, "a wall in between"


def test_surfaces_are_revisited_after_looking_away_and_counted_once():
    heading = np.array([0.0, 0.0, 180.0, 180.0, 0.0])
    poses = camera.pose_from_angles(np.tile([3.0, 2.5, 1.5], (5, 1)), heading, 0.0)
    depths = [render_box(pose, K)[1] for pose in poses]
    path = Trajectory.uniform(poses, fps=1.0)
    gap_s = coverage.covisible_gap_s(depths, K, path.t_s, poses)
    assert gap_s.tolist() == [0.0, 0.0, 0.0, 0.0, 3.0]
    new_m2 = coverage.new_m2(depths, K, poses)
    assert new_m2[0] > 2.0 and new_m2[2] > 2.0 and new_m2[[1, 3, 4]].max() == 0.0
