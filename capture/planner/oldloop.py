"""One closed round, as the demo has it."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture import camera
from capture.navigation import FreeSpace, along_path, arc_length, smooth_path
from capture.planner.motion import Motion
from capture.planner.motion import direction_deg as _direction_deg
from capture.planner.motion import noise as _noise
from capture.planner.walks import random_cell as _random_cell

_LOOK_AHEAD_M = 0.6


def loop(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk a closed round by another way back, and end at the pose of the start."""
    length_m = (
        (num_frames - 1) / motion.fps * rng.uniform(motion.walk_m_s[0], 0.9 * motion.walk_m_s[1])
    )
    way = _closed_way(space, rng, length_m)
    if way is None:
        return None
    t = np.linspace(0.0, 1.0, num_frames)
    distance = arc_length(way)[-1] * (t - 0.02 * np.sin(2 * np.pi * t))
    return _walk_round(way, distance, rng, motion)


def _closed_way(space: FreeSpace, rng: np.random.Generator, length_m: float) -> np.ndarray | None:
    """A smooth round of about this length: start, two turning points, start."""
    start = _random_cell(space, rng)
    cells = space.cells(0.4)
    reach = np.linalg.norm(cells - start, axis=1)
    ring = cells[(reach > 0.2 * length_m) & (reach < 0.4 * length_m)]
    if len(ring) < 2:
        return None
    first = ring[rng.integers(len(ring))]
    apart = ring[np.linalg.norm(ring - first, axis=1) > 0.2 * length_m]
    if not len(apart):
        return None
    corners = [start, first, apart[rng.integers(len(apart))], start]
    legs = [space.path(a, b) for a, b in itertools.pairwise(corners)]
    if any(leg is None for leg in legs):
        return None
    way = smooth_path(np.concatenate([leg for leg in legs if leg is not None]), 0.05)
    total = arc_length(way)[-1]
    return way if 0.75 * length_m < total < 1.1 * length_m else None


def _walk_round(
    way: np.ndarray, distance_m: np.ndarray, rng: np.random.Generator, motion: Motion
) -> np.ndarray:
    """The same along a closed way; the last pose equals the first."""
    num_frames = len(distance_m)
    t = np.linspace(0.0, 1.0, num_frames)
    positions = along_path(way, distance_m)
    ahead = along_path(way, (distance_m + _LOOK_AHEAD_M) % arc_length(way)[-1])
    # Glances fade out at the seam.
    window = np.minimum(1.0, 6 * np.minimum(t, 1 - t))
    glance, tilt = (_noise(rng, num_frames, motion.fps) * window for _ in range(2))
    toward = _direction_deg(positions, ahead)
    turned = 360.0 * np.round((toward[-1] - toward[0]) / 360.0)
    around = toward + 18.0 * glance - turned * t
    heading = turned * t + _limit_turn(around, motion, "wrap")
    poses = camera.pose_from_angles(positions, heading, -3.0 + 4.0 * tilt)
    poses[-1] = poses[0]
    return poses


def _limit_turn(heading_deg: np.ndarray, motion: Motion, mode: str) -> np.ndarray:
    """Smooth a heading until no step turns faster than the motion allows."""
    limit = 1.4 * motion.pan_deg_s[1] / motion.fps
    for sigma in (2.0, 4.0, 6.0, 9.0, 13.0):
        heading = gaussian_filter1d(heading_deg, sigma, mode=mode)
        if np.abs(np.diff(heading)).max(initial=0.0) <= limit:
            break
    return heading
