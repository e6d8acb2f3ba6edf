"""Two rooms with a door between them, as triangles: free space for planner tests."""

from __future__ import annotations

import functools

import numpy as np
import trimesh

from capture.navigation import FreeSpace, free_space, sample_triangles

BOUNDS = (0.0, 0.0, 0.0, 10.0, 8.0, 3.0)
SPAWN = np.array([1.0, 1.0, 1.5])


def two_rooms(door: bool = True) -> np.ndarray:
    """Two rooms of 5 x 8 m behind a wall at x = 5, with an opening of 1.2 m at its lower end."""

    def box(low, high):
        return trimesh.creation.box(bounds=[low, high]).triangles

    walls = [
        box((-0.2, -0.2, -0.2), (10.2, 8.2, 0)),
        box((-0.2, -0.2, 3), (10.2, 8.2, 3.2)),
        box((-0.2, -0.2, 0), (0, 8.2, 3)),
        box((10, -0.2, 0), (10.2, 8.2, 3)),
        box((0, -0.2, 0), (10, 0, 3)),
        box((0, 8, 0), (10, 8.2, 3)),
        box((4.9, 1.2 if door else 0.0, 0), (5.1, 8.0, 3)),
    ]
    return np.concatenate(walls)


@functools.cache
def two_rooms_space() -> FreeSpace:
    """Its free space for cameras that keep 0.3 m away."""
    return free_space(sample_triangles(two_rooms(), BOUNDS), BOUNDS, SPAWN, min_clearance_m=0.3)
