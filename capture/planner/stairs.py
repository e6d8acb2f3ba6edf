"""Stairs: up and down whatever a person can walk up, be it steps, a ramp or a slope.

Free space is a map at one height, so a flight is looked for in the surfaces themselves: rays go out
from places that can be reached, and follow the ground as feet would.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture.navigation import FreeSpace
from capture.planner.motion import Motion
from capture.planner.walks import Track, walk_leg

_PLACES, _RAYS = 8, 16  # rays from each of some places
_ROOM_M = 0.4
_STEP_M = 0.1
_LONGEST_M = 9.0
_HIGHEST_STEP_M = 0.36  # between points a step of the ray apart
_SMALLEST_RISE_M = 1.0  # more than furniture has
_STEEPEST = 1.0  # rise over run
_LANDING_M = 0.8
_SMOOTH_M = 0.3  # the head does not jump with each step
_EYE_M = (0.8, 2.5)  # heights over the ground at which somebody walks
_LEVEL_M = 0.05
_MARGIN_M = 0.08  # the smoothed way is not quite the one that was followed


def climb(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk up and down a flight of steps, a ramp or a slope (poses [T, 4, 4])."""
    way = _flight(space, rng, motion)
    if way is None:
        return None
    along = way[-1] - way[0]
    heading_deg = float(np.degrees(np.arctan2(along[1], along[0])))
    track = Track(way[0], heading_deg, rng.uniform(-8, 4), motion.fps)
    while len(track) < num_frames:
        walk_leg(track, way, rng, motion)
        track.pause(rng.uniform(0.2, 1.0))
        way = way[::-1]
    return track.poses(num_frames, rng, motion)


def _flight(space: FreeSpace, rng: np.random.Generator, motion: Motion) -> np.ndarray | None:
    """Where the eyes are on the way along the highest of many rays, float64 [N, 3], or None."""
    cells = space.cells(_ROOM_M)
    if not len(cells):
        return None
    start = cells[rng.integers(len(cells), size=_PLACES)]
    angle = rng.uniform(0, 2 * np.pi, (len(start), _RAYS))
    run_m = np.arange(0.0, _LONGEST_M, _STEP_M)
    forward = np.stack([np.cos(angle), np.sin(angle)], -1)
    xy = start[:, None, None, :2] + run_m[:, None] * forward[:, :, None]
    xy = xy.reshape(-1, len(run_m), 2)
    ground = _follow(space, xy, motion.min_clearance_m + _MARGIN_M)
    rise = np.abs(ground - ground[:, :1])
    rise[~(rise <= _STEEPEST * run_m + _HIGHEST_STEP_M)] = 0.0
    best = int(rise.max(1).argmax())
    if rise[best].max() < _SMALLEST_RISE_M:
        return None
    count = int(rise[best].argmax()) + 1 + int(_LANDING_M / _STEP_M)
    count = min(count, int(np.isfinite(ground[best]).sum()))
    eye = space.height_m + ground[best, :count] - ground[best, 0]
    eye = gaussian_filter1d(eye, _SMOOTH_M / _STEP_M, mode="nearest")
    return np.column_stack([xy[best, :count], eye])


def _follow(space: FreeSpace, xy_m: np.ndarray, keep_m: float) -> np.ndarray:
    """Height of the ground under rays [R, N, 2] as far as somebody can follow it, then NaN.

    Feet take no higher step than `_HIGHEST_STEP_M`, eyes keep their height over the feet and
    `keep_m` from every surface.
    """
    ground = np.full(xy_m.shape[:2], np.nan)
    begin = space.ground_m(np.column_stack([xy_m[:, 0], np.full(len(xy_m), space.height_m)]))
    eye_m = space.height_m - begin
    ground[:, 0] = np.where((eye_m >= _EYE_M[0]) & (eye_m <= _EYE_M[1]), begin, np.nan)
    for k in range(1, xy_m.shape[1]):
        before = ground[:, k - 1]
        on = np.flatnonzero(np.isfinite(before))
        found = space.ground_m(np.column_stack([xy_m[on, k], before[on] + _HIGHEST_STEP_M]))
        eye = np.column_stack([xy_m[on, k], found + eye_m[on]])
        goes = found >= before[on] - _HIGHEST_STEP_M
        # At the height of the map the map knows, and is quicker to ask.
        level = np.abs(found - ground[on, 0]) < _LEVEL_M
        goes[level] &= space.contains(eye[level])
        climbs = goes & ~level
        goes[climbs] = space.inside(eye[climbs]) & space.is_clear(eye[climbs], keep_m)
        ground[on, k] = np.where(goes, found, np.nan)
    return ground
