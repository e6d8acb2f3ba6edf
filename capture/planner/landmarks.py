"""Orbits: round something that stands free, looking at it, level or climbing.

A landmark is whatever surface the camera can see from many sides; so this works in worlds that are
known only by a survey. In tight places the orbit is an arc that is walked to and fro.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture import camera
from capture.navigation import FreeSpace
from capture.planner.motion import Motion, ease, noise

_ANGLES_DEG = np.arange(0.0, 360.0, 5.0)
_CANDIDATES = 6
_SMALLEST_ARC_DEG = 60.0
_IN_FRONT_M = 0.35  # the line of sight ends this far before the landmark
_SIGHT_CLEARANCE_M = 0.06
_SMALLEST_RISE_M = 0.6
_MAX_TILT_DEG = 45.0
_MARGIN_M = 0.06  # an orbit is not quite round


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arc:
    """Where a camera can stand around a landmark: `span_deg` counter-clockwise from `start_deg`."""

    target: np.ndarray
    radius_m: float
    start_deg: float
    span_deg: float


def orbit(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Walk around a landmark and look at it (poses [T, 4, 4])."""
    arc = _best_arc(space, rng, motion, (space.height_m,))
    if arc is None:
        return None
    height_m = space.height_m + 0.06 * noise(rng, num_frames, motion.fps, 1.5)
    return _around(space, arc, height_m, rng, motion)


def spiral(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Rise or sink while walking around a landmark, where there is height for it."""
    low, high = space.height_range_m
    keep_m = motion.min_clearance_m + _MARGIN_M
    low = max(low + keep_m, space.height_m - 0.9)
    high = min(high - keep_m, space.height_m + 6.0)
    # No faster than half a slow walk.
    rise_m = min(high - low, 0.5 * motion.walk_m_s[0] * num_frames / motion.fps)
    if rise_m < _SMALLEST_RISE_M:
        return None
    bottom = low + rng.random() * (high - low - rise_m)
    arc = _best_arc(space, rng, motion, (bottom, bottom + rise_m / 2, bottom + rise_m))
    if arc is None:
        return None
    height_m = bottom + rise_m * ease(np.linspace(0.0, 1.0, num_frames))
    return _around(space, arc, height_m[:: rng.choice([-1, 1])], rng, motion)


def _around(
    space: FreeSpace, arc: _Arc, height_m: np.ndarray, rng: np.random.Generator, motion: Motion
) -> np.ndarray | None:
    num_frames = len(height_m)
    walk_deg_s = np.degrees(rng.uniform(*motion.walk_m_s) / arc.radius_m)
    rate_deg_s = min(walk_deg_s, rng.uniform(*motion.pan_deg_s))
    angle = np.radians(arc.start_deg + _sweep(arc.span_deg, rate_deg_s, num_frames, motion, rng))
    radius = arc.radius_m * (1 + 0.03 * noise(rng, num_frames, motion.fps, 1.5))
    eye = np.column_stack(
        [arc.target[0] + radius * np.cos(angle), arc.target[1] + radius * np.sin(angle), height_m]
    )
    if not (space.inside(eye) & _sees(space, eye, arc.target)).all():
        return None
    drift = [2.0 * noise(rng, num_frames, motion.fps, 1.2) for _ in range(2)]
    tilt = np.degrees(np.arctan2(arc.target[2] - height_m, radius))
    if np.abs(tilt).max() > _MAX_TILT_DEG:
        return None
    return camera.pose_from_angles(eye, np.degrees(angle) + 180.0 + drift[0], tilt + drift[1])


def _sweep(
    span_deg: float, rate_deg_s: float, num_frames: int, motion: Motion, rng: np.random.Generator
) -> np.ndarray:
    """Angles [T] within [0, span]: round and round where the span is full, else to and fro."""
    sign = rng.choice([-1.0, 1.0])
    if span_deg >= 360.0:
        ramp = np.minimum(np.arange(num_frames) / (0.6 * motion.fps), 1.0)
        return sign * rate_deg_s / motion.fps * ease(ramp).cumsum()
    # A cosine of this period sweeps at the wanted rate in the middle.
    period_s = np.pi * span_deg / rate_deg_s
    phase = 2 * np.pi * np.arange(num_frames) / motion.fps / period_s
    return span_deg * (1 - sign * np.cos(phase)) / 2


def _best_arc(
    space: FreeSpace, rng: np.random.Generator, motion: Motion, heights_m: tuple[float, ...]
) -> _Arc | None:
    """The longest of a few random arcs that are free at all of these heights."""
    points = space.surface.data
    middle_m, rise_m = float(np.mean(heights_m)), float(np.ptp(heights_m))
    level = points[np.abs(points[:, 2] - middle_m + 0.2) < 0.5]
    if not len(level):
        return None
    arcs, keep_m = [], motion.min_clearance_m + _MARGIN_M
    for target in level[rng.integers(len(level), size=_CANDIDATES)]:
        # Far enough away to look at it from the highest and the lowest point.
        radius_m = rng.uniform(0.9, 3.5) + rise_m / 2
        angle = np.radians(_ANGLES_DEG)
        ring = target + radius_m * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
        free = space.contains(ring)
        for ring[:, 2] in heights_m:
            free[free] = space.is_clear(ring[free], keep_m)
            free[free] = _sees(space, ring[free], target)
        start_deg, span_deg = _longest_run(free)
        arcs.append(_Arc(target=target, radius_m=radius_m, start_deg=start_deg, span_deg=span_deg))
    best = max(arcs, key=lambda arc: arc.span_deg)
    return best if best.span_deg >= _SMALLEST_ARC_DEG else None


def _sees(space: FreeSpace, eye_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """Whether nothing stands between each eye [N, 3] and the target, bool [N]."""
    if not len(eye_m):
        return np.zeros(0, bool)
    distance = np.linalg.norm(eye_m - target_m, axis=1)
    steps = max(int(distance.max() / 0.2), 1)
    part = (
        np.linspace(0.0, 1.0, steps)[:, None, None]
        * np.maximum(1.0 - _IN_FRONT_M / distance, 0.0)[:, None]
    )
    points = eye_m + part * (target_m - eye_m)
    return np.all(space.is_clear(points, _SIGHT_CLEARANCE_M), axis=0)


def _longest_run(free: np.ndarray) -> tuple[float, float]:
    """Start and span in degrees of the longest free run of a circle of flags."""
    if free.all():
        return 0.0, 360.0
    step = 360.0 / len(free)
    best = (0.0, 0.0)
    first_blocked = int(np.flatnonzero(~free)[0])
    run = 0
    for k in range(1, len(free) + 1):
        run = run + 1 if free[(first_blocked + k) % len(free)] else 0
        if (run - 1) * step > best[1]:
            best = ((first_blocked + k - run + 1) * step % 360.0, (run - 1) * step)
    return best
