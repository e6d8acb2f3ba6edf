"""Rounds: closed ways that bring the camera back to what it has seen, after a chosen time.

The way is a closed spline, walked more slowly where it bends; position, speed and heading run
smoothly through the seam.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture import camera
from capture.navigation import FreeSpace
from capture.planner.motion import (
    CORNER_M,
    TURN_M,
    Make,
    Motion,
    effort_m,
    noise,
    periodic_noise,
    steady,
)
from capture.planner.walks import random_cell

_STEP_M = 0.05
_MIN_WALK = 0.2  # the rest of the effort may be turning


def loop(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk a closed round, and end at the pose of the start (poses [T, 4, 4])."""
    poses = _rounds(space, rng, num_frames, motion, num_frames - 1)
    if poses is not None:
        poses[-1] = poses[0]
    return poses


def revisit(gap_s: float) -> Make:
    """A generator that walks a round of `gap_s` seconds again and again, glancing about anew."""

    def generate(
        space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
    ) -> np.ndarray | None:
        return _rounds(space, rng, num_frames, motion, round(gap_s * motion.fps))

    return generate


def _rounds(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion, period: int
) -> np.ndarray | None:
    """Poses of a round that takes `period` frames, for as many frames as are wanted."""
    slowest_m, fastest_m = (v * period / motion.fps for v in motion.walk_m_s)
    way = _closed_way(space, rng, rng.uniform(slowest_m, fastest_m))
    if way is None:
        return None
    course, turned_deg = _course_deg(way)
    effort = effort_m(np.full(len(course), _STEP_M), np.diff(course, append=course[0] + turned_deg))
    walked_m = _STEP_M * len(course)
    if not slowest_m <= effort.sum() <= fastest_m or walked_m < _MIN_WALK * effort.sum():
        return None
    done = np.concatenate([[0.0], effort.cumsum()])
    now = np.arange(period) / period * done[-1]
    positions = np.stack([np.interp(now, done, way[:, k]) for k in range(3)], -1)
    heading = steady(
        np.interp(now, done, np.append(course, course[0] + turned_deg)), motion, turned_deg
    )
    if heading is None:
        return None
    lap, at = np.divmod(np.arange(num_frames), period)
    if num_frames <= period + 1:
        glance, tilt = (periodic_noise(rng, period, motion.fps)[at] for _ in range(2))
    else:
        # Another look on every lap: the same round is not the same clip twice.
        glance, tilt = (1.5 * noise(rng, num_frames, motion.fps, 1.5) for _ in range(2))
    heading = heading[at] + turned_deg * lap + 9.0 * glance
    return camera.pose_from_angles(positions[at], heading, -3.0 + 3.0 * tilt)


def _course_deg(way: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth heading at each point of a closed way but the last, and by how much one lap turns."""
    forward = np.diff(way, axis=0)
    course = np.degrees(np.unwrap(np.arctan2(forward[:, 1], forward[:, 0])))
    turned_deg = 360.0 * float(np.round((course[-1] - course[0]) / 360.0))
    ramp = turned_deg * np.arange(len(course)) / len(course)
    return ramp + gaussian_filter1d(course - ramp, CORNER_M / _STEP_M, mode="wrap"), turned_deg


def _closed_way(space: FreeSpace, rng: np.random.Generator, length_m: float) -> np.ndarray | None:
    """A closed spline [N, 3] through random places, its last point equal to its first, or None.

    Walking and turning along it is about as much effort as walking `length_m` straight on.
    """
    home = random_cell(space, rng)
    corners = [home, *_stops(space, rng, home, length_m), home]
    legs = []
    for start, goal in itertools.pairwise(corners):
        leg = space.path(start, goal)
        if leg is None:
            return None
        legs.append(leg[:-1])
    points = np.concatenate(legs)
    return None if len(points) < 4 else space.relax(points, _STEP_M)


def _stops(
    space: FreeSpace, rng: np.random.Generator, home: np.ndarray, length_m: float
) -> list[np.ndarray]:
    """Places that such a round can pass: never farther than it can still return from."""
    cells = space.cells(0.4)
    here, left_m, stops = home, length_m - 2 * np.pi * TURN_M, []
    # Short rounds are triangles; long ones go where the ways lead.
    small = left_m < 20.0
    leg_m, detour = (left_m / 3, 1.0) if small else (rng.uniform(3.5, 7.0), 1.25)
    back = detour * np.linalg.norm(cells - home, axis=1)
    while len(cells):
        away = detour * np.linalg.norm(cells - here, axis=1)
        good = (away > 0.5 * leg_m) & (away < 1.2 * leg_m) & (away + back < left_m)
        if not good.any():
            break
        chosen = rng.choice(np.flatnonzero(good))
        left_m -= away[chosen] + (0.0 if small else 0.5 * TURN_M)
        here = cells[chosen]
        stops.append(here)
    return stops
