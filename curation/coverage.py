"""What a clip shows: how much is seen again (`capture.revisits`), and how much is new."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from capture import revisits
from capture.camera import Intrinsics, invert
from capture.trajectory import Trajectory

# Edges in seconds of the histogram of revisit gaps; RELIC's memory spans 20 s.
GAP_EDGES_S = (2.0, 5.0, 10.0, 20.0, 40.0, np.inf)
# Two frames show the same if half of what one sees is seen by the other.
COVISIBLE = 0.5
_GRID = (16, 28)
_SAME_DEPTH = 0.05
_MAX_KEYFRAMES = 80
_CELL_M = 0.5


def summary(frames: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The revisit and coverage columns of the clip table from one clip's frame columns, each [T].

    Shares count frames (of `revisits.gap_s`) and keyframes (of `covisible_gap_s`).
    """
    gap_s = frames["revisit_gap_s"]
    seen_again = frames["covisible_gap_s"][np.isfinite(frames["covisible_gap_s"])]
    return {
        "revisit_share": float(np.mean(gap_s > 0)),
        "revisit_gap_max_s": float(np.max(gap_s, initial=0.0)),
        "covisible_share": float(np.mean(seen_again > 0)) if len(seen_again) else 0.0,
        "covisible_gap_max_s": float(np.max(seen_again, initial=0.0)),
        "new_m2": float(np.nansum(frames["new_m2"])),
    }


def gap_histogram(gap_s: np.ndarray) -> np.ndarray:
    """Share of frames whose gap lies in 2-5, 5-10, 10-20, 20-40 and over 40 s, float64 [5]."""
    return np.histogram(gap_s, GAP_EDGES_S)[0] / max(len(gap_s), 1)


def covisibility(
    depths_m: list[np.ndarray], intrinsics: Intrinsics, cam_to_world: np.ndarray
) -> np.ndarray:
    """Share of what keyframe i sees that keyframe j sees too, float64 [K, K]; the diagonal is 1.

    Points on a grid of 16 x 28 pixels are lifted by their depth and projected: seen are those that
    land in the picture with the depth that is rendered there, within 5 %. NaN for a keyframe that
    sees nothing at all.

    Args:
        depths_m: Planar depth of the keyframes, float32 [H, W] each.
        intrinsics: The camera of all.
        cam_to_world: Their poses, float64 [K, 4, 4].
    """
    k, to_camera = intrinsics, invert(cam_to_world)
    shared = np.full((len(depths_m), len(depths_m)), np.nan)
    for i, depth_m in enumerate(depths_m):
        points = _lifted(depth_m, k, cam_to_world[i])
        if not len(points):
            continue
        x, y, z = np.moveaxis(points @ np.swapaxes(to_camera[:, :3, :3], 1, 2), 2, 0)
        x, y, z = (a + to_camera[:, axis, 3, None] for axis, a in enumerate((x, y, z)))
        scale = 1.0 / np.where(z > 1e-3, z, np.inf)
        column = np.floor(k.fx_px * x * scale + k.cx_px).astype(int)
        row = np.floor(k.fy_px * y * scale + k.cy_px).astype(int)
        inside = (z > 1e-3) & (column >= 0) & (column < k.width_px)
        inside &= (row >= 0) & (row < k.height_px)
        for j, other in enumerate(depths_m):
            at = inside[j]
            there = other[row[j, at], column[j, at]]
            shared[i, j] = np.count_nonzero(np.abs(there - z[j, at]) < _SAME_DEPTH * z[j, at])
        shared[i] /= len(points)
    return shared


def covisible_gap_s(
    depths_m: list[np.ndarray], intrinsics: Intrinsics, t_s: np.ndarray, cam_to_world: np.ndarray
) -> np.ndarray:
    """Seconds since the surfaces in each keyframe were last seen, float64 [K]; 0 where new.

    As `revisits.gap_s`, with true visibility instead of nearness: half of what keyframe i sees was
    seen in keyframe j at least 2 s before, and not in some keyframe between. Walls do count.

    Args:
        depths_m: Planar depth of the keyframes, float32 [H, W] each.
        intrinsics: The camera of all.
        t_s: Their times, [K]; of more than 80, every n-th is compared.
        cam_to_world: Their poses, float64 [K, 4, 4].
    """
    step = -(-len(t_s) // _MAX_KEYFRAMES)
    same = covisibility(depths_m[::step], intrinsics, cam_to_world[::step]) >= COVISIBLE
    return np.repeat(revisits.since_seen_s(same, t_s[::step]), step)[: len(t_s)]


def new_m2(
    depths_m: list[np.ndarray], intrinsics: Intrinsics, cam_to_world: np.ndarray
) -> np.ndarray:
    """Area in m2 of the surfaces that each keyframe shows for the first time, float64 [K].

    Counted in cells of half a metre: a quarter of a square metre each.

    Args:
        depths_m: Planar depth of the keyframes, float32 [H, W] each.
        intrinsics: The camera of all.
        cam_to_world: Their poses, float64 [K, 4, 4].
    """
    known: set[tuple[int, ...]] = set()
    found = np.zeros(len(depths_m))
    for i, depth_m in enumerate(depths_m):
        cells = np.floor(_lifted(depth_m, intrinsics, cam_to_world[i]) / _CELL_M).astype(int)
        before = len(known)
        known.update(map(tuple, cells.tolist()))
        found[i] = (len(known) - before) * _CELL_M**2
    return found


def _lifted(depth_m: np.ndarray, k: Intrinsics, cam_to_world: np.ndarray) -> np.ndarray:
    """World points of a grid of pixels, float64 [n, 3]; without those at infinity."""
    rows = np.linspace(0, k.height_px - 1, _GRID[0]).round().astype(int)
    columns = np.linspace(0, k.width_px - 1, _GRID[1]).round().astype(int)
    z = depth_m[np.ix_(rows, columns)].astype(np.float64)
    x = (columns + 0.5 - k.cx_px) / k.fx_px * z
    y = ((rows + 0.5 - k.cy_px) / k.fy_px)[:, None] * z
    points = np.stack([x, y, z], -1)[np.isfinite(z)]
    return points @ cam_to_world[:3, :3].T + cam_to_world[:3, 3]


def loop_closed(path: Trajectory) -> bool:
    """Whether the trajectory ends where it began, and had been elsewhere.

    Ends within 10 % of the farthest distance from its start, which is at least 0.5 m.
    """
    away_m = np.linalg.norm(path.position_m - path.position_m[0], axis=1)
    return bool(away_m.max() >= 0.5 and away_m[-1] <= 0.1 * away_m.max())
