"""Walks: from place to place, with stops to look around, and out and back again."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture import camera
from capture.navigation import FreeSpace, along_path, arc_length, smooth_path
from capture.planner.motion import (
    CORNER_M,
    Motion,
    direction_deg,
    ease,
    effort_m,
    noise,
    rest_to_rest,
    speed_profile,
    steady,
    turn_frames,
)

_LOOK_AHEAD_M = 0.6
_STEP_M = 0.05
_SHORTEST_LEG_M = 1.2


def random_cell(
    space: FreeSpace, rng: np.random.Generator, min_clearance_m: float = 0.4
) -> np.ndarray:
    """A reachable place [3], with some room around it where there is any."""
    cells = space.cells(min_clearance_m)
    if not len(cells):
        cells = space.cells()
    return cells[rng.integers(len(cells))]


def roam(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk from place to place, looking ahead and around (poses [T, 4, 4]).

    Slower where the way bends; at rest, the view too, in the first and in the last frame.
    """
    speed = speed_profile(rng, num_frames, motion)
    way = _way(space, rng, random_cell(space, rng), float(speed.sum()))
    if way is None:
        return None
    along = arc_length(way)
    course = direction_deg(way[:-1], along_path(way, along[:-1] + _LOOK_AHEAD_M))
    course = gaussian_filter1d(course, CORNER_M / _STEP_M, mode="nearest")
    done = np.concatenate([[0.0], effort_m(np.diff(along[:-1]), np.diff(course)).cumsum()])
    now = np.concatenate([[0.0], speed[1:].cumsum()])
    positions = along_path(way, np.interp(now, done, along[:-1]))
    glance, tilt = (_glances(rng, num_frames, motion) for _ in range(2))
    heading = steady(np.interp(now, done, course) + 18.0 * glance, motion)
    if heading is None:
        return None
    return camera.pose_from_angles(positions, heading, -3.0 + 4.0 * tilt)


def _glances(rng: np.random.Generator, num_frames: int, motion: Motion) -> np.ndarray:
    """Smooth noise [T] that begins and ends at rest."""
    time = rest_to_rest(num_frames, motion.fps).cumsum()
    return np.interp(time, np.arange(num_frames), noise(rng, num_frames, motion.fps))


def out_and_back(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk out, stop, and go back through exactly the same poses (a palindrome)."""
    half = (num_frames + 1) // 2
    out = roam(space, rng, half, motion)
    return None if out is None else np.concatenate([out, out[::-1][num_frames % 2 :]])


def visit(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """As a person explores: turn, walk to a place, stop, look about, turn to the next one."""
    track = Track(random_cell(space, rng), rng.uniform(0, 360), rng.uniform(-8, 4), motion.fps)
    for _ in range(40):
        if len(track) >= num_frames:
            break
        leg = space.path(track.position, random_cell(space, rng))
        if leg is None or arc_length(leg)[-1] < _SHORTEST_LEG_M:
            continue
        walk_leg(track, smooth_path(leg, _STEP_M), rng, motion)
        for _ in range(rng.integers(0, 3)):
            turn = rng.choice([-1, 1]) * rng.uniform(25, 120)
            track.turn(turn, rng.uniform(-18, 8), rng.uniform(*motion.pan_deg_s))
            track.pause(rng.uniform(0.1, 0.6))
    if len(track) < num_frames:
        return None
    return track.poses(num_frames, rng, motion)


class Track:
    """Positions, headings and tilts that grow piece by piece."""

    def __init__(self, position: np.ndarray, heading: float, tilt: float, fps: float):
        self._pieces = [np.array([[*position, heading, tilt]])]
        self._fps = fps

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    @property
    def position(self) -> np.ndarray:
        """Where the camera is now, [3]."""
        return self._pieces[-1][-1, :3]

    @property
    def heading(self) -> float:
        """Where it looks now, degrees."""
        return float(self._pieces[-1][-1, 3])

    def turn(self, angle_deg: float, tilt_deg: float, peak_deg_s: float) -> None:
        """Turn on the spot, softly, to another heading and tilt."""
        rows = self._pieces[-1][-1:]
        largest_deg = max(abs(angle_deg), abs(tilt_deg - rows[0, 4]))
        steps = turn_frames(largest_deg, peak_deg_s, self._fps)
        blend = ease(np.arange(1, steps + 1) / steps)
        rows = rows.repeat(steps, axis=0)
        rows[:, 3] += angle_deg * blend
        rows[:, 4] += (tilt_deg - rows[:, 4]) * blend
        self._pieces.append(rows)

    def pause(self, seconds: float) -> None:
        """Stand still."""
        steps = max(int(seconds * self._fps), 1)
        self._pieces.append(np.tile(self._pieces[-1][-1], (steps, 1)))

    def walk(self, positions: np.ndarray, heading_deg: np.ndarray) -> None:
        """Go along positions [N, 3] with headings [N]."""
        tilt = np.full(len(positions), self._pieces[-1][-1, 4])
        self._pieces.append(np.column_stack([positions, heading_deg, tilt]))

    def poses(self, num_frames: int, rng: np.random.Generator, motion: Motion) -> np.ndarray | None:
        """The first frames as poses [T, 4, 4], the view never quite still; None if too abrupt."""
        table = np.concatenate(self._pieces)[:num_frames]
        heading = steady(table[:, 3] + 4.0 * noise(rng, num_frames, motion.fps), motion)
        if heading is None:
            return None
        tilt = table[:, 4] + 2.0 * noise(rng, num_frames, motion.fps)
        return camera.pose_from_angles(table[:, :3], heading, tilt)


def walk_leg(track: Track, way: np.ndarray, rng: np.random.Generator, motion: Motion) -> None:
    """Turn towards a way, then walk it, from rest to rest."""
    length_m = arc_length(way)[-1]
    steps = int(np.ceil((length_m / rng.uniform(*motion.walk_m_s) + 0.5) * motion.fps))
    ramp = np.minimum(np.arange(1, steps + 1), np.arange(steps)[::-1]) / (0.5 * motion.fps)
    pace = ease(np.minimum(ramp, 1.0))
    distance_m = length_m * pace.cumsum() / pace.sum()
    # The way goes on a little in its last direction, so that there is always a point ahead.
    onward = way[-1] + (way[-1] - way[-2]) / np.linalg.norm(way[-1] - way[-2]) * _LOOK_AHEAD_M
    longer = np.concatenate([way, onward[None]])
    positions = along_path(way, distance_m)
    heading = direction_deg(positions, along_path(longer, distance_m + _LOOK_AHEAD_M))
    turn = (heading[0] - track.heading + 180.0) % 360.0 - 180.0
    track.turn(turn, rng.uniform(-6, 2), rng.uniform(*motion.pan_deg_s))
    track.walk(positions, heading + track.heading - heading[0])


def _way(
    space: FreeSpace, rng: np.random.Generator, start: np.ndarray, length_m: float
) -> np.ndarray | None:
    """A smooth way of at least this length through random goals."""
    points = start[None]
    for _ in range(20):
        leg = space.path(points[-1], random_cell(space, rng))
        if leg is not None and len(leg) > 1:
            points = np.concatenate([points, leg[1:]])
        if arc_length(points)[-1] > 1.15 * length_m + 0.5:
            return smooth_path(points, _STEP_M)
    return None
