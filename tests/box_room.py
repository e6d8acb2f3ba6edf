"""A box room, rendered in closed form: episodes for tests that need no engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture import camera
from capture.camera import Intrinsics
from capture.episode import Episode, EpisodeWriter
from capture.scene import Place, Plan, Scene
from capture.trajectory import Trajectory

FPS = 16.0
INTRINSICS = Intrinsics.from_fov(96, 64, 80.0)
ROOM = (0.0, 0.0, 0.0, 6.0, 5.0, 3.0)
BOX_NAMES = ["background", "floor_1", "ceiling_1", "wall_x0", "wall_x1", "wall_y0", "wall_y1"]


def box_scene(seed: int = 0) -> Scene:
    """A closed room of 6 x 5 x 3 m."""
    return Scene(
        name="box",
        seed=seed,
        bounds_m=ROOM,
        setting="an empty room",
        light="even light",
        places=(Place(name="room", bounds_m=ROOM, description="striped walls"),),
        labels={"floor_1": "floor", "wall_x0": "striped wall"},
    )


def render_box(
    cam_to_world: np.ndarray, intrinsics: Intrinsics
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour uint8 [H, W, 3], planar depth float32 [H, W], mask uint16 [H, W] of the box room."""
    k = intrinsics
    x = (np.arange(k.width_px) + 0.5 - k.cx_px) / k.fx_px
    y = (np.arange(k.height_px) + 0.5 - k.cy_px) / k.fy_px
    rays = np.stack([*np.meshgrid(x, y), np.ones((k.height_px, k.width_px))], -1)
    rays = rays @ cam_to_world[:3, :3].T
    eye = cam_to_world[:3, 3]
    low, high = np.array(ROOM[:3]), np.array(ROOM[3:])
    with np.errstate(divide="ignore"):
        reach = np.where(rays > 0, (high - eye) / rays, (low - eye) / rays)
    reach[rays == 0] = np.inf
    axis = reach.argmin(-1)
    depth = reach.min(-1)
    hit = eye + depth[..., None] * rays
    positive = np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0
    mask = np.choose(axis, [3 + positive, 5 + positive, 1 + positive]).astype(np.uint16)
    wave = np.sin(hit * 5.0 + mask[..., None]) * 0.5 + np.sin(hit[..., [1, 2, 0]] * 13.0) * 0.3
    rgb = np.clip(128 + 70 * wave + 10 * mask[..., None], 0, 255).astype(np.uint8)
    return rgb, depth.astype(np.float32), mask


def box_plan(kind: str, seed: int = 0, num_frames: int = 97) -> Plan:
    """A smooth path through the box room."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 1.0, num_frames)
    start, heading = rng.uniform([2.0, 2.0, 1.2], [4.0, 3.0, 1.8]), rng.uniform(0, 360)
    if kind == "pan":
        poses = camera.pose_from_angles(np.tile(start, (num_frames, 1)), heading + 90 * t, 0.0)
    elif kind == "out_and_back":
        along = np.array([np.cos(np.radians(heading)), np.sin(np.radians(heading)), 0.0])
        out = 1.4 * np.sin(np.pi * t)[:, None] * along
        poses = camera.pose_from_angles(start + out, np.full(num_frames, heading), 0.0)
    else:
        circle = np.stack([np.cos(6.28 * t), np.sin(6.28 * t), 0.2 * np.sin(6.28 * t)], -1)
        poses = camera.pose_from_angles([3.0, 2.5, 1.5] + 0.9 * circle, 180 + 360 * t, -5.0)
    return Plan(
        scene_id=f"box-{seed}",
        generator=kind,
        seed=seed,
        fps=FPS,
        trajectory=Trajectory.uniform(poses, FPS),
        intrinsics=INTRINSICS,
        clearance_m=0.5,
    )


def write_box_episode(root: Path, plan: Plan, scene: Scene) -> Episode:
    """Render a plan in the box room and save it."""
    with EpisodeWriter(
        root, plan=plan, scene=scene, mask_names=BOX_NAMES, engine={"name": "box"}
    ) as writer:
        for pose in plan.trajectory.cam_to_world:
            rgb, depth_m, mask = render_box(pose, plan.intrinsics)
            location, rotation = camera.to_unreal(pose)
            writer.add(
                rgb=rgb,
                depth_m=depth_m,
                mask=mask,
                reported_cm_deg=np.concatenate([location, rotation]),
            )
    return Episode.load(root / plan.id)
