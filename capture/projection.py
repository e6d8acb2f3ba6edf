"""Where pixels go: lifted by their depth, moved by two poses, projected again."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from capture.camera import Intrinsics, invert


def project(
    depth: np.ndarray, intrinsics: Intrinsics, i_to_j: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where each pixel of camera i lands in camera j.

    Args:
        depth: Planar depth of camera i, float32 [H, W] metres; infinite where nothing is.
        intrinsics: Of both cameras.
        i_to_j: Camera i to camera j, float64 [4, 4].

    Returns:
        u and v float32 [H, W] in OpenCV's indices (pixel centres at whole numbers), the depth in
        camera j, and whether it lands inside the picture, bool [H, W].
    """
    k = intrinsics
    directions = rays(k) @ i_to_j[:3, :3].T.astype(np.float32)
    offset = i_to_j[:3, 3].astype(np.float32)
    finite = np.isfinite(depth)
    z_i = np.where(finite, depth, np.float32(1.0))
    x, y, z = (z_i * directions[..., axis] + offset[axis] for axis in range(3))
    ahead = z > np.float32(1e-3)
    scale = 1.0 / np.where(ahead, z, np.float32(1.0))
    u = k.fx_px * x * scale + np.float32(k.cx_px - 0.5)
    v = k.fy_px * y * scale + np.float32(k.cy_px - 0.5)
    inside = finite & ahead & (u >= 0) & (u <= k.width_px - 1) & (v >= 0) & (v <= k.height_px - 1)
    return u.astype(np.float32), v.astype(np.float32), z, inside


def optical_flow(
    depth_m: np.ndarray, intrinsics: Intrinsics, from_pose: np.ndarray, to_pose: np.ndarray
) -> np.ndarray:
    """Forward flow of a world that stands still, while the camera moves.

    Args:
        depth_m: Planar depth at the first pose, float32 [H, W].
        intrinsics: Of the camera.
        from_pose: cam_to_world of the first picture, float64 [4, 4].
        to_pose: cam_to_world of the second.

    Returns:
        float32 [H, W, 2]: pixels to the right and down; NaN where nothing is seen, or where it
        lies behind the second camera. Occlusion is not considered.
    """
    u, v, z, _ = project(depth_m, intrinsics, invert(to_pose) @ from_pose)
    known = np.isfinite(depth_m) & (z > 1e-3)
    columns, rows = np.meshgrid(
        np.arange(intrinsics.width_px, dtype=np.float32),
        np.arange(intrinsics.height_px, dtype=np.float32),
    )
    return np.where(known[..., None], np.stack([u - columns, v - rows], -1), np.float32(np.nan))


@lru_cache(maxsize=8)
def rays(k: Intrinsics) -> np.ndarray:
    """Directions with z = 1 through the pixel centres, float32 [H, W, 3]."""
    x = (np.arange(k.width_px) + 0.5 - k.cx_px) / k.fx_px
    y = (np.arange(k.height_px) + 0.5 - k.cy_px) / k.fy_px
    rays = np.stack([*np.meshgrid(x, y), np.ones((k.height_px, k.width_px))], -1)
    return rays.astype(np.float32)
