"""Plans: camera paths that are smooth, collision-free and worth learning from.

Every generator returns poses; `plan` re-checks the clearance of each pose and tries again with the
next seed where a path comes too close to a surface. The camera stays upright except for the tilt
(RELIC's recordings are 6-DoF; roll appears in the labels wherever a tilted camera turns).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture import camera
from capture.camera import Intrinsics
from capture.navigation import FreeSpace, along_path, arc_length, smooth_path
from capture.scene import Plan
from capture.trajectory import Trajectory

_TRIES = 60
_LOOK_AHEAD_M = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """How the camera moves.

    Attributes:
        fps: Frames per second.
        walk_m_s: Slowest and fastest walking speed.
        pan_deg_s: Slowest and fastest deliberate turn.
        min_clearance_m: No pose comes closer to a surface.
    """

    fps: float = 16.0
    walk_m_s: tuple[float, float] = (0.7, 1.4)
    pan_deg_s: tuple[float, float] = (15.0, 45.0)
    min_clearance_m: float = 0.3

    def __post_init__(self):
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, got {self.fps}")
        for name in ("walk_m_s", "pan_deg_s"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} needs 0 < slowest <= fastest, got {(low, high)}")


Generator = Callable[[FreeSpace, np.random.Generator, int, Motion], np.ndarray | None]


def plan(
    generator: str,
    space: FreeSpace,
    *,
    scene_id: str,
    seed: int,
    num_frames: int,
    intrinsics: Intrinsics,
    motion: Motion,
) -> Plan:
    """One plan by the named generator.

    Args:
        generator: A key of `GENERATORS`.
        space: Free space of the scene.
        scene_id: Whose free space it is.
        seed: The same seed gives the same plan.
        num_frames: Length in frames.
        intrinsics: The camera.
        motion: Speeds and clearance.

    Raises:
        ValueError: If the generator is unknown, or found no path.
    """
    if generator not in GENERATORS:
        raise ValueError(f"unknown generator {generator!r}; there are {', '.join(GENERATORS)}")
    for attempt in range(_TRIES):
        rng = np.random.Generator(np.random.Philox(key=[seed, attempt]))
        poses = GENERATORS[generator](space, rng, num_frames, motion)
        if poses is None:
            continue
        clearance_m = float(space.clearance(poses[:, :3, 3]).min())
        if clearance_m >= motion.min_clearance_m:
            return Plan(
                scene_id=scene_id,
                generator=generator,
                seed=seed,
                fps=motion.fps,
                trajectory=Trajectory.uniform(poses, motion.fps),
                intrinsics=intrinsics,
                clearance_m=clearance_m,
            )
    raise ValueError(
        f"{generator} found no path of {num_frames} frames in {scene_id} after {_TRIES} tries "
        f"with {motion.min_clearance_m} m of clearance; shorten it or ask for less clearance"
    )


def roam(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk from place to place, looking ahead and around (poses [T, 4, 4])."""
    speed = _speed_profile(rng, num_frames, motion)
    way = _way(space, rng, _random_cell(space, rng), float(speed.sum()))
    if way is None:
        return None
    distance = np.concatenate([[0.0], speed[1:].cumsum()])
    return _walk(way, distance, rng, motion)


def out_and_back(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk out, stop, and go back through exactly the same poses (a palindrome)."""
    half = (num_frames + 1) // 2
    out = roam(space, rng, half, motion)
    return None if out is None else np.concatenate([out, out[::-1][num_frames % 2 :]])


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


def look_around(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Stand still and look from one direction to another, with pauses."""
    position = _random_cell(space, rng)
    heading, tilt = [rng.uniform(0, 360)], [rng.uniform(-8, 4)]
    while len(heading) < num_frames:
        turn = rng.choice([-1, 1]) * rng.uniform(30, 140)
        peak = rng.uniform(*motion.pan_deg_s)
        steps = max(int(abs(turn) / peak * 1.9 * motion.fps), 4)
        ease = _ease(np.arange(1, steps + 1) / steps)
        new_tilt = rng.uniform(-18, 8)
        heading += (heading[-1] + turn * ease).tolist()
        tilt += (tilt[-1] + (new_tilt - tilt[-1]) * ease).tolist()
        pause = int(rng.uniform(0.1, 0.5) * motion.fps)
        heading += [heading[-1]] * pause
        tilt += [tilt[-1]] * pause
    positions = np.tile(position, (num_frames, 1))
    return camera.pose_from_angles(positions, heading[:num_frames], np.array(tilt[:num_frames]))


def moves(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Single and mixed moves of the camera one after another, each about a second long.

    Nearly two thirds are a lone pan or dolly; the rest truck, pedestal, tilt or mix (RELIC
    sec. 3: single and mixed actions, balanced).
    """
    position, heading, tilt = _random_cell(space, rng), rng.uniform(0, 360), rng.uniform(-8, 5)
    rows = [(*position, heading, tilt)]
    while len(rows) < num_frames:
        for _ in range(12):
            velocity = _random_move(rng, motion)
            steps = int(rng.uniform(0.8, 2.2) * motion.fps)
            segment = _segment(np.array(rows[-1]), velocity, steps, motion.fps)
            inside = space.clearance(segment[:, :3]).min() >= motion.min_clearance_m
            if inside and np.abs(segment[:, 4]).max() < 25 and _within(space, segment[:, 2]):
                rows += [tuple(row) for row in segment]
                break
        else:
            return None
    table = np.array(rows[:num_frames])
    return camera.pose_from_angles(table[:, :3], table[:, 3], table[:, 4])


GENERATORS: dict[str, Generator] = {
    "roam": roam,
    "look_around": look_around,
    "out_and_back": out_and_back,
    "loop": loop,
    "moves": moves,
}


def _random_move(rng: np.random.Generator, motion: Motion) -> np.ndarray:
    """Forward, left, up in m/s, then turn left and tilt up in deg/s."""
    sign = rng.choice([-1.0, 1.0])
    walk, pan = sign * rng.uniform(*motion.walk_m_s), sign * rng.uniform(*motion.pan_deg_s)
    kind = rng.choice(6, p=[0.31, 0.33, 0.1, 0.07, 0.06, 0.13])
    if kind == 5:
        sideways, turn = rng.uniform(-0.7, 0.7), rng.uniform(-0.8, 0.8) * motion.pan_deg_s[1]
        return np.array([walk, sideways, 0.0, turn, 0.0])
    single = [(3, pan), (0, walk), (1, walk), (2, walk / 3), (4, pan / 2)]
    velocity = np.zeros(5)
    axis, value = single[kind]
    velocity[axis] = value
    return velocity


def _segment(start: np.ndarray, velocity: np.ndarray, steps: int, fps: float) -> np.ndarray:
    """Rows (x, y, z, heading, tilt) of a move at constant velocity with soft ends, [steps, 5]."""
    ramp = np.minimum(np.arange(1, steps + 1), np.arange(steps, 0, -1)) / 3.0
    step = np.minimum(ramp, 1.0)[:, None] * velocity / fps
    heading = start[3] + step[:, 3].cumsum()
    tilt = start[4] + step[:, 4].cumsum()
    h, p = np.radians(heading), np.radians(tilt)
    forward = np.stack([np.cos(p) * np.cos(h), np.cos(p) * np.sin(h), np.sin(p)], -1)
    left = np.stack([-np.sin(h), np.cos(h), np.zeros(steps)], -1)
    up = np.stack([-np.sin(p) * np.cos(h), -np.sin(p) * np.sin(h), np.cos(p)], -1)
    move = step[:, :1] * forward + step[:, 1:2] * left + step[:, 2:3] * up
    return np.column_stack([start[:3] + move.cumsum(0), heading, tilt])


def _within(space: FreeSpace, height_m: np.ndarray) -> bool:
    """Not far from the height at which the space was measured."""
    return bool(np.abs(height_m - space.height_m).max() < 0.6)


def _random_cell(space: FreeSpace, rng: np.random.Generator, min_clearance_m: float = 0.4):
    cells = space.cells(min_clearance_m)
    if not len(cells):
        cells = space.cells()
    return cells[rng.integers(len(cells))]


def _way(
    space: FreeSpace, rng: np.random.Generator, start: np.ndarray, length_m: float
) -> np.ndarray | None:
    """A smooth way of at least this length through random goals."""
    points = start[None]
    for _ in range(20):
        leg = space.path(points[-1], _random_cell(space, rng))
        if leg is not None and len(leg) > 1:
            points = np.concatenate([points, leg[1:]])
        if arc_length(points)[-1] > 1.15 * length_m + 0.5:
            return smooth_path(points, 0.05)
    return None


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


def _walk(
    way: np.ndarray, distance_m: np.ndarray, rng: np.random.Generator, motion: Motion
) -> np.ndarray:
    """Poses along a way: heading ahead with slow glances aside, gentle tilt."""
    num_frames = len(distance_m)
    positions = along_path(way, distance_m)
    ahead = along_path(way, np.minimum(distance_m + _LOOK_AHEAD_M, arc_length(way)[-1]))
    glance, tilt = _noise(rng, num_frames, motion.fps), _noise(rng, num_frames, motion.fps)
    heading = _limit_turn(_direction_deg(positions, ahead) + 18.0 * glance, motion, "nearest")
    return camera.pose_from_angles(positions, heading, -3.0 + 4.0 * tilt)


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


def _direction_deg(positions: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Heading from each position to the point ahead of it, without jumps of 360."""
    d = ahead - positions
    return np.degrees(np.unwrap(np.arctan2(d[:, 1], d[:, 0])))


def _limit_turn(heading_deg: np.ndarray, motion: Motion, mode: str) -> np.ndarray:
    """Smooth a heading until no step turns faster than the motion allows."""
    limit = 1.4 * motion.pan_deg_s[1] / motion.fps
    for sigma in (2.0, 4.0, 6.0, 9.0, 13.0):
        heading = gaussian_filter1d(heading_deg, sigma, mode=mode)
        if np.abs(np.diff(heading)).max(initial=0.0) <= limit:
            break
    return heading


def _speed_profile(rng: np.random.Generator, num_frames: int, motion: Motion) -> np.ndarray:
    """Metres per step [T]: starts and ends at rest, varies slowly in between."""
    speed = rng.uniform(*motion.walk_m_s) * (1.0 + 0.2 * _noise(rng, num_frames, motion.fps))
    ramp = np.minimum(np.arange(num_frames), np.arange(num_frames)[::-1]) / (0.5 * motion.fps)
    return np.clip(speed, 0.2, motion.walk_m_s[1]) * _ease(np.minimum(ramp, 1.0)) / motion.fps


def _noise(rng: np.random.Generator, num_frames: int, fps: float) -> np.ndarray:
    """Smooth noise [T] of about unit size that changes over seconds."""
    sigma = 0.9 * fps
    white = rng.standard_normal(num_frames + 8 * int(sigma))
    smooth = gaussian_filter1d(white, sigma)[4 * int(sigma) :][:num_frames]
    return smooth * np.sqrt(2 * sigma * np.sqrt(np.pi))


def _ease(t: np.ndarray) -> np.ndarray:
    """Minimum-jerk blend from 0 to 1."""
    return t**3 * (10 - 15 * t + 6 * t * t)


def _wrap(angle_deg: float) -> float:
    return (angle_deg + 180.0) % 360.0 - 180.0
