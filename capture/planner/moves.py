"""Moves: single actions and mixtures, one after another, in up to six degrees of freedom."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from capture import camera
from capture.navigation import FreeSpace
from capture.planner.motion import Make, Motion, ease
from capture.planner.walks import random_cell

_MAX_TILT_DEG = 25.0
_MAX_ROLL_DEG = 14.0
_RAMP_S = 0.35
# Columns of a row: x, y, z, heading, tilt, roll. Columns of a velocity: forward, left, up in m/s,
# turn left, tilt up, roll clockwise in deg/s.
AXES = ("dolly", "truck", "pedestal", "pan", "tilt", "roll")


def moves(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Single and mixed moves of the camera one after another, each a second or two long.

    Nearly two thirds are a lone pan or dolly; the rest truck, pedestal, tilt or mix (RELIC
    sec. 3: single and mixed actions, balanced).
    """

    def velocity() -> np.ndarray:
        wanted = np.zeros(6)
        kind = rng.choice([*AXES[:5], "mixed"], p=[0.33, 0.1, 0.07, 0.31, 0.06, 0.13])
        if kind == "mixed":
            wanted[0] = _speed(0, rng, motion)
            wanted[1] = rng.uniform(-0.5, 0.5) * motion.walk_m_s[1]
            wanted[3] = rng.uniform(-0.8, 0.8) * motion.pan_deg_s[1]
        else:
            axis = AXES.index(kind)
            wanted[axis] = _speed(axis, rng, motion)
        return wanted

    return _chain(
        space, rng, num_frames, motion, velocity, pause_s=0.0, tilt_deg=rng.uniform(-8, 5)
    )


def single(axis: str) -> Make:
    """A generator of moves along or about one axis of the camera, to and fro, with pauses.

    Args:
        axis: One of `AXES`.
    """
    number = AXES.index(axis)

    def generate(
        space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
    ) -> np.ndarray | None:
        pause = rng.uniform(0.1, 0.9)

        def velocity() -> np.ndarray:
            wanted = np.zeros(6)
            wanted[number] = _speed(number, rng, motion)
            return wanted

        # Only a level camera pans, trucks and rolls without anything else.
        return _chain(space, rng, num_frames, motion, velocity, pause_s=pause, tilt_deg=0.0)

    return generate


def fly(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Free flight in six degrees of freedom: two to four actions at a time, roll included."""
    tilt_deg = rng.uniform(-8, 5)
    # Every flight prefers other actions.
    taste = rng.dirichlet(np.full(6, 0.8)) * 0.9 + 0.1 / 6
    pace = np.array([0.9, 0.8, 1.0, 0.8, 0.9, 1.0]) * rng.uniform(0.6, 1.0)

    def velocity() -> np.ndarray:
        chosen = rng.choice(6, size=rng.integers(2, 5), replace=False, p=taste)
        wanted = np.zeros(6)
        wanted[chosen] = [_speed(k, rng, motion) for k in chosen]
        return wanted * pace

    return _chain(space, rng, num_frames, motion, velocity, pause_s=0.1, tilt_deg=tilt_deg)


def _speed(axis: int, rng: np.random.Generator, motion: Motion) -> float:
    """A velocity along or about one axis, either way."""
    sign = rng.choice([-1.0, 1.0])
    if axis < 3:
        return sign * rng.uniform(*motion.walk_m_s) * (0.35 if AXES[axis] == "pedestal" else 1.0)
    share = {"pan": 1.0, "tilt": 0.5, "roll": 0.4}[AXES[axis]]
    return sign * rng.uniform(*motion.pan_deg_s) * share


def _chain(
    space: FreeSpace,
    rng: np.random.Generator,
    num_frames: int,
    motion: Motion,
    draw: Callable[[], np.ndarray],
    *,
    pause_s: float,
    tilt_deg: float,
) -> np.ndarray | None:
    """Moves of drawn velocities, one after another; one that does not fit is tried the other way.

    Returns:
        Poses [T, 4, 4], or None where the camera is stuck.
    """
    rows = np.array([[*random_cell(space, rng), rng.uniform(0, 360), tilt_deg, 0.0]])
    while len(rows) < num_frames:
        for _ in range(12):
            velocity, steps = draw(), int(rng.uniform(0.8, 2.4) * motion.fps)
            velocity[:3] *= min(1.0, motion.walk_m_s[1] / max(np.linalg.norm(velocity[:3]), 1e-9))
            ways = (_soft_segment(rows[-1], v, steps, motion.fps) for v in (velocity, -velocity))
            fitting = next((way for way in ways if _fits(space, way, motion)), None)
            if fitting is not None:
                rest = fitting[-1:].repeat(int(rng.uniform(0.5, 1.5) * pause_s * motion.fps), 0)
                rows = np.concatenate([rows, fitting, rest])
                break
        else:
            return None
    rows = rows[:num_frames]
    return camera.pose_from_angles(rows[:, :3], rows[:, 3], rows[:, 4], rows[:, 5])


def _fits(space: FreeSpace, rows: np.ndarray, motion: Motion) -> bool:
    """Whether rows [N, 6] keep their distance, their height and an angle that a person would."""
    return bool(
        (np.abs(rows[:, 4:6]).max(0) <= (_MAX_TILT_DEG, _MAX_ROLL_DEG)).all()
        and space.inside(rows[:, :3]).all()
        and space.is_clear(rows[:, :3], motion.min_clearance_m).all()
    )


def _soft_segment(start: np.ndarray, velocity: np.ndarray, steps: int, fps: float) -> np.ndarray:
    """Rows (x, y, z, heading, tilt, roll) of a move from rest to rest, float64 [steps, 6]."""
    ramp = np.minimum(np.arange(1, steps + 1), np.arange(steps)[::-1]) / (_RAMP_S * fps)
    step = ease(np.minimum(ramp, 1.0))[:, None] * velocity / fps
    angles = start[3:] + step[:, 3:].cumsum(0)
    # Each step goes along the axes of the camera at its start (RELIC eq. 1).
    before = np.concatenate([start[None, 3:], angles[:-1]])
    pose = camera.pose_from_angles(np.zeros((steps, 3)), *before.T)
    ego = step[:, :3] * (1.0, -1.0, 1.0)
    move = np.einsum("tij,ti->tj", camera.ego_axes(pose), ego)
    return np.column_stack([start[:3] + move.cumsum(0), angles])
