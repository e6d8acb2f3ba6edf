"""Survey: free space of a world that is known only through an engine, from its depth pictures.

This is how trajectories are planned in real Unreal, where no geometry can be asked for: look around
from the start, go to the farthest place that was seen to be free, look around again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capture import camera
from capture.camera import Intrinsics
from capture.navigation import FreeSpace, free_space
from capture.session import Session
from capture.stream import frames

_VIEW = Intrinsics.from_fov(192, 192, 90.0)
_HEADINGS_DEG = np.arange(0.0, 360.0, 60.0)
_TILTS_DEG = (0.0, -40.0)
_RANGE_M = 15.0  # farther depth is too coarse to steer by
_CLOUD_SPACING_M = 0.04
_NEXT_STATION_M = 1.5
MAX_STATIONS = 40


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was seen.

    Attributes:
        space: Free space at the height of the start.
        points_m: Points on surfaces, float64 [N, 3].
        colors: Their colours, uint8 [N, 3].
        stations_m: Where the survey looked around, float64 [S, 3].
    """

    space: FreeSpace
    points_m: np.ndarray
    colors: np.ndarray
    stations_m: np.ndarray


def start_of(session: Session) -> np.ndarray:
    """Where the player's camera is, float64 [3] in metres."""
    location = [float(x) for x in session.client.ask("vget /camera/0/location").split()]
    return camera.from_unreal(location, (0.0, 0.0, 0.0))[:3, 3]


def survey(
    session: Session,
    start_m: np.ndarray,
    *,
    radius_m: float,
    min_clearance_m: float,
    on_station: Callable[[int], None] | None = None,
) -> Survey:
    """Explore what can be reached from a start at its height.

    Args:
        session: From `capture.session.prepare`.
        start_m: A free point [3], at the height at which the camera is to move.
        radius_m: Nothing farther from the start is explored.
        min_clearance_m: Distance from surfaces that the camera keeps.
        on_station: Called with the number of places done.

    Raises:
        ValueError: If the start is too close to a surface.
    """
    start = np.asarray(start_m, dtype=np.float64)
    bounds = (*(start - radius_m), *(start + radius_m))
    stations, views = [start], []
    cloud, colors = np.empty((0, 3)), np.empty((0, 3), np.uint8)
    while True:
        new_points, new_colors = [cloud], [colors]
        for pose, rgb, depth_m in _look_around(session, stations[-1]):
            views.append((camera.invert(pose), depth_m))
            points, kept = _back_project(pose, depth_m)
            new_points.append(points)
            new_colors.append(rgb[kept])
        cloud, colors = _thin(np.concatenate(new_points), np.concatenate(new_colors), bounds)
        space = free_space(
            cloud,
            bounds,
            start,
            min_clearance_m=min_clearance_m,
            seen_free=lambda p: _seen_free(p, views),
        )
        if on_station:
            on_station(len(stations))
        cells = space.cells()
        away = np.min([np.linalg.norm(cells - s, axis=1) for s in stations], axis=0)
        if len(stations) == MAX_STATIONS or away.max() < _NEXT_STATION_M:
            return Survey(space=space, points_m=cloud, colors=colors, stations_m=np.stack(stations))
        stations.append(cells[away.argmax()])


def draw_map(found: Survey, cut_above_m: float = 0.6) -> tuple[np.ndarray, tuple[float, ...]]:
    """The cloud from above, without what is higher than `cut_above_m` over the start.

    Returns:
        uint8 [H, W, 3] with +x to the right and +y up, and (x_min, x_max, y_min, y_max) in metres.
    """
    below = found.points_m[:, 2] < found.stations_m[0, 2] + cut_above_m
    points, colors = found.points_m[below], found.colors[below]
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    pixel_m = max(2 * _CLOUD_SPACING_M, float((high - low).max()) / 900)
    width, height = (int(n) + 1 for n in (high - low) / pixel_m)
    picture = np.full((height, width, 3), 235, np.uint8)
    upward = np.argsort(points[:, 2], kind="stable")
    column, row = ((points[upward, :2] - low) / pixel_m).astype(int).T
    picture[height - 1 - row, column] = colors[upward]
    return picture, (float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def _look_around(session: Session, position_m: np.ndarray):
    """Pose, colour and depth in every direction."""
    heading, tilt = (a.ravel() for a in np.meshgrid(_HEADINGS_DEG, _TILTS_DEG))
    poses = camera.pose_from_angles(np.tile(position_m, (len(heading), 1)), heading, tilt)
    for pose, (rgb, depth_m, _, _) in zip(poses, frames(session, poses, _VIEW), strict=True):
        yield pose, rgb, depth_m


def _back_project(pose: np.ndarray, depth_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World points [N, 3] of near pixels, and which pixels [H, W] those are."""
    kept = depth_m < _RANGE_M
    row, column = np.nonzero(kept)
    z = depth_m[kept].astype(np.float64)
    x = (column + 0.5 - _VIEW.cx_px) / _VIEW.fx_px * z
    y = (row + 0.5 - _VIEW.cy_px) / _VIEW.fy_px * z
    return np.stack([x, y, z], -1) @ pose[:3, :3].T + pose[:3, 3], kept


def _thin(
    points: np.ndarray, colors: np.ndarray, bounds_m: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """One point per small cube inside the bounds."""
    low = np.array(bounds_m[:3])
    inside = ((points >= low) & (points <= bounds_m[3:])).all(1)
    points, colors = points[inside], colors[inside]
    cube = np.floor((points - low) / _CLOUD_SPACING_M).astype(np.int64)
    _, first = np.unique((cube[:, 0] << 42) | (cube[:, 1] << 21) | cube[:, 2], return_index=True)
    return points[first], colors[first]


def _seen_free(points: np.ndarray, views: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Whether each point [M, 3] lies in front of the surface in some view."""
    unseen = np.arange(len(points))
    for world_to_cam, depth_m in reversed(views):
        local = points[unseen] @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]
        z = local[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            column = local[:, 0] / z * _VIEW.fx_px + _VIEW.cx_px
            row = local[:, 1] / z * _VIEW.fy_px + _VIEW.cy_px
        hit = (z > 0) & (z < _RANGE_M)
        hit &= (column >= 0) & (column < _VIEW.width_px) & (row >= 0) & (row < _VIEW.height_px)
        free = np.zeros(len(unseen), bool)
        free[hit] = z[hit] < depth_m[row[hit].astype(int), column[hit].astype(int)]
        unseen = unseen[~free]
    seen = np.ones(len(points), bool)
    seen[unseen] = False
    return seen
