"""Pictures of a world for reports: a map from above and a view from the spawn point."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from capture.camera import Intrinsics, pose_from_angles
from capture.engine.raster import Renderer
from capture.engine.world import World

_MAP_PX = 900
_MAP_FOV_DEG = 8.0
_CUT_HEIGHT_M = 2.0  # a map shows what is below; ceilings and roofs are cut away
_MARGIN_M = 0.5


def draw_map(world: World, renderer: Renderer) -> tuple[np.ndarray, tuple[float, ...]]:
    """The world from far above, cut open at two metres over the floor.

    Returns:
        uint8 [H, W, 3] with +x to the right and +y up, and what it covers at the height of the
        floor: (x_min, x_max, y_min, y_max) in metres.
    """
    low, high = np.array(world.scene.bounds_m[:2]), np.array(world.scene.bounds_m[3:5])
    low, high = low - _MARGIN_M, high + _MARGIN_M
    size_m = high - low
    pixels = np.maximum((_MAP_PX * size_m / size_m.max() / 2).astype(int) * 2, 2)
    center = (low + high) / 2
    floor_m = world.scene.bounds_m[2]
    height_m = size_m[0] / 2 / math.tan(math.radians(_MAP_FOV_DEG) / 2)
    eye = (*center, floor_m + height_m)
    intrinsics = Intrinsics.from_fov(int(pixels[0]), int(pixels[1]), _MAP_FOV_DEG)
    # Straight down, heading north: +y is up in the picture.
    pose = pose_from_angles(eye, 90.0, -90.0)
    outdoors = world.lighting
    world.lighting = dataclasses.replace(outdoors, haze_m=math.inf)
    frame = renderer.render(pose, intrinsics, near_m=height_m - _CUT_HEIGHT_M, outputs=("lit",))
    world.lighting = outdoors
    assert frame.rgb is not None
    return frame.rgb, (float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def draw_view(world: World, renderer: Renderer) -> np.ndarray:
    """What one sees at the spawn point, uint8 [480, 832, 3]."""
    pose = pose_from_angles(world.spawn_m, world.spawn_heading_deg, -4.0)
    frame = renderer.render(pose, Intrinsics.from_fov(832, 480, 80.0), outputs=("lit",))
    assert frame.rgb is not None
    return frame.rgb
