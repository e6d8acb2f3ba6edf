"""Actions: RELIC's 13 numbers per frame, from poses and back.

Source: RELIC sec. 3, Algorithm 1, eq. 1-3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.camera import ego_axes, pose_from_axes, unreal_angles, unreal_axes

NAMES = (
    "dolly_in",
    "dolly_out",
    "truck_left",
    "truck_right",
    "pedestal_up",
    "pedestal_down",
    "tilt_up",
    "tilt_down",
    "pan_left",
    "pan_right",
    "roll_ccw",
    "roll_cw",
    "static",
)
STATIC = NAMES.index("static")
# The signed quantity behind each pair is positive for this entry of the pair: forward, right, up,
# pitch up, yaw right, roll clockwise.
_POSITIVE = np.array([0, 3, 4, 6, 9, 11])
_NEGATIVE = np.array([1, 2, 5, 7, 8, 10])
# A step below both is "near zero". The paper gives no number; these are Yume's for its own poses.
STATIC_BELOW_M = 1e-4
STATIC_BELOW_DEG = float(np.degrees(1e-3))


@dataclass(frozen=True, kw_only=True, slots=True)
class Actions:
    """T actions for T frames; row t is the move from frame t - 1 to frame t, and row 0 is static.

    Attributes:
        values: Non-negative, float64 [T, 13], in the order of `NAMES`. Translations are in units of
            `step_m`, rotations in degrees per frame.
        step_m: Mean length in metres of the clip's non-zero steps; 1.0 where nothing moves.
    """

    values: np.ndarray
    step_m: float

    def __post_init__(self):
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(NAMES):
            raise ValueError(f"actions have the shape [T, {len(NAMES)}], got {values.shape}")
        if not np.isfinite(values).all() or values.min(initial=0.0) < 0:
            raise ValueError("actions must be finite and non-negative")
        if not 0 < self.step_m < np.inf:
            raise ValueError(f"step_m must be positive and finite, got {self.step_m}")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)


def encode(cam_to_world: np.ndarray, step_m: float | None = None) -> Actions:
    """Actions of a path (RELIC Algorithm 1).

    Rotations are relative to the camera at the start of each step, split as Unreal's intrinsic
    yaw, pitch, roll; so a turn about the world's vertical with a tilted camera carries some roll.

    Args:
        cam_to_world: float64 [T, 4, 4].
        step_m: Metres of one unit of translation; by default the mean of the clip's non-zero steps.
    """
    axes = ego_axes(cam_to_world)
    move_m = np.einsum("tij,tj->ti", axes[:-1], np.diff(cam_to_world[:, :3, 3], axis=0))
    turn_deg = unreal_angles(_step_turn(axes))
    length_m = np.linalg.norm(move_m, axis=1)
    if step_m is None:
        moving = length_m > STATIC_BELOW_M
        step_m = float(length_m[moving].mean()) if moving.any() else 1.0
    pitch_yaw_roll = turn_deg
    signed = np.concatenate([move_m / step_m, pitch_yaw_roll], axis=1)
    values = np.zeros((len(cam_to_world), len(NAMES)))
    values[1:, _POSITIVE] = np.maximum(signed, 0.0)
    values[1:, _NEGATIVE] = np.maximum(-signed, 0.0)
    still = (np.abs(move_m) < STATIC_BELOW_M).all(1) & (np.abs(turn_deg) < STATIC_BELOW_DEG).all(1)
    values[0, STATIC] = 1.0
    values[1:, STATIC] = still
    return Actions(values=values, step_m=step_m)


def signed(actions: Actions) -> np.ndarray:
    """Forward, right, up in metres and pitch, yaw, roll in degrees per step: float64 [T, 6]."""
    value = actions.values[:, _POSITIVE] - actions.values[:, _NEGATIVE]
    value[:, :3] *= actions.step_m
    return value


def integrate(actions: Actions, start: np.ndarray) -> np.ndarray:
    """Poses of actions (RELIC eq. 3): float64 [T, 4, 4], the first one equal to `start` [4, 4]."""
    steps = signed(actions)
    turns = unreal_axes(steps[:, 3], steps[:, 4], steps[:, 5])
    axes, position = ego_axes(start), np.array(start[:3, 3])
    poses = [np.array(start, dtype=np.float64)]
    for step, turn in zip(steps[1:], turns[1:], strict=True):
        position = position + axes.T @ step[:3]
        axes = turn @ axes
        poses.append(pose_from_axes(position, axes))
    return np.stack(poses)


def _step_turn(axes: np.ndarray) -> np.ndarray:
    """Each camera's forward, right, up in those of the one before: [T, 3, 3] -> [T - 1, 3, 3]."""
    return axes[1:] @ np.swapaxes(axes[:-1], 1, 2)
