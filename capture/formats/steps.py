"""What leads from one pose to the next: the turns that other people's action labels speak of."""

from __future__ import annotations

import numpy as np


def turn_deg(step: np.ndarray) -> tuple[float, float]:
    """How far a step turns to the right and upwards, in degrees.

    Args:
        step: The next camera in the axes of the one before (OpenCV), [4, 4].
    """
    right = np.degrees(np.arctan2(step[0, 2], step[2, 2]))
    up = np.degrees(np.arctan2(-step[1, 2], np.hypot(step[0, 2], step[2, 2])))
    return float(right), float(up)


def unreal_turns_deg(rotation_deg: np.ndarray) -> np.ndarray:
    """Pitch and yaw of every step, [T - 1, 2], the shorter way round.

    Args:
        rotation_deg: Pitch, yaw, roll in Unreal's axes, [T, 3].
    """
    turns = np.diff(rotation_deg[:, :2], axis=0)
    turns[:, 1] = (turns[:, 1] + 180.0) % 360.0 - 180.0
    return turns
