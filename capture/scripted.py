"""Scripted moves from unseen places: what a model is asked to do when it is evaluated."""

from __future__ import annotations

import numpy as np

from capture import camera
from capture.camera import Intrinsics
from capture.navigation import FreeSpace
from capture.scene import Plan
from capture.trajectory import Trajectory

PAN_DEG_S = 30.0
DOLLY_M_S = 1.2
# Forward metres and turn to the left in degrees, per second.
COMMANDS: dict[str, tuple[float, float]] = {
    "pan_left": (0.0, PAN_DEG_S),
    "pan_right": (0.0, -PAN_DEG_S),
    "dolly_in": (DOLLY_M_S, 0.0),
    "dolly_out": (-DOLLY_M_S, 0.0),
}
_MIN_CLEARANCE_M = 0.45


def plans(
    space: FreeSpace,
    *,
    scene_id: str,
    seed: int,
    num_starts: int,
    num_frames: int,
    fps: float,
    intrinsics: Intrinsics,
) -> list[Plan]:
    """Every command from each of `num_starts` first frames; the commands of a start are neighbours.

    Args:
        space: Free space of the scene.
        scene_id: Whose free space it is.
        seed: Of the starts; take one that no training plan has.
        num_starts: How many first frames.
        num_frames: Length of each clip.
        fps: Frames per second.
        intrinsics: The camera.

    Raises:
        ValueError: If the scene has too little room.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, 2**32]))
    cells = space.cells(_MIN_CLEARANCE_M)
    found: list[Plan] = []
    for _ in range(200 * num_starts):
        start = cells[rng.integers(len(cells))] + [0, 0, rng.uniform(-0.15, 0.15)]
        heading, tilt = rng.uniform(0, 360), rng.uniform(-8, 4)
        paths = {
            name: _path(start, heading, tilt, command, num_frames, fps)
            for name, command in COMMANDS.items()
        }
        clearance = {name: float(space.clearance(p[:, :3, 3]).min()) for name, p in paths.items()}
        if min(clearance.values()) < _MIN_CLEARANCE_M:
            continue
        found += [
            Plan(
                scene_id=scene_id,
                generator=name,
                seed=seed,
                fps=fps,
                trajectory=Trajectory.uniform(path, fps),
                intrinsics=intrinsics,
                clearance_m=clearance[name],
            )
            for name, path in paths.items()
        ]
        if len(found) == num_starts * len(COMMANDS):
            return found
    raise ValueError(
        f"{scene_id} has no room for {num_starts} starts with {_MIN_CLEARANCE_M} m of clearance"
    )


def _path(
    start: np.ndarray,
    heading_deg: float,
    tilt_deg: float,
    command: tuple[float, float],
    num_frames: int,
    fps: float,
) -> np.ndarray:
    t_s = np.arange(num_frames)[:, None] / fps
    forward = camera.ego_axes(camera.pose_from_angles(start, heading_deg, tilt_deg))[0]
    positions = start + command[0] * t_s * forward
    return camera.pose_from_angles(positions, heading_deg + command[1] * t_s[:, 0], tilt_deg)
