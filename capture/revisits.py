"""Revisits: what the camera sees again after it had looked elsewhere.

RELIC's memory is trained on trajectories with "many revisits" (sec. 3); planner, curation, audit
and exports all mean this by the word.
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


def gap_s(path: Trajectory, depth_median_m: np.ndarray | None = None) -> np.ndarray:
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
    return np.repeat(since_seen_s(same, t_s), step)[: len(path)]


def since_seen_s(same: np.ndarray, t_s: np.ndarray) -> np.ndarray:
    """Time since each view was last seen with another in between, float64 [N]; 0 where new.

    Args:
        same: Whether view i shows what view j shows, bool [N, N].
        t_s: Times, [N].
    """
    gap = np.zeros(len(t_s))
    for i in range(1, len(t_s)):
        elsewhere = np.flatnonzero(~same[i, :i])
        if not len(elsewhere):
            continue
        seen = np.flatnonzero(same[i, : elsewhere[-1]])
        if len(seen) and t_s[i] - t_s[seen[-1]] >= MIN_GAP_S:
            gap[i] = t_s[i] - t_s[seen[-1]]
    return gap


def first(path: Trajectory) -> int | None:
    """The first frame that revisits an earlier one, where a memory is put to the test; or None."""
    seen_again = np.flatnonzero(gap_s(path))
    return int(seen_again[0]) if len(seen_again) else None
