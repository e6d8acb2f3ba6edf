"""How close the camera comes to things, and whether it passes through them."""

from __future__ import annotations

import numpy as np

from capture.camera import Intrinsics, invert

# As far behind a surface as this, on a path as straight as this, is through it.
_BEHIND_M = 0.15
_STRAIGHT_M = 0.05


def passes_through(depth_m: np.ndarray, intrinsics: Intrinsics, cam_to_world: np.ndarray) -> bool:
    """Whether the camera flies through a surface that it sees ahead.

    A later position on a straight way that lies at least 15 cm behind what the first frame shows in
    that direction was reached through it: inside-geometry, and walls without collision.

    Args:
        depth_m: Planar depth of the first frame, float32 [H, W]; infinity where nothing is.
        intrinsics: Its camera.
        cam_to_world: Its pose and those that follow, float64 [N, 4, 4]. The way to a pose counts
            as straight if the poses between keep within 5 cm of the line.
    """
    ahead = cam_to_world[1:, :3, 3] @ invert(cam_to_world[0])[:3, :3].T
    ahead = ahead + invert(cam_to_world[0])[:3, 3]
    k = intrinsics
    for n, (x, y, z) in enumerate(ahead):
        if z <= _BEHIND_M or _off_line(ahead[:n], ahead[n]) > _STRAIGHT_M:
            continue
        column, row = int(k.fx_px * x / z + k.cx_px), int(k.fy_px * y / z + k.cy_px)
        inside = 0 <= column < k.width_px and 0 <= row < k.height_px
        if inside and z - float(depth_m[row, column]) > _BEHIND_M:
            return True
    return False


def _off_line(between: np.ndarray, end: np.ndarray) -> float:
    """Largest distance of points [N, 3] from the line from the origin to `end` [3]."""
    along = end / np.linalg.norm(end)
    off = between - (between @ along)[:, None] * along
    return float(np.linalg.norm(off, axis=1).max(initial=0.0))


def summary(frames: dict[str, np.ndarray], plan_clearance_m: float) -> dict[str, float]:
    """The collision columns of the clip table.

    A camera that pokes into a wall sees surfaces at no distance over much of the picture, or looks
    out of the world into nothing.

    Args:
        frames: Frame columns of one clip (`curation.exposure.depth_scores` and
            `passes_through`), each [T].
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
        "passes_through": float(np.nansum(frames["through_surface"])),
    }
