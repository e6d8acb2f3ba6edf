"""Flow of a world that stands still, in closed form and over the wire."""

from __future__ import annotations

import io

import numpy as np
from tiny_engine import tiny_engine

from capture import camera
from capture.camera import Intrinsics
from capture.client import Client
from capture.projection import optical_flow

K = Intrinsics.from_fov(64, 48, 80.0)
HERE = camera.pose_from_angles([1.0, 2.0, 1.5], 30.0, -10.0)


def moved(right_m=0.0, down_m=0.0, forward_m=0.0) -> np.ndarray:
    step = np.eye(4)
    step[:3, 3] = right_m, down_m, forward_m
    return HERE @ step


def test_a_wall_shifts_by_focal_length_over_depth():
    wall = np.full((48, 64), 2.0, np.float32)
    flow = optical_flow(wall, K, HERE, moved(right_m=0.1, down_m=-0.2))
    np.testing.assert_allclose(flow[..., 0], -K.fx_px * 0.1 / 2.0, atol=1e-4)
    np.testing.assert_allclose(flow[..., 1], K.fy_px * 0.2 / 2.0, atol=1e-4)


def test_a_step_forward_spreads_the_picture():
    wall = np.full((48, 64), 2.0, np.float32)
    flow = optical_flow(wall, K, HERE, moved(forward_m=1.0))
    columns = np.arange(64) + 0.5 - K.cx_px
    np.testing.assert_allclose(
        flow[10, :, 0], columns, atol=1e-4
    )  # twice as large at half the depth


def test_nothing_and_what_is_behind_have_no_flow():
    depth = np.full((48, 64), 2.0, np.float32)
    depth[:, :10] = np.inf
    assert np.isnan(optical_flow(depth, K, HERE, HERE)[:, :10]).all()
    np.testing.assert_allclose(optical_flow(depth, K, HERE, HERE)[:, 10:], 0.0, atol=1e-4)
    assert np.isnan(optical_flow(depth, K, HERE, moved(forward_m=3.0))).all()


def test_the_engine_sends_it():
    with tiny_engine() as address, Client(address) as client:
        client.ask("vset /cameras/spawn")
        assert "vget /camera/[uint]/flow_to" in client.ask("vget /unrealcv/commands")
        assert "flow_to" not in client.ask("vget /unrealcv/help")
        pose = client.ask("vget /camera/1/location"), client.ask("vget /camera/1/rotation")
        x, y, z = (float(v) for v in pose[0].split())
        command = f"vget /camera/1/flow_to {x:.6f} {y + 10:.6f} {z:.6f} {pose[1]}"
        flow = np.load(io.BytesIO(client.request([command])[0]))
        depth = np.load(io.BytesIO(client.request(["vget /camera/1/depth npy"])[0])) / 100
    views = camera.from_unreal(
        [[x, y, z], [x, y + 10, z]], [[float(v) for v in pose[1].split()]] * 2
    )
    expected = optical_flow(depth, Intrinsics.from_fov(64, 48, 90.0), views[0], views[1])
    np.testing.assert_allclose(flow, expected, atol=0.01)
    assert np.abs(flow).max() > 1
