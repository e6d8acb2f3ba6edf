"""What a generated frame is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from capture.camera import Intrinsics
from capture.projection import rays


@dataclass(frozen=True, kw_only=True)
class View:
    """A frame of the world as it is.

    Attributes:
        rgb: uint8 [H, W, 3].
        depth_m: Planar depth, float32 [H, W]; infinite where nothing is.
        intrinsics: Of the camera; the generated frame has the same.
        cam_to_world: float64 [4, 4].
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    intrinsics: Intrinsics
    cam_to_world: np.ndarray

    def points_m(self) -> np.ndarray:
        """What each pixel shows, in the camera's axes: float64 [H, W, 3], NaN where nothing is."""
        depth = np.where(np.isfinite(self.depth_m), self.depth_m, np.nan).astype(np.float64)
        return rays(self.intrinsics) * depth[..., None]

    def at_width(self, width_px: int) -> View:
        """The same view as a smaller or larger picture; depth is picked, not mixed."""
        height_px = max(round(width_px * self.intrinsics.height_px / self.intrinsics.width_px), 1)
        size = (width_px, height_px)
        return View(
            rgb=resized(self.rgb, size),
            depth_m=cv2.resize(self.depth_m, size, interpolation=cv2.INTER_NEAREST_EXACT),
            intrinsics=self.intrinsics.scaled(width_px, height_px),
            cam_to_world=self.cam_to_world,
        )


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture at another size (width, height), by area where it gets smaller."""
    if size == picture.shape[1::-1]:
        return picture
    smaller = size[0] < picture.shape[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
