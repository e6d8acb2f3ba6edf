"""Stands: the camera stays where it is, or nearly, and looks about."""

from __future__ import annotations

import numpy as np

from capture import camera
from capture.navigation import FreeSpace
from capture.planner.motion import Make, Motion, ease, noise, turn_frames
from capture.planner.walks import random_cell


def look_around(
    space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
) -> np.ndarray | None:
    """Stand still and look from one direction to another, with pauses (poses [T, 4, 4])."""
    position = random_cell(space, rng)
    heading, tilt = [rng.uniform(0, 360)], [rng.uniform(-8, 4)]
    while len(heading) < num_frames:
        turn = rng.choice([-1, 1]) * rng.uniform(30, 140)
        steps = turn_frames(turn, rng.uniform(*motion.pan_deg_s), motion.fps)
        blend = ease(np.arange(1, steps + 1) / steps)
        new_tilt = rng.uniform(-18, 8)
        heading += (heading[-1] + turn * blend).tolist()
        tilt += (tilt[-1] + (new_tilt - tilt[-1]) * blend).tolist()
        pause = int(rng.uniform(0.1, 0.5) * motion.fps)
        heading += [heading[-1]] * pause
        tilt += [tilt[-1]] * pause
    positions = np.tile(position, (num_frames, 1))
    return camera.pose_from_angles(positions, heading[:num_frames], np.array(tilt[:num_frames]))


def look_back(gap_s: float) -> Make:
    """A generator that turns away and back, swaying to and fro, once in every `gap_s` seconds.

    For gaps that are too short for a round: a full turn in 5 s would be a whip pan.
    """

    def generate(
        space: FreeSpace, rng: np.random.Generator, num_frames: int, motion: Motion
    ) -> np.ndarray | None:
        phase = 2 * np.pi * np.arange(num_frames) / (gap_s * motion.fps)
        # The turn peaks at pi / gap of its size.
        widest_deg = min(motion.pan_deg_s[1] * gap_s / np.pi, 120.0)
        turn = rng.choice([-1, 1]) * rng.uniform(0.8, 1.0) * widest_deg
        heading = rng.uniform(0, 360) + turn * (1 - np.cos(phase)) / 2
        aside = rng.uniform(0, 2 * np.pi)
        amplitude_m = rng.uniform(0.5, 1.0) * motion.walk_m_s[1] * gap_s / (4 * np.pi)
        sway_m = amplitude_m * np.sin(phase + rng.uniform(0, 2 * np.pi))
        direction = np.array([np.cos(aside), np.sin(aside), 0.0])
        positions = random_cell(space, rng, 0.4 + amplitude_m) + sway_m[:, None] * direction
        wander = noise(rng, num_frames, motion.fps, 1.5)
        tilt = -3.0 + 3.0 * noise(rng, num_frames, motion.fps)
        return camera.pose_from_angles(positions, heading + 6.0 * wander, tilt)

    return generate
