"""A map of where a camera may go, with the planned paths over it: looked at before rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from capture import files
from capture.navigation import FreeSpace
from capture.scene import Plan

_MAP_PX = 1200  # the longer side
_PANEL_PX = 250
_BORDER_M = 0.5
_DEEP_M = 2.0  # free space is no bluer than this clearance makes it
_WALL, _BLOCKED = (70, 74, 82), (150, 152, 156)  # RGB, as all colours here
_NEAR, _FAR = np.array([252, 238, 214.0]), np.array([186, 214, 240.0])
_INK = (30, 32, 38)
_COLORS = (
    (214, 39, 40), (31, 100, 190), (34, 139, 60), (148, 62, 176), (240, 120, 10), (0, 150, 160),
    (200, 30, 120), (110, 80, 50), (90, 120, 0), (60, 60, 200), (170, 20, 20), (20, 90, 80),
)  # fmt: skip
_FONT, _STEPS_M = cv2.FONT_HERSHEY_SIMPLEX, (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, kw_only=True)
class ClearanceMap:
    """The map of a `FreeSpace`, as it is kept beside the plans.

    Attributes:
        origin_m: (x, y) of the centre of cell [0, 0].
        cell_m: Side of a cell.
        clearance_m: Distance from each cell's centre to the nearest surface, float32 [nx, ny].
        reachable: Where the camera may go, bool [nx, ny].
    """

    origin_m: np.ndarray
    cell_m: float
    clearance_m: np.ndarray
    reachable: np.ndarray

    @classmethod
    def of(cls, space: FreeSpace) -> ClearanceMap:
        """The map of a free space."""
        return cls(
            origin_m=space.origin_m,
            cell_m=space.cell_m,
            clearance_m=space.clearance_m.astype(np.float32),
            reachable=space.reachable,
        )

    def save(self, path: Path) -> None:
        """Write an .npz file, atomically."""
        with files.replacing(path) as temporary:
            np.savez_compressed(
                temporary,
                origin_m=self.origin_m,
                cell_m=self.cell_m,
                clearance_m=self.clearance_m,
                reachable=self.reachable,
            )

    def colours(self) -> np.ndarray:
        """Bluer the farther from surfaces, grey where no camera can be: uint8 [nx, ny, 3]."""
        deep = np.clip(self.clearance_m / _DEEP_M, 0.0, 1.0)[..., None]
        cells = np.where(self.reachable[..., None], _NEAR + deep * (_FAR - _NEAR), _BLOCKED)
        cells[self.clearance_m < self.cell_m] = _WALL
        return cells.astype(np.uint8)

    @classmethod
    def load(cls, path: Path) -> ClearanceMap:
        """What `save` wrote.

        Raises:
            ValueError: If there is no such file.
        """
        if not path.is_file():
            raise ValueError(f"there is no map {path}; plan into a new folder to get one")
        with np.load(path, allow_pickle=False) as data:
            return cls(
                origin_m=data["origin_m"],
                cell_m=float(data["cell_m"]),
                clearance_m=data["clearance_m"],
                reachable=data["reachable"],
            )


def draw(grid: ClearanceMap, plans: Sequence[Plan], title: str) -> np.ndarray:
    """The map with every path, an arrow where and whither each begins, a legend and a scale.

    Args:
        grid: Of the scene.
        plans: Of the same scene.
        title: Written above the legend.

    Returns:
        uint8 [H, W, 3], +x to the right and +y up.
    """
    low, high = _extent(grid, plans)
    scale = _MAP_PX / float((high - low).max())
    picture = _ground(grid, low, high, scale)
    names = list(dict.fromkeys(plan.generator for plan in plans))
    color = {name: _COLORS[k % len(_COLORS)] for k, name in enumerate(names)}
    pixels = [_pixels(plan.trajectory.position_m[:, :2], low, high, scale) for plan in plans]
    for ink, thickness in ((None, 4), (color, 2)):
        for plan, path in zip(plans, pixels, strict=True):
            rgb = (255, 255, 255) if ink is None else ink[plan.generator]
            cv2.polylines(picture, [path], False, rgb, thickness, cv2.LINE_AA, shift=4)
    for plan, path in zip(plans, pixels, strict=True):
        _arrow(picture, plan, path[0] / 16.0, color[plan.generator])
    counts = {name: sum(plan.generator == name for plan in plans) for name in names}
    panel = _panel(picture.shape[0], title, counts, color, scale)
    height = max(len(picture), len(panel))
    fill = [(0, height - len(part)) for part in (picture, panel)]
    sides = [
        np.pad(part, (rows, (0, 0), (0, 0)), constant_values=255)
        for part, rows in zip((picture, panel), fill, strict=True)
    ]
    return np.concatenate(sides, axis=1)


def _extent(grid: ClearanceMap, plans: Sequence[Plan]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (x, y) in metres of what is worth drawing."""
    cells = grid.origin_m + np.argwhere(grid.reachable) * grid.cell_m
    points = np.concatenate([cells, *(plan.trajectory.position_m[:, :2] for plan in plans)])
    return points.min(0) - _BORDER_M, points.max(0) + _BORDER_M


def _ground(grid: ClearanceMap, low: np.ndarray, high: np.ndarray, scale: float) -> np.ndarray:
    """Free space by clearance, what cannot be reached, and surfaces: uint8 [H, W, 3]."""
    width, height = (round(n) for n in (high - low) * scale)
    cells = grid.colours()
    x = low[0] + (np.arange(width) + 0.5) / scale
    y = high[1] - (np.arange(height) + 0.5) / scale
    i = np.round((x - grid.origin_m[0]) / grid.cell_m).astype(int)
    j = np.round((y - grid.origin_m[1]) / grid.cell_m).astype(int)
    nx, ny = grid.reachable.shape
    picture = cells[np.clip(i, 0, nx - 1)[None], np.clip(j, 0, ny - 1)[:, None]]
    outside = ((i < 0) | (i >= nx))[None] | ((j < 0) | (j >= ny))[:, None]
    picture[outside] = _WALL
    return picture


def _pixels(xy_m: np.ndarray, low: np.ndarray, high: np.ndarray, scale: float) -> np.ndarray:
    """Positions [T, 2] in sixteenths of a pixel, int32, as OpenCV draws them."""
    at = np.stack([xy_m[:, 0] - low[0], high[1] - xy_m[:, 1]], -1) * scale
    return np.round(at * 16).astype(np.int32)


def _arrow(picture: np.ndarray, plan: Plan, start: np.ndarray, rgb: tuple[int, ...]) -> None:
    """Where a path begins and whither the camera looks there."""
    x, y = plan.trajectory.cam_to_world[0, :2, 2]
    tip = start + 16.0 * np.array([x, -y]) / max(float(np.hypot(x, y)), 1e-9)
    ends = [tuple(int(v) for v in point) for point in (start, tip)]
    cv2.circle(picture, ends[0], 5, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(picture, ends[0], 4, rgb, -1, cv2.LINE_AA)
    cv2.arrowedLine(picture, ends[0], ends[1], _INK, 2, cv2.LINE_AA, tipLength=0.45)


def _panel(
    height: int,
    title: str,
    counts: dict[str, int],
    color: dict[str, tuple[int, int, int]],
    scale: float,
) -> np.ndarray:
    """Title, how many paths of which colour, shades of clearance, and a scale in metres."""
    height = max(height, 150 + 24 * len(counts))
    panel = np.full((height, _PANEL_PX, 3), 255, np.uint8)
    _write(panel, title, 30, 0.6)
    for row, (name, count) in enumerate(counts.items()):
        y = 58 + 24 * row
        cv2.line(panel, (14, y - 5), (42, y - 5), color[name], 3, cv2.LINE_AA)
        _write(panel, f"{name}  {count}", y, 0.5, left=52)
    base = height - 60
    shade = np.linspace(0.0, 1.0, 160)[:, None]
    panel[base - 12 : base, 14:174] = _NEAR + shade * (_FAR - _NEAR)
    _write(panel, f"clearance 0 to {_DEEP_M:g} m", base - 20, 0.45)
    step_m = max(s for s in _STEPS_M if s * scale < 200 or s == _STEPS_M[0])
    right = 14 + round(step_m * scale)
    cv2.line(panel, (14, height - 16), (right, height - 16), _INK, 2)
    for x in (14, right):
        cv2.line(panel, (x, height - 21), (x, height - 11), _INK, 2)
    _write(panel, f"{step_m:g} m", height - 26, 0.45)
    return panel


def _write(picture: np.ndarray, text: str, y: int, size: float, left: int = 14) -> None:
    cv2.putText(picture, text, (left, y), _FONT, size, _INK, 1, cv2.LINE_AA)
