"""How close the camera comes to things, from the rendered depth and from the plan."""

from __future__ import annotations

import numpy as np


def summary(frames: dict[str, np.ndarray], plan_clearance_m: float) -> dict[str, float]:
    """The collision columns of the clip table.

    A camera that pokes into a wall sees surfaces at no distance over much of the picture, or looks
    out of the world into nothing.

    Args:
        frames: Frame columns of one clip (`curation.exposure.depth_scores`), each [T].
        plan_clearance_m: Smallest distance from the path to any surface, measured by the planner
            for the whole trajectory.
    """
    nearest = frames["nearest_m"]
    seen = nearest[np.isfinite(nearest)]
    return {
        "near_share_max": float(np.max(frames["near_share"])),
        "nearest_min_m": float(seen.min()) if len(seen) else float("inf"),
        "clearance_m": float(plan_clearance_m),
        "nothing_share_max": float(np.max(frames["nothing_share"])),
    }
