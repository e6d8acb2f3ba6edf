"""Revisits: what the camera sees again after it had looked elsewhere.

RELIC's memory is trained on trajectories with "many revisits" (sec. 3); this counts them.
"""

from __future__ import annotations

import numpy as np

from capture.trajectory import Trajectory

MIN_GAP_S = 2.0
MAX_ANGLE_DEG = 25.0
# Two views from less than this part of the median depth apart show nearly the same picture.
REACH = 0.25
DEFAULT_REACH_M = 0.75
_MAX_FRAMES = 1200


def revisit_gap_s(path: Trajectory, depth_median_m: np.ndarray | None = None) -> np.ndarray:
    """Seconds since each frame's view was last seen, float64 [T]; 0 where it is new.

    Frame i revisits frame j < i when the cameras stand within a quarter of the scene's distance
    and look within 25 degrees of each other, at least 2 s lie between, and the camera saw
    something else in the meantime: standing still or creeping on is no revisit.

    Args:
        path: The whole trajectory; every n-th frame is compared where it is long.
        depth_median_m: Median depth of each frame [T]; without it the distance is 0.75 m.
    """
    step = -(-len(path) // _MAX_FRAMES)
    position = path.position_m[::step]
    forward = path.cam_to_world[::step, :3, 2]
    t_s = path.t_s[::step]
    reach_m = np.full(len(t_s), DEFAULT_REACH_M)
    if depth_median_m is not None:
        reach_m = REACH * np.nan_to_num(depth_median_m[::step], nan=DEFAULT_REACH_M / REACH)
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    same = (distance < reach_m[:, None]) & (forward @ forward.T > np.cos(np.radians(MAX_ANGLE_DEG)))
    gap = np.zeros(len(t_s))
    for i in range(1, len(t_s)):
        elsewhere = np.flatnonzero(~same[i, :i])
        if not len(elsewhere):
            continue
        seen = np.flatnonzero(same[i, : elsewhere[-1]])
        if len(seen) and t_s[i] - t_s[seen[-1]] >= MIN_GAP_S:
            gap[i] = t_s[i] - t_s[seen[-1]]
    return np.repeat(gap, step)[: len(path)]


def summary(gap_s: np.ndarray) -> dict[str, float]:
    """The revisit columns of the clip table: share of frames that see again, longest gap."""
    return {
        "revisit_share": float(np.mean(gap_s > 0)),
        "revisit_gap_max_s": float(np.max(gap_s, initial=0.0)),
    }


def loop_closed(path: Trajectory) -> bool:
    """Whether the trajectory ends where it began, and had been elsewhere.

    Ends within 10 % of the farthest distance from its start, which is at least 0.5 m.
    """
    away_m = np.linalg.norm(path.position_m - path.position_m[0], axis=1)
    return bool(away_m.max() >= 0.5 and away_m[-1] <= 0.1 * away_m.max())
